package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/db"
	"portico/internal/webhook"
)

func TestADeliveryIsSentOnceAndCanBeVerified(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := receive(t, func(w http.ResponseWriter, _ string) { fmt.Fprint(w, "thank\x00 you \xff") })
	e, key := m.endpoint(t, r.URL)
	m.publish(t, m.subscription(t))
	m.drain(t, e)
	m.drain(t, e)

	require.Len(t, r.got(), 1)
	request := r.got()[0]
	delivery := m.deliveries(t)[0]
	events, err := w.EventsByID(t.Context(), m.id, []int64{delivery.EventID})
	require.NoError(t, err)
	require.Equal(t, string(events[delivery.EventID].Body), request.body)

	id := fmt.Sprintf("evt_%d", delivery.EventID)
	require.Equal(t, "application/json", request.header.Get("Content-Type"))
	require.Equal(t, "Portico-Webhooks/1", request.header.Get("User-Agent"))
	require.Equal(t, id, request.header.Get("webhook-id"))
	require.Equal(t, fmt.Sprint(start.Unix()), request.header.Get("webhook-timestamp"))
	require.Equal(t, hex.EncodeToString(mac([]byte(key), request.body)), request.header.Get("x-portal-signature"))
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(key, "whsec_"))
	require.NoError(t, err)
	require.Equal(t, "v1,"+base64.StdEncoding.EncodeToString(mac(raw, fmt.Sprintf("%s.%d.%s", id, start.Unix(), request.body))),
		strings.Fields(request.header.Get("webhook-signature"))[0])

	require.Equal(t, webhook.DeliveryDelivered, delivery.Status)
	require.Nil(t, delivery.NextAttemptAt)
	require.True(t, delivery.FinishedAt.Equal(start))
	attempts := m.attempts(t, delivery)
	require.Len(t, attempts, 1)
	require.Equal(t, int32(200), *attempts[0].StatusCode)
	require.Nil(t, attempts[0].Error)
	require.Equal(t, "thank\uFFFD you \uFFFD", attempts[0].ResponseBody)
	require.True(t, attempts[0].CreatedAt.Equal(start))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func TestASubscriptionsEventsGoOutInOrderAndOneAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := receive(t, alone())
	e, _ := m.endpoint(t, r.URL)
	subscription := m.subscription(t)
	for range 12 {
		m.publish(t, subscription, subscription)
	}
	m.drain(t, e)
	require.Equal(t, strings.TrimSpace(strings.Repeat("DELIVERED ", 24)), statuses(m.deliveries(t)))
	for i, request := range r.got() {
		require.Contains(t, request.body, fmt.Sprintf(`"sequence":%d,`, i+1))
	}
}

// more is longer than what a drain looks at together.
const more = 150

func TestASlowRequestHoldsUpItsOwnSubscriptionOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	slow, quick, late := m.subscription(t), m.subscription(t), m.subscription(t)
	r := hold(t, func(body string) bool {
		return strings.Contains(body, `"sequence":1,`) && strings.Contains(body, fmt.Sprintf(`"subscriptionId":%d}`, slow))
	})
	e, _ := m.endpoint(t, r.URL)
	for range more {
		m.publish(t, slow)
	}
	m.publish(t, quick, quick)
	done := make(chan error)
	go func() { done <- w.Drain(t.Context(), m.job(e), 1) }()
	r.await(t, 3)
	m.publish(t, late)
	r.await(t, 4)
	for i, subscription := range []int64{slow, quick, quick, late} {
		require.Contains(t, r.got()[i].body, fmt.Sprintf(`"subscriptionId":%d}`, subscription))
	}
	r.open()
	require.NoError(t, <-done)
	require.Len(t, r.got(), more+3)
	for i, request := range r.got()[4:] {
		require.Contains(t, request.body, fmt.Sprintf(`"sequence":%d,`, i+2), "followers that made room are called up in order")
	}
}

func TestAHangingReceiverDoesNotDelayAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	hanging := hold(t, nil)
	healthy := receive(t, nil)
	stuck, _ := m.endpoint(t, hanging.URL)
	fine, _ := m.endpoint(t, healthy.URL)
	m.publish(t, m.subscriptions(t, 20)...)
	done := make(chan error)
	go func() { done <- w.Drain(t.Context(), m.job(stuck), 1) }()
	hanging.await(t, 10)
	require.NoError(t, w.Drain(t.Context(), m.job(fine), 2))
	require.Len(t, healthy.got(), 20)
	require.Len(t, hanging.got(), 10, "an endpoint gets ten requests at once")
	hanging.open()
	require.NoError(t, <-done)
	require.Len(t, hanging.got(), 20)
}

func TestOneOfTwoDrainsWorks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := hold(t, nil)
	e, _ := m.endpoint(t, r.URL)
	m.publish(t, m.subscriptions(t, 3)...)
	done := make(chan error)
	go func() { done <- w.Drain(t.Context(), m.job(e), 1) }()
	r.await(t, 3)
	require.NoError(t, w.process(t).Drain(t.Context(), m.job(e), 2))
	r.open()
	require.NoError(t, <-done)
	require.Len(t, r.got(), 3)
}

