package verify

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"portico/db"
	"portico/db/dbtest"
)

const patience = 20 * time.Second

func TestAnEmptyDatabaseHoldsEverything(t *testing.T) {
	t.Parallel()
	results, err := Run(t.Context(), dbtest.New(t), date(time.January, 31), Options{Quiescent: true})
	require.NoError(t, err)
	require.Len(t, results, len(checks()))
	require.Zero(t, Violations(results))
}

func TestWhatTheDomainDoesHoldsEverything(t *testing.T) {
	t.Parallel()
	w := newBusyWorld(t)
	require.Equal(t, map[string]string{
		"renewed": "active", "twin": "active", "yearly": "active", "free": "active", "converted": "active", "tried": "expired",
		"debtor": "past_due", "stuck": "past_due", "neverpaid": "expired", "secondtry": "active", "leaving": "active",
		"left": "canceled", "gone": "canceled", "clocked": "active", "givenup": "expired", "trying": "trialing",
		"unpaid": "incomplete", "neighbour": "active", "cheap": "active",
	}, w.statuses())
	results, err := Run(t.Context(), w.db, w.now, Options{Quiescent: true})
	require.NoError(t, err)
	for _, r := range results {
		require.Zero(t, r.Violations+r.Noted, "%s: %v", r.Name, r.Examples)
	}
}

func TestASystemAtWorkHoldsEverythingAtEveryInstant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plan := w.plan(1999, "MONTH", "USD", 0)
	w.endpoint(200)
	w.sell("ada", good, plan, nil)
	w.sell("bob", noFunds, plan, nil)
	now := w.now.AddDate(0, 6, 0)
	w.now = now
	worked := make(chan struct{})
	go func() {
		defer close(worked)
		w.sell("eve", good, plan, nil)
		for range 8 {
			w.work(now)
		}
	}()
	for working, runs := true, 0; working || runs == 0; runs++ {
		select {
		case <-worked:
			working = false
		default:
		}
		results, err := Run(t.Context(), w.db, now, Options{Lag: 365 * 24 * time.Hour})
		require.NoError(t, err)
		require.Zero(t, Violations(results), "%+v", results)
	}
	require.Equal(t, "active", w.statuses()["eve"])
}

func TestEveryQuestionIsAboutTheSameInstant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sell("ada", good, w.plan(1999, "MONTH", "USD", 0), nil)
	type answer struct {
		results []Result
		err     error
	}
	first := make(chan answer, 1)
	// The first question is held up while the row of a later one changes.
	err := w.db.System().Tx(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `lock table ledger_entry in access exclusive mode`)
		require.NoError(t, err)
		go func() {
			results, err := Run(t.Context(), w.db, w.now, Options{})
			first <- answer{results, err}
		}()
		require.Eventually(t, func() bool {
			var waits bool
			err := w.db.Pool().QueryRow(t.Context(), `select exists (select from pg_locks where relation = 'ledger_entry'::regclass and not granted)`).Scan(&waits)
			return err == nil && waits
		}, patience, time.Millisecond)
		_, err = w.db.System().Exec(t.Context(), `update subscription set event_sequence = event_sequence + 1`)
		return err
	})
	require.NoError(t, err)
	before := <-first
	require.NoError(t, before.err)
	require.Zero(t, Violations(before.results))

	after, err := Run(t.Context(), w.db, w.now, Options{})
	require.NoError(t, err)
	require.EqualValues(t, 1, Violations(after))
}

func TestVerifyingCannotWrite(t *testing.T) {
	t.Parallel()
	err := dbtest.New(t).System().Snapshot(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `delete from merchant`)
		return err
	})
	var refused *pgconn.PgError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "25006", refused.Code, "read only")
}

func TestADatabaseThatCannotBeAskedIsAnError(t *testing.T) {
	t.Parallel()
	d, err := db.Open(t.Context(), dbtest.Empty(t))
	require.NoError(t, err)
	t.Cleanup(d.Close)
	_, err = Run(t.Context(), d, date(time.January, 31), Options{})
	require.ErrorContains(t, err, "verify the database: ask whether ledger transactions sum to zero")

	// A question about nothing would always be answered with zero.
	err = d.System().Snapshot(t.Context(), func(tx pgx.Tx) error {
		_, err := generated(readableCiphers)(t.Context(), tx, pgx.NamedArgs{})
		return err
	})
	require.ErrorContains(t, err, "nothing to ask")
}

func TestAllRowsAreCountedAndFiveAreNamed(t *testing.T) {
	t.Parallel()
	err := dbtest.New(t).System().Snapshot(t.Context(), func(tx pgx.Tx) error {
		f, err := rows(`select 'row ' || n from generate_series(1, 12) n`)(t.Context(), tx, pgx.NamedArgs{})
		require.Equal(t, found{rows: 12, examples: []string{"row 1", "row 2", "row 3", "row 4", "row 5"}}, f)
		return err
	})
	require.NoError(t, err)
}

func TestTheReportSaysWhatIsWrongAndWhere(t *testing.T) {
	t.Parallel()
	results := []Result{
		{Invariant: 1, Name: "sums are zero", Examples: []string{}},
		{Invariant: 2, Name: "no gaps", Violations: 7, Examples: []string{"invoice 3/1", "invoice 3/2", "invoice 3/3", "invoice 3/4", "invoice 3/5"}},
		{Invariant: 7, Name: "clocks stand", Noted: 1, Examples: []string{"test_clock 3/9"}},
	}
	var text, object bytes.Buffer
	require.NoError(t, Print(&text, results))
	require.Equal(t, strings.TrimPrefix(`
1  sums are zero  0
2  no gaps        7  invoice 3/1, invoice 3/2, invoice 3/3, invoice 3/4, invoice 3/5 …
7  clocks stand   0  noted: 1  test_clock 3/9

3 checks: 1 violated, 7 violations
`, "\n"), text.String())
	require.NoError(t, PrintJSON(&object, results))
	require.JSONEq(t, `{"checks": 3, "violations": 7, "results": [
		{"invariant": 1, "name": "sums are zero", "violations": 0, "noted": 0, "examples": []},
		{"invariant": 2, "name": "no gaps", "violations": 7, "noted": 0,
			"examples": ["invoice 3/1", "invoice 3/2", "invoice 3/3", "invoice 3/4", "invoice 3/5"]},
		{"invariant": 7, "name": "clocks stand", "violations": 0, "noted": 1, "examples": ["test_clock 3/9"]}]}`, object.String())

	text.Reset()
	require.NoError(t, Print(&text, results[:1]))
	require.Equal(t, "1  sums are zero  0\n\n1 checks: everything holds\n", text.String())
}
