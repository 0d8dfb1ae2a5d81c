package webhook_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/internal/webhook"
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

func TestADrainThatRestsGivesWayToOneThatReadsNewSettings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Linger = time.Hour
	m := w.merchant(t)
	before, after := receive(t, nil), receive(t, nil)
	e, _ := m.endpoint(t, before.URL)
	subscription := m.subscription(t)
	m.publish(t, subscription)
	done := make(chan error)
	go func() { done <- w.Drain(t.Context(), m.job(e), 1) }()
	m.awaitRest(t, e, 1)
	_, err := w.EndpointUpdate(t.Context(), m.id, webhook.EndpointUpdate{ID: e.ID, URL: &after.URL})
	require.NoError(t, err)
	m.publish(t, subscription)
	require.NoError(t, <-done)
	require.Equal(t, 2, m.jobs(t, e), "that of the first event, and the one that goes on")
	go func() { done <- w.Drain(t.Context(), m.job(e), 2) }()
	after.await(t, 1)
	require.Len(t, before.got(), 1)
	w.EndRests()
	require.NoError(t, <-done)
}

func TestDrainsThatRestHandOverWhenTheirProcessEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Linger = time.Hour
	m := w.merchant(t)
	r := receive(t, nil)
	e, _ := m.endpoint(t, r.URL)
	m.publish(t, m.subscription(t))
	done := make(chan error)
	go func() { done <- w.Drain(t.Context(), m.job(e), 1) }()
	m.awaitRest(t, e, 1)
	w.EndRests()
	require.NoError(t, <-done)
	require.Equal(t, 2, m.jobs(t, e), "events may be on their way whose publishers have seen its lease")
	m.publish(t, m.subscription(t))
	m.drain(t, e)
	require.Len(t, r.got(), 2, "whoever comes later does not rest")
}

func TestDrainsRestWhereTheirProcessMakesManyRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Linger, w.RestFrom = time.Hour, 3
	m := w.merchant(t)
	r := receive(t, nil)
	e, _ := m.endpoint(t, r.URL)
	subscription := m.subscription(t)
	for n := range 2 {
		m.publish(t, subscription)
		m.drain(t, e)
		require.Len(t, r.got(), n+1)
	}
	m.publish(t, subscription)
	done := make(chan error)
	go func() { done <- w.Drain(t.Context(), m.job(e), 1) }()
	m.awaitRest(t, e, 3)
	w.clock.advance(10 * time.Second)
	require.NoError(t, <-done, "there were no requests lately")
	require.Equal(t, int64(1), m.ask(t, `select count(*) from webhook_endpoint where merchant_id = $1 and lease_owner is null`))
}

func TestALeaseIsRenewedWithTheOthersAndWithoutWaitingForALock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Linger = time.Hour
	m := w.merchant(t)
	r := receive(t, nil)
	locked, _ := m.endpoint(t, r.URL)
	others := []webhook.Endpoint{locked}
	for range 3 {
		e, _ := m.endpoint(t, r.URL)
		others = append(others, e)
	}
	m.publish(t, m.subscription(t))
	done := make(chan error, len(others))
	for _, e := range others {
		go func() { done <- w.Drain(t.Context(), m.job(e), e.ID) }()
	}
	for _, e := range others {
		m.awaitRest(t, e, 1)
	}
	until := func(at time.Time) func() bool {
		return func() bool {
			return m.ask(t, `select count(*) from webhook_endpoint where merchant_id = $1 and lease_until = $2`, at) == int64(len(others)-1)
		}
	}
	require.NoError(t, w.DB.Tenant(m.id).Tx(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `select from webhook_endpoint where merchant_id = $1 and id = $2 for update`, m.id, locked.ID)
		require.NoError(t, err)
		w.clock.advance(5 * time.Second)
		require.Eventually(t, until(start.Add(20*time.Second)), patience, time.Millisecond)
		return nil
	}))
	w.clock.advance(100 * time.Millisecond)
	require.Eventually(t, func() bool {
		return m.ask(t, `select count(*) from webhook_endpoint where merchant_id = $1 and id = $2 and lease_until >= $3`, locked.ID, start.Add(20*time.Second)) == 1
	}, patience, time.Millisecond)
	require.Equal(t, int64(len(others)), m.ask(t, `select sum(succeeded) from webhook_endpoint_hour where merchant_id = $1`), "none is counted twice")
	w.EndRests()
	for range others {
		require.NoError(t, <-done)
	}
	require.Equal(t, int64(len(others)), m.ask(t, `select sum(succeeded) from webhook_endpoint_hour where merchant_id = $1`))
}

// awaitRest waits until n requests to the endpoint are recorded and its drain waits for more.
func (m *merchant) awaitRest(t *testing.T, e webhook.Endpoint, n int64) {
	t.Helper()
	require.Eventually(t, func() bool {
		return m.ask(t, `select count(*) from webhook_attempt where merchant_id = $1 and endpoint_id = $2`, e.ID) == n && m.w.Rests(e.ID)
	}, patience, time.Millisecond)
}
