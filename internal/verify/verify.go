// Package verify owns the questions whose answer must be zero: the invariants of section 8 of the design, asked of a database.
package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
)

const (
	defaultLag  = 15 * time.Minute
	maxExamples = 5
)

// Options are the circumstances under which a database is verified.
type Options struct {
	// Lag is how late the sweeps and charges may be. 0 stands for 15 minutes.
	Lag time.Duration
	// Quiescent says that the workers have had the time to finish: what is normally on its way is a violation then.
	Quiescent bool
}

// Result is the answer to one question.
type Result struct {
	Invariant  int    `json:"invariant"` // its number in section 8 of the design; 9 is usage
	Name       string `json:"name"`      // what should hold; unique
	Violations int64  `json:"violations"`
	// Noted counts what is worth knowing and no violation.
	Noted int64 `json:"noted"`
	// Examples name up to five of the rows that were counted: the table, and the merchant's id and the row's, as in invoice 3/17.
	Examples []string `json:"examples"`
}

// Run asks everything about one instant: a single snapshot, read only, so that the system may go on meanwhile. now is the real
// time of that instant. Every table is read a fixed number of times, whole: for a million subscriptions this takes minutes, during
// which vacuum keeps what the snapshot sees.
func Run(ctx context.Context, d *db.DB, now time.Time, o Options) ([]Result, error) {
	var results []Result
	err := d.System().Snapshot(ctx, func(tx pgx.Tx) (err error) {
		results, err = askAll(ctx, tx, now, o)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("verify the database: %w", err)
	}
	return results, nil
}

func askAll(ctx context.Context, tx pgx.Tx, now time.Time, o Options) ([]Result, error) {
	if o.Lag == 0 {
		o.Lag = defaultLag
	}
	args := pgx.NamedArgs{"now": now, "overdue": now.Add(-o.Lag)}
	var results []Result
	for _, c := range checks() {
		found, err := c.ask(ctx, tx, args)
		if err != nil {
			return nil, fmt.Errorf("ask whether %s: %w", c.name, err)
		}
		r := Result{Invariant: c.invariant, Name: c.name, Examples: found.examples}
		if c.weight == violation || (c.weight == violationAtRest && o.Quiescent) {
			r.Violations = found.rows
		} else {
			r.Noted = found.rows
		}
		results = append(results, r)
	}
	return results, nil
}

// check is a sentence that should hold and the question for what contradicts it.
type check struct {
	invariant int
	name      string
	ask       asker
	weight    weight
}

// weight is what it means that there is an answer.
type weight int

const (
	violation       weight = iota
	violationAtRest        // on a live system it is on its way
	notable
)

func checks() []check {
	all := slices.Concat(ledgerChecks(), billingChecks(), gatewayChecks(), webhookChecks(), tenancyChecks(), dueChecks(), secretChecks(), claimChecks(), usageChecks())
	slices.SortStableFunc(all, func(a, b check) int { return a.invariant - b.invariant })
	return all
}

// found is what contradicts a check.
type found struct {
	rows     int64
	examples []string
}

func (f *found) add(more found) {
	f.rows += more.rows
	f.examples = append(f.examples, more.examples...)
	f.examples = f.examples[:min(len(f.examples), maxExamples)]
}

// asker finds what contradicts a check. The arguments are @now, and @overdue: what was due before it is late.
type asker func(context.Context, pgx.Tx, pgx.NamedArgs) (found, error)

// rows asks a question that answers with the name of each row that contradicts.
func rows(question string) asker {
	return func(ctx context.Context, tx pgx.Tx, args pgx.NamedArgs) (f found, err error) {
		counted := "with found (example) as (" + question + `)
			select count(*), array(select example from found order by length(example), example limit @most) from found`
		args["most"] = maxExamples
		err = tx.QueryRow(ctx, counted, args).Scan(&f.rows, &f.examples)
		return f, err
	}
}

// generated asks every question that the catalog's answer to another one consists of.
func generated(question string) asker {
	return func(ctx context.Context, tx pgx.Tx, args pgx.NamedArgs) (found, error) {
		answer, err := tx.Query(ctx, question)
		if err != nil {
			return found{}, err
		}
		questions, err := pgx.CollectRows(answer, pgx.RowTo[string])
		if err != nil {
			return found{}, err
		}
		if len(questions) == 0 {
			return found{}, errors.New("the catalog has nothing to ask about")
		}
		all := found{examples: []string{}}
		for _, q := range questions {
			f, err := rows(q)(ctx, tx, args)
			if err != nil {
				return found{}, err
			}
			all.add(f)
		}
		return all, nil
	}
}
