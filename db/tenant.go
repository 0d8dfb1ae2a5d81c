package db

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	setTenant    = `select set_config('portico.tenant', $1, true)`
	enterWithKey = `select enter_with_key($1, $2, $3, $4)`
	// byIndex leaves a plan that reaches rows one by one as the only one. Compiling it, for the many rows that the planner may expect,
	// would take a thousand times as long as running it.
	byIndex = `, set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
		set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true), set_config('jit', 'off', true)`
)

// Scope runs statements that see the rows of the named merchants only. It satisfies DBTX for single statements, each of which
// travels with its setting in one round trip; Tx opens a transaction in the same scope.
type Scope struct {
	pool    *pgxpool.Pool
	rounds  *rounds
	tenant  string
	byIndex bool
}

// Tenant is the scope of the given merchants. With none it sees nothing.
func (d *DB) Tenant(merchantIDs ...int64) Scope {
	ids := make([]string, len(merchantIDs))
	for i, id := range merchantIDs {
		ids[i] = strconv.FormatInt(id, 10)
	}
	return Scope{pool: d.pool, rounds: d.rounds, tenant: "{" + strings.Join(ids, ",") + "}"}
}

// System sees every merchant's rows: for sweeps and for look-ups by a credential that is about to name the merchant.
func (d *DB) System() Scope { return Scope{pool: d.pool, rounds: d.rounds, tenant: "system"} }

// ByIndex is the same scope for single statements on a table that is empty now and full a moment later: a plan that was made of the
// empty one would read all of the full one, and again for each row that is looked for.
func (s Scope) ByIndex() Scope {
	s.byIndex = true
	return s
}

// Tx runs fn in a transaction of this scope: committed when fn returns nil, rolled back otherwise.
func (s Scope) Tx(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return s.tx(ctx, "begin", fn)
}

// Snapshot runs fn in a read-only transaction of this scope in which every statement sees the same instant.
func (s Scope) Snapshot(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return s.tx(ctx, "begin isolation level repeatable read read only", fn)
}

func (s Scope) tx(ctx context.Context, begin string, fn func(tx pgx.Tx) error) error {
	admission, err := admissionOf(ctx)
	if err != nil {
		return err
	}
	err = pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{BeginQuery: admission.begin(begin, s.tenant)}, func(tx pgx.Tx) error {
		_ = admission.settle(nil)
		return fn(tx)
	})
	return admission.settle(err)
}

// Exec implements DBTX.
func (s Scope) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	results, err := s.send(ctx, sql, args)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := results.Exec()
	if closeErr := results.Close(); err == nil {
		err = closeErr
	}
	return tag, err
}

// Query implements DBTX.
func (s Scope) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	results, err := s.send(ctx, sql, args)
	if err != nil {
		return nil, err
	}
	rows, err := results.Query() //nolint:rowserrcheck // the caller reads them
	if err != nil {
		_ = results.Close()
		return nil, err
	}
	return &scopedRows{Rows: rows, results: results}, nil
}

// QueryRow implements DBTX.
func (s Scope) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	answer, place := s.ask(ctx, sql, args)
	if answer != nil {
		return answerRow{answer, s.rounds}
	}
	results, err := s.send(ctx, sql, args)
	return scopedRow{results: results, err: err, place: place}
}

// ask gives the answer that came with those of other requests, or nil and perhaps a place to ask alone in.
func (s Scope) ask(ctx context.Context, sql string, args []any) (*answer, *place) {
	if s.byIndex || !slices.Contains(together(), sql) {
		return nil, nil
	}
	admission, err := admissionOf(ctx)
	if err != nil {
		return nil, nil // asking alone finds the same
	}
	q := &question{sql: sql, args: args, done: make(chan struct{})}
	q.enter, q.as = s.entering(admission)
	answer, place := s.rounds.ask(ctx, q)
	if answer != nil {
		_ = admission.settle(nil)
	}
	return answer, place
}

// entering is the statement that a single statement follows.
func (s Scope) entering(admission *Admission) (string, []any) {
	enter, as := setTenant, []any{s.tenant}
	if admission != nil {
		enter, as = enterWithKey, append(as, admission.merchantID, admission.keyID, admission.version)
	}
	if s.byIndex {
		enter += byIndex
	}
	return enter, as
}

// A batch without BEGIN is one implicit transaction, which is how far the setting reaches.
func (s Scope) send(ctx context.Context, sql string, args []any) (pgx.BatchResults, error) {
	admission, err := admissionOf(ctx)
	if err != nil {
		return nil, err
	}
	batch := &pgx.Batch{}
	enter, as := s.entering(admission)
	batch.Queue(enter, as...)
	batch.Queue(sql, args...)
	results := s.pool.SendBatch(ctx, batch)
	_, err = results.Exec()
	if err := admission.settle(err); err != nil {
		_ = results.Close()
		return nil, err
	}
	return results, nil
}

// scopedRows gives the connection back when the rows are closed. An error that only the end of the batch shows, such as a
// deferred constraint, is the rows' error.
type scopedRows struct {
	pgx.Rows
	results  pgx.BatchResults
	closeErr error
	closed   bool
}

func (r *scopedRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

func (r *scopedRows) Close() {
	if r.closed {
		return
	}
	r.closed = true
	r.Rows.Close()
	r.closeErr = r.results.Close()
}

func (r *scopedRows) Err() error {
	if err := r.Rows.Err(); err != nil {
		return err
	}
	return r.closeErr
}

type scopedRow struct {
	results pgx.BatchResults
	err     error
	place   *place
}

func (r scopedRow) Scan(dest ...any) error {
	defer r.place.giveBack()
	if r.err != nil {
		return r.err
	}
	err := r.results.QueryRow().Scan(dest...)
	if closeErr := r.results.Close(); err == nil {
		err = closeErr
	}
	return err
}
