package conformance

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"

	"portico/internal/proctest"
)

func TestAMerchantSignsUpAndHasItsProductReviewed(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	m, other := s.merchant("Acorn"), s.merchant("Birch")

	t.Run("D1: a merchant completes its profile and finds its token_key in Settings", func(t *testing.T) {
		m.member.Do(`mutation { merchantUpdate(input: {name: "Acorn Ltd", logoUrl: "https://acorn.test/logo.png", description: "We sell", phone: "+1 555 0100",
			email: "hello@acorn.test"}) { userErrors { message } } }`, nil)
		shown := m.member.Do(`{ merchant { name logoUrl description phone email } tokenKey { key } }`, nil)
		requireMembers(t, shown["merchant"], "name logoUrl description phone email")
		require.Equal(t, "+1 555 0100", shown.At("merchant.phone"))
		called := s.public.With("api-key", shown.Text("tokenKey.key")).Do(`{ viewer { kind } }`, nil)
		require.Equal(t, "TOKEN_KEY", called.At("viewer.kind"))
	})
	t.Run("D2: identifiers are lower-case, unique within the merchant, and suggested", func(t *testing.T) {
		create := `mutation($in: ProductCreateInput!) { productCreate(input: $in) { product { identifier } userErrors { code } } }`
		in := func(identifier any) object {
			return object{"in": object{"identifier": identifier, "name": "Work Planner", "launchUrl": "https://acorn.test/launch",
				"logoUrl": "https://acorn.test/p.png", "integrationPageUrl": "https://acorn.test/connect"}}
		}
		require.Equal(t, "spwpa2311", m.Do(create, in("spwpa2311")).At("productCreate.product.identifier"))
		require.Equal(t, "spwpa2311", other.Do(create, in("spwpa2311")).At("productCreate.product.identifier"))
		require.Equal(t, "TAKEN", m.Post(create, in("spwpa2311")).List("data.productCreate.userErrors")[0]["code"])
		for _, bad := range []string{"Spwpa", "1abc", "ab", strings.Repeat("a", 33), "a-bc"} {
			require.Equal(t, "INVALID", m.Post(create, in(bad)).List("data.productCreate.userErrors")[0]["code"], bad)
		}
		suggested := m.Do(create, in(nil)).Text("productCreate.product.identifier")
		require.Regexp(t, `^[a-z][a-z0-9]{2,31}$`, suggested)
		require.Contains(t, suggested, time.Now().UTC().Format("0601"))
	})
	t.Run("D3: DRAFT, IN_REVIEW, REJECTED with a reason, and APPROVED, by an operator; only then is it shown", func(t *testing.T) {
		live := m.member.With("Portico-Merchant", "acorn")
		path, err := proctest.Binary()
		require.NoError(t, err)
		made := shell(t, s.env, "correct horse battery\n", path, "operator", "create", "--email", "root@portico.test")
		key, err := otp.NewKeyFromURL(regexp.MustCompile(`otpauth://\S+`).FindString(made))
		require.NoError(t, err)
		code, err := totp.GenerateCode(key.Secret(), time.Now())
		require.NoError(t, err)
		session := s.public.Do(`mutation($code: String!) { operatorSignIn(input: {email: "root@portico.test", password: "correct horse battery", totpCode: $code}) {
			sessionToken userErrors { message } } }`, object{"code": code}).Text("operatorSignIn.sessionToken")
		operator := s.public.With("Authorization", "Bearer "+session)
		proof, err := url.Parse(s.mails.Wait("owner@acorn.test", 1)[0].Link())
		require.NoError(t, err)
		s.public.Do(`mutation($token: String!) { memberEmailVerify(input: {token: $token}) { userErrors { message } } }`,
			object{"token": strings.TrimPrefix(proof.Fragment, "token=")})
		id := live.Do(`mutation { productCreate(input: {identifier: "planner", name: "Planner", launchUrl: "https://acorn.test/launch"}) { product { id } userErrors { message } } }`,
			nil).Text("productCreate.product.id")
		state := func() (status any, shown bool) {
			status = live.Do(`{ product(ref: {identifier: "planner"}) { status } }`, nil).At("product.status")
			return status, s.public.Do(`{ publicProduct(shop: "acorn", identifier: "planner") { name } }`, nil)["publicProduct"] != nil
		}
		requireState := func(want string, wantShown bool) {
			t.Helper()
			status, shown := state()
			require.Equal(t, []any{want, wantShown}, []any{status, shown})
		}
		submit := func() {
			live.Do(`mutation($id: ID!) { productSubmitForReview(input: {id: $id, testCredentials: "demo / demo"}) { userErrors { message } } }`, object{"id": id})
		}
		requireState("DRAFT", false)
		submit()
		requireState("IN_REVIEW", false)
		seen := operator.Do(`{ productReviews(status: IN_REVIEW) { nodes { testCredentials } } }`, nil).List("productReviews.nodes")
		require.Equal(t, "demo / demo", seen[0]["testCredentials"])
		operator.Do(`mutation($id: ID!) { productReject(input: {id: $id, reason: "the launch page is empty"}) { userErrors { message } } }`, object{"id": id})
		requireState("REJECTED", false)
		submit()
		operator.Do(`mutation($id: ID!) { productApprove(input: {id: $id}) { userErrors { message } } }`, object{"id": id})
		requireState("APPROVED", true)
	})
}

