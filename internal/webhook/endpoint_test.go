package webhook_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"portico/internal/fault"
	"portico/internal/page"
	"portico/internal/webhook"
)

func TestAnEndpointIsStoredWithASecretThatOnlyItsRowOpens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	e, key, err := w.EndpointCreate(t.Context(), m.id, webhook.EndpointCreate{
		URL: " https://example.com/hooks?a=b ", ProductID: &m.productID, EventTypes: []string{"payment.failed", "invoice.created", "payment.failed"},
	})
	require.NoError(t, err)
	require.Equal(t, webhook.Endpoint{
		MerchantID: m.id, ID: e.ID, ProductID: &m.productID, URL: "https://example.com/hooks?a=b",
		Format: webhook.FormatPortal, EventTypes: []string{"payment.failed", "invoice.created"}, APIVersion: webhook.APIVersion, TimeoutSeconds: 10,
		Status: webhook.EndpointEnabled, PublicKey: e.PublicKey, CreatedAt: e.CreatedAt,
		Condition: webhook.Condition{State: webhook.HealthGood, Since: e.CreatedAt},
	}, e)
	require.True(t, e.CreatedAt.Equal(start))
	require.Regexp(t, `^whpk_[0-9A-Za-z+/]{43}=$`, *e.PublicKey)
	require.True(t, strings.HasPrefix(string(key), "whsec_"))
	require.Equal(t, "[redacted]", fmt.Sprint(key))

	stored, err := w.Endpoint(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	require.Equal(t, e, stored)
	var sealed []byte
	require.NoError(t, w.DB.Tenant(m.id).QueryRow(t.Context(), `select secret_cipher from webhook_endpoint`).Scan(&sealed))
	opened, err := w.keys.Open(fmt.Sprintf("webhook_endpoint/%d/secret", e.ID), sealed)
	require.NoError(t, err)
	require.Equal(t, key, opened)
}

func TestAnEndpointThatNamesNoTypesGetsTheFourThatEverybodyKnows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, _ := w.merchant(t).endpoint(t, "https://example.com")
	require.Equal(t, []string{"subscription.created", "subscription.updated", "subscription.canceled", "subscription.renewed"}, e.EventTypes)
	require.Nil(t, e.ProductID)
}

func TestEndpointCreateReportsEveryFault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, stranger := w.merchant(t), w.merchant(t)
	unknown := int64(1 << 40)
	cases := []struct {
		name string
		in   webhook.EndpointCreate
		want string
	}{
		{"no URL", webhook.EndpointCreate{URL: " "}, "REQUIRED url"},
		{"a URL that the guard refuses", webhook.EndpointCreate{URL: "https://192.168.1.1"}, "INVALID url"},
		{"a URL that Postgres would not take", webhook.EndpointCreate{URL: "https://example.com/\x00\xff"}, "INVALID url"},
		{"an unknown type", webhook.EndpointCreate{URL: "https://example.com", EventTypes: []string{"invoice.created", "x"}}, "INVALID eventTypes.1"},
		{"an empty list of types", webhook.EndpointCreate{URL: "https://example.com", EventTypes: []string{}}, "INVALID eventTypes"},
		{"a pattern that fits nothing", webhook.EndpointCreate{URL: "https://example.com", EventTypes: []string{"subscription.r*", "*.created", "sub*", "x.*", "**"}},
			"INVALID eventTypes.0, INVALID eventTypes.1, INVALID eventTypes.2, INVALID eventTypes.3, INVALID eventTypes.4"},
		{"a description that is too long", webhook.EndpointCreate{URL: "https://example.com", Description: strings.Repeat("é", 501)}, "INVALID description"},
		{"a description with NUL", webhook.EndpointCreate{URL: "https://example.com", Description: "a\x00b"}, "INVALID description"},
		{"a description that is not text", webhook.EndpointCreate{URL: "https://example.com", Description: "\xff"}, "INVALID description"},
		{"too little time", webhook.EndpointCreate{URL: "https://example.com", TimeoutSeconds: number(4)}, "INVALID timeoutSeconds"},
		{"too much time", webhook.EndpointCreate{URL: "https://example.com", TimeoutSeconds: number(31)}, "INVALID timeoutSeconds"},
		{"a rate of nothing", webhook.EndpointCreate{URL: "https://example.com", RateLimit: number(0)}, "INVALID rateLimit"},
		{"a rate beyond all", webhook.EndpointCreate{URL: "https://example.com", RateLimit: number(1001)}, "INVALID rateLimit"},
		{"an unknown product", webhook.EndpointCreate{URL: "https://example.com", ProductID: &unknown}, "NOT_FOUND product"},
		{"another merchant's product", webhook.EndpointCreate{URL: "https://example.com", ProductID: &stranger.productID}, "NOT_FOUND product"},
		{"several", webhook.EndpointCreate{URL: "x", EventTypes: []string{"y"}, ProductID: &unknown}, "INVALID url, INVALID eventTypes.0, NOT_FOUND product"},
	}
	for _, c := range cases {
		_, key, err := w.EndpointCreate(t.Context(), m.id, c.in)
		var got []string
		for _, e := range fault.List(err) {
			got = append(got, string(e.Code)+" "+strings.Join(e.Field, "."))
		}
		require.Equal(t, c.want, strings.Join(got, ", "), c.name)
		require.Empty(t, string(key), c.name)
	}
	require.Zero(t, m.ask(t, `select count(*) from webhook_endpoint where merchant_id = $1`))
}

