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

	"portico/internal/secret"
	"portico/internal/webhook"
	"portico/internal/webhook/webhooktest"
)

// paid is an event of a payment, with all that such an event tells.
func (m *merchant) paid(subscriptionID, amountMinor int64, currency string) webhook.Event {
	e := m.event(subscriptionID, webhook.PaymentSucceeded)
	e.Data = webhook.Object{
		{Key: "subscriptionId", Value: subscriptionID}, {Key: "customerId", Value: 12345}, {Key: "companyId", Value: 9},
		{Key: "productIdentifier", Value: "rosterly"}, {Key: "status", Value: "active"},
		{Key: "customer", Value: webhook.Object{{Key: "id", Value: 12345}, {Key: "email", Value: "ada@bakery.example"}}},
		{Key: "userMeta", Value: map[string]any{"10": "ten", "9": 1e21, "note": "<é😀\u2028>"}},
		{Key: "invoice", Value: webhook.Object{{Key: "id", Value: 71}}},
		{Key: "payment", Value: webhook.Object{{Key: "id", Value: 9007199254740991}, {Key: "amountMinor", Value: amountMinor}, {Key: "currency", Value: currency}}},
	}
	return e
}

func (m *merchant) publishAll(t *testing.T, events ...webhook.Event) {
	t.Helper()
	require.NoError(t, m.w.DB.Tenant(m.id).Tx(t.Context(), func(tx pgx.Tx) error { return m.w.Publish(t.Context(), tx, events) }))
}

func (m *merchant) endpointOf(t *testing.T, url, format string) (webhook.Endpoint, string) {
	t.Helper()
	in := webhook.EndpointCreate{URL: url, Format: format}
	if format != webhook.FormatPaymentNotification {
		in.EventTypes = []string{"*"}
	}
	e, key, err := m.w.EndpointCreate(t.Context(), m.id, in)
	require.NoError(t, err)
	require.Equal(t, format, e.Format)
	return e, string(key)
}

func TestAPaymentNotificationOfAConnectedSubscriptionHasTheMerchantsNameForIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := receive(t, nil)
	e, _ := m.endpointOf(t, r.URL, webhook.FormatPaymentNotification)
	event := m.paid(m.subscription(t), 1999, "USD")
	for i, member := range event.Data {
		if member.Key == "subscriptionId" {
			event.Data[i].Value = connectedID
		}
	}
	m.publishAll(t, event)
	m.drain(t, e)
	want := fmt.Sprintf(`{"access_token":%q,"product_identifier":"rosterly","amount":19.99,"transaction_id":9007199254740991}`, string(*accessTokenOf(connectedID)))
	require.Equal(t, want, r.got()[0].body)
}

func TestAPaymentNotificationIsWhatMerchantsReceiversKnow(t *testing.T) {
	t.Parallel()
	node := webhooktest.StartNode(t)
	w := newWorld(t)
	m := w.merchant(t)
	r := receive(t, nil)
	e, key := m.endpointOf(t, r.URL, webhook.FormatPaymentNotification)
	require.Equal(t, []string{"payment.succeeded"}, e.EventTypes)
	amounts := []struct {
		minor    int64
		currency string
		want     string
	}{
		{1999, "USD", "19.99"}, {1990, "USD", "19.9"}, {2000, "USD", "20"}, {5, "EUR", "0.05"}, {1999, "JPY", "1999"}, {1999, "KWD", "1.999"},
		{10, "BHD", "0.01"}, {99_999_999_999_999, "USD", "999999999999.99"},
	}
	subscription := m.subscription(t)
	m.publishAll(t, m.event(subscription, webhook.SubscriptionCreated), m.event(subscription, webhook.PaymentFailed))
	for _, a := range amounts {
		m.publishAll(t, m.paid(subscription, a.minor, a.currency))
	}
	m.drain(t, e)
	require.Len(t, r.got(), len(amounts), "nothing but payments that succeeded")
	for i, a := range amounts {
		got := r.got()[i]
		require.Equal(t, `{"access_token":null,"product_identifier":"rosterly","amount":`+a.want+`,"transaction_id":9007199254740991,"customer":`+
			`{"id":12345,"email":"ada@bakery.example","userMeta":{"9":"1e+21","10":"ten","note":"<é😀`+"\u2028"+`>"}}}`, got.body)
		text, ok := node.Reads(t, []byte(got.body))
		require.True(t, ok)
		require.Equal(t, got.body, text)
		require.Equal(t, string(tokenKeyOf(m.id)), got.header.Get("api-key"))
		require.Equal(t, webhook.PortalSignature(key, []byte(got.body)), got.header.Get("x-portal-signature"))
		require.Regexp(t, `^evt_\d+$`, got.header.Get("webhook-id"))
		_, symmetric, asymmetric := verified(t, got, []string{key}, []string{*e.PublicKey})
		require.Equal(t, []int{0}, symmetric)
		require.Equal(t, []int{0}, asymmetric)
	}
}

