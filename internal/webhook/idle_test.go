package webhook_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestADrainThatLingersSendsWhatComesMeanwhileWithoutAJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Linger = 3 * time.Second
	m := w.merchant(t)
	r := receive(t, nil)
	e, _ := m.endpoint(t, r.URL)
	subscription := m.subscription(t)
	m.publish(t, subscription)
	done := make(chan error)
	go func() { done <- w.Drain(t.Context(), m.job(e), 1) }()
	for n := range 40 {
		r.await(t, n+1)
		w.clock.advance(100 * time.Millisecond)
		m.publish(t, subscription)
	}
	r.await(t, 41)
	require.Equal(t, 1, m.jobs(t, e), "that of the first event")
	require.Eventually(t, func() bool {
		w.clock.advance(time.Second)
		select {
		case err := <-done:
			require.NoError(t, err)
			return true
		default:
			return false
		}
	}, patience, 100*time.Millisecond)
	require.Equal(t, 1, m.jobs(t, e), "nothing is left to hand over")
	require.Equal(t, int64(1), m.ask(t, `select count(*) from webhook_endpoint where merchant_id = $1 and lease_owner is null`))
	m.publish(t, subscription)
	require.Equal(t, 2, m.jobs(t, e), "nobody lingers any more")
}

func TestADrainThatLingersHandsOverWhenItIsShutDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Linger = time.Hour
	m := w.merchant(t)
	r := receive(t, nil)
	e, _ := m.endpoint(t, r.URL)
	m.publish(t, m.subscription(t))
	ctx, shutDown := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.Drain(ctx, m.job(e), 1) }()
	require.Eventually(t, func() bool { return m.ask(t, `select count(*) from webhook_attempt where merchant_id = $1`) == 1 }, patience, time.Millisecond)
	shutDown()
	require.NoError(t, <-done)
	require.Equal(t, 2, m.jobs(t, e), "events may be on their way whose publishers have seen its lease")
}

func TestOnlySoManyDrainsOfAProcessLinger(t *testing.T) {
	t.Parallel()
	const most = 50
	w := newWorld(t)
	w.Linger = time.Hour
	m := w.merchant(t)
	r := receive(t, nil)
	var jobs []func() error
	for range most + 5 {
		e, _ := m.endpoint(t, r.URL)
		jobs = append(jobs, func() error { return w.Drain(t.Context(), m.job(e), e.ID) })
	}
	m.publish(t, m.subscription(t))
	ended := make(chan error, len(jobs))
	for _, job := range jobs {
		go func() { ended <- job() }()
	}
	for range 5 {
		require.NoError(t, <-ended)
	}
	require.Len(t, r.got(), most+5)
	require.Equal(t, int64(most), m.ask(t, `select count(*) from webhook_endpoint where merchant_id = $1 and lease_owner is not null`))
	w.clock.advance(time.Hour)
	for range most {
		require.NoError(t, <-ended)
	}
}
