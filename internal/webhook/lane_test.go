package webhook_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/webhook"
)

func TestAFailingDeliveryIsTriedAgainTenTimesInAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := receive(t, func(w http.ResponseWriter, _ string) { http.Error(w, "no", http.StatusInternalServerError) })
	e, _ := m.endpoint(t, r.URL)
	m.publish(t, m.subscription(t))
	for i, delay := range []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	} {
		m.drain(t, e)
		delivery := m.deliveries(t)[0]
		require.Equal(t, webhook.DeliveryPending, delivery.Status)
		require.Equal(t, int32(i+1), delivery.AttemptCount)
		wait := delivery.NextAttemptAt.Sub(w.clock.Now())
		require.InDelta(t, delay.Seconds(), wait.Seconds(), delay.Seconds()/5)
		w.clock.advance(wait - time.Microsecond)
		m.drain(t, e)
		require.Len(t, r.got(), i+1, "not before its time")
		w.clock.advance(time.Microsecond)
	}
	m.drain(t, e)
	delivery := m.deliveries(t)[0]
	require.Equal(t, webhook.DeliveryFailed, delivery.Status)
	require.Nil(t, delivery.NextAttemptAt)
	require.True(t, delivery.FinishedAt.Equal(w.clock.Now()))
	attempts := m.attempts(t, delivery)
	require.Len(t, attempts, 10)
	for i, a := range attempts {
		require.Equal(t, int32(i+1), a.Number)
		require.Equal(t, int32(500), *a.StatusCode)
		require.Equal(t, "the endpoint answered 500", *a.Error)
		require.Equal(t, "no\n", a.ResponseBody)
	}
	w.clock.advance(48 * time.Hour)
	m.drain(t, e)
	require.Len(t, r.got(), 10)
}

func TestAnEndpointThatCannotBeReachedIsAFailureWithoutAStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := receive(t, nil)
	e, _ := m.endpoint(t, r.URL)
	r.Close()
	m.publish(t, m.subscription(t))
	m.drain(t, e)
	attempt := m.attempts(t, m.deliveries(t)[0])[0]
	require.Nil(t, attempt.StatusCode)
	require.Equal(t, "the endpoint refused the connection", *attempt.Error)
	require.Empty(t, attempt.ResponseBody)
}

func TestAGoneReceiverDisablesTheEndpointAndNothingMoreIsSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := receive(t, answering(http.StatusGone))
	e, _ := m.endpoint(t, r.URL)
	m.publish(t, m.subscriptions(t, 12)...)
	m.drain(t, e)
	stored, err := w.Endpoint(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	require.Equal(t, webhook.EndpointDisabled, stored.Status)
	require.Len(t, r.got(), 10, "those that were under way")
	require.Equal(t, int64(12), m.ask(t, `select count(*) from webhook_delivery where merchant_id = $1`),
		"they wait for the endpoint to be enabled again")
	require.Equal(t, 1, m.jobs(t, e), "nobody needs to go on")

	w.clock.advance(time.Hour)
	m.drain(t, e)
	require.Len(t, r.got(), 10)
	woken, err := w.Wake(t.Context())
	require.NoError(t, err)
	require.Zero(t, woken)
}

// order is the sequences in which a receiver got the events.
func (r *inbox) order() string {
	var order []string
	for _, request := range r.got() {
		_, rest, _ := strings.Cut(request.body, `"sequence":`)
		sequence, _, _ := strings.Cut(rest, ",")
		order = append(order, sequence)
	}
	return strings.Join(order, " ")
}

func TestAFailingHeadHoldsItsLaneForTenMinutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	failing := true
	r := receive(t, func(w http.ResponseWriter, body string) {
		if failing && strings.Contains(body, `"sequence":1,`) {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	e, _ := m.endpoint(t, r.URL)
	subscription := m.subscription(t)
	w.clock.advance(time.Hour)
	m.publish(t, subscription, subscription)
	w.clock.advance(time.Hour) // counted from the first attempt, not from the publication
	first := w.clock.Now()
	m.drain(t, e)
	w.clock.advance(10 * time.Second)
	m.publish(t, subscription)
	m.drain(t, e)
	require.Equal(t, "1 1", r.order())
	w.clock.advance(7 * time.Minute)
	m.drain(t, e)
	require.Equal(t, "1 1 1", r.order())

	w.clock.advance(first.Add(10*time.Minute - time.Microsecond).Sub(w.clock.Now()))
	m.drain(t, e)
	require.Equal(t, "1 1 1", r.order())
	woken, err := w.Wake(t.Context())
	require.NoError(t, err)
	require.Zero(t, woken, "what is held is not due")
	w.clock.advance(time.Microsecond)
	m.drain(t, e)
	require.Equal(t, "1 1 1 2 3", r.order(), "overtaken, still in order among themselves")

	failing = false
	w.clock.advance(time.Hour)
	m.drain(t, e)
	require.Equal(t, "1 1 1 2 3 1", r.order())
	require.Equal(t, "DELIVERED DELIVERED DELIVERED", statuses(m.deliveries(t)))
}

func TestAHeadThatRecoversLetsItsFollowersGoAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	failing := true
	r := receive(t, func(w http.ResponseWriter, _ string) {
		if failing {
			w.Header().Set("Retry-After", "90")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	e, _ := m.endpoint(t, r.URL)
	subscription := m.subscription(t)
	m.publish(t, subscription, subscription, subscription)
	m.drain(t, e)
	require.True(t, m.deliveries(t)[0].NextAttemptAt.Equal(start.Add(90*time.Second)), "Retry-After")
	w.clock.advance(90 * time.Second)
	failing = false
	m.drain(t, e)
	require.Equal(t, "1 1 2 3", r.order())
}

func TestAnEndpointThatIsDownForALongTimeIsLookedAtForItsRetriesOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := receive(t, answering(http.StatusBadGateway))
	e, _ := m.endpoint(t, r.URL)
	for _, subscription := range m.subscriptions(t, 3) {
		for range 60 {
			m.publish(t, subscription)
		}
	}
	m.drain(t, e)
	require.Equal(t, "1 1 1", r.order())
	woken, err := w.Wake(t.Context())
	require.NoError(t, err)
	require.Zero(t, woken, "what waits behind a failing delivery is not due")
	w.clock.advance(7 * time.Second)
	woken, err = w.Wake(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, woken)
	m.drain(t, e)
	require.Equal(t, "1 1 1 1 1 1", r.order())
	require.Equal(t, int64(180), m.ask(t, `select count(*) from webhook_delivery where merchant_id = $1 and next_attempt_at > $2`, w.clock.Now()),
		"all wait for the retry of their subscription's first event, or are that")
}
