package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/internal/webhook"
)

// keeper is a member of the merchant who has proven an address.
func (m *merchant) keeper(t *testing.T, email, role string) {
	t.Helper()
	_, err := m.w.DB.System().Exec(t.Context(), `with made as (
			insert into member (email, password_hash, created_at, email_verified_at) values ($2, '', $3, $3) returning id
		)
		insert into membership (merchant_id, member_id, role, created_at) select $1, id, $4, $3 from made`, m.id, email, start, role)
	require.NoError(t, err)
}

// mails are the kinds and recipients of what was written, oldest first.
func (w *world) mails(t *testing.T) string {
	t.Helper()
	var all string
	require.NoError(t, w.DB.System().QueryRow(t.Context(),
		`select coalesce(string_agg(kind || ' ' || recipient, ', ' order by id), '') from mail`).Scan(&all))
	return all
}

func (m *merchant) judge(t *testing.T) int {
	t.Helper()
	n, err := m.w.JudgeFailing(t.Context())
	require.NoError(t, err)
	return n
}

func (m *merchant) known(t *testing.T, e webhook.Endpoint) webhook.Endpoint {
	t.Helper()
	known, err := m.w.Endpoint(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	return known
}

// told is the data of the endpoint.disabled events, oldest first.
func (m *merchant) told(t *testing.T) []string {
	t.Helper()
	var all []string
	require.NoError(t, m.w.DB.Tenant(m.id).QueryRow(t.Context(), `select coalesce(array_agg(convert_from(body, 'UTF8') order by id), '{}')
		from event where merchant_id = $1 and type = 'endpoint.disabled'`, m.id).Scan(&all))
	for i, body := range all {
		_, data, _ := strings.Cut(body, `"data":`)
		all[i] = strings.TrimSuffix(data, "}")
	}
	return all
}

// endure has the endpoint fail for so long, by events that come every so often.
func (m *merchant) endure(t *testing.T, e webhook.Endpoint, subscription int64, lasting, every time.Duration) {
	t.Helper()
	for until := m.w.clock.Now().Add(lasting); m.w.clock.Now().Before(until); {
		m.w.clock.advance(every)
		m.publish(t, subscription)
		m.drain(t, e)
	}
}

func TestAnEndpointThatFailsForDaysIsWarnedOfAndThenDisabled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.EventRetention = 90 * days
	m := w.merchant(t)
	m.keeper(t, "ada@acorn.test", "OWNER")
	m.keeper(t, "bo@acorn.test", "ADMIN")
	m.keeper(t, "cy@acorn.test", "VIEWER")
	r, _ := fickle(t)
	witness := receive(t, nil)
	e, _ := m.endpoint(t, r.URL)
	other, _, err := w.EndpointCreate(t.Context(), m.id, webhook.EndpointCreate{URL: witness.URL, EventTypes: []string{"endpoint.*"}})
	require.NoError(t, err)
	subscription := m.subscription(t)
	m.publish(t, subscription)
	m.drain(t, e)
	since := w.clock.Now()

	m.endure(t, e, subscription, 3*days-4*time.Hour, 4*time.Hour)
	require.Zero(t, m.judge(t))
	require.Empty(t, w.mails(t))
	m.endure(t, e, subscription, 4*time.Hour, 4*time.Hour)
	require.Equal(t, 1, m.judge(t))
	warned := "ENDPOINT_FAILING ada@acorn.test, ENDPOINT_FAILING bo@acorn.test"
	require.Equal(t, warned, w.mails(t))
	m.endure(t, e, subscription, 2*days-4*time.Hour, 4*time.Hour)
	require.Zero(t, m.judge(t), "warned of once")
	require.Equal(t, webhook.EndpointEnabled, m.known(t, e).Status)
	require.Empty(t, m.told(t))

	m.endure(t, e, subscription, 4*time.Hour, 4*time.Hour)
	require.Equal(t, 1, m.judge(t))
	require.Zero(t, m.judge(t))
	known := m.known(t, e)
	require.Equal(t, webhook.EndpointDisabled, known.Status)
	require.Equal(t, webhook.DisabledFailing, *known.DisabledReason)
	require.True(t, known.DisabledAt.Equal(w.clock.Now()))
	require.Equal(t, warned+", ENDPOINT_DISABLED ada@acorn.test, ENDPOINT_DISABLED bo@acorn.test", w.mails(t))
	require.Equal(t, []string{fmt.Sprintf(`{"endpointId":%d,"url":"%s","productIdentifier":null,"reason":"failing","failingSince":"%s","disabledAt":"%s"}`,
		e.ID, r.URL, since.Format("2006-01-02T15:04:05.000Z"), w.clock.Now().Format("2006-01-02T15:04:05.000Z"))}, m.told(t))
	require.NoError(t, w.Drain(t.Context(), m.job(other), 2))
	require.Len(t, witness.got(), 1)
	require.Equal(t, 1, m.jobs(t, other))

	// A new streak has mails of its own.
	_, err = w.EndpointEnable(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	m.drain(t, e)
	m.endure(t, e, subscription, 3*days, 4*time.Hour)
	require.Equal(t, 1, m.judge(t))
	require.True(t, strings.HasSuffix(w.mails(t), ", "+warned))
}

func TestASuccessOrALongSilenceEndsAStreak(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	m.keeper(t, "ada@acorn.test", "OWNER")
	r, broken := fickle(t)
	e, _ := m.endpoint(t, r.URL)
	subscription := m.subscription(t)
	m.endure(t, e, subscription, 60*time.Hour, 6*time.Hour)
	w.clock.advance(20 * days)
	require.Zero(t, m.judge(t), "nothing has failed since")
	m.endure(t, e, subscription, 60*time.Hour, 6*time.Hour)
	require.Zero(t, m.judge(t), "twice two days and a half")

	broken.Store(false)
	w.clock.advance(time.Hour)
	m.publish(t, m.subscription(t))
	m.drain(t, e)
	broken.Store(true)
	m.endure(t, e, subscription, 60*time.Hour, 6*time.Hour)
	require.Zero(t, m.judge(t), "something got through")
	require.Empty(t, w.mails(t))
	m.endure(t, e, subscription, 18*time.Hour, 6*time.Hour)
	require.Equal(t, 1, m.judge(t))
}

func TestAnEndpointIsNotJudgedWhileItIsDrained(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	e, _ := m.endpoint(t, "https://example.com/hooks")
	m.ask(t, `update webhook_endpoint set failing_since = $2, last_failure_at = $3, lease_owner = 1, lease_until = $4 where merchant_id = $1 returning 1`,
		start.Add(-6*days), start, start.Add(time.Second))
	require.Zero(t, m.judge(t))
	w.clock.advance(time.Second)
	require.Equal(t, 1, m.judge(t), "its drain has died")
	require.Equal(t, webhook.EndpointDisabled, m.known(t, e).Status)
}

func TestADisablementWhoseMailCannotBeWrittenIsMadeUpLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, healthy := w.merchant(t), w.merchant(t)
	for _, one := range []*merchant{m, healthy} {
		one.endpoint(t, "https://example.com/hooks")
		one.ask(t, `update webhook_endpoint set failing_since = $2, last_failure_at = $3 where merchant_id = $1 returning 1`, start.Add(-6*days), start)
	}
	m.keeper(t, "ada@acorn.test", "OWNER")
	_, err := w.DB.Pool().Exec(t.Context(), `alter table mail add constraint broken check (merchant_id <> `+fmt.Sprint(m.id)+`)`)
	require.NoError(t, err)
	judged, err := w.JudgeFailing(t.Context())
	require.ErrorContains(t, err, "broken")
	require.Equal(t, 1, judged, "the others go on")
	require.Empty(t, m.told(t))
	require.Zero(t, m.ask(t, `select count(*) from webhook_endpoint where merchant_id = $1 and status = 'DISABLED'`))

	_, err = w.DB.Pool().Exec(t.Context(), `alter table mail drop constraint broken`)
	require.NoError(t, err)
	require.Equal(t, 1, m.judge(t))
	require.Len(t, m.told(t), 1)
	require.Equal(t, "ENDPOINT_DISABLED ada@acorn.test", w.mails(t))
}

func TestA410IsToldOfOnceAndNotToOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, stranger := w.merchant(t), w.merchant(t)
	m.keeper(t, "ada@acorn.test", "OWNER")
	stranger.keeper(t, "eve@elsewhere.test", "OWNER")
	r := receive(t, answering(http.StatusGone))
	e, _, err := w.EndpointCreate(t.Context(), m.id, webhook.EndpointCreate{URL: r.URL, ProductID: &m.productID})
	require.NoError(t, err)
	m.publish(t, m.subscriptions(t, 3)...)
	m.drain(t, e)
	require.Len(t, m.told(t), 1)
	require.Contains(t, m.told(t)[0], `"productIdentifier":"first","reason":"gone"`)
	require.Equal(t, "ENDPOINT_DISABLED ada@acorn.test", w.mails(t))
	_, err = w.EndpointDisable(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	require.Len(t, m.told(t), 1, "it was disabled already")
	require.Equal(t, webhook.DisabledManual, *m.known(t, e).DisabledReason)
	_, err = w.EndpointEnable(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	_, err = w.EndpointDisable(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	require.Contains(t, m.told(t)[1], `"reason":"manual"`)
	require.Equal(t, "ENDPOINT_DISABLED ada@acorn.test", w.mails(t), "who does it knows")
}

func TestAnEndpointThatIsEnabledGetsEverythingInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r, broken := fickle(t)
	e, _ := m.endpoint(t, r.URL)
	subscriptions := m.subscriptions(t, 5)
	m.publish(t, subscriptions[0])
	for range 10 {
		m.drain(t, e)
		w.clock.advance(29 * time.Hour)
	}
	require.Equal(t, "FAILED", statuses(m.deliveries(t)))
	m.publish(t, subscriptions[1:]...)
	m.drain(t, e)
	m.endure(t, e, subscriptions[0], 20*time.Hour, 4*time.Hour)
	require.Equal(t, 1, m.judge(t))
	require.Equal(t, webhook.EndpointDisabled, m.known(t, e).Status)
	require.Zero(t, m.ask(t, `select count(*) from webhook_attempt where merchant_id = $1 and outcome is not null`), "attempts are not kept for long")

	w.clock.advance(10 * days)
	m.publish(t, subscriptions...)
	w.clock.advance(days)
	m.publish(t, subscriptions...)
	sent := len(r.got())
	m.drain(t, e)
	require.Zero(t, m.woken(t))
	require.Len(t, r.got(), sent)

	broken.Store(false)
	_, err := w.EndpointEnable(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	require.Equal(t, 1, m.woken(t))
	m.publish(t, subscriptions...)
	_, err = w.EndpointEnable(t.Context(), m.id, e.ID)
	require.NoError(t, err, "twice changes nothing")
	for range 3 { // what has failed goes out, and then what has waited
		m.drain(t, e)
	}
	require.Zero(t, m.ask(t, `select count(*) from webhook_delivery where merchant_id = $1`))
	require.Zero(t, m.ask(t, `select count(*) from webhook_attempt where merchant_id = $1 and outcome <> 'DELIVERED'`))
	got := &inbox{all: r.got()[sent:]}
	want := make([]string, 9)
	for i := range want {
		want[i] = fmt.Sprint(i + 1)
	}
	require.Equal(t, strings.Join(want, " "), got.orderOf(subscriptions[0]))
	for _, subscription := range subscriptions[1:] {
		require.Equal(t, "1 2 3 4", got.orderOf(subscription))
	}
}

func TestWhatIsPublishedWhileAnEndpointChangesReachesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := receive(t, nil)
	e, _ := m.endpoint(t, r.URL)
	subscriptions := m.subscriptions(t, 4)
	var open []pgx.Tx
	publish := func(subscription int64) {
		t.Helper()
		tx, err := w.DB.Pool().Begin(t.Context())
		require.NoError(t, err)
		t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) })
		_, err = tx.Exec(t.Context(), `set local portico.tenant = 'system'`)
		require.NoError(t, err)
		require.NoError(t, w.Publish(t.Context(), tx, []webhook.Event{m.event(subscription, webhook.SubscriptionUpdated)}))
		open = append(open, tx)
	}
	publish(subscriptions[0])
	_, err := w.EndpointDisable(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	publish(subscriptions[1])
	require.NoError(t, open[0].Commit(t.Context()))
	publish(subscriptions[2])
	_, err = w.EndpointEnable(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	publish(subscriptions[3])
	for _, tx := range open[1:] {
		require.NoError(t, tx.Commit(t.Context()))
	}
	require.Equal(t, 1, m.woken(t))
	m.drain(t, e)
	require.Len(t, r.got(), 4)
	for _, subscription := range subscriptions {
		require.Equal(t, "1", r.orderOf(subscription))
	}
}
