package rest_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/settings"
)

func (w *world) set(changes string) {
	w.t.Helper()
	_, err := w.portal.SettingsUpdate(w.t.Context(), w.box, settings.Update{Changes: json.RawMessage(changes)})
	require.NoError(w.t, err)
}

func TestTheSettingsAreReadOverTheCompatibleRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reader := w.newKey(w.box, account.ScopeCustomersRead)
	w.set(`{"maxPauseDuration": 30, "theme": {"accentColor": "#123456"}}`)
	path := external + "customer-portal-settings/"
	for _, id := range []string{w.shop, strconv.FormatInt(w.box.MerchantID, 10)} {
		a := w.send(http.MethodGet, path+id, key(reader), nil)
		require.Equal(t, 200, a.status, a.body)
		var body map[string]any
		require.NoError(t, json.Unmarshal([]byte(a.body), &body))
		require.Equal(t, float64(w.box.MerchantID), body["id"])
		require.Equal(t, float64(30), body["maxPauseDuration"])
		require.Equal(t, "#123456", body["theme"].(map[string]any)["accentColor"])
	}
	requireRefused(t, w.send(http.MethodGet, path+"acorn", key(reader), nil), 404, "NOT_FOUND")
	requireRefused(t, w.send(http.MethodGet, path+w.shop, key(w.key), nil), 403, "FORBIDDEN")
	requireRefused(t, w.send(http.MethodGet, path+w.shop, nil, nil), 401, "UNAUTHENTICATED")
}

func TestThePagesLookAsTheMerchantWants(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.customer(w.box, "ada@example.com", nil, &w.plan)
	w.set(`{"customMessage": "We move & <b>", "helpText": "Call us.", "layout": "CARDS", "supportContact": {"email": "help@acorn.test", "phone": "+1 555"},
		"theme": {"accentColor": "#123456", "logoUrl": "https://cdn.acorn.test/l.png?a=1&b=2", "customCss": "h1 > b { color: red }"}}`)
	a := w.send(http.MethodGet, "/portal/"+w.shop+"?token="+w.token(ada), nil, nil)
	require.Equal(t, 200, a.status)
	for _, shown := range []string{
		"We move &amp; &lt;b&gt;", "Call us.", `class="cards"`, "help@acorn.test", "&#43;1 555", "--accent:#123456", "h1 > b { color: red }",
		`src="https://cdn.acorn.test/l.png?a=1&amp;b=2"`,
	} {
		require.Contains(t, a.body, shown)
	}
	require.Contains(t, a.header.Get("Content-Security-Policy"), "; img-src https://cdn.acorn.test; form-action 'self'")

	w.set(`{"authentication": {"method": "TOKEN"}}`)
	require.NotContains(t, w.send(http.MethodGet, "/portal/"+w.shop, nil, nil).body, "<form")
	w.set(`{"portalEnabled": false}`)
	closed := w.send(http.MethodGet, "/portal/"+w.shop, nil, nil)
	requirePage(t, closed, 403)
	require.Contains(t, closed.body, "closed")
}

func TestABrowserThatCameWithATokenStaysSignedIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.customer(w.box, "ada@example.com", nil, &w.plan)
	token := w.token(ada)
	first := w.send(http.MethodGet, "/portal/"+w.shop+"?token="+token, nil, nil)
	cookies, err := http.ParseSetCookie(first.header.Get("Set-Cookie"))
	require.NoError(t, err)
	require.Equal(t, "/portal/"+w.shop, cookies.Path)
	require.True(t, cookies.HttpOnly)
	require.Equal(t, w.now.Add(2*time.Hour), cookies.Expires.UTC())
	browser := http.Header{"Cookie": {cookies.Name + "=" + cookies.Value}}

	again := w.send(http.MethodGet, "/portal/"+w.shop, browser, nil)
	require.Equal(t, 200, again.status)
	require.Contains(t, again.body, "ada@example.com")
	require.Empty(t, w.send(http.MethodGet, "/portal/"+w.shop+"?token="+token, browser, nil).header.Get("Set-Cookie"), "one session is enough")
	require.NotContains(t, w.send(http.MethodGet, "/portal/acorn", browser, nil).body, "ada@example.com")
	w.now = newYear.Add(2 * time.Hour)
	require.NotContains(t, w.send(http.MethodGet, "/portal/"+w.shop, browser, nil).body, "ada@example.com")
}
