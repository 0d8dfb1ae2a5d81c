package db_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"portico/db"
	"portico/db/dbtest"
)

const crowdMerchants = 6

// crowd gives a database with one place for questions and another connection, of merchants that have an API key and a product each, all
// of the same identifier.
func crowd(t *testing.T) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), with(dbtest.URL(t), "pool_max_conns=3"))
	require.NoError(t, err)
	t.Cleanup(d.Close)
	require.Equal(t, 1, d.Places())
	for _, sql := range []string{
		`insert into merchant (id, shop, name, email, portal_fee_bps, created_at)
			select i, 'shop' || i, 'Shop', 'shop' || i || '@example.com', 250, $1 from generate_series(1, $2) i`,
		`insert into product (merchant_id, identifier, name, launch_url, launch_secret_cipher, created_at)
			select i, 'app', 'App of ' || i, 'https://example.com', '', $1 from generate_series(1, $2) i`,
		`insert into api_key (merchant_id, name, hint, key_hash, scopes, created_at)
			select i, 'Server', '', convert_to('hash' || i, 'UTF8'), '{ACCESS_READ}', $1 from generate_series(1, $2) i`,
	} {
		_, err := d.System().Exec(t.Context(), sql, newYear, crowdMerchants)
		require.NoError(t, err)
	}
	return d
}

// appOf asks in the scope of one merchant for the product of another, or the same.
func appOf(ctx context.Context, d *db.DB, scope, merchant int64, identifier string) (db.Product, error) {
	row, err := d.ProductByRef(ctx, d.Tenant(scope), db.ProductByRefParams{MerchantID: merchant, Identifier: &identifier})
	return row.Product, err
}

// keys are the rows of the merchants' API keys, as they are.
func keys(t *testing.T, d *db.DB) map[int64]db.APIKeyByHashRow {
	t.Helper()
	found := make(map[int64]db.APIKeyByHashRow)
	for merchant := int64(1); merchant <= crowdMerchants; merchant++ {
		key, err := d.APIKeyByHash(t.Context(), d.System(), []byte("hash"+strconv.FormatInt(merchant, 10)))
		require.NoError(t, err)
		require.Equal(t, merchant, key.MerchantID)
		found[merchant] = key
	}
	return found
}

// hold makes every question about products wait, until the release.
func hold(t *testing.T, d *db.DB) (release func()) {
	t.Helper()
	held, end, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- d.System().Tx(context.Background(), func(tx pgx.Tx) error {
			_, err := tx.Exec(context.Background(), `lock table product in access exclusive mode`)
			close(held)
			<-end
			return err
		})
	}()
	<-held
	release = sync.OnceFunc(func() {
		close(end)
		require.NoError(t, <-ended)
	})
	t.Cleanup(release)
	return release
}

func eventually(t *testing.T, condition func() bool, what string) {
	t.Helper()
	require.Eventually(t, condition, time.Minute, time.Millisecond, what)
}

// asked is what becomes of a question that has been asked in the background.
type asked struct {
	merchant int64
	cancel   context.CancelFunc
	done     chan struct{}
	found    db.Product
	err      error
}

// ask starts one question after the other while they are held, each of the next merchant, and waits until the first is on its
// connection and the rest wait.
func ask(t *testing.T, d *db.DB, n int) []*asked {
	t.Helper()
	all := make([]*asked, n)
	for i := range all {
		ctx, cancel := context.WithCancel(t.Context())
		a := &asked{merchant: int64(i%crowdMerchants + 1), cancel: cancel, done: make(chan struct{})}
		go func() {
			defer close(a.done)
			a.found, a.err = appOf(ctx, d, a.merchant, a.merchant, "app")
		}()
		const held = 2 // connections: that of the lock, and that of the first question
		eventually(t, func() bool { return d.Pool().Stat().AcquiredConns() == held && d.Waiting() == i }, "the question waits")
		all[i] = a
	}
	return all
}

func (a *asked) requireAnswer(t *testing.T) {
	t.Helper()
	<-a.done
	require.NoError(t, a.err)
	require.Equal(t, a.merchant, a.found.MerchantID)
	require.Equal(t, "App of "+strconv.FormatInt(a.merchant, 10), a.found.Name)
	require.Equal(t, newYear, a.found.CreatedAt)
}

// requireQuiet wants every place and connection back.
func requireQuiet(t *testing.T, d *db.DB) {
	t.Helper()
	eventually(t, func() bool { return d.Places() == 1 && d.Waiting() == 0 && d.Pool().Stat().AcquiredConns() == 0 }, "everything is given back")
}

