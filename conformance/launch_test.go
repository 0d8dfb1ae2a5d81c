package conformance

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/proctest"
)

// features are those of the plan that the product is sold with.
func features() []object {
	return []object{
		{"name": "advancedReporting", "kind": "BOOLEAN", "enabled": true},
		{"name": "payroll", "kind": "BOOLEAN", "enabled": false},
		{"name": "maxEmployees", "kind": "LIMIT", "limit": 2},
		{"name": "maxProjects", "kind": "UNLIMITED"},
	}
}

// browser is a user's: it keeps the session that a launch begins.
func browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &http.Client{Jar: jar, Timeout: proctest.Patience}
}

func TestAProductIsLaunchedAndGatedByWhatTheSubscriptionAllows(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	m := s.merchant("Acorn")
	port := proctest.FreePort(t)
	productID, launchSecret := m.product("rosterly", object{"launchUrl": local(port) + "/launch"})
	m.plan("rosterly", "pro", 4900, features()...)
	company := m.Do(`mutation { companyCreate(input: {name: "Bakery"}) { company { id } userErrors { message } } }`, nil).Text("companyCreate.company.id")
	m.customer("ada@example.test", object{"number": 12345, "role": "admin", "company": company})
	m.customer("solo@example.test", nil)
	m.customer("idle@example.test", nil)
	m.subscribe("ada@example.test", "rosterly/pro")
	m.subscribe("solo@example.test", "rosterly/pro")
	upgrade := m.Do(`{ product(ref: {identifier: "rosterly"}) { upgradeUrl } }`, nil).Text("product.upgradeUrl")
	product := program(t, port, "a_launch/product.mjs", "PORTAL_JWT_SECRET="+launchSecret, "PORTAL_WEBHOOK_SECRET=unused", "PORTAL_UPGRADE_URL="+upgrade)
	portal := []string{"PORTAL_URL=" + s.base, "PORTAL_API_KEY=" + m.key}

	t.Run("A1: a key made in Settings authenticates a server, and no other does", func(t *testing.T) {
		require.Equal(t, true, run(t, portal, "a_launch/access.mjs", "ada@example.test", "rosterly").At("data.access.allowed"))
		refused := run(t, []string{portal[0], "PORTAL_API_KEY=" + m.key + "x"}, "a_launch/access.mjs", "ada@example.test", "rosterly")
		require.Equal(t, "UNAUTHENTICATED", refused.List("errors")[0].At("extensions.code"))
	})
	t.Run("A2: the product opens with a token that jsonwebtoken verifies with the secret as a string", func(t *testing.T) {
		address, token := m.launch("ada@example.test", "rosterly")
		require.Equal(t, product+"/launch?token="+token, address)
		require.Equal(t, http.StatusOK, send(t, http.MethodGet, address, nil).status)
		for name, forged := range map[string]string{
			"altered": token[:len(token)-10] + "A" + token[len(token)-9:], "cut": token[:len(token)-1], "empty": "",
			"unsigned": base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + strings.Split(token, ".")[1] + ".",
		} {
			require.Equal(t, http.StatusUnauthorized, send(t, http.MethodGet, product+"/launch?token="+forged, nil).status, name)
		}
	})
	t.Run("A2: a token lives five minutes, or the product's own one to fifteen", func(t *testing.T) {
		life := func() float64 {
			address, _ := m.launch("ada@example.test", "rosterly")
			user := send(t, http.MethodGet, address, nil).body
			require.InDelta(t, time.Now().Unix(), user.At("iat"), 60)
			return user.At("exp").(float64) - user.At("iat").(float64)
		}
		require.EqualValues(t, 300, life())
		update := `mutation($id: ID!, $ttl: Int!) { productUpdate(input: {id: $id, launchTtlSeconds: $ttl}) { userErrors { code } } }`
		for _, seconds := range []int{60, 900} {
			m.Do(update, object{"id": productID, "ttl": seconds})
			require.EqualValues(t, seconds, life())
		}
		for _, seconds := range []int{59, 901} {
			require.Len(t, m.Post(update, object{"id": productID, "ttl": seconds}).List("data.productUpdate.userErrors"), 1)
		}
	})
	t.Run("A3: the payload has exactly the published names", func(t *testing.T) {
		address, _ := m.launch("ada@example.test", "rosterly")
		user := send(t, http.MethodGet, address, nil).body
		requireMembers(t, user, "userId email name role companyId companyName subscription iss aud sub iat exp jti")
		requireMembers(t, user["subscription"], "id tier status features seats expiresAt")
		require.EqualValues(t, 12345, user["userId"])
		require.Equal(t, "12345", user["sub"])
		require.Equal(t, "ada@example.test", user["email"])
		require.Equal(t, "Ada Example", user["name"])
		require.Equal(t, "admin", user["role"])
		require.IsType(t, float64(0), user["companyId"])
		require.Equal(t, "Bakery", user["companyName"])
		require.Equal(t, s.base, user["iss"])
		require.Equal(t, "rosterly", user["aud"])
		require.NotEmpty(t, user["jti"])
		require.IsType(t, float64(0), user.At("subscription.id"))
		require.Equal(t, "pro", user.At("subscription.tier"))
		require.Equal(t, "active", user.At("subscription.status"))
		require.EqualValues(t, 1, user.At("subscription.seats"))
		require.Equal(t, map[string]any{
			"advancedReporting": true, "payroll": false, "maxEmployees": 2.0, "maxProjects": 9007199254740991.0,
		}, user.At("subscription.features"))
	})
	t.Run("A3: expiresAt is when access ends, grace included", func(t *testing.T) {
		address, _ := m.launch("ada@example.test", "rosterly")
		ends, err := time.Parse(time.RFC3339, send(t, http.MethodGet, address, nil).body.Text("subscription.expiresAt"))
		require.NoError(t, err)
		held := m.Do(`{ subscriptions(customer: {email: "ada@example.test"}) { nodes { currentPeriodEnd accessUntil } } merchant { graceDays } }`, nil)
		period, err := time.Parse(time.RFC3339, held.List("subscriptions.nodes")[0].Text("currentPeriodEnd"))
		require.NoError(t, err)
		require.WithinDuration(t, period.AddDate(0, 0, int(held.At("merchant.graceDays").(float64))), ends, time.Second)
	})
	t.Run("A3: a person without a company has a personal one", func(t *testing.T) {
		address, _ := m.launch("solo@example.test", "rosterly")
		user := send(t, http.MethodGet, address, nil).body
		require.IsType(t, float64(0), user["companyId"])
		require.NotEmpty(t, user["companyName"])
	})
	t.Run("A3: without an active subscription there is no token, but NO_ACTIVE_SUBSCRIPTION and where to buy", func(t *testing.T) {
		refused := m.Post(`mutation { launchTokenCreate(input: {customer: {email: "idle@example.test"}, product: {identifier: "rosterly"}}) {
			token url userErrors { code url } } }`, nil)
		require.Nil(t, refused.At("data.launchTokenCreate.token"))
		require.Nil(t, refused.At("data.launchTokenCreate.url"))
		userErrors := refused.List("data.launchTokenCreate.userErrors")
		require.Equal(t, "NO_ACTIVE_SUBSCRIPTION", userErrors[0]["code"])
		require.Equal(t, upgrade, userErrors[0]["url"])
	})
	t.Run("A4: one field says whether the user has an active subscription, and why not", func(t *testing.T) {
		yes := run(t, portal, "a_launch/access.mjs", "ADA@example.test", "rosterly").Object("data.access")
		require.Equal(t, []any{true, "ALLOWED", "pro", upgrade}, []any{yes["allowed"], yes["reason"], yes["tier"], yes["upgradeUrl"]})
		require.EqualValues(t, 2, yes.At("features.maxEmployees"))
		no := run(t, portal, "a_launch/access.mjs", "idle@example.test", "rosterly").Object("data.access")
		require.Equal(t, []any{false, "NO_SUBSCRIPTION", nil, upgrade}, []any{no["allowed"], no["reason"], no["tier"], no["upgradeUrl"]})
		require.Equal(t, "CUSTOMER_NOT_FOUND", run(t, portal, "a_launch/access.sh", "nobody@example.test", "rosterly").At("data.access.reason"))
		require.Equal(t, true, run(t, portal, "a_launch/access.sh", "ada@example.test", "rosterly").At("data.access.allowed"))
	})
	t.Run("A5: a missing boolean is false and a missing limit is 0, in GraphQL", func(t *testing.T) {
		access := run(t, portal, "a_launch/access.mjs", "ada@example.test", "rosterly").Object("data.access")
		require.Equal(t, []any{true, false}, []any{access["reporting"], access["missing"]})
		for name, limit := range map[string]float64{"employees": 2, "offices": 0} {
			requireMembers(t, access[name], "allowed limit current error upgradeUrl")
			require.Equal(t, []any{false, limit, limit, upgrade},
				[]any{access.At(name + ".allowed"), access.At(name + ".limit"), access.At(name + ".current"), access.At(name + ".upgradeUrl")})
			require.NotEmpty(t, access.At(name+".error"))
		}
	})
	t.Run("A5: the published middleware gates features and limits by the token", func(t *testing.T) {
		user := browser(t)
		address, _ := m.launch("ada@example.test", "rosterly")
		require.Equal(t, http.StatusOK, sendAs(t, user, http.MethodGet, address, nil).status)
		for path, status := range map[string]int{"/reports": 200, "/payroll": 403, "/exports": 403} {
			require.Equal(t, status, sendAs(t, user, http.MethodGet, product+path, nil).status, path)
		}
		for range 2 {
			require.Equal(t, http.StatusCreated, sendAs(t, user, http.MethodPost, product+"/employees", object{}).status)
		}
		refused := sendAs(t, user, http.MethodPost, product+"/employees", object{})
		require.Equal(t, http.StatusForbidden, refused.status)
		requireMembers(t, refused.body, "error current upgradeUrl")
		require.EqualValues(t, 2, refused.body["current"])
		require.Equal(t, http.StatusForbidden, sendAs(t, user, http.MethodPost, product+"/offices", object{}).status, "a missing limit")
		require.Equal(t, http.StatusOK, sendAs(t, user, http.MethodPost, product+"/projects", object{}).status, "an unlimited limit")
	})
	t.Run("A2: a rolled launch secret signs after the overlap or its activation, and the old one until then", func(t *testing.T) {
		rolled := m.Do(`mutation($id: ID!) { productSecretRoll(input: {id: $id, overlapSeconds: 3600}) { launchSecret userErrors { message } } }`,
			object{"id": productID}).Text("productSecretRoll.launchSecret")
		port := proctest.FreePort(t)
		next := program(t, port, "a_launch/product.mjs", "PORTAL_JWT_SECRET="+rolled, "PORTAL_WEBHOOK_SECRET=unused", "PORTAL_UPGRADE_URL="+upgrade)
		opens := func() []int {
			_, token := m.launch("ada@example.test", "rosterly")
			return []int{
				send(t, http.MethodGet, product+"/launch?token="+token, nil).status, send(t, http.MethodGet, next+"/launch?token="+token, nil).status,
			}
		}
		require.Equal(t, []int{200, 401}, opens())
		m.Do(`mutation($id: ID!) { productSecretActivate(input: {id: $id}) { userErrors { message } } }`, object{"id": productID})
		require.Equal(t, []int{401, 200}, opens())
	})
}

