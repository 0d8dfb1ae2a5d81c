package db

import (
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// answer is the row of a question, copied from the connection, which goes on without it.
type answer struct {
	fields []pgconn.FieldDescription
	row    [][]byte // nil where there is none
}

// readAnswer reads the next two results of a batch: that of the setting, and that of the question. It gives nil when either has failed.
func readAnswer(results pgx.BatchResults) *answer {
	if _, err := results.Exec(); err != nil {
		return nil
	}
	rows, err := results.Query()
	if err != nil {
		return nil
	}
	defer rows.Close()
	a := &answer{}
	if rows.Next() {
		a.fields, a.row = slices.Clone(rows.FieldDescriptions()), copied(rows.RawValues())
	}
	rows.Close()
	if rows.Err() != nil {
		return nil
	}
	return a
}

// copied copies a row into one piece of memory. NULL stays nil.
func copied(values [][]byte) [][]byte {
	size := 0
	for _, value := range values {
		size += len(value)
	}
	memory, row := make([]byte, 0, size), make([][]byte, len(values))
	for i, value := range values {
		if value != nil {
			from := len(memory)
			memory = append(memory, value...)
			row[i] = memory[from:len(memory):len(memory)]
		}
	}
	return row
}

// answerRow is an answer of which a row is wanted.
type answerRow struct {
	*answer
	rounds *rounds
}

func (r answerRow) Scan(dest ...any) error {
	if r.row == nil {
		return pgx.ErrNoRows
	}
	types := r.rounds.types.Get().(*pgtype.Map)
	defer r.rounds.types.Put(types)
	return pgx.ScanRow(types, r.fields, r.row, dest...)
}