func TestQuestionsThatWaitShareARoundTrip(t *testing.T) {
	t.Parallel()
	d := crowd(t)
	release := hold(t, d)
	before := d.Pool().Stat().AcquireCount()
	all := ask(t, d, 9)
	release()
	for _, a := range all {
		a.requireAnswer(t)
	}
	require.EqualValues(t, 2, d.Pool().Stat().AcquireCount()-before, "one alone, eight together")
	requireQuiet(t, d)

	_, err := appOf(t.Context(), d, 1, 1, "app")
	require.NoError(t, err)
	require.EqualValues(t, 3, d.Pool().Stat().AcquireCount()-before, "nobody waits for company")
}

func TestAQuestionOfARoundThatFailsFailsAlone(t *testing.T) {
	t.Parallel()
	d := crowd(t)
	stale := keys(t, d)[2].Admission()
	_, err := d.System().Exec(t.Context(), `update api_key set scopes = '{}' where merchant_id = 2`)
	require.NoError(t, err)
	fresh := keys(t, d)[1].Admission()
	release := hold(t, d)
	first := ask(t, d, 1)
	results := make(chan error, 4)
	for i, question := range []func() error{
		func() error { _, err := appOf(fresh.In(t.Context()), d, 1, 1, "app"); return err },
		func() error { _, err := appOf(stale.In(t.Context()), d, 2, 2, "app"); return err },
		func() error { _, err := appOf(t.Context(), d, 3, 3, "\xff"); return err },
		func() error { _, err := appOf(t.Context(), d, 4, 4, "app"); return err },
	} {
		go func() { results <- question() }()
		eventually(t, func() bool { return d.Waiting() == i+1 }, "the question waits")
	}
	release()
	first[0].requireAnswer(t)
	failed := map[string]int{}
	for range 4 {
		err := <-results
		switch code := codeOf(err); {
		case err == nil:
			failed["none"]++
		case code != "":
			failed[code]++
		default:
			require.ErrorIs(t, err, db.ErrChanged)
			failed["changed"]++
		}
	}
	require.Equal(t, map[string]int{"none": 2, "changed": 1, invalidText: 1}, failed)
	require.True(t, fresh.Stands(), "a round confirms an admission")
	require.False(t, stale.Stands())
	requireQuiet(t, d)
}

func TestWhoLeavesARoundDoesNotDisturbIt(t *testing.T) {
	t.Parallel()
	d := crowd(t)
	release := hold(t, d)
	before := d.Pool().Stat().AcquireCount()
	all := ask(t, d, 5)
	all[4].cancel()
	<-all[4].done
	require.ErrorIs(t, all[4].err, context.Canceled)
	require.Equal(t, 3, d.Waiting(), "who leaves waits no longer")

	all[0].cancel() // it was alone, so the others are next
	<-all[0].done
	require.ErrorIs(t, all[0].err, context.Canceled)
	eventually(t, func() bool { return d.Waiting() == 0 }, "the round has begun")
	all[2].cancel()
	<-all[2].done
	require.ErrorIs(t, all[2].err, context.Canceled)

	release()
	all[1].requireAnswer(t)
	all[3].requireAnswer(t)
	require.EqualValues(t, 2, d.Pool().Stat().AcquireCount()-before, "the first and the round, which was not disturbed")
	requireQuiet(t, d)
}

func TestARoundThatNobodyWaitsForIsGivenUp(t *testing.T) {
	t.Parallel()
	d := crowd(t)
	release := hold(t, d)
	for _, a := range ask(t, d, 4) {
		a.cancel()
		<-a.done
		require.ErrorIs(t, a.err, context.Canceled)
	}
	eventually(t, func() bool { return d.Places() == 1 && d.Pool().Stat().AcquiredConns() == 1 }, "only the lock is held")
	release()
	requireQuiet(t, d)
}