func TestAKilledDrainIsTakenOverAfterItsLeaseAndSendsTheSameAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	doomed := w.process(t)
	r := receive(t, func(http.ResponseWriter, string) { doomed.DB.Close() }) // waits for connections in use: there is none
	e, _ := m.endpoint(t, r.URL)
	m.publish(t, m.subscription(t))
	require.Error(t, doomed.Drain(t.Context(), m.job(e), 1))
	require.Len(t, r.got(), 1)

	w.clock.advance(15*time.Second - time.Microsecond)
	require.NoError(t, w.Drain(t.Context(), m.job(e), 2))
	require.Len(t, r.got(), 1, "its lease is still alive")
	w.clock.advance(time.Microsecond)
	require.NoError(t, w.Drain(t.Context(), m.job(e), 2))
	require.Len(t, r.got(), 2)
	first, second := r.got()[0], r.got()[1]
	require.Equal(t, first.body, second.body)
	require.Equal(t, first.header.Get("webhook-id"), second.header.Get("webhook-id"))
	require.Equal(t, first.header.Get("x-portal-signature"), second.header.Get("x-portal-signature"))
	require.Len(t, m.attempts(t, m.deliveries(t)[0]), 1)
}

func TestADrainThatHasLostItsLeaseRecordsNothingAndTakesUpNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := hold(t, nil)
	e, _ := m.endpoint(t, r.URL)
	subscription := m.subscription(t)
	m.publish(t, subscription)
	done := make(chan error)
	go func() { done <- w.Drain(t.Context(), m.job(e), 1) }()
	r.await(t, 1)
	// A process whose clock is ahead has taken over.
	m.ask(t, `update webhook_endpoint set lease_owner = 2, lease_until = $2 where merchant_id = $1 returning 1`, start.Add(time.Hour))
	m.publish(t, m.subscription(t))
	r.open()
	require.NoError(t, <-done)
	require.Len(t, r.got(), 1)
	require.Equal(t, "PENDING PENDING", statuses(m.deliveries(t)))
	require.Zero(t, m.deliveries(t)[0].AttemptCount)
	require.Empty(t, m.attempts(t, m.deliveries(t)[0]))
	require.Equal(t, int64(1), m.ask(t, `select count(*) from webhook_endpoint where merchant_id = $1 and lease_owner = 2`))
}

func TestADrainKeepsItsLeaseAndHandsOverAfterItsSlice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := hold(t, nil)
	e, _ := m.endpoint(t, r.URL)
	m.publish(t, m.subscriptions(t, 11)...)
	done := make(chan error)
	go func() { done <- w.Drain(t.Context(), m.job(e), 1) }()
	r.await(t, 10)
	w.clock.advance(10 * time.Second)
	require.Eventually(t, func() bool {
		return m.ask(t, `select count(*) from webhook_endpoint where merchant_id = $1 and lease_until = $2`, start.Add(25*time.Second)) == 1
	}, patience, time.Millisecond)
	require.Equal(t, 1, m.jobs(t, e))
	r.open()
	require.NoError(t, <-done)
	require.Len(t, r.got(), 10, "the slice was over")
	require.Equal(t, 2, m.jobs(t, e), "its successor")
	require.Equal(t, int64(1), m.ask(t, `select count(*) from webhook_endpoint where merchant_id = $1 and lease_owner is null and lease_until is null`))
	m.drain(t, e)
	require.Len(t, r.got(), 11)
	require.Equal(t, 2, m.jobs(t, e), "nothing is left to hand over")
}

func TestAShutdownRecordsWhatIsUnderWayAndHandsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := hold(t, nil)
	e, _ := m.endpoint(t, r.URL)
	m.publish(t, m.subscriptions(t, 11)...)
	ctx, shutDown := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.Drain(ctx, m.job(e), 1) }()
	r.await(t, 10)
	shutDown()
	select {
	case err := <-done:
		require.Fail(t, "the drain has ended before its requests", "%v", err)
	case <-time.After(100 * time.Millisecond):
	}
	r.open()
	require.NoError(t, <-done)
	require.Len(t, r.got(), 10)
	require.Equal(t, strings.Repeat("DELIVERED ", 10)+"PENDING", statuses(m.deliveries(t)))
	require.Equal(t, 2, m.jobs(t, e))
	require.Equal(t, int64(1), m.ask(t, `select count(*) from webhook_endpoint where merchant_id = $1 and lease_owner is null`))
}

func TestADrainWithAWrongKeySaysSoAndFreesTheEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	e, _ := m.endpoint(t, "https://example.com/hooks")
	m.publish(t, m.subscription(t))
	_, err := w.DB.Tenant(m.id).Exec(t.Context(), `update webhook_endpoint set secret_cipher = 'x' where id = $1`, e.ID)
	require.NoError(t, err)
	require.ErrorContains(t, w.Drain(t.Context(), m.job(e), 1), "cannot be decrypted")
	require.Equal(t, int64(1), m.ask(t, `select count(*) from webhook_endpoint where merchant_id = $1 and lease_owner is null`))
	require.Equal(t, 1, m.jobs(t, e), "a fault that lasts must not insert jobs without a pause")
}

