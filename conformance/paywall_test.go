package conformance

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/proctest"
)

// requireBare holds an answer to the form of errors of sections A, C and E.
func requireBare(t *testing.T, r reply, status int) {
	t.Helper()
	require.Equal(t, status, r.status, r.text)
	requireMembers(t, r.body, "error")
	require.NotEmpty(t, r.body.Text("error"))
}

func TestAServerSendsItsUsersToBuy(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	m := s.merchant("Acorn")
	productID, _ := m.product("rosterly", nil)
	m.product("payroll", nil)
	m.plan("rosterly", "pro", 4900)
	ports := []int{proctest.FreePort(t), proctest.FreePort(t)}
	_, secret := m.endpoint(local(ports[0])+"/webhooks/portal", nil)
	receiver := program(t, ports[0], "a_launch/product.mjs", "PORTAL_JWT_SECRET=unused", "PORTAL_WEBHOOK_SECRET="+secret)
	env := []string{"PORTAL_URL=" + s.base, "PORTAL_API_KEY=" + m.key}
	server := program(t, ports[1], "c_paywall/server.mjs", append(env, "PAYWALL_ID=rosterly")...)
	upgrade := func(email string, meta any) reply {
		return send(t, http.MethodPost, server+"/upgrade", object{"email": email, "userMeta": meta})
	}
	address := func(paywall string) string { return s.base + "/api/v1/paywall/" + paywall + "/get-customer-portal" }
	post := func(paywall string, body any, key string) reply {
		var header []string
		if key != "" {
			header = []string{"x-api-key", key}
		}
		return send(t, http.MethodPost, address(paywall), body, header...)
	}
	customers := func(email string) (found []object) {
		for _, customer := range m.Do(`{ customers(product: {identifier: "rosterly"}, first: 100) { nodes { id email userMeta } } }`, nil).List("customers.nodes") {
			if strings.EqualFold(customer.Text("email"), email) {
				found = append(found, customer)
			}
		}
		return found
	}

	t.Run("C1: the answer is an address that opens the product's purchase page", func(t *testing.T) {
		r := upgrade("ada@example.test", object{"crm": "c-1"})
		require.Equal(t, http.StatusOK, r.status, r.text)
		requireMembers(t, r.body, "url")
		page := send(t, http.MethodGet, r.body.Text("url"), nil)
		require.Equal(t, http.StatusOK, page.status)
		for _, shown := range []string{"Rosterly", "Pro"} {
			require.Contains(t, page.text, shown)
		}
	})
	t.Run("C1: the paywall is the product's numeric id as well, from curl too", func(t *testing.T) {
		numeric := productID[strings.LastIndex(productID, "/")+1:]
		for _, paywall := range []string{numeric, "rosterly"} {
			answer := run(t, env, "c_paywall/portal.sh", paywall, `{"email": "ada@example.test"}`)
			require.EqualValues(t, 200, answer["status"])
			require.Contains(t, answer.Text("url"), s.base+"/portal/"+m.shop+"/rosterly?token=")
		}
	})
	t.Run("C2: syntax comes before the key, the key before the paywall, and nothing is made before that", func(t *testing.T) {
		requireBare(t, post("nothing", `{"email": `, "wrong"), 400)
		requireBare(t, post("nothing", object{"email": "new@example.test"}, "wrong"), 401)
		requireBare(t, post("nothing", object{"email": "new@example.test"}, m.key), 400)
		require.Nil(t, m.Do(`{ customer(ref: {email: "new@example.test"}) { id } }`, nil)["customer"])
	})
	t.Run("C2: twenty calls at once make one customer", func(t *testing.T) {
		var calls sync.WaitGroup
		statuses := make([]int, 20)
		for i := range statuses {
			calls.Go(func() {
				body := strings.NewReader(fmt.Sprintf(`{"email": "%s", "userMeta": {"call": %d}}`, []string{"crowd@example.test", "CROWD@Example.test"}[i%2], i))
				response, err := http.Post(server+"/upgrade", "application/json", body)
				if err == nil {
					statuses[i] = response.StatusCode
					_ = response.Body.Close()
				}
			})
		}
		calls.Wait()
		for _, status := range statuses {
			require.Equal(t, http.StatusOK, status)
		}
		require.Len(t, customers("crowd@example.test"), 1)
	})
	t.Run("C3: a missing or malformed email and an unknown paywall are 400", func(t *testing.T) {
		for _, body := range []any{
			object{}, object{"email": ""}, object{"email": "nonsense"}, object{"email": 7}, object{"email": nil}, `[]`, `"x"`, `{"email"`, ``,
			object{"email": "ada@example.test", "userMeta": []int{1}}, object{"email": "ada@example.test", "userMeta": "x"},
		} {
			requireBare(t, post("rosterly", body, m.key), 400)
		}
		for _, paywall := range []string{"nothing", "999999", "-1", "Rosterly%00"} {
			requireBare(t, post(paywall, object{"email": "ada@example.test"}, m.key), 400)
		}
	})
	t.Run("C3: a missing, wrong, revoked or expired key is 401", func(t *testing.T) {
		body := object{"email": "ada@example.test"}
		requireBare(t, post("rosterly", body, ""), 401)
		requireBare(t, post("rosterly", body, m.key[:len(m.key)-1]+"!"), 401)
		made := m.member.Do(`mutation { apiKeyCreate(input: {name: "short"}) { apiKey { id } secret userErrors { message } } }`, nil).Object("apiKeyCreate")
		require.Equal(t, http.StatusOK, post("rosterly", body, made.Text("secret")).status)
		m.member.Do(`mutation($id: ID!) { apiKeyRevoke(input: {id: $id}) { userErrors { message } } }`, object{"id": made.At("apiKey.id")})
		m.eventually("the revoked key is refused", func() bool { return post("rosterly", body, made.Text("secret")).status == 401 })
		expiring := m.member.Do(`mutation($at: DateTime!) { apiKeyCreate(input: {name: "expiring", expiresAt: $at}) { secret userErrors { message } } }`,
			object{"at": time.Now().Add(2 * time.Second).UTC().Format(time.RFC3339Nano)}).Text("apiKeyCreate.secret")
		require.Equal(t, http.StatusOK, post("rosterly", body, expiring).status)
		m.eventually("the expired key is refused", func() bool { return post("rosterly", body, expiring).status == 401 })
		requireBare(t, post("rosterly", body, expiring), 401)
	})
	t.Run("C3: an active purchase is 409, and what was found and stored stays", func(t *testing.T) {
		m.card("ada@example.test", "pm_card_visa")
		m.subscribe("ada@example.test", "rosterly/pro")
		r := upgrade("ADA@example.test", object{"crm": "c-2"})
		requireBare(t, r, 409)
		require.Equal(t, map[string]any{"crm": "c-2"}, customers("ada@example.test")[0]["userMeta"])
		require.EqualValues(t, 409, run(t, env, "c_paywall/portal.sh", "rosterly", `{"email": "ada@example.test"}`)["status"])
		require.Equal(t, http.StatusOK, post("payroll", object{"email": "ada@example.test"}, m.key).status, "of that product")
	})
	t.Run("C2: access through a company counts as a purchase", func(t *testing.T) {
		company := m.Do(`mutation { companyCreate(input: {name: "Bakery"}) { company { id } userErrors { message } } }`, nil).Text("companyCreate.company.id")
		m.customer("boss@example.test", object{"company": company})
		m.customer("worker@example.test", object{"company": company})
		require.Equal(t, http.StatusOK, upgrade("worker@example.test", nil).status)
		m.subscribe("boss@example.test", "rosterly/pro")
		requireBare(t, upgrade("worker@example.test", nil), 409)
		require.Len(t, customers("worker@example.test"), 1, "linked all the same")
	})
	t.Run("C3: to manage never conflicts", func(t *testing.T) {
		url := func(intent string) object {
			return m.Post(`mutation { portalUrlCreate(input: {product: {identifier: "rosterly"}, email: "ada@example.test", intent: `+intent+`}) { url userErrors { code } } }`,
				nil).Object("data.portalUrlCreate")
		}
		require.Equal(t, "ACTIVE_PURCHASE_EXISTS", url("BUY").List("userErrors")[0]["code"])
		manage := url("MANAGE")
		require.Empty(t, manage.List("userErrors"))
		require.Contains(t, send(t, http.MethodGet, manage.Text("url"), nil).text, "ada@example.test")
	})
	t.Run("C4: userMeta is in every later event about the customer", func(t *testing.T) {
		require.Equal(t, http.StatusOK, upgrade("new@example.test", object{"plan": "<b>&\u2028", "9": 1, "10": []any{true, nil}}).status)
		m.card("new@example.test", "pm_card_visa")
		m.cancelNow(m.subscribe("new@example.test", "rosterly/pro"))
		var about []object
		m.eventually("both events are verified", func() bool {
			about = nil
			for _, event := range proctest.Get(t, receiver+"/events").List("list") {
				if event.At("data.customer.email") == "new@example.test" {
					about = append(about, event)
				}
			}
			return len(about) >= 2
		})
		for _, event := range about {
			require.Equal(t, map[string]any{"plan": "<b>&\u2028", "9": 1.0, "10": []any{true, nil}}, event.At("data.userMeta"), event["event"])
		}
	})
	t.Run("C3: over the rate limit is 429 with Retry-After", func(t *testing.T) {
		limited := s.serve("PORTICO_RATE_LIMIT=1000:1")
		key, body := m.newKey(""), object{"email": "ada@example.test"}
		call := func() reply {
			return send(t, http.MethodPost, limited+"/api/v1/paywall/payroll/get-customer-portal", body, "x-api-key", key)
		}
		var last reply
		for range 200 { // of ten points each
			if last = call(); last.status != http.StatusOK {
				break
			}
		}
		requireBare(t, last, 429)
		require.Regexp(t, `^[1-9][0-9]*$`, last.header.Get("Retry-After"))
	})
	t.Run("C3: 500 says nothing about internals", func(t *testing.T) {
		s.sql(`alter table portal_token rename to portal_token_away`)
		r := upgrade("broken@example.test", nil)
		s.sql(`alter table portal_token_away rename to portal_token`)
		requireBare(t, r, 500)
		for _, word := range []string{"portal_token", "SQL", "relation", "pgx", "broken@"} {
			require.NotContains(t, r.text, word)
		}
		require.Equal(t, http.StatusOK, upgrade("broken@example.test", nil).status)
	})
}
