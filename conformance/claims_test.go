package conformance

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/proctest"
)

func TestAServerMakesClaimsThatAppsReadInTokens(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	m := s.merchant("Acorn")
	productID, _ := m.product("rosterly", nil)
	m.product("payroll", nil)
	m.plan("rosterly", "pro", 4900)
	clock := m.clock("2026-01-31T09:30:00Z")
	m.customer("ada@example.test", object{"number": 12345})
	m.customer("idle@example.test", nil)
	m.customer("timed@example.test", object{"testClock": clock})
	m.subscribe("ada@example.test", "rosterly/pro")
	port := proctest.FreePort(t)
	_, secret := m.endpoint(local(port)+"/webhooks/portal", object{"eventTypes": []string{"claims.updated"}})
	receiver := program(t, port, "a_launch/product.mjs", "PORTAL_JWT_SECRET=unused", "PORTAL_WEBHOOK_SECRET="+secret)
	client := m.member.Do(`mutation { clientCreate(input: {product: {identifier: "rosterly"}, name: "server"}) { client { clientId } secret userErrors { message } } }`,
		nil).Object("clientCreate")
	credentials := client.Text("client.clientId") + ":" + client.Text("secret")
	server := s.public.With("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(credentials)))

	set := func(t *testing.T, email, claims, more string) object {
		t.Helper()
		return server.Post(`mutation($email: String!, $claims: JSON!) { claimsSet(input: {customer: {email: $email}, product: {identifier: "rosterly"},
			claims: $claims`+more+`}) { claims { version object } userErrors { field code } } }`,
			object{"email": email, "claims": json.RawMessage(claims)}).Object("data.claimsSet")
	}
	mint := func(t *testing.T, email string) string {
		t.Helper()
		return server.Do(`mutation($email: String!) { accessTokenCreate(input: {customer: {email: $email}, product: {identifier: "rosterly"}}) {
			token userErrors { message } } }`, object{"email": email}).Text("accessTokenCreate.token")
	}
	app := func(t *testing.T, token string, changes ...string) object {
		t.Helper()
		env := []string{"JWKS_URL=" + s.base + "/.well-known/jwks.json", "ISSUER=" + s.base + "/shops/" + m.shop, "AUDIENCE=rosterly"}
		return run(t, append(env, changes...), "e_claims/verify.mjs", token)
	}

	t.Run("E1: claims are in every token that is minted for the user", func(t *testing.T) {
		require.Empty(t, set(t, "ada@example.test", `{"role": "admin", "beta": true, "score": 1.5}`, "").List("userErrors"))
		for range 2 {
			claims := app(t, mint(t, "ada@example.test")).Object("payload.claims")
			require.Equal(t, []any{"admin", true, 1.5}, []any{claims["role"], claims["beta"], claims["score"]})
		}
	})
	t.Run("E2: an address that no customer has makes one", func(t *testing.T) {
		require.Empty(t, set(t, "new@example.test", `{"role": "guest"}`, "").List("userErrors"))
		require.NotNil(t, m.Do(`{ customer(ref: {email: "new@example.test"}) { id } }`, nil)["customer"])
	})
	t.Run("E2: set merges, null deletes, and a version compares", func(t *testing.T) {
		first := set(t, "merge@example.test", `{"a": 1, "b": "two"}`, "").Object("claims")
		second := set(t, "merge@example.test", `{"b": null, "c": false}`, "").Object("claims")
		require.Equal(t, map[string]any{"a": 1.0, "c": false}, second["object"])
		require.EqualValues(t, first.At("version").(float64)+1, second["version"])
		refused := set(t, "merge@example.test", `{"a": 2}`, ", ifVersion: 1")
		require.Equal(t, "CONFLICT", refused.List("userErrors")[0]["code"])
		require.Equal(t, second["object"], refused.At("claims.object"))
		require.EqualValues(t, 2, set(t, "merge@example.test", `{"a": 2}`, ", ifVersion: 2").At("claims.object.a"))
	})
	t.Run("E2: the dashboard sets, reads and takes away the same with its session", func(t *testing.T) {
		m.member.Do(`mutation { claimsSet(input: {customer: {email: "merge@example.test"}, product: {identifier: "rosterly"}, claims: {d: "x"}}) { userErrors { message } } }`, nil)
		m.member.Do(`mutation { claimsUnset(input: {customer: {email: "merge@example.test"}, product: {identifier: "rosterly"}, keys: ["a"]}) { userErrors { message } } }`, nil)
		read := m.member.Do(`{ claims(customer: {email: "merge@example.test"}, product: {identifier: "rosterly"}) { object } }`, nil)
		require.Equal(t, map[string]any{"c": false, "d": "x"}, read.At("claims.object"))
	})
	t.Run("E2: a client reaches its own product only", func(t *testing.T) {
		strange := server.Post(`mutation { claimsSet(input: {customer: {email: "ada@example.test"}, product: {identifier: "payroll"}, claims: {a: 1}}) { userErrors { code } } }`, nil)
		require.Equal(t, "NOT_FOUND", strange.List("data.claimsSet.userErrors")[0]["code"])
	})
	t.Run("E3: a string stays a string, and what is no string, number or boolean is refused", func(t *testing.T) {
		set(t, "known@example.test", `{"plan": "pro", "role": "admin", "trial_ends": "2026-04-15", "seats": "5", "count": 5}`, "")
		require.Equal(t, map[string]any{"plan": "pro", "role": "admin", "trial_ends": "2026-04-15", "seats": "5", "count": 5.0},
			app(t, mint(t, "known@example.test")).At("payload.claims"))
		for _, bad := range []string{`{"a": []}`, `{"a": {}}`, `{"a": 9007199254740993}`, `{"": 1}`, `{"iss": "x"}`, `[]`} {
			refused := set(t, "known@example.test", bad, "")
			require.Equal(t, "INVALID", refused.List("userErrors")[0]["code"], bad)
		}
	})
	t.Run("E4: a token is ES256 with a kid, lives ten minutes and tells the claims' version", func(t *testing.T) {
		seen := app(t, mint(t, "ada@example.test"))
		require.Equal(t, "ES256", seen.At("header.alg"))
		require.NotEmpty(t, seen.At("header.kid"))
		payload := seen.Object("payload")
		require.EqualValues(t, 600, payload.At("exp").(float64)-payload.At("iat").(float64))
		require.Equal(t, []any{"12345", "rosterly", s.base + "/shops/" + m.shop, 1.0}, []any{payload["sub"], payload["aud"], payload["iss"], payload["claimsVersion"]})
		keys := send(t, http.MethodGet, s.base+"/.well-known/jwks.json", nil)
		for _, key := range keys.body.List("keys") {
			require.NotContains(t, key, "d", "the private half")
		}
	})
	t.Run("E4: a product can have EdDSA", func(t *testing.T) {
		algorithm := `mutation($id: ID!, $a: AccessTokenAlgorithm!) { productUpdate(input: {id: $id, accessTokenAlgorithm: $a}) { userErrors { message } } }`
		m.Do(algorithm, object{"id": productID, "a": "EDDSA"})
		require.Equal(t, "EdDSA", app(t, mint(t, "ada@example.test")).At("header.alg"))
		m.Do(algorithm, object{"id": productID, "a": "ES256"})
	})
	t.Run("E4: an app refuses what is altered, or for another product or shop", func(t *testing.T) {
		token := mint(t, "ada@example.test")
		parts := strings.Split(token, ".")
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		require.NoError(t, err)
		forged := base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(payload), "admin", "owner", 1)))
		require.Equal(t, "ERR_JWS_SIGNATURE_VERIFICATION_FAILED", app(t, parts[0]+"."+forged+"."+parts[2])["refused"])
		require.Equal(t, "ERR_JWT_CLAIM_VALIDATION_FAILED", app(t, token, "AUDIENCE=payroll")["refused"])
		require.Equal(t, "ERR_JWT_CLAIM_VALIDATION_FAILED", app(t, token, "ISSUER="+s.base+"/shops/another")["refused"])
	})
	t.Run("E4: a token can be checked online", func(t *testing.T) {
		check := func(token string) object {
			return server.Do(`query($token: String!) { accessTokenVerify(token: $token) { valid reason } }`, object{"token": token}).Object("accessTokenVerify")
		}
		token := mint(t, "ada@example.test")
		require.Equal(t, true, check(token)["valid"])
		require.Equal(t, false, check(token[:len(token)-4] + "AAAA")["valid"])
	})
	t.Run("E4: the subscription supplies plan, status and seats where the merchant has not set them", func(t *testing.T) {
		claims := app(t, mint(t, "ada@example.test")).Object("payload.claims")
		require.Equal(t, []any{"pro", "active", "1"}, []any{claims["plan"], claims["status"], claims["seats"]})
		set(t, "ada@example.test", `{"seats": "9"}`, "")
		require.Equal(t, "9", app(t, mint(t, "ada@example.test")).At("payload.claims.seats"))
	})
	t.Run("E5: no plan claim means free tier", func(t *testing.T) {
		seen := app(t, mint(t, "idle@example.test"))
		require.NotContains(t, seen.At("payload.claims"), "plan")
		require.Equal(t, "free", seen["plan"])
		require.Equal(t, "pro", app(t, mint(t, "ada@example.test"))["plan"])
	})
	told := func(t *testing.T, email string, fits func(object) bool) {
		t.Helper()
		m.eventually("claims.updated of "+email, func() bool {
			for _, event := range proctest.Get(t, receiver+"/events").List("list") {
				if event["event"] == "claims.updated" && event.At("data.email") == email && fits(event.Object("data")) {
					return true
				}
			}
			return false
		})
	}
	t.Run("E5: a worker takes away a claim that is due", func(t *testing.T) {
		set(t, "timed@example.test", `{"beta": true, "role": "admin"}`, `, expiries: [{key: "beta", expiresAt: "2026-02-01T00:00:00Z"}]`)
		require.Equal(t, true, app(t, mint(t, "timed@example.test")).At("payload.claims.beta"))
		m.advance(clock, "2026-02-02T00:00:00Z")
		told(t, "timed@example.test", func(data object) bool {
			claims, _ := data["claims"].(map[string]any)
			_, still := claims["beta"]
			return data.At("version") == 2.0 && !still
		})
		seen := app(t, mint(t, "timed@example.test")).Object("payload")
		require.EqualValues(t, 2, seen["claimsVersion"])
		require.Equal(t, map[string]any{"role": "admin"}, seen["claims"])
	})
	t.Run("E6: a change of claims is told by webhook", func(t *testing.T) {
		set(t, "idle@example.test", `{"role": "admin"}`, "")
		told(t, "idle@example.test", func(data object) bool {
			return data.At("claims.role") == "admin" && data.At("version") == 1.0 && data["productIdentifier"] == "rosterly"
		})
	})
}