func TestAMerchantConnectsTheSubscriptionsThatItsCustomersHave(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	m := s.merchant("Acorn")
	port := proctest.FreePort(t)
	m.product("rosterly", object{"integrationPageUrl": local(port) + "/connect?from=portal"})
	m.product("payroll", object{"integrationPageUrl": local(port) + "/connect"})
	pro, team := m.plan("rosterly", "pro", 4900), m.plan("rosterly", "team", 9900)
	tokenKey := m.member.Do(`{ tokenKey { key } }`, nil).Text("tokenKey.key")
	env := []string{"PORTAL_URL=" + s.base, "TOKEN_KEY=" + tokenKey}
	server := program(t, port, "d_connect/merchant.mjs", env...)
	m.endpoint(server+"/payments", object{"format": "PAYMENT_NOTIFICATION"})
	wrong := program(t, proctest.FreePort(t), "d_connect/merchant.mjs", env[0], "TOKEN_KEY=wrong")
	clock := m.clock("2026-01-20T00:00:00Z")

	start := func(t *testing.T, email, product string) (address, userToken string) {
		t.Helper()
		started := m.Do(`mutation($email: String!, $product: String!) { connectStart(input: {customer: {email: $email}, product: {identifier: $product}}) {
			url userToken expiresAt userErrors { message } } }`, object{"email": email, "product": product}).Object("connectStart")
		return started.Text("url"), started.Text("userToken")
	}
	instant := func(days int) string { return time.Now().UTC().AddDate(0, 0, days).Format(time.DateTime) }
	order := func(accessToken, userToken string) object {
		return object{
			"access_token": accessToken, "user_token": userToken, "product_identifier": "rosterly", "plan_id": pro, "plan_type": "monthly",
			"price": 19.99, "status": "active", "started_at": instant(-10), "expire_at": instant(20),
		}
	}
	with := func(body object, changes object) object {
		changed := maps.Clone(body)
		maps.Copy(changed, changes)
		return changed
	}
	report := func(body object) reply { return send(t, http.MethodPost, server+"/report", body) }
	held := func(t *testing.T, email string) object {
		t.Helper()
		nodes := m.Do(`query($email: String!) { subscriptions(customer: {email: $email}) { nodes { id status source currentPeriodEnd plan { number } price { interval } } } }`,
			object{"email": email}).List("subscriptions.nodes")
		require.Len(t, nodes, 1, "%s has one subscription", email)
		return nodes[0]
	}
	events := func() (about int) { // subscriptions
		for _, event := range m.Do(`{ events(first: 100) { nodes { subscriptionId } } }`, nil).List("events.nodes") {
			if event["subscriptionId"] != nil {
				about++
			}
		}
		return about
	}

	t.Run("D4: the portal sends the customer to the integration page with user_token and product_identifier", func(t *testing.T) {
		m.customer("ada@example.test", nil)
		address, userToken := start(t, "ada@example.test", "rosterly")
		parsed, err := url.Parse(address)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(address, server+"/connect?"))
		require.Equal(t, url.Values{"from": {"portal"}, "user_token": {userToken}, "product_identifier": {"rosterly"}}, parsed.Query())
		page := send(t, http.MethodGet, address, nil)
		require.Contains(t, page.text, userToken)
		canceled := send(t, http.MethodPost, server+"/connect/cancel", object{"user_token": userToken})
		require.Equal(t, false, canceled.body["connected"])
		require.Empty(t, m.Do(`{ subscriptions(customer: {email: "ada@example.test"}) { nodes { id } } }`, nil).List("subscriptions.nodes"))
	})
	t.Run("D5: the customer allows it, and the subscription is managed here", func(t *testing.T) {
		_, userToken := start(t, "ada@example.test", "rosterly")
		body := order("at-ada", userToken)
		send(t, http.MethodPost, server+"/subscriptions", body)
		allowed := send(t, http.MethodPost, server+"/connect/allow", object{"user_token": userToken, "product_identifier": "rosterly"})
		require.Equal(t, http.StatusOK, allowed.status, allowed.text)
		now := held(t, "ada@example.test")
		require.Equal(t, []any{"ACTIVE", "CONNECTED"}, []any{now["status"], now["source"]})
		ends, err := time.Parse(time.RFC3339, now.Text("currentPeriodEnd"))
		require.NoError(t, err)
		require.Equal(t, body["expire_at"], ends.UTC().Format(time.DateTime), "times are UTC")
		require.Equal(t, true, m.Do(`{ access(customer: {email: "ada@example.test"}, product: {identifier: "rosterly"}) { allowed } }`, nil).At("access.allowed"))
	})
	_, bobToken := start(t, m.buyer("bob@example.test"), "rosterly")
	bob := order("at-bob", bobToken)
	t.Run("D5: the same body twice changes nothing, whether its values are strings or numbers", func(t *testing.T) {
		first := report(bob)
		require.Equal(t, http.StatusOK, first.status, first.text)
		m.eventually("the events of both connections are listed", func() bool { return events() == 2 })
		before := events()
		require.Equal(t, first.body, report(bob).body)
		require.Equal(t, first.body, report(with(bob, object{"plan_id": fmt.Sprint(pro), "price": "19.99"})).body)
		require.Equal(t, before, events())
	})
	t.Run("D8: a report that is sent again with its Idempotency-Key has the same answer, and another report with the key is 409", func(t *testing.T) {
		_, token := start(t, m.buyer("again@example.test"), "rosterly")
		body := order("at-again", token)
		again := func(body object) reply {
			return send(t, http.MethodPost, s.base+"/order/product", body, "api-key", tokenKey, "Idempotency-Key", "report-4711")
		}
		first := again(body)
		require.Equal(t, http.StatusOK, first.status, first.text)
		require.Equal(t, http.StatusOK, report(with(body, object{"status": "inactive"})).status)
		second := again(body)
		require.Equal(t, []any{first.status, first.text, "true"}, []any{second.status, second.text, second.header.Get("Idempotent-Replayed")})
		require.Equal(t, "CANCELED", held(t, "again@example.test")["status"], "it was not performed again")
		requireCoded(t, again(with(body, object{"price": "29.99"})), 409, "IDEMPOTENCY_CONFLICT")
	})
	t.Run("D5: a change on the merchant's side updates the same subscription", func(t *testing.T) {
		before := held(t, "bob@example.test")
		require.Equal(t, http.StatusOK, report(with(bob, object{"plan_id": team, "plan_type": "yearly", "price": "99.00", "expire_at": instant(300)})).status)
		after := held(t, "bob@example.test")
		require.Equal(t, before["id"], after["id"])
		require.EqualValues(t, team, after.At("plan.number"))
		require.Equal(t, "YEAR", after.At("price.interval"))
	})
	t.Run("D5: inactive ends it, and active again goes on", func(t *testing.T) {
		require.Equal(t, http.StatusOK, report(with(bob, object{"status": "inactive"})).status)
		require.Equal(t, "CANCELED", held(t, "bob@example.test")["status"])
		require.Equal(t, http.StatusOK, report(bob).status)
		require.Equal(t, "ACTIVE", held(t, "bob@example.test")["status"])
	})
	t.Run("D5: a report whose expiry is past leaves it expired", func(t *testing.T) {
		_, token := start(t, m.buyer("late@example.test"), "rosterly")
		r := report(with(order("at-late", token), object{"started_at": instant(-40), "expire_at": instant(-10)}))
		require.Equal(t, http.StatusOK, r.status, r.text)
		require.Equal(t, "EXPIRED", held(t, "late@example.test")["status"])
	})
	t.Run("D6: every value may be a string, from curl too", func(t *testing.T) {
		_, token := start(t, m.buyer("curl@example.test"), "rosterly")
		answer := run(t, env, "d_connect/order.sh", token, fmt.Sprint(pro), instant(5))
		require.Equal(t, "active", answer["status"])
	})
	t.Run("D6: what is of another type is 400", func(t *testing.T) {
		for member, values := range map[string][]any{
			"plan_id": {"pro", 1.5, nil, true}, "plan_type": {"weekly", nil}, "price": {"cheap", -1, 1.999, nil, []int{1}}, "status": {"paused", nil},
			"started_at": {"2026-01-31T09:30:00Z", "yesterday", nil}, "expire_at": {"2026-02-30 00:00:00", instant(-20), nil},
			"access_token": {"", nil}, "user_token": {"", nil}, "product_identifier": {"", nil},
		} {
			for _, value := range values {
				r := report(with(bob, object{member: value}))
				require.Equal(t, http.StatusBadRequest, r.status, "%s %v: %s", member, value, r.text)
				requireMembers(t, r.body["error"], "code message")
			}
		}
	})
	t.Run("D8: 401 without the token_key, 404 for an unknown plan or product, 403 for a token that is not the product's", func(t *testing.T) {
		requireCoded(t, send(t, http.MethodPost, wrong+"/report", bob), 401, "UNAUTHENTICATED")
		requireCoded(t, send(t, http.MethodPost, s.base+"/order/product", bob), 401, "UNAUTHENTICATED")
		requireCoded(t, report(with(bob, object{"plan_id": 999999})), 404, "NOT_FOUND")
		requireCoded(t, report(with(bob, object{"product_identifier": "nothing"})), 404, "NOT_FOUND")
		requireCoded(t, report(with(bob, object{"user_token": "nonsense"})), 403, "FORBIDDEN")
		_, payroll := start(t, "bob@example.test", "payroll")
		requireCoded(t, report(with(bob, object{"user_token": payroll})), 403, "FORBIDDEN")
	})
	t.Run("D5: another customer's token does not move a subscription", func(t *testing.T) {
		_, token := start(t, m.buyer("eve@example.test"), "rosterly")
		requireCoded(t, report(with(bob, object{"user_token": token})), 409, "CONFLICT")
		require.Empty(t, m.Do(`{ subscriptions(customer: {email: "eve@example.test"}) { nodes { id } } }`, nil).List("subscriptions.nodes"))
	})
	t.Run("D4: a token that has expired connects nothing", func(t *testing.T) {
		_, token := start(t, m.buyer("slow@example.test"), "rosterly")
		// No clock can be moved from outside: the row is made a day older.
		s.sql(`update connect_token set created_at = created_at - interval '25 hours', expires_at = expires_at - interval '25 hours' where subscription_id is null`)
		requireCoded(t, report(order("at-slow", token)), 403, "FORBIDDEN")
	})
	t.Run("D5: it is renewed here at the reported price", func(t *testing.T) {
		m.customer("timed@example.test", object{"testClock": clock})
		_, token := start(t, "timed@example.test", "rosterly")
		r := report(with(order("at-timed", token), object{"started_at": "2026-01-01 00:00:00", "expire_at": "2026-02-01 00:00:00"}))
		require.Equal(t, http.StatusOK, r.status, r.text)
		m.advance(clock, "2026-02-02T00:00:00Z")
		require.Equal(t, "2026-03-01T00:00:00Z", held(t, "timed@example.test")["currentPeriodEnd"])
		paid := m.Do(`query($id: ID!) { invoices(subscription: $id) { nodes { status total { amount currency } } } }`, object{"id": held(t, "timed@example.test")["id"]})
		require.Equal(t, object{"status": "PAID", "total": map[string]any{"amount": "19.99", "currency": "USD"}}, paid.List("invoices.nodes")[0])
	})
	t.Run("D7: the merchant is notified of the renewal with its access_token", func(t *testing.T) {
		var paid object
		require.Eventually(t, func() bool {
			for _, payment := range proctest.Get(t, server+"/payments").List("list") {
				if payment.At("body.access_token") == "at-timed" {
					paid = payment
				}
			}
			return paid != nil
		}, proctest.Patience, 25*time.Millisecond)
		requireMembers(t, paid["body"], "access_token product_identifier amount transaction_id")
		require.Equal(t, []any{"rosterly", 19.99}, []any{paid.At("body.product_identifier"), paid.At("body.amount")})
		require.IsType(t, float64(0), paid.At("body.transaction_id"))
		require.NotEmpty(t, paid["id"], "the standard headers go along")
	})
	t.Run("D5: without a payment method it expires at expire_at, and the customer has been asked by mail", func(t *testing.T) {
		m.Do(`mutation($clock: ID!) { customerCreate(input: {email: "poor@example.test", name: "Poor", testClock: $clock}) { userErrors { message } } }`, object{"clock": clock})
		_, token := start(t, "poor@example.test", "rosterly")
		r := report(with(order("at-poor", token), object{"started_at": "2026-02-01 00:00:00", "expire_at": "2026-03-01 00:00:00"}))
		require.Equal(t, http.StatusOK, r.status, r.text)
		s.mails.Wait("poor@example.test", 1)
		m.advance(clock, "2026-03-02T00:00:00Z")
		require.Contains(t, []any{"EXPIRED", "CANCELED"}, held(t, "poor@example.test")["status"])
	})
	t.Run("D7: a purchase made here has no access_token, and the customer goes along", func(t *testing.T) {
		m.customer("fresh@example.test", object{"number": 4711, "userMeta": object{"crm": "c-9"}})
		m.subscribe("fresh@example.test", "rosterly/pro")
		var paid object
		m.eventually("the merchant is notified", func() bool {
			for _, payment := range proctest.Get(t, server+"/payments").List("list") {
				if payment.At("body.customer.email") == "fresh@example.test" {
					paid = payment.Object("body")
					return true
				}
			}
			return false
		})
		requireMembers(t, paid, "access_token product_identifier amount transaction_id customer")
		require.Nil(t, paid["access_token"])
		require.EqualValues(t, 49, paid["amount"])
		require.Equal(t, map[string]any{"id": 4711.0, "email": "fresh@example.test", "userMeta": map[string]any{"crm": "c-9"}}, paid["customer"])
	})
}