func TestAnEventThatCommitsAfterTheDrainItReliedOnHasEndedIsDelivered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := hold(t, nil)
	e, _ := m.endpoint(t, r.URL)
	m.publish(t, m.subscription(t))
	late := m.subscription(t)

	published, commit, committed := make(chan struct{}), make(chan struct{}), make(chan error)
	drainer := w.process(t)
	var once sync.Once
	drainer.Now = func() time.Time {
		select {
		case <-published:
			if m.ask(t, `select count(*) from webhook_endpoint where merchant_id = $1 and lease_owner is null`) == 1 {
				once.Do(func() {
					close(commit)
					require.NoError(t, <-committed)
				})
			}
		default:
		}
		return start
	}
	done := make(chan error)
	go func() { done <- drainer.Drain(t.Context(), m.job(e), 1) }()
	r.await(t, 1)
	go func() {
		committed <- w.DB.Tenant(m.id).Tx(t.Context(), func(tx pgx.Tx) error {
			err := w.Publish(t.Context(), tx, []webhook.Event{m.event(late, webhook.SubscriptionUpdated)})
			close(published)
			<-commit
			return err
		})
	}()
	<-published
	r.open()
	require.NoError(t, <-done)
	require.Len(t, r.got(), 2)
	require.Equal(t, 1, m.jobs(t, e), "its publisher has seen a drain")
}

func TestADrainThatHasToStopHandsOverForEventsOnTheirWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := hold(t, nil)
	e, _ := m.endpoint(t, r.URL)
	m.publish(t, m.subscription(t))
	done := make(chan error)
	go func() { done <- w.Drain(t.Context(), m.job(e), 1) }()
	r.await(t, 1)
	w.clock.advance(10 * time.Second)
	r.open()
	require.NoError(t, <-done)
	require.Equal(t, "DELIVERED", statuses(m.deliveries(t)))
	require.Equal(t, 2, m.jobs(t, e), "publishers have seen its lease until now")
}

func TestWhatWasTakenUpAheadIsNotSentToAnEndpointThatWasDisabledMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	var answered atomic.Int32
	r := hold(t, func(string) bool { return answered.Add(1) > 10 })
	e, _ := m.endpoint(t, r.URL)
	m.publish(t, m.subscriptions(t, 40)...)
	done := make(chan error)
	go func() { done <- w.Drain(t.Context(), m.job(e), 1) }()
	r.await(t, 20)
	m.ask(t, `update webhook_endpoint set status = 'DISABLED', disabled_reason = 'MANUAL', disabled_at = now() where merchant_id = $1 returning 1`)
	w.clock.advance(time.Second)
	r.open()
	require.NoError(t, <-done)
	require.Len(t, r.got(), 20)
	require.Equal(t, int64(20), m.ask(t, `select count(*) from webhook_delivery where merchant_id = $1 and attempt_count = 0`))
}

func TestEndpointsOfSeveralMerchantsAreDrainedSideBySide(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := receive(t, nil)
	var merchants []*merchant
	done := make(chan error)
	for i := range 5 {
		m := w.merchant(t)
		e, _ := m.endpoint(t, fmt.Sprintf("%s/%d", r.URL, i))
		subscription := m.subscription(t)
		m.publish(t, subscription, m.subscription(t), subscription)
		merchants = append(merchants, m)
		go func() { done <- w.Drain(t.Context(), m.job(e), int64(i+1)) }()
	}
	for range merchants {
		require.NoError(t, <-done)
	}
	require.Len(t, r.got(), 15)
	for _, m := range merchants {
		require.Equal(t, "DELIVERED DELIVERED DELIVERED", statuses(m.deliveries(t)))
		for _, d := range m.deliveries(t) {
			require.Len(t, m.attempts(t, d), 1)
		}
	}
}

// Whoever does not hear whether a record was committed makes it again.
func TestAReplyThatIsRecordedTwiceCountsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	e, _ := m.endpoint(t, "https://example.com/hooks")
	m.publish(t, m.subscription(t))
	m.ask(t, `update webhook_endpoint set lease_owner = 1, lease_until = $2 where merchant_id = $1 returning 1`, start.Add(time.Minute))
	failed := db.SettleDeliveriesParams{
		MerchantIds: []int64{m.id}, EndpointIds: []int64{e.ID}, Owners: []int64{1}, Ids: []int64{m.deliveries(t)[0].ID}, Numbers: []int32{1},
		Statuses: []string{webhook.DeliveryPending}, NextAttemptAts: []time.Time{start.Add(5 * time.Second)}, StatusCodes: []int32{500},
		ErrorClasses: []string{"STATUS"}, Errors: []string{"the endpoint answered 500"}, ResponseBodies: []string{""}, DurationsMs: []int32{1}, StartedAts: []time.Time{start}, Now: start,
	}
	for range 2 {
		require.NoError(t, w.DB.SettleDeliveries(t.Context(), w.DB.Tenant(m.id), failed))
		require.Equal(t, int32(1), m.deliveries(t)[0].AttemptCount)
		require.Len(t, m.attempts(t, m.deliveries(t)[0]), 1)
	}
}
