package webhook_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/internal/fault"
	"portico/internal/page"
	"portico/internal/webhook"
)

func TestAnUpdateChangesWhatIsGivenAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, stranger := w.merchant(t), w.merchant(t)
	e, _, err := w.EndpointCreate(t.Context(), m.id, webhook.EndpointCreate{
		URL: "https://example.com", ProductID: &m.productID, EventTypes: []string{"*"}, Description: " orders\nand more ", TimeoutSeconds: number(30),
		RateLimit: number(1000), Headers: []webhook.Header{header("X-A", "a")},
	})
	require.NoError(t, err)
	require.Equal(t, "orders\nand more", e.Description)
	e.Headers = []webhook.Header{{Name: "X-A"}}
	update := func(in webhook.EndpointUpdate) webhook.Endpoint {
		in.ID = e.ID
		got, err := w.EndpointUpdate(t.Context(), m.id, in)
		require.NoError(t, err)
		stored, err := w.Endpoint(t.Context(), m.id, e.ID)
		require.NoError(t, err)
		require.Equal(t, stored, got)
		return got
	}
	require.Equal(t, e, update(webhook.EndpointUpdate{}))
	url, description := " https://example.com/new ", "deliveries"
	e.URL = "https://example.com/new"
	require.Equal(t, e, update(webhook.EndpointUpdate{URL: &url}))
	e.Description = description
	require.Equal(t, e, update(webhook.EndpointUpdate{Description: &description}))
	e.EventTypes = []string{"subscription.*", "invoice.created"}
	require.Equal(t, e, update(webhook.EndpointUpdate{EventTypes: append(e.EventTypes, "subscription.*")}))
	e.TimeoutSeconds = 5
	require.Equal(t, e, update(webhook.EndpointUpdate{TimeoutSeconds: number(5)}))
	e.RateLimit = number(1)
	require.Equal(t, e, update(webhook.EndpointUpdate{SetRateLimit: true, RateLimit: number(1)}))
	e.RateLimit, e.ProductID = nil, nil
	require.Equal(t, e, update(webhook.EndpointUpdate{SetRateLimit: true, SetProduct: true}))

	empty, private := "", "https://10.0.0.1"
	for want, in := range map[string]webhook.EndpointUpdate{
		"REQUIRED url":           {URL: &empty},
		"INVALID url":            {URL: &private},
		"INVALID eventTypes":     {EventTypes: []string{}},
		"INVALID eventTypes.0":   {EventTypes: []string{"x"}},
		"INVALID timeoutSeconds": {TimeoutSeconds: number(0)},
		"INVALID rateLimit":      {SetRateLimit: true, RateLimit: number(-1)},
		"NOT_FOUND product":      {SetProduct: true, ProductID: &stranger.productID},
		"INVALID url, INVALID timeoutSeconds, INVALID headers.0.name": {URL: &private, TimeoutSeconds: number(99), SetHeaders: true,
			Headers: []webhook.Header{header("Host", "a")}},
	} {
		in.ID = e.ID
		_, err := w.EndpointUpdate(t.Context(), m.id, in)
		require.Equal(t, want, faults(err))
	}
	require.Equal(t, e, update(webhook.EndpointUpdate{}))
}

func TestPatternsReceiveEveryTypeOfTheirKind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	receivers := map[string]webhook.Endpoint{}
	for pattern := range map[string]int64{"*": 0, "subscription.*": 0, "payment.*": 0, "invoice.created": 0} {
		e, _, err := w.EndpointCreate(t.Context(), m.id, webhook.EndpointCreate{URL: "https://example.com", EventTypes: []string{pattern}})
		require.NoError(t, err)
		receivers[pattern] = e
	}
	subscription := m.subscription(t)
	events := []webhook.Event{
		m.event(subscription, webhook.SubscriptionCreated), m.event(subscription, webhook.InvoiceCreated), m.event(subscription, webhook.SubscriptionExpired),
	}
	require.NoError(t, w.DB.Tenant(m.id).Tx(t.Context(), func(tx pgx.Tx) error { return w.Publish(t.Context(), tx, events) }))
	for pattern, want := range map[string]int64{"*": 3, "subscription.*": 2, "payment.*": 0, "invoice.created": 1} {
		require.Equal(t, want, m.ask(t, `select count(*) from webhook_delivery where merchant_id = $1 and endpoint_id = $2`, receivers[pattern].ID), pattern)
	}
}

