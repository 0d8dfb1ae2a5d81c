package rate_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/db"
	"portico/db/dbtest"
	"portico/internal/rate"
)

var noon = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// A hundred points at once, and ten more each second: processes take two ahead.
var hundred = rate.Limit{Burst: 100, Restore: 10}

// world is several processes on one database, at a time that stands still until it is told.
type world struct {
	t   *testing.T
	db  *db.DB
	now atomic.Pointer[time.Time]
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, db: dbtest.New(t)}
	w.at(0)
	return w
}

func (w *world) at(since time.Duration) {
	now := noon.Add(since)
	w.now.Store(&now)
}

func (w *world) process() *rate.Limiter {
	return &rate.Limiter{DB: w.db, Now: func() time.Time { return *w.now.Load() }}
}

func (w *world) take(l *rate.Limiter, points int32) rate.Charge {
	w.t.Helper()
	charge, err := l.Take(w.t.Context(), "key", hundred, points)
	require.NoError(w.t, err)
	return charge
}

func (w *world) statements(do func()) int64 {
	before := w.db.Pool().Stat().AcquireCount()
	do()
	return w.db.Pool().Stat().AcquireCount() - before
}

func TestABucketGivesWhatItHasAndRefills(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.process()
	first := w.take(l, 60)
	require.Zero(t, first.Wait)
	require.Equal(t, rate.Status{MaximumAvailable: 100, CurrentlyAvailable: 40, RestoreRate: 10}, first.Status())
	refused := w.take(l, 60)
	require.Equal(t, 2*time.Second, refused.Wait)
	require.EqualValues(t, 40, refused.Status().CurrentlyAvailable, "nothing was taken")
	require.Zero(t, w.take(l, 40).Wait)
	require.Equal(t, 100*time.Millisecond, w.take(l, 1).Wait)
	require.Zero(t, w.take(l, 0).Wait)

	w.at(1900 * time.Millisecond)
	require.Equal(t, 100*time.Millisecond, w.take(l, 20).Wait)
	w.at(2 * time.Second)
	require.Zero(t, w.take(l, 20).Wait)
	w.at(time.Hour)
	require.EqualValues(t, 100, w.take(l, 0).Status().CurrentlyAvailable, "and no more")
	require.Zero(t, w.take(l, 1_000).Wait, "more than it holds is all it holds")
	require.Equal(t, 100*time.Millisecond, w.take(l, 1).Wait)
}

func TestProcessesShareTheBucket(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, other := w.process(), w.process()
	require.Zero(t, w.take(one, 50).Wait)
	require.EqualValues(t, 48, w.take(other, 0).Status().CurrentlyAvailable, "the first holds two more")
	require.Zero(t, w.take(other, 48).Wait)
	require.NotZero(t, w.take(other, 1).Wait)
	require.Zero(t, w.take(one, 2).Wait, "those it holds")
	require.NotZero(t, w.take(one, 1).Wait)
}

func TestProcessesTogetherGiveNoMoreThanTheBucketHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var given atomic.Int32
	var all sync.WaitGroup
	for range 4 {
		l := w.process()
		for range 8 {
			all.Go(func() {
				for range 20 {
					charge, err := l.Take(context.WithoutCancel(t.Context()), "key", hundred, 3)
					if err == nil && charge.Wait == 0 {
						given.Add(3)
					}
				}
			})
		}
	}
	all.Wait()
	require.LessOrEqual(t, given.Load(), int32(100))
	require.Greater(t, given.Load(), int32(80), "but for what is held")
}

func TestPostgresIsAskedOncePerSlice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.process()
	server := rate.Limit{Burst: 20_000, Restore: 2_000}
	take := func() {
		charge, err := l.Take(t.Context(), "server", server, 1)
		require.NoError(t, err)
		require.Zero(t, charge.Wait)
	}
	require.EqualValues(t, 4, w.statements(func() {
		for range 2_004 {
			take()
		}
	}), "five hundred at a time")
	w.at(time.Second)
	require.EqualValues(t, 1, w.statements(func() { take(); take() }), "what is left goes back")
	w.take(l, 100)
	require.Zero(t, w.statements(func() {
		for range 100 {
			require.NotZero(t, w.take(l, 50).Wait)
		}
	}), "who is out of points is refused without asking")
}

func TestWhatIsGivenBackIsThereForTheNextRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.process()
	charge := w.take(l, 100)
	charge.Return(90)
	require.EqualValues(t, 90, charge.Status().CurrentlyAvailable)
	require.Zero(t, w.take(l, 80).Wait)
	w.at(time.Second)
	other := w.process()
	require.EqualValues(t, 10, w.take(other, 0).Status().CurrentlyAvailable, "the first still holds ten")
	w.take(l, 0)
	w.at(3 * time.Second)
	require.EqualValues(t, 40-2, w.take(other, 0).Status().CurrentlyAvailable, "it has put them back, but for those ahead")
}

func TestCallersDoNotPayForEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.process()
	w.take(l, 100)
	charge, err := l.Take(t.Context(), "another key", hundred, 100)
	require.NoError(t, err)
	require.Zero(t, charge.Wait)
}

func TestFullBucketsAreForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l := w.process()
	w.take(l, 100)
	buckets := func() (n int) {
		require.NoError(t, w.db.Pool().QueryRow(t.Context(), `select count(*) from rate_bucket`).Scan(&n))
		return n
	}
	w.at(9 * time.Second)
	require.NoError(t, l.Retire(t.Context()))
	require.Equal(t, 1, buckets())
	w.at(10 * time.Second)
	require.NoError(t, l.Retire(t.Context()))
	require.Zero(t, buckets())
	require.EqualValues(t, 100, w.take(l, 0).Status().CurrentlyAvailable)
}

// BenchmarkTake measures what a request of a busy key pays for its limit, its share of the statements included: docs/security.md.
func BenchmarkTake(b *testing.B) {
	l := &rate.Limiter{DB: dbtest.New(b), Now: time.Now}
	server := rate.Limit{Burst: 1_000_000_000, Restore: 2_000}
	for b.Loop() {
		charge, err := l.Take(b.Context(), "API_KEY/1", server, 1)
		if err != nil || charge.Wait != 0 {
			b.Fatal(err, charge.Wait)
		}
		charge.Return(0)
		charge.Status()
	}
}
