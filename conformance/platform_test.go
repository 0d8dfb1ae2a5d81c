package conformance

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAPlatformSetsClaimsOverHTTP(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	m := s.merchant("Acorn")
	m.product("rosterly", nil)
	client := m.member.Do(`mutation { clientCreate(input: {product: {identifier: "rosterly"}, name: "server"}) { client { clientId } secret userErrors { message } } }`,
		nil).Object("clientCreate")
	env := []string{"PORTAL_URL=" + s.base, "CLIENT_ID=" + client.Text("client.clientId"), "CLIENT_SECRET=" + client.Text("secret")}
	platform := func(arguments ...string) object { return run(t, env, "e_claims/platform.py", arguments...) }

	t.Run("E2: a server sets claims with client_id and client_secret, and reads them with the Authorization header", func(t *testing.T) {
		set := platform("set", "ada@example.test", `{"plan": "pro", "role": "admin", "trial_ends": "2026-04-15", "seats": "5"}`)
		require.EqualValues(t, 200, set["status"], set)
		read := platform("get", "ADA@example.test")
		require.EqualValues(t, 200, read["status"], read)
		require.Equal(t, map[string]any{"plan": "pro", "role": "admin", "trial_ends": "2026-04-15", "seats": "5"}, read.At("body.claims"))
	})
	t.Run("E2: set merges, and null deletes", func(t *testing.T) {
		platform("set", "ada@example.test", `{"seats": null, "beta": true}`)
		require.Equal(t, map[string]any{"plan": "pro", "role": "admin", "trial_ends": "2026-04-15", "beta": true}, platform("get", "ada@example.test").At("body.claims"))
	})
	t.Run("E2: the user is created if needed", func(t *testing.T) {
		require.EqualValues(t, 404, platform("get", "new@example.test")["status"])
		require.EqualValues(t, 200, platform("set", "new@example.test", `{"role": "guest"}`)["status"])
		require.NotNil(t, m.Do(`{ customer(ref: {email: "new@example.test"}) { id } }`, nil)["customer"])
	})
	t.Run("E2: the dashboard does the same with the session cookie", func(t *testing.T) {
		member := []string{"PORTAL_URL=" + s.base, "MEMBER_EMAIL=owner@acorn.test", "MEMBER_PASSWORD=correct horse battery"}
		answer := run(t, member, "e_claims/dashboard.mjs", m.shop, "ada@example.test", "rosterly", `{"role": "owner"}`)
		require.Equal(t, []any{200.0, 200.0, "owner"}, []any{answer["set"], answer["read"], answer.At("body.claims.role")}, answer)
	})
	t.Run("E2 and D8: claims that are sent again with their Idempotency-Key are set once", func(t *testing.T) {
		again := func(role string) reply {
			return send(t, http.MethodPost, s.base+"/api/platform/claims", object{
				"client_id": client.At("client.clientId"), "client_secret": client["secret"], "email": "again@example.test", "claims": object{"role": role},
			}, "Idempotency-Key", "claims-4711")
		}
		first, second := again("admin"), again("admin")
		require.Equal(t, http.StatusOK, first.status, first.text)
		require.Equal(t, []any{first.text, "true"}, []any{second.text, second.header.Get("Idempotent-Replayed")})
		requireBare(t, again("guest"), 409)
		requireBare(t, send(t, http.MethodPost, s.base+"/api/platform/claims", object{}, "Idempotency-Key", strings.Repeat("k", 256)), 400)
	})
	t.Run("E2 and D8: what is refused is 400 or 401 with a bare error", func(t *testing.T) {
		address := s.base + "/api/platform/claims"
		good := object{"client_id": client.At("client.clientId"), "client_secret": client["secret"], "email": "ada@example.test", "claims": object{"a": 1}}
		change := func(member string, value any) object {
			changed := object{}
			for name, old := range good {
				changed[name] = old
			}
			changed[member] = value
			return changed
		}
		for _, member := range []string{"email", "claims"} {
			for _, value := range []any{nil, 7, []int{1}, "nonsense"} {
				requireBare(t, send(t, http.MethodPost, address, change(member, value)), 400)
			}
		}
		requireBare(t, send(t, http.MethodPost, address, `{"email": `), 400)
		requireBare(t, send(t, http.MethodPost, address, change("client_secret", "wrong")), 401)
		requireBare(t, send(t, http.MethodPost, address, change("client_id", "wrong")), 401)
		requireBare(t, send(t, http.MethodPost, address, object{"email": "ada@example.test", "claims": object{}}), 401)
		requireBare(t, send(t, http.MethodGet, address+"?email=ada@example.test", nil), 401)
	})
}