func TestAPaymentNotificationCarriesTheTokenKeyOfTheDay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := receive(t, answering(http.StatusBadGateway))
	e, _ := m.endpointOf(t, r.URL, webhook.FormatPaymentNotification)
	portal := receive(t, nil)
	plain, _ := m.endpointOf(t, portal.URL, webhook.FormatPortal)
	m.publishAll(t, m.paid(m.subscription(t), 1, "USD"))
	m.drain(t, plain)
	require.Empty(t, portal.got()[0].header.Values("api-key"), "no other format carries it")
	m.drain(t, e)
	rolled := tokenKeyOf(0)
	w.TokenKey = func(_ context.Context, _ int64) (secret.Text, error) { return rolled, nil }
	w.clock.advance(10 * time.Second)
	m.drain(t, e)
	require.Equal(t, string(tokenKeyOf(m.id)), r.got()[0].header.Get("api-key"))
	require.Equal(t, string(rolled), r.got()[1].header.Get("api-key"))
	require.Equal(t, r.got()[0].body, r.got()[1].body)
	require.Equal(t, r.got()[0].header.Get("webhook-id"), r.got()[1].header.Get("webhook-id"))
}

func TestAThinBodyHasIdsAndNoPersonalData(t *testing.T) {
	t.Parallel()
	node := webhooktest.StartNode(t)
	w := newWorld(t)
	m := w.merchant(t)
	r := receive(t, answering(http.StatusBadGateway))
	e, key := m.endpointOf(t, r.URL, webhook.FormatThin)
	subscription := m.subscription(t)
	m.publishAll(t, m.paid(subscription, 1, "USD"))
	m.drain(t, e)
	w.clock.advance(10 * time.Second)
	m.drain(t, e)
	require.Len(t, r.got(), 2)
	first, again := r.got()[0], r.got()[1]
	id := strings.TrimPrefix(first.header.Get("webhook-id"), "evt_")
	want := fmt.Sprintf(`{"event":"payment.succeeded","id":"evt_%s","sequence":1,"createdAt":"2026-03-02T09:30:00.000Z","data":{"subscriptionId":%d,`+
		`"customerId":12345,"companyId":9,"productIdentifier":"rosterly","invoiceId":71,"paymentId":9007199254740991},`+
		`"fetch":{"query":"query($id: ID!) { node(id: $id) { ... on Event { body } } }","variables":{"id":"gid://portico/Event/%s"}}}`, id, subscription, id)
	require.Equal(t, want, first.body)
	require.Equal(t, first.body, again.body)
	text, ok := node.Reads(t, []byte(first.body))
	require.True(t, ok)
	require.Equal(t, first.body, text)
	portal, _, _ := verified(t, first, []string{key}, nil)
	require.Equal(t, []int{0}, portal)
}

func TestAThinBodySaysWhichEndpointWasDisabled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := receive(t, nil)
	e, _ := m.endpointOf(t, r.URL, webhook.FormatThin)
	require.Nil(t, m.try(t, e, string(webhook.EndpointIsDisabled)).ErrorClass)
	require.Contains(t, r.got()[0].body, `"data":{"productIdentifier":"sample","endpointId":1}`)
}

func TestAnEventOfNoPaymentIsNoPaymentNotification(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := receive(t, nil)
	e, _ := m.endpointOf(t, r.URL, webhook.FormatPaymentNotification)
	m.publishAll(t, m.event(m.subscription(t), webhook.PaymentSucceeded)) // as one from before payments were told of
	m.drain(t, e)
	require.Empty(t, r.got())
	attempt := m.attempts(t, m.deliveries(t)[0])[0]
	require.Equal(t, webhook.ErrorBody, *attempt.ErrorClass)
	require.Equal(t, "this event cannot be written in the endpoint's format", *attempt.Error)
}

func TestPaymentNotificationsTellOfNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	create := func(types ...string) error {
		_, _, err := w.EndpointCreate(t.Context(), m.id, webhook.EndpointCreate{
			URL: "https://example.com", Format: webhook.FormatPaymentNotification, EventTypes: types,
		})
		return err
	}
	require.NoError(t, create("payment.succeeded"))
	require.Equal(t, "INVALID eventTypes", faults(create("payment.*")))
	require.Equal(t, "INVALID eventTypes", faults(create("payment.succeeded", "invoice.created")))
	e, _ := m.endpointOf(t, "https://example.com", webhook.FormatPaymentNotification)
	_, err := w.EndpointUpdate(t.Context(), m.id, webhook.EndpointUpdate{ID: e.ID, EventTypes: []string{"*"}})
	require.Equal(t, "INVALID eventTypes", faults(err))
}
