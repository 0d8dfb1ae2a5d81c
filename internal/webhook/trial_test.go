package webhook_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/fault"
	"portico/internal/secret"
	"portico/internal/webhook"
	"portico/internal/webhook/webhooktest"
)

func (m *merchant) try(t *testing.T, e webhook.Endpoint, eventType string) webhook.Trial {
	t.Helper()
	trial, err := m.w.EndpointTest(t.Context(), m.id, e.ID, eventType)
	require.NoError(t, err)
	return trial
}

func TestATestSendsASampleOfEachTypeInEachFormatAndShowsWhatWasSent(t *testing.T) {
	t.Parallel()
	node := webhooktest.StartNode(t)
	w := newWorld(t)
	m := w.merchant(t)
	r := receive(t, func(w http.ResponseWriter, _ string) { _, _ = io.WriteString(w, `{"received": true}`) })
	for _, format := range []string{webhook.FormatPortal, webhook.FormatThin, webhook.FormatPaymentNotification} {
		e, key, err := w.EndpointCreate(t.Context(), m.id, webhook.EndpointCreate{
			URL: r.URL, Format: format, ProductID: &m.productID, Headers: []webhook.Header{header("Authorization", "open sesame")},
		})
		require.NoError(t, err)
		for _, kind := range webhook.Types() {
			trial, err := w.EndpointTest(t.Context(), m.id, e.ID, string(kind))
			if format == webhook.FormatPaymentNotification && kind != webhook.PaymentSucceeded {
				require.Equal(t, "INVALID eventType", faults(err))
				continue
			}
			require.NoError(t, err)
			require.Equal(t, int32(200), *trial.StatusCode)
			require.Equal(t, `{"received": true}`, trial.ResponseBody)
			require.Nil(t, trial.ErrorClass)
			require.Nil(t, trial.Error)
			got := r.got()[len(r.got())-1]
			require.Equal(t, got.body, trial.RequestBody)
			text, ok := node.Reads(t, []byte(got.body))
			require.True(t, ok)
			require.Equal(t, got.body, text)
			var body struct {
				Event string `json:"event"`
				Test  bool   `json:"test"`
			}
			require.NoError(t, json.Unmarshal([]byte(got.body), &body))
			require.True(t, body.Test, "it says what it is")
			if kind != webhook.CustomerCreated { // which is about none
				require.Contains(t, got.body, `"first"`, "the endpoint's own product")
			}
			require.Regexp(t, `^evt_test_\w+$`, got.header.Get("webhook-id"))
			portal, symmetric, asymmetric := verified(t, got, []string{string(key)}, []string{*e.PublicKey})
			require.Equal(t, [][]int{{0}, {0}, {0}}, [][]int{portal, symmetric, asymmetric})
			shown := map[string]string{}
			for _, h := range trial.RequestHeaders {
				shown[h.Name] = h.Value
			}
			require.Equal(t, got.header.Get("webhook-signature"), shown["Webhook-Signature"])
			require.Equal(t, got.header.Get("x-portal-signature"), shown["X-Portal-Signature"])
			require.Equal(t, "open sesame", got.header.Get("Authorization"))
			require.Equal(t, "[redacted]", shown["Authorization"])
			if format == webhook.FormatPaymentNotification {
				require.Equal(t, string(tokenKeyOf(m.id)), got.header.Get("api-key"))
				require.Equal(t, "[redacted]", shown["Api-Key"])
			} else {
				require.Equal(t, string(kind), body.Event)
			}
			w.clock.advance(3 * time.Second)
		}
	}
	require.Zero(t, m.ask(t, `select count(*) from event where merchant_id = $1`), "nothing has happened")
	require.Zero(t, m.ask(t, `select count(*) from webhook_delivery where merchant_id = $1`))
}