func TestQuestionsOfABrokenConnectionAreAskedAgain(t *testing.T) {
	t.Parallel()
	d := crowd(t)
	admin, err := pgx.ConnectConfig(t.Context(), d.Pool().Config().ConnConfig)
	require.NoError(t, err)
	defer func() { _ = admin.Close(context.Background()) }()
	var broken uint32
	breakOne := func() {
		eventually(t, func() bool {
			const who = `select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and pid <> $1`
			var pid uint32
			if admin.QueryRow(t.Context(), who, broken).Scan(&pid) != nil {
				return false
			}
			broken = pid
			return true
		}, "Postgres has the question")
		_, err := admin.Exec(t.Context(), `select pg_terminate_backend($1)`, broken)
		require.NoError(t, err)
	}
	release := hold(t, d)
	all := ask(t, d, 4)
	breakOne()
	<-all[0].done
	requireCode(t, all[0].err, stopping)
	breakOne()
	eventually(t, func() bool { return d.Places() == 1 }, "the round has ended")
	release()
	for _, a := range all[1:] {
		a.requireAnswer(t)
	}
	requireQuiet(t, d)
}

// Tenants, questions that fail and requests that end, all at random on one place: every row is the asking merchant's.
func TestARoundNeverMixesTenants(t *testing.T) {
	t.Parallel()
	d := crowd(t)
	stale := keys(t, d)
	_, err := d.System().Exec(t.Context(), `update api_key set scopes = '{}'`)
	require.NoError(t, err)
	fresh := keys(t, d)
	before := d.Pool().Stat().AcquireCount()
	const askers, each = 24, 100
	var group errgroup.Group
	for asker := range uint64(askers) {
		group.Go(func() error {
			chance := rand.New(rand.NewPCG(1, asker))
			for range each {
				merchant := chance.Int64N(crowdMerchants) + 1
				other := merchant%crowdMerchants + 1
				if err := askAnything(t.Context(), d, chance.IntN(7), merchant, other, fresh[merchant], stale[merchant], chance); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	require.Less(t, d.Pool().Stat().AcquireCount()-before, int64(askers*each), "some went together")
	requireQuiet(t, d)
}

// askAnything asks one of several questions and says what is wrong with what comes of it.
func askAnything(ctx context.Context, d *db.DB, which int, merchant, other int64, fresh, stale db.APIKeyByHashRow, chance *rand.Rand) error {
	want := func(ok bool, err error) error {
		if !ok {
			return fmt.Errorf("question %d of merchant %d: %w", which, merchant, err)
		}
		return nil
	}
	switch which {
	case 0:
		found, err := appOf(ctx, d, merchant, merchant, "app")
		return want(err == nil && found.MerchantID == merchant, err)
	case 1:
		found, err := appOf(fresh.Admission().In(ctx), d, merchant, merchant, "app")
		return want(err == nil && found.MerchantID == merchant, err)
	case 2:
		// A query that names the wrong merchant: only the policy stands between.
		_, err := appOf(ctx, d, merchant, other, "app")
		return want(db.IsNoRows(err), err)
	case 3:
		identifier, number := "app", int64(1)
		found, err := d.AccessOf(ctx, d.Tenant(merchant), db.AccessOfParams{MerchantID: merchant, ProductIdentifier: &identifier, CustomerNumber: &number, Now: newYear})
		return want(err == nil && found.Shop == "shop"+strconv.FormatInt(merchant, 10) && found.CustomerID == nil, err)
	case 4:
		_, err := appOf(stale.Admission().In(ctx), d, merchant, merchant, "app")
		return want(errors.Is(err, db.ErrChanged), err)
	case 5:
		_, err := appOf(ctx, d, merchant, merchant, "\xff")
		return want(codeOf(err) == invalidText, err)
	default:
		short, cancel := context.WithTimeout(ctx, time.Duration(chance.IntN(2000))*time.Microsecond)
		defer cancel()
		found, err := appOf(short, d, merchant, merchant, "app")
		return want(short.Err() != nil && err != nil || err == nil && found.MerchantID == merchant, err)
	}
}

// What goes together may be sent a second time, and is performed with strangers' questions.
func TestWhatGoesTogetherOnlyReads(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	calls := regexp.MustCompile(`\b(\w+)\(`)
	writes := regexp.MustCompile(`(?i)\b(insert|update|delete|share|nextval)\b`)
	for _, sql := range db.Together() {
		_, statement, _ := strings.Cut(sql, "\n")
		require.True(t, strings.HasPrefix(strings.TrimSpace(statement), "select "), sql)
		require.NotRegexp(t, writes, statement)
		var functions []string
		for _, call := range calls.FindAllStringSubmatch(statement, -1) {
			functions = append(functions, call[1])
		}
		var volatile []string
		err := d.Pool().QueryRow(t.Context(), `select array_agg(proname::text) from pg_proc where proname = any ($1) and provolatile = 'v'`, functions).Scan(&volatile)
		require.NoError(t, err)
		require.Empty(t, volatile, sql)
	}
}
