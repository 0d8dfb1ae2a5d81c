package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/proctest"
)

// requireCoded holds an answer to the form of errors of sections B and D.
func requireCoded(t *testing.T, r reply, status int, code string) {
	t.Helper()
	require.Equal(t, status, r.status, r.text)
	requireMembers(t, r.body, "error")
	requireMembers(t, r.body["error"], "code message")
	require.Equal(t, code, r.body.At("error.code"))
	require.NotEmpty(t, r.body.Text("error.message"))
}

func TestAShopSendsItsCustomersToThePortal(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	m, other := s.merchant("Acorn"), s.merchant("Birch")
	m.product("rosterly", nil)
	m.plan("rosterly", "pro", 4900)
	adaID := m.customer("Ada@Example.test", object{"number": 12345})
	bobID := m.customer("bob@example.test", object{"number": 77})
	m.customer("idle@example.test", object{"number": 88})
	subscription, bobs := m.subscribe("ada@example.test", "rosterly/pro"), m.subscribe("bob@example.test", "rosterly/pro")
	other.customer("zoe@example.test", object{"number": 99})
	env := func(key string) []string { return []string{"PORTAL_URL=" + s.base, "PORTAL_API_KEY=" + key} }
	shop := program(t, proctest.FreePort(t), "b_portal/portal.mjs", env(m.key)...)
	stranger := program(t, proctest.FreePort(t), "b_portal/portal.mjs", env("ptc_sk_test_wrong")...)
	scopeless := program(t, proctest.FreePort(t), "b_portal/portal.mjs", env(m.newKey("[CATALOG_READ]"))...)
	ask := func(path string) reply { return send(t, http.MethodGet, shop+path, nil) }
	mint := func(query string) string {
		t.Helper()
		r := ask("/token?" + query)
		require.Equal(t, http.StatusOK, r.status, r.text)
		return r.body.Text("token")
	}
	numberOf := func(id string) string { return id[strings.LastIndex(id, "/")+1:] }

	t.Run("B1: the token comes with the customer's number, by header and by parameter", func(t *testing.T) {
		for _, answer := range []object{
			ask("/token?customerId=12345").body,
			run(t, env(m.key), "b_portal/token.sh", "header", "customerId=12345"),
			run(t, env(m.key), "b_portal/token.sh", "parameter", "customerId=12345"),
		} {
			requireMembers(t, answer, "customerId token")
			require.EqualValues(t, 12345, answer["customerId"])
			require.True(t, strings.HasPrefix(answer.Text("token"), "eyJ"))
		}
	})
	t.Run("B1: GraphQL says when it ends as well", func(t *testing.T) {
		minted := m.Do(`mutation { portalTokenCreate(input: {customer: {number: 12345}}) { customerId token expiresIn expiresAt userErrors { message } } }`, nil)
		require.EqualValues(t, 7200, minted.At("portalTokenCreate.expiresIn"))
		require.EqualValues(t, 12345, minted.At("portalTokenCreate.customerId"))
		ends, err := time.Parse(time.RFC3339, minted.Text("portalTokenCreate.expiresAt"))
		require.NoError(t, err)
		require.WithinDuration(t, time.Now().Add(2*time.Hour), ends, time.Minute)
	})
	t.Run("B2-B4: who is found, and what is refused", func(t *testing.T) {
		for query, want := range map[string]int{
			"customerId=12345": 12345, "customerId=12345&email=bob@example.test": 12345, "customerId=88": 88,
			"customerId=gid://anything/Customer/12345": 12345, "customerId=gid://shopify/Customer/12345": 12345,
			"customerId=gid://portico/Customer/" + numberOf(adaID): 12345, "customerId=gid://portico/Customer/" + numberOf(bobID): 77,
			"email=ada@example.test": 12345, "email=ADA@EXAMPLE.TEST": 12345,
		} {
			r := ask("/token?" + query)
			require.Equal(t, http.StatusOK, r.status, "%s: %s", query, r.text)
			require.EqualValues(t, want, r.body["customerId"], query)
		}
		for _, query := range []string{
			"", "customerId=", "customerId=twelve", "customerId=-1", "customerId=12.5", "customerId=gid://shopify/Order/12345", "customerId=gid:12345",
			"customerId=gid://anything/Customer/", "email=nonsense", "customerId=twelve&email=ada@example.test",
		} {
			requireCoded(t, ask("/token?"+query), 400, "INVALID")
		}
		for _, query := range []string{
			"customerId=404", "customerId=99", "email=nobody@example.test", "email=idle@example.test", "email=zoe@example.test",
			"customerId=404&email=ada@example.test", "customerId=gid://portico/Customer/999999",
		} {
			requireCoded(t, ask("/token?"+query), 404, "NOT_FOUND")
		}
	})
	t.Run("B2: no key and a wrong one are 401, one without the scope is 403", func(t *testing.T) {
		for _, path := range []string{"/token?customerId=12345", "/link?customerId=12345", "/settings/" + m.shop} {
			requireCoded(t, send(t, http.MethodGet, stranger+path, nil), 401, "UNAUTHENTICATED")
			requireCoded(t, send(t, http.MethodGet, scopeless+path, nil), 403, "FORBIDDEN")
		}
		requireCoded(t, send(t, http.MethodPost, stranger+"/mail?email=ada@example.test", nil), 401, "UNAUTHENTICATED")
		for _, path := range []string{"customer-portal-token", "manage-subscription-link", "customer-portal-settings/" + m.shop} {
			requireCoded(t, send(t, http.MethodGet, s.base+"/api/external/v2/"+path, nil), 401, "UNAUTHENTICATED")
		}
	})
	t.Run("B5: the payload is customerId, shop, timestamp and jti, signed with HS256", func(t *testing.T) {
		decoded := ask("/decoded?token=" + mint("customerId=12345")).body
		require.Equal(t, "HS256", decoded.At("header.alg"))
		requireMembers(t, decoded["payload"], "customerId shop timestamp jti")
		require.EqualValues(t, 12345, decoded.At("payload.customerId"))
		require.Equal(t, m.shop, decoded.At("payload.shop"))
		require.InDelta(t, time.Now().Unix(), decoded.At("payload.timestamp"), 60)
		again := ask("/decoded?token=" + mint("customerId=12345")).body
		require.NotEqual(t, decoded.At("payload.jti"), again.At("payload.jti"))
	})
	page := func(shop, token string) reply {
		return send(t, http.MethodGet, s.base+"/portal/"+shop+"?token="+token, nil)
	}
	t.Run("B5: it opens the portal, which names the customer, the shop and the subscriptions", func(t *testing.T) {
		r := page(m.shop, mint("customerId=12345"))
		require.Equal(t, http.StatusOK, r.status)
		for _, shown := range []string{"Ada@Example.test", "Acorn test", "Rosterly", "Pro", "Active"} {
			require.Contains(t, r.text, shown)
		}
		require.NotContains(t, r.text, "bob@example.test")
	})
	t.Run("B5: it is a Bearer token of GraphQL, for this customer only", func(t *testing.T) {
		token := mint("customerId=12345")
		r := ask("/subscriptions?token=" + token)
		require.EqualValues(t, 12345, r.body.At("data.viewer.customer.number"))
		held := r.body.List("data.mySubscriptions.nodes")
		require.Len(t, held, 1)
		require.Equal(t, subscription, held[0]["id"])
		strange := send(t, http.MethodPost, shop+"/cancel?token="+token+"&subscription="+bobs, nil)
		require.Equal(t, "NOT_FOUND", strange.body.List("data.subscriptionCancel.userErrors")[0]["code"], strange.text)
		require.Equal(t, "ACTIVE", m.Do(`query($id: ID!) { subscription(id: $id) { status } }`, object{"id": bobs}).At("subscription.status"))
	})
	unauthenticated := func(t *testing.T, token, what string) {
		t.Helper()
		r := ask("/subscriptions?token=" + url.QueryEscape(token))
		require.Equal(t, "UNAUTHENTICATED", r.body.List("errors")[0].At("extensions.code"), "%s: %s", what, r.text)
	}
	t.Run("B5: any changed byte invalidates it", func(t *testing.T) {
		token := mint("customerId=12345")
		for i := range len(token) {
			changed := []byte(token)
			if changed[i]++; changed[i] == '/' || changed[i] == '[' || changed[i] == '{' || changed[i] == ':' {
				changed[i] = 'a'
			}
			r := send(t, http.MethodPost, s.base+"/graphql", object{"query": "{ viewer { kind } }"}, "Authorization", "Bearer "+string(changed))
			require.Contains(t, r.text, "UNAUTHENTICATED", "byte %d", i)
		}
		unauthenticated(t, token[:len(token)-1], "cut")
		require.Equal(t, http.StatusOK, page(m.shop, token).status)
	})
	t.Run("B5: another shop refuses it", func(t *testing.T) {
		r := page(other.shop, mint("customerId=12345"))
		require.Equal(t, http.StatusUnauthorized, r.status)
		require.NotContains(t, r.text, "Ada@Example.test")
	})
	t.Run("B5: it is listed, and refused once it is revoked", func(t *testing.T) {
		token, kept := mint("customerId=12345"), mint("customerId=77")
		listed := m.Do(`{ portalTokens(customer: {number: 12345}, first: 1) { nodes { id expiresAt revokedAt customer { number } } } }`, nil).List("portalTokens.nodes")
		require.EqualValues(t, 12345, listed[0].At("customer.number"))
		require.Equal(t, http.StatusOK, page(m.shop, token).status)
		m.Do(`mutation { portalTokenRevoke(input: {customer: {number: 12345}}) { revoked userErrors { message } } }`, nil)
		require.Equal(t, http.StatusUnauthorized, page(m.shop, token).status)
		unauthenticated(t, token, "revoked")
		require.Equal(t, http.StatusOK, page(m.shop, kept).status)
	})
	t.Run("B5: a browser's session ends with the token, or earlier by the settings", func(t *testing.T) {
		for seconds, ends := range map[int]time.Duration{43200: 2 * time.Hour, 3600: time.Hour} {
			m.Do(`mutation($s: Int!) { portalSettingsUpdate(input: {settings: {authentication: {sessionDuration: $s}}}) { userErrors { message } } }`, object{"s": seconds})
			cookie, err := http.ParseSetCookie(page(m.shop, mint("customerId=12345")).header.Get("Set-Cookie"))
			require.NoError(t, err)
			require.WithinDuration(t, time.Now().Add(ends), cookie.Expires, time.Minute)
		}
	})
	t.Run("B6: the link is the portal's address, ready to open", func(t *testing.T) {
		for _, query := range []string{"customerId=12345", "email=ada@example.test", "customerId=gid://anything/Customer/12345"} {
			r := ask("/link?" + query)
			require.Equal(t, http.StatusOK, r.status, r.text)
			link := r.body.Text("manageSubscriptionLink")
			require.True(t, strings.HasPrefix(link, s.base+"/portal/"+m.shop+"?token="), link)
			require.Contains(t, send(t, http.MethodGet, link, nil).text, "Ada@Example.test")
		}
		requireCoded(t, ask("/link"), 400, "INVALID")
		requireCoded(t, ask("/link?customerId=404"), 404, "NOT_FOUND")
	})
	t.Run("B6: the link is mailed", func(t *testing.T) {
		require.Equal(t, http.StatusOK, send(t, http.MethodPost, shop+"/mail?email=ADA@example.test", nil).status)
		link := s.mails.Wait("Ada@Example.test", 1)[0].Link()
		require.Contains(t, send(t, http.MethodGet, link, nil).text, "Ada@Example.test")
		requireCoded(t, send(t, http.MethodPost, shop+"/mail?email=idle@example.test", nil), 404, "NOT_FOUND")
		requireCoded(t, send(t, http.MethodPost, shop+"/mail?email=nonsense", nil), 400, "INVALID")
	})
	settings := func(t *testing.T) object {
		t.Helper()
		r := ask("/settings/" + m.shop)
		require.Equal(t, http.StatusOK, r.status, r.text)
		return r.body
	}
	set := func(t *testing.T, input string) object {
		t.Helper()
		return m.Post(`mutation { portalSettingsUpdate(input: `+input+`) { userErrors { field code message } } }`, nil)
	}
	t.Run("B7: the settings have all the published members", func(t *testing.T) {
		read := settings(t)
		requireMembers(t, read, `id shop portalEnabled customDomain allowPause maxPauseDuration allowSkip maxConsecutiveSkips allowFrequencyChange
			allowQuantityChange allowProductSwap allowAddressEdit allowPaymentMethodUpdate allowCancellation requireCancellationReason
			enableOneTimeProducts minimumSubscriptionCycles theme authentication notifications supportContact createdAt updatedAt
			layout helpText customMessage redirectUrls analytics`)
		requireMembers(t, read["theme"], "primaryColor secondaryColor accentColor fontFamily logoUrl customCss")
		requireMembers(t, read["authentication"], "method sessionDuration requireEmailVerification")
		requireMembers(t, read["notifications"], "sendSkipConfirmation sendPauseConfirmation sendFrequencyChangeConfirmation sendCancellationConfirmation")
		requireMembers(t, read["supportContact"], "email phone chatEnabled")
		require.Equal(t, m.shop, read["shop"])
		require.Equal(t, read, ask("/settings/"+fmt.Sprint(read["id"])).body)
		requireCoded(t, ask("/settings/"+other.shop), 404, "NOT_FOUND")
	})
	t.Run("B7: presets, and changes that show at once", func(t *testing.T) {
		for preset, may := range map[string]bool{"LOCKED_DOWN": false, "FULL_SERVICE": true} {
			set(t, `{preset: `+preset+`}`)
			require.Equal(t, may, settings(t)["allowCancellation"], preset)
		}
		set(t, `{preset: STANDARD, settings: {maxPauseDuration: 30, theme: {accentColor: "#123456"}, supportContact: {phone: "+1 555 0100"}}}`)
		read := settings(t)
		require.EqualValues(t, 30, read["maxPauseDuration"])
		require.Equal(t, "#123456", read.At("theme.accentColor"))
		require.Contains(t, page(m.shop, mint("customerId=12345")).text, "--accent:#123456")
	})
	t.Run("B8: every toggle holds customers from the next request on", func(t *testing.T) {
		token := mint("customerId=12345")
		cancel := func(reason string) string {
			r := send(t, http.MethodPost, shop+"/cancel?token="+token+"&subscription="+url.QueryEscape(subscription)+reason, nil)
			for _, refused := range r.body.List("data.subscriptionCancel.userErrors") {
				return refused.Text("code")
			}
			require.Equal(t, true, r.body.At("data.subscriptionCancel.subscription.cancelAtPeriodEnd"), r.text)
			return "canceled"
		}
		set(t, `{settings: {allowCancellation: false}}`)
		require.Equal(t, "NOT_ALLOWED_BY_SETTINGS", cancel(""))
		set(t, `{settings: {allowCancellation: true, minimumSubscriptionCycles: 3}}`)
		require.Equal(t, "NOT_ALLOWED_BY_SETTINGS", cancel(""))
		set(t, `{settings: {minimumSubscriptionCycles: 0, requireCancellationReason: true}}`)
		require.Equal(t, "REQUIRED", cancel(""))
		require.Equal(t, "canceled", cancel("&reason=dear"))
		card := func() string {
			r := send(t, http.MethodPost, s.base+"/graphql", object{"query": `mutation {
				paymentMethodAttach(input: {customer: {number: 12345}, token: "pm_card_visa"}) { userErrors { code } } }`}, "Authorization", "Bearer "+token)
			return r.text
		}
		set(t, `{settings: {allowPaymentMethodUpdate: false}}`)
		require.Contains(t, card(), "NOT_ALLOWED_BY_SETTINGS")
		set(t, `{settings: {allowPaymentMethodUpdate: true}}`)
		require.NotContains(t, card(), "NOT_ALLOWED_BY_SETTINGS")
		set(t, `{settings: {portalEnabled: false}}`)
		require.Equal(t, http.StatusForbidden, page(m.shop, token).status)
		requireCoded(t, ask("/token?customerId=12345"), 403, "NOT_ALLOWED_BY_SETTINGS")
		set(t, `{settings: {portalEnabled: true}}`)
		require.Equal(t, http.StatusOK, page(m.shop, token).status)
	})
	t.Run("B8: customCss that could load or run something is refused", func(t *testing.T) {
		for _, bad := range []string{"a { background: url(//x) }", "@import 'x'", "a { width: expression(1) }", "</style>"} {
			text, err := json.Marshal(bad)
			require.NoError(t, err)
			refused := set(t, `{settings: {theme: {customCss: `+string(text)+`}}}`)
			require.Equal(t, "INVALID", refused.List("data.portalSettingsUpdate.userErrors")[0]["code"], bad)
		}
		require.Empty(t, set(t, `{settings: {theme: {customCss: "h1 { color: red }"}}}`).List("data.portalSettingsUpdate.userErrors"))
	})
}