func TestATestSaysAtWhichStepItFailed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	closed := receive(t, nil)
	closed.Close()
	hangingUp := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(hangingUp.Close)
	redirecting := receive(t, func(w http.ResponseWriter, _ string) {
		w.Header().Set("Location", "https://example.com")
		w.WriteHeader(http.StatusFound)
	})
	failing := receive(t, func(w http.ResponseWriter, _ string) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, strings.Repeat("a", 20<<10))
	})
	for name, c := range map[string]struct {
		url   string
		class webhook.ErrorClass
		code  int32
	}{
		"nobody listens":            {closed.URL, webhook.ErrorConnect, 0},
		"it hangs up":               {hangingUp.URL, webhook.ErrorProtocol, 0},
		"it redirects":              {redirecting.URL, webhook.ErrorRedirect, 302},
		"it is gone":                {receive(t, answering(410)).URL, webhook.ErrorStatus, 410},
		"it fails":                  {failing.URL, webhook.ErrorStatus, 400},
		"it speaks no TLS":          {strings.Replace(failing.URL, "http:", "https:", 1), webhook.ErrorTLS, 0},
		"its name leads nowhere":    {"http://nobody.invalid", webhook.ErrorDNS, 0},
		"it is not to be called":    {"http://10.0.0.1", webhook.ErrorRefusedAddress, 0},
		"it is on a port that mail": {"http://127.0.0.1:25", webhook.ErrorRefusedAddress, 0},
	} {
		e, _ := m.endpoint(t, failing.URL)
		_, err := w.DB.Tenant(m.id).Exec(t.Context(), `update webhook_endpoint set url = $1 where id = $2`, c.url, e.ID) // as one that was saved under other rules
		require.NoError(t, err)
		trial := m.try(t, e, "invoice.created")
		require.Equal(t, c.class, *trial.ErrorClass, "%s: %s", name, *trial.Error)
		require.NotEmpty(t, *trial.Error)
		require.NotEmpty(t, trial.RequestHeaders)
		if c.code == 0 {
			require.Nil(t, trial.StatusCode, name)
		} else {
			require.Equal(t, c.code, *trial.StatusCode, name)
		}
		if c.code == 400 {
			require.Equal(t, strings.Repeat("a", 16<<10), trial.ResponseBody)
		}
		stored, err := w.Endpoint(t.Context(), m.id, e.ID)
		require.NoError(t, err)
		require.Equal(t, webhook.EndpointEnabled, stored.Status, "a test disables nothing")
	}
}

func TestADisabledEndpointCanBeTestedAndOthersCannot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, stranger := w.merchant(t), w.merchant(t)
	e, _ := m.endpoint(t, receive(t, nil).URL)
	_, err := w.EndpointDisable(t.Context(), m.id, e.ID)
	require.NoError(t, err)
	require.Equal(t, int32(200), *m.try(t, e, "subscription.renewed").StatusCode)
	_, err = w.EndpointTest(t.Context(), stranger.id, e.ID, "subscription.renewed")
	require.Equal(t, "NOT_FOUND id", faults(err))
	for _, unknown := range []string{"", "*", "subscription.*", "x"} {
		_, err = w.EndpointTest(t.Context(), m.id, e.ID, unknown)
		require.Equal(t, "INVALID eventType", faults(err), unknown)
	}
	require.NoError(t, w.EndpointDelete(t.Context(), m.id, e.ID))
	_, err = w.EndpointTest(t.Context(), m.id, e.ID, "subscription.renewed")
	require.Equal(t, "NOT_FOUND id", faults(err))
}

func TestTestsRunOutAndComeBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m, other := w.merchant(t), w.merchant(t)
	r := receive(t, nil)
	e, _ := m.endpoint(t, r.URL)
	for range 20 {
		m.try(t, e, "invoice.created")
	}
	_, err := w.EndpointTest(t.Context(), m.id, e.ID, "invoice.created")
	require.True(t, fault.Is(err, fault.CodeThrottled), "%v", err)
	require.Equal(t, 3*time.Second, fault.List(err)[0].RetryAfter)
	require.Len(t, r.got(), 20)
	theirs, _ := other.endpoint(t, r.URL)
	other.try(t, theirs, "invoice.created")
	w.clock.advance(3 * time.Second)
	m.try(t, e, "invoice.created")
}

func TestATestIsSignedWithBothSecretsWhileOneWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merchant(t)
	r := receive(t, nil)
	e, first := m.endpoint(t, r.URL)
	var rolled secret.Text
	_, rolled, err := w.EndpointRollSecret(t.Context(), m.id, e.ID, 60)
	require.NoError(t, err)
	trial := m.try(t, e, "invoice.created")
	_, symmetric, _ := verified(t, r.got()[0], []string{first, string(rolled)}, nil)
	require.Equal(t, []int{0, 1}, symmetric)
	for _, text := range []string{first, string(rolled)} {
		require.NotContains(t, fmt.Sprint(trial), text)
	}
}