func TestAProductIsToldOfEveryLossAndRegainOfAccess(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	m := s.merchant("Acorn")
	ports := []int{proctest.FreePort(t), proctest.FreePort(t)}
	_, launchSecret := m.product("rosterly", object{"launchUrl": local(ports[0]) + "/launch"})
	m.plan("rosterly", "pro", 4900, features()...)
	endpoint, webhookSecret := m.endpoint(local(ports[0])+"/webhooks/portal", object{"product": object{"identifier": "rosterly"}})
	_, pythonSecret := m.endpoint(local(ports[1])+"/", nil)
	product := program(t, ports[0], "a_launch/product.mjs", "PORTAL_JWT_SECRET="+launchSecret, "PORTAL_WEBHOOK_SECRET="+webhookSecret)
	python := program(t, ports[1], "a_launch/receiver.py", "PORTAL_WEBHOOK_SECRET="+pythonSecret)
	// Everything that JavaScript writes in its own way.
	meta := json.RawMessage(`{"10": "ten", "9": "nine", "note": "<b>&\u2028\u2029\ud83d\ude00", "big": 1e21, "small": 1e-7, "half": 0.50, "none": -0, "nested": {"b": [1.0, null], "a": {}}}`)
	clock := m.clock("2026-01-31T09:30:00Z")
	m.customer("ada@example.test", object{"number": 12345, "testClock": clock, "userMeta": meta})
	subscription := m.subscribe("ada@example.test", "rosterly/pro")
	user := browser(t)
	address, _ := m.launch("ada@example.test", "rosterly")
	require.Equal(t, http.StatusOK, sendAs(t, user, http.MethodGet, address, nil).status)

	// told waits until the product has verified an event like this, behind those that it had been told before, and gives it.
	seen := 0
	told := func(t *testing.T, event, status string) object {
		t.Helper()
		var found object
		require.Eventually(t, func() bool {
			events := proctest.Get(t, product+"/events").List("list")
			for i := seen; i < len(events); i++ {
				if events[i]["event"] == event && events[i].At("data.status") == status {
					found, seen = events[i].Object("data"), i+1
					return true
				}
			}
			return false
		}, proctest.Patience, 25*time.Millisecond, "%s with %s, among %v", event, status, proctest.Get(t, product+"/events")["list"])
		return found
	}
	uses := func(t *testing.T, status int) {
		t.Helper()
		require.Equal(t, status, sendAs(t, user, http.MethodGet, product+"/reports", nil).status)
	}

	t.Run("A6: express.json and JSON.stringify give the bytes that were signed, whatever the metadata", func(t *testing.T) {
		created := told(t, "subscription.created", "active")
		require.Equal(t, "<b>&\u2028\u2029\U0001F600", created.At("userMeta.note"))
		require.Equal(t, "1000000000000000000000", fmt.Sprint(created.At("userMeta.big")), "beyond 2^53-1 as a string")
	})
	t.Run("A6: a forged or altered request does not verify", func(t *testing.T) {
		forged := send(t, http.MethodPost, product+"/webhooks/portal", object{"event": "subscription.canceled", "data": object{}},
			"x-portal-signature", strings.Repeat("0", 64))
		require.Equal(t, http.StatusUnauthorized, forged.status)
	})
	t.Run("A6: metadata with NUL or a lone surrogate is INVALID", func(t *testing.T) {
		for _, bad := range []string{`{"a": "\u0000"}`, `{"a": "\ud800"}`, `{"\udc00": 1}`} {
			refused := m.Post(`mutation($in: CustomerCreateInput!) { customerCreate(input: $in) { userErrors { code } } }`,
				object{"in": object{"email": "bad@example.test", "name": "Bad", "userMeta": json.RawMessage(bad)}})
			code := refused.At("errors")
			if code == nil {
				require.Equal(t, "INVALID", refused.List("data.customerCreate.userErrors")[0]["code"], bad)
			} else {
				require.Contains(t, fmt.Sprint(code), "BAD_REQUEST", bad)
			}
		}
	})
	t.Run("A7: data holds the published members", func(t *testing.T) {
		m.advance(clock, "2026-02-28T09:30:00Z")
		renewed := told(t, "subscription.renewed", "active")
		for _, member := range strings.Fields("companyId customerId subscriptionId productIdentifier status currentPeriodEnd accessUntil tier userMeta") {
			require.NotNil(t, renewed[member], member)
		}
		require.EqualValues(t, 12345, renewed["customerId"])
		require.IsType(t, float64(0), renewed["companyId"])
		require.Equal(t, subscription, fmt.Sprintf("gid://portico/CustomerSubscription/%.0f", renewed["subscriptionId"]))
		require.Equal(t, "rosterly", renewed["productIdentifier"])
		requireMembers(t, renewed["tier"], "name features")
		require.Equal(t, "pro", renewed.At("tier.name"))
		require.EqualValues(t, 9007199254740991, renewed.At("tier.features.maxProjects"))
		require.Equal(t, "2026-03-31T09:30:00.000Z", renewed["currentPeriodEnd"], "as JavaScript writes times")
		uses(t, http.StatusOK)
	})
	t.Run("A7: a cancellation that is only scheduled is subscription.updated, and the company stays", func(t *testing.T) {
		m.Do(`mutation($id: ID!) { subscriptionCancel(input: {subscription: $id}) { userErrors { message } } }`, object{"id": subscription})
		require.Equal(t, true, told(t, "subscription.updated", "active")["cancelAtPeriodEnd"])
		uses(t, http.StatusOK)
	})
	t.Run("A7: a cancelled subscription disables the company", func(t *testing.T) {
		m.advance(clock, "2026-04-01T00:00:00Z")
		require.Equal(t, "canceled", told(t, "subscription.canceled", "canceled")["reason"])
		uses(t, http.StatusPaymentRequired)
	})
	t.Run("A7: a customer who is won back enables the company", func(t *testing.T) {
		m.subscribe("ada@example.test", "rosterly/pro")
		require.Equal(t, "won_back", told(t, "subscription.renewed", "active")["reason"])
		uses(t, http.StatusOK)
	})
	t.Run("A7: access that ends unpaid disables the company, and a late payment enables it", func(t *testing.T) {
		m.member.Do(`mutation { merchantUpdate(input: {graceDays: 2}) { userErrors { message } } }`, nil)
		m.card("ada@example.test", "pm_card_chargeCustomerFail")
		m.advance(clock, "2026-05-04T00:00:00Z")
		require.Equal(t, "payment_failed", told(t, "subscription.canceled", "past_due")["reason"])
		uses(t, http.StatusPaymentRequired)
		m.card("ada@example.test", "pm_card_visa")
		require.Equal(t, "paid_late", told(t, "subscription.renewed", "active")["reason"])
		uses(t, http.StatusOK)
	})
	t.Run("A7: a subscription that expires unpaid disables the company once", func(t *testing.T) {
		m.card("ada@example.test", "pm_card_chargeCustomerFail")
		m.advance(clock, "2026-06-15T00:00:00Z")
		told(t, "subscription.canceled", "past_due")
		uses(t, http.StatusPaymentRequired)
		held := m.Do(`{ subscriptions(customer: {email: "ada@example.test"}) { nodes { status } } }`, nil)
		require.Equal(t, "EXPIRED", held.List("subscriptions.nodes")[0]["status"])
	})
	t.Run("A7: the endpoint's secret is whsec_ and the base64 of 32 bytes", func(t *testing.T) {
		key, found := strings.CutPrefix(webhookSecret, "whsec_")
		require.True(t, found)
		bytes, err := base64.StdEncoding.DecodeString(key)
		require.NoError(t, err)
		require.Len(t, bytes, 32)
	})
	t.Run("A8: a receiver in Python that answers 204 has acknowledged the same events", func(t *testing.T) {
		require.Eventually(t, func() bool {
			return len(proctest.Get(t, python).List("list")) == len(proctest.Get(t, product+"/events").List("list"))
		}, proctest.Patience, 25*time.Millisecond)
		unfinished := m.Do(`{ pending: webhookDeliveries(status: PENDING) { nodes { id } } failed: webhookDeliveries(status: FAILED) { nodes { id } }
			done: webhookDeliveries(status: DELIVERED, first: 100) { nodes { attemptCount attempts { statusCode responseBody } } } }`, nil)
		require.Empty(t, unfinished.List("failed.nodes"))
		var answers []string
		for _, node := range unfinished.List("done.nodes") {
			require.EqualValues(t, 1, node["attemptCount"])
			attempt := node.List("attempts")[0]
			answers = append(answers, fmt.Sprintf("%v %v", attempt["statusCode"], attempt["responseBody"]))
		}
		require.Contains(t, answers, `200 {"received":true}`)
		require.Contains(t, answers, `204 `)
	})
	t.Run("A9: a merchant can have a test webhook sent, and sees the receiver's answer", func(t *testing.T) {
		result := m.Do(`mutation($id: ID!) { webhookEndpointTest(input: {id: $id, eventType: "subscription.renewed"}) {
			result { statusCode responseBody } userErrors { message } } }`, object{"id": endpoint}).Object("webhookEndpointTest.result")
		require.EqualValues(t, 200, result["statusCode"])
		require.Equal(t, `{"received":true}`, result["responseBody"])
	})
	t.Run("A7: a rolled webhook secret is pending: the header holds one value, of the old one until it is activated", func(t *testing.T) {
		rolled := m.Do(`mutation($id: ID!) { webhookEndpointRollSecret(input: {id: $id, overlapSeconds: 3600}) { secret userErrors { message } } }`,
			object{"id": endpoint}).Text("webhookEndpointRollSecret.secret")
		m.customer("bob@example.test", nil)
		m.subscribe("bob@example.test", "rosterly/pro")
		told(t, "subscription.created", "active") // verified with the old secret
		m.Do(`mutation($id: ID!) { webhookEndpointActivateSecret(input: {id: $id}) { userErrors { message } } }`, object{"id": endpoint})
		next := program(t, proctest.FreePort(t), "a_launch/product.mjs", "PORTAL_JWT_SECRET="+launchSecret, "PORTAL_WEBHOOK_SECRET="+rolled)
		m.Do(`mutation($id: ID!, $url: String!) { webhookEndpointUpdate(input: {id: $id, url: $url}) { userErrors { message } } }`,
			object{"id": endpoint, "url": next + "/webhooks/portal"})
		sold := 0
		m.eventually("the new secret verifies, as soon as the new address is in use", func() bool {
			sold++
			email := fmt.Sprintf("eve%d@example.test", sold)
			m.customer(email, nil)
			m.subscribe(email, "rosterly/pro")
			return len(proctest.Get(t, next+"/events").List("list")) > 0
		})
	})
}
