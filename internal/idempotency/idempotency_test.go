package idempotency_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/db"
	"portico/db/dbtest"
	"portico/internal/idempotency"
)

// world is an installation at a time that stands still until it is told.
type world struct {
	t    *testing.T
	db   *db.DB
	keys *idempotency.Keys
	now  time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, db: dbtest.New(t), now: time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)}
	w.keys = &idempotency.Keys{DB: w.db, Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler)}
	return w
}

func request(key, input string) idempotency.Request {
	return idempotency.Request{MerchantID: 1, Key: key, Hash: sha256.Sum256([]byte(input))}
}

func answers(text string) func() (idempotency.Answer, error) {
	return func() (idempotency.Answer, error) { return idempotency.Answer{Body: []byte(text)}, nil }
}

// once wants an answer.
func (w *world) once(r idempotency.Request, perform func() (idempotency.Answer, error)) (answer string, repeated bool) {
	w.t.Helper()
	body, repeated, err := w.keys.Once(w.t.Context(), r, perform)
	require.NoError(w.t, err)
	return string(body), repeated
}

func (w *world) refuses(want error, r idempotency.Request) {
	w.t.Helper()
	_, repeated, err := w.keys.Once(w.t.Context(), r, func() (idempotency.Answer, error) {
		w.t.Error("it is performed")
		return idempotency.Answer{}, nil
	})
	require.ErrorIs(w.t, err, want)
	require.False(w.t, repeated)
}

func TestTheSecondRequestGetsTheFirstOnesAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := request("a", "input")
	answer, repeated := w.once(r, answers("one"))
	require.Equal(t, "one", answer)
	require.False(t, repeated)
	w.now = w.now.Add(24*time.Hour - time.Second)
	answer, repeated = w.once(r, answers("two"))
	require.Equal(t, "one", answer)
	require.True(t, repeated)
	w.refuses(idempotency.ErrOther, request("a", "other input"))

	merchant, scope := r, r
	merchant.MerchantID, scope.Scope = 2, "CUSTOMER/1"
	for _, other := range []idempotency.Request{merchant, scope, request("b", "input")} {
		answer, repeated = w.once(other, answers("its own"))
		require.Equal(t, "its own", answer)
		require.False(t, repeated)
	}
	w.now = w.now.Add(time.Second)
	answer, repeated = w.once(request("a", "other input"), answers("three"))
	require.Equal(t, "three", answer, "a day later the key is free")
	require.False(t, repeated)
}

func TestARequestThatIsBeingPerformedIsNotPerformedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := request("a", "input")
	answer, _ := w.once(r, func() (idempotency.Answer, error) {
		w.refuses(idempotency.ErrRunning, r)
		w.refuses(idempotency.ErrOther, request("a", "other input"))
		return idempotency.Answer{Body: []byte("one")}, nil
	})
	require.Equal(t, "one", answer)

	var performed atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, _, err := w.keys.Once(context.WithoutCancel(t.Context()), request("b", "input"), func() (idempotency.Answer, error) {
				performed.Add(1)
				return idempotency.Answer{Body: []byte("one")}, nil
			})
			if err != nil && !errors.Is(err, idempotency.ErrRunning) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1, performed.Load())
}

func TestAnErrorFreesTheKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	broken := errors.New("broken")
	_, _, err := w.keys.Once(t.Context(), request("a", "input"), func() (idempotency.Answer, error) { return idempotency.Answer{}, broken })
	require.ErrorIs(t, err, broken)
	require.Panics(t, func() {
		_, _, _ = w.keys.Once(t.Context(), request("a", "other input"), func() (idempotency.Answer, error) { panic("broken") })
	})
	gone, leave := context.WithCancel(t.Context())
	_, _, err = w.keys.Once(gone, request("a", "a third input"), func() (idempotency.Answer, error) {
		leave()
		return idempotency.Answer{}, gone.Err()
	})
	require.ErrorIs(t, err, context.Canceled)
	answer, _ := w.once(request("a", "input"), answers("one"))
	require.Equal(t, "one", answer)
}

func TestTheKeyOfAProcessThatIsGoneIsFreeAfterAMinute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := request("a", "input")
	answer, _ := w.once(r, func() (idempotency.Answer, error) { // which is as if it had stopped here
		w.now = w.now.Add(59 * time.Second)
		w.refuses(idempotency.ErrRunning, r)
		w.now = w.now.Add(time.Second)
		answer, repeated := w.once(r, answers("the second's"))
		require.Equal(t, "the second's", answer)
		require.False(t, repeated)
		return idempotency.Answer{Body: []byte("too late")}, nil
	})
	require.Equal(t, "too late", answer)
	answer, repeated := w.once(r, answers("a third"))
	require.Equal(t, "the second's", answer, "who has lost the key does not answer for it")
	require.True(t, repeated)
}

func TestASecretAnswerIsNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := request("a", "input")
	answer, _ := w.once(r, func() (idempotency.Answer, error) {
		return idempotency.Answer{Body: []byte("hunter2"), Secret: true}, nil
	})
	require.Equal(t, "hunter2", answer)
	w.refuses(idempotency.ErrWithheld, r)
	w.refuses(idempotency.ErrOther, request("a", "other input"))
	var kept int
	require.NoError(t, w.db.System().QueryRow(t.Context(), `select count(*) from idempotency_key where idempotency_key::text like '%hunter2%'
		or answer is not null`).Scan(&kept))
	require.Zero(t, kept)
}

func TestOldKeysAreForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.once(request("a", "input"), answers("one"))
	w.now = w.now.Add(time.Hour)
	w.once(request("b", "input"), answers("one"))
	rows := func() (n int) {
		require.NoError(t, w.db.System().QueryRow(t.Context(), `select count(*) from idempotency_key`).Scan(&n))
		return n
	}
	w.now = w.now.Add(23*time.Hour - time.Second)
	require.NoError(t, w.keys.Retire(t.Context()))
	require.Equal(t, 2, rows())
	w.now = w.now.Add(time.Second)
	require.NoError(t, w.keys.Retire(t.Context()))
	require.Equal(t, 1, rows())
}