func number(n int32) *int32 { return &n }

func TestAMerchantHasAtMostAHundredEndpointsHoweverManyAreMadeAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	m.ask(t, `with added as (
			insert into webhook_endpoint (merchant_id, url, secret_cipher, event_types, created_at)
			select $1, 'https://example.com', '', '{}', now() from generate_series(1, 98) returning 1)
		select count(*) from added`)
	var group errgroup.Group
	made := make(chan error, 6)
	for range 6 {
		group.Go(func() error {
			_, _, err := w.EndpointCreate(t.Context(), m.id, webhook.EndpointCreate{URL: "https://example.com"})
			made <- err
			return nil
		})
	}
	require.NoError(t, group.Wait())
	close(made)
	refused := 0
	for err := range made {
		if err != nil {
			require.True(t, fault.Is(err, fault.CodeConflict), "%v", err)
			refused++
		}
	}
	require.Equal(t, 4, refused)
	require.Equal(t, int64(100), m.ask(t, `select count(*) from webhook_endpoint where merchant_id = $1`))
}

func TestEndpointsAndDeliveriesAreListedNewestFirstAndStayWithTheirMerchant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, stranger := w.merchant(t), w.merchant(t)
	r := receive(t, nil)
	first, _ := m.endpoint(t, r.URL)
	second, _ := m.endpoint(t, r.URL)
	endpoints, hasNext, err := w.Endpoints(t.Context(), m.id, webhook.EndpointFilter{}, page.Request{Size: 1})
	require.NoError(t, err)
	require.True(t, hasNext)
	require.Equal(t, second.ID, endpoints[0].ID)
	endpoints, hasNext, err = w.Endpoints(t.Context(), m.id, webhook.EndpointFilter{}, page.Request{Size: 1, After: second.ID})
	require.NoError(t, err)
	require.False(t, hasNext)
	require.Equal(t, first.ID, endpoints[0].ID)
	_, err = w.Endpoint(t.Context(), stranger.id, first.ID)
	require.True(t, fault.Is(err, fault.CodeNotFound), "%v", err)

	subscription := m.subscription(t)
	m.publish(t, subscription, subscription)
	m.drain(t, first)
	all := m.deliveries(t)
	require.Len(t, all, 4)
	pending := webhook.DeliveryPending
	list := func(merchantID int64, f webhook.DeliveryFilter, p page.Request) ([]webhook.Delivery, bool) {
		deliveries, hasNext, err := w.Deliveries(t.Context(), merchantID, f, p)
		require.NoError(t, err)
		return deliveries, hasNext
	}
	deliveries, hasNext := list(m.id, webhook.DeliveryFilter{}, page.Request{Size: 3})
	require.Equal(t, []webhook.Delivery{all[3], all[2], all[1]}, deliveries)
	require.True(t, hasNext)
	deliveries, hasNext = list(m.id, webhook.DeliveryFilter{}, page.Request{Size: 3, After: all[1].ID})
	require.Equal(t, []webhook.Delivery{all[0]}, deliveries)
	require.False(t, hasNext)
	deliveries, _ = list(m.id, webhook.DeliveryFilter{EndpointID: &first.ID}, page.Request{Size: 10})
	require.Equal(t, "DELIVERED DELIVERED", statuses(deliveries))
	deliveries, _ = list(m.id, webhook.DeliveryFilter{Status: &pending}, page.Request{Size: 10})
	require.Len(t, deliveries, 2)
	require.Equal(t, second.ID, deliveries[0].EndpointID)
	delivered := webhook.DeliveryDelivered
	deliveries, _ = list(m.id, webhook.DeliveryFilter{Status: &delivered}, page.Request{Size: 10})
	require.Equal(t, []webhook.Delivery{all[2], all[0]}, deliveries)
	deliveries, _ = list(m.id, webhook.DeliveryFilter{EventID: &all[0].EventID}, page.Request{Size: 10})
	require.Equal(t, "PENDING DELIVERED", statuses(deliveries))
	require.Equal(t, all[0], deliveries[1])
	deliveries, _ = list(m.id, webhook.DeliveryFilter{EventID: &all[0].EventID, EndpointID: &second.ID, Status: &delivered}, page.Request{Size: 10})
	require.Empty(t, deliveries)
	failed := webhook.DeliveryFailed
	deliveries, _ = list(m.id, webhook.DeliveryFilter{Status: &failed}, page.Request{Size: 10})
	require.Empty(t, deliveries)
	m.ask(t, `update webhook_attempt set outcome = 'FAILED' where merchant_id = $1 and delivery_id = $2 returning 1`, all[2].ID)
	deliveries, _ = list(m.id, webhook.DeliveryFilter{Status: &failed}, page.Request{Size: 10})
	require.Equal(t, "FAILED", statuses(deliveries))
	require.Equal(t, all[2].ID, deliveries[0].ID)
	deliveries, _ = list(m.id, webhook.DeliveryFilter{Status: &failed, EndpointID: &second.ID}, page.Request{Size: 10})
	require.Empty(t, deliveries)
	deliveries, _ = list(stranger.id, webhook.DeliveryFilter{}, page.Request{Size: 10})
	require.Empty(t, deliveries)
	attempts, err := w.AttemptsByDelivery(t.Context(), stranger.id, all[:1])
	require.NoError(t, err)
	require.Empty(t, attempts)
}