func TestADisabledEndpointSaysWhyAndSinceWhenAndWhatWaitsGoesOutWhenItIsEnabled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := receive(t, nil)
	e, _ := m.endpoint(t, r.URL)
	m.publish(t, m.subscription(t))
	disabled, err := w.EndpointDisable(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	require.Equal(t, webhook.EndpointDisabled, disabled.Status)
	require.Equal(t, webhook.DisabledManual, *disabled.DisabledReason)
	require.True(t, disabled.DisabledAt.Equal(start))
	w.clock.advance(time.Hour)
	again, err := w.EndpointDisable(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	require.Equal(t, disabled, again)
	m.drain(t, e)
	require.Empty(t, r.got())

	enabled, err := w.EndpointEnable(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	require.Equal(t, webhook.EndpointEnabled, enabled.Status)
	require.Nil(t, enabled.DisabledReason)
	require.Nil(t, enabled.DisabledAt)
	m.drain(t, e)
	require.Len(t, r.got(), 1)
}

func TestAnEndpointThatAnswers410IsDisabledAsGoneAndTheMerchantsReasonGoesBeforeThat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	e, _ := m.endpoint(t, receive(t, answering(http.StatusGone)).URL)
	m.publish(t, m.subscription(t))
	m.drain(t, e)
	gone, err := w.Endpoint(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	require.Equal(t, webhook.DisabledGone, *gone.DisabledReason)
	require.True(t, gone.DisabledAt.Equal(start))
	w.clock.advance(time.Hour)
	manual, err := w.EndpointDisable(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	require.Equal(t, webhook.DisabledManual, *manual.DisabledReason)
	require.True(t, manual.DisabledAt.Equal(start))
}

func TestADeletedEndpointIsNowhereAndItsHistoryStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, stranger := w.merchant(t), w.merchant(t)
	r := receive(t, func(w http.ResponseWriter, body string) {
		if strings.Contains(body, `"sequence":2,`) {
			w.WriteHeader(http.StatusTeapot)
		}
	})
	e, _, err := w.EndpointCreate(t.Context(), m.id, webhook.EndpointCreate{URL: r.URL, Headers: []webhook.Header{header("X-A", "a")}})
	require.NoError(t, err)
	_, _, err = w.EndpointRollSecret(t.Context(), m.id, e.ID, 60)
	require.NoError(t, err)
	_, err = w.CancelDeliveries(t.Context(), m.id, e.ID)
	require.EqualError(t, err, fmt.Sprintf("endpoint %d is not deleted", e.ID))
	subscription := m.subscription(t)
	m.publish(t, subscription, subscription)
	m.drain(t, e)
	require.Len(t, r.got(), 2)
	m.publish(t, m.subscriptions(t, 3)...)
	require.Equal(t, "NOT_FOUND id", faults(w.EndpointDelete(t.Context(), stranger.id, e.ID)))
	require.NoError(t, w.EndpointDelete(t.Context(), m.id, e.ID))

	wait, err := w.CancelDeliveries(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	require.Equal(t, time.Minute, wait, "somebody may have published meanwhile and commit later")
	require.Equal(t, "DELIVERED FAILED", statuses(m.deliveries(t)))
	for _, d := range m.deliveries(t) {
		require.Len(t, m.attempts(t, d), 1)
	}
	m.publish(t, m.subscription(t))
	require.Len(t, m.deliveries(t), 2)
	m.drain(t, e)
	require.Len(t, r.got(), 2)
	w.clock.advance(time.Minute)
	wait, err = w.CancelDeliveries(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	require.Zero(t, wait)

	_, err = w.Endpoint(t.Context(), m.id, e.ID)
	require.True(t, fault.Is(err, fault.CodeNotFound), "%v", err)
	all, _, err := w.Endpoints(t.Context(), m.id, webhook.EndpointFilter{}, page.Request{Size: 10})
	require.NoError(t, err)
	require.Empty(t, all)
	require.Equal(t, int64(1), m.ask(t, `select count(*) from webhook_endpoint where merchant_id = $1
		and num_nulls(secret_cipher, next_secret_cipher, signing_key_cipher, next_signing_key_cipher, headers_cipher) = 5`))
	for name, change := range map[string]func() error{
		"update": func() error {
			_, err := w.EndpointUpdate(t.Context(), m.id, webhook.EndpointUpdate{ID: e.ID})
			return err
		},
		"enable":   func() error { _, err := w.EndpointEnable(t.Context(), m.id, e.ID); return err },
		"disable":  func() error { _, err := w.EndpointDisable(t.Context(), m.id, e.ID); return err },
		"roll":     func() error { _, _, err := w.EndpointRollSecret(t.Context(), m.id, e.ID, 0); return err },
		"activate": func() error { _, err := w.EndpointActivateSecret(t.Context(), m.id, e.ID); return err },
		"delete":   func() error { return w.EndpointDelete(t.Context(), m.id, e.ID) },
	} {
		require.Equal(t, "NOT_FOUND id", faults(change()), name)
	}
}

func TestADeletedEndpointMakesRoomForAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	m.ask(t, `with added as (
			insert into webhook_endpoint (merchant_id, url, secret_cipher, event_types, created_at)
			select $1, 'https://example.com', '', '{}', now() from generate_series(1, 99) returning 1)
		select count(*) from added`)
	e, _ := m.endpoint(t, "https://example.com")
	_, _, err := w.EndpointCreate(t.Context(), m.id, webhook.EndpointCreate{URL: "https://example.com"})
	require.True(t, fault.Is(err, fault.CodeConflict), "%v", err)
	require.NoError(t, w.EndpointDelete(t.Context(), m.id, e.ID))
	m.endpoint(t, "https://example.com")
}

func TestEndpointsAreListedByProductAndStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	all, _ := m.endpoint(t, "https://example.com")
	one, _, err := w.EndpointCreate(t.Context(), m.id, webhook.EndpointCreate{URL: "https://example.com", ProductID: &m.productID})
	require.NoError(t, err)
	_, err = w.EndpointDisable(t.Context(), m.id, all.ID)
	require.NoError(t, err)
	list := func(f webhook.EndpointFilter) (ids []int64) {
		found, _, err := w.Endpoints(t.Context(), m.id, f, page.Request{Size: 10})
		require.NoError(t, err)
		for _, e := range found {
			ids = append(ids, e.ID)
		}
		return ids
	}
	enabled, disabled := webhook.EndpointEnabled, webhook.EndpointDisabled
	require.Equal(t, []int64{one.ID, all.ID}, list(webhook.EndpointFilter{}))
	require.Equal(t, []int64{one.ID}, list(webhook.EndpointFilter{ProductID: &m.productID}))
	require.Equal(t, []int64{one.ID}, list(webhook.EndpointFilter{Status: &enabled}))
	require.Equal(t, []int64{all.ID}, list(webhook.EndpointFilter{Status: &disabled}))
	require.Empty(t, list(webhook.EndpointFilter{ProductID: &m.productID, Status: &disabled}))
}

// signatures are what a request is signed with: the portal's, and those of Standard Webhooks by version.
func signatures(g got) (portal string, standard map[string][]string) {
	standard = map[string][]string{}
	for _, one := range strings.Split(g.header.Get("webhook-signature"), " ") {
		version, signature, _ := strings.Cut(one, ",")
		standard[version] = append(standard[version], signature)
	}
	return g.header.Get("x-portal-signature"), standard
}

// verified tells which of the secrets and public keys a request's signatures are good for.
func verified(t *testing.T, g got, secrets, keys []string) (portal, symmetric, asymmetric []int) {
	t.Helper()
	given, standard := signatures(g)
	content := g.header.Get("webhook-id") + "." + g.header.Get("webhook-timestamp") + "." + g.body
	for i, secret := range secrets {
		raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		require.NoError(t, err)
		if given == fmt.Sprintf("%x", mac([]byte(secret), g.body)) {
			portal = append(portal, i)
		}
		for _, one := range standard["v1"] {
			if one == base64.StdEncoding.EncodeToString(mac(raw, content)) {
				symmetric = append(symmetric, i)
			}
		}
	}
	for i, key := range keys {
		raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(key, "whpk_"))
		require.NoError(t, err)
		for _, one := range standard["v1a"] {
			signature, err := base64.StdEncoding.DecodeString(one)
			require.NoError(t, err)
			if ed25519.Verify(raw, []byte(content), signature) {
				asymmetric = append(asymmetric, i)
			}
		}
	}
	require.Len(t, standard["v1"], len(symmetric), "no signature is of a secret that nobody knows")
	if keys != nil {
		require.Len(t, standard["v1a"], len(asymmetric))
	}
	return portal, symmetric, asymmetric
}

func TestARolledSecretSignsBesideTheOldOneUntilItIsActivatedOrItsTimeComes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := receive(t, nil)
	e, first := m.endpoint(t, r.URL)
	secrets, keys := []string{first}, []string{*e.PublicKey}
	roll := func(overlap int32) webhook.Endpoint {
		rolled, plain, err := w.EndpointRollSecret(t.Context(), m.id, e.ID, overlap)
		require.NoError(t, err)
		secrets = append(secrets, string(plain))
		next := rolled.NextPublicKey
		if next == nil {
			next = rolled.PublicKey
		}
		keys = append(keys, *next)
		return rolled
	}
	signedWith := func(present int, both ...int) {
		t.Helper()
		m.publish(t, m.subscription(t))
		m.drain(t, e)
		portal, symmetric, asymmetric := verified(t, r.got()[len(r.got())-1], secrets, keys)
		require.Equal(t, []int{present}, portal)
		require.Equal(t, both, symmetric)
		require.Equal(t, both, asymmetric)
		shown, err := w.Endpoint(t.Context(), m.id, e.ID)
		require.NoError(t, err)
		require.Equal(t, keys[present], *shown.PublicKey)
		require.Equal(t, len(both) == 2, shown.NextPublicKey != nil)
		require.Equal(t, len(both) == 2, shown.NextSecretAt != nil)
	}
	signedWith(0, 0)
	rolled := roll(3600)
	require.True(t, rolled.NextSecretAt.Equal(start.Add(time.Hour)))
	signedWith(0, 0, 1)
	_, err := w.EndpointActivateSecret(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	signedWith(1, 1)
	_, err = w.EndpointActivateSecret(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	signedWith(1, 1)

	roll(3600)
	w.clock.advance(time.Hour - time.Second)
	signedWith(1, 1, 2)
	w.clock.advance(time.Second)
	signedWith(2, 2)
	roll(60)
	signedWith(2, 2, 3)
	roll(60) // the one that waited gives way
	signedWith(2, 2, 4)
	roll(0)
	signedWith(5, 5)
	for _, overlap := range []int32{-1, 7*24*3600 + 1} {
		_, _, err := w.EndpointRollSecret(t.Context(), m.id, e.ID, overlap)
		require.Equal(t, "INVALID overlapSeconds", faults(err))
	}
	signedWith(5, 5)
}

func TestADeadlineThatComesWhileADrainIsAtWorkHoldsForItsNextRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := receive(t, func(http.ResponseWriter, string) { w.clock.advance(time.Second) })
	e, old := m.endpoint(t, r.URL)
	_, rolled, err := w.EndpointRollSecret(t.Context(), m.id, e.ID, 1)
	require.NoError(t, err)
	subscription := m.subscription(t)
	m.publish(t, subscription, subscription)
	m.drain(t, e)
	for i, want := range []string{old, string(rolled)} {
		require.Equal(t, webhook.PortalSignature(want, []byte(r.got()[i].body)), r.got()[i].header.Get("x-portal-signature"))
	}
}
