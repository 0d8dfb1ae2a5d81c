package graph_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"

	"portico/graph"
	"portico/internal/gateway"
)

// recorded is what the audit log's table says of the mutations of one request, oldest first, each as "ACTOR action OUTCOME code".
func (w *world) recorded(a answer) []string {
	w.t.Helper()
	rows, err := w.db.System().Query(w.t.Context(), `
		select concat_ws(' ', actor_kind, action, outcome, code) from (
			select request_id, id, actor_kind, action, outcome, code from audit_entry
			union all select request_id, id, actor_kind, action, 'DONE', null from token_mint) entry
		where request_id = $1 order by id`, a.header.Get("X-Request-Id"))
	require.NoError(w.t, err)
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(w.t, err)
	return found
}

func TestEveryMutationLeavesAnEntry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	kept := s.callers()
	// A session for each where some mutation ends it.
	caller := func(kind, mutation string) credentials {
		switch kind + " " + mutation {
		case "PERSON personSignOut":
			return w.person("other@acorn.test")
		case "MEMBER memberSignOut":
			session, _ := w.signUp(mutation)
			return session
		}
		return kept[kind]
	}
	schema := graph.NewExecutableSchema(graph.Config{}).Schema()
	mutations := slices.SortedStableFunc(slices.Values(schema.Mutation.Fields), func(a, b *ast.FieldDefinition) int {
		last := func(f *ast.FieldDefinition) int { return strings.Count(f.Name, "operatorSignOut") } // there is one operator
		return last(a) - last(b)
	})
	for _, field := range mutations {
		document, rule := operation(schema, schema.Mutation, field), ruleOf(field)
		tried := 0
		for kind := range graphCallers(schema) {
			a := w.ask(caller(kind, field.Name), document, nil)
			entries := w.recorded(a)
			switch {
			case slices.Contains(rule.allow, kind) || slices.Contains(rule.allow, "ANONYMOUS"):
				tried++
				require.Len(t, entries, 1, "%s by %s", document, kind)
				require.Regexp(t, `^`+kind+` `+field.Name+` (DONE|REFUSED [A-Z_]+)$`, entries[0], a.raw)
			case kind == "ANONYMOUS":
				require.Empty(t, entries, "anybody could fill the log")
			default:
				require.Equal(t, []string{kind + " " + field.Name + " REFUSED FORBIDDEN"}, entries)
			}
		}
		require.NotZero(t, tried, "nobody here may call %s: add a caller who may", field.Name)
	}
	require.Empty(t, w.log.String())
}

// graphCallers are the kinds of caller that the schema knows.
func graphCallers(schema *ast.Schema) map[string]bool {
	kinds := map[string]bool{}
	for _, kind := range schema.Types["CallerKind"].EnumValues {
		kinds[kind.Name] = true
	}
	return kinds
}

func TestTheAuditLogSaysWhoDidWhatToWhichObjectFromWhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, other := w.open("Acorn"), w.open("Birch")
	log := func(who credentials, arguments string) answer {
		t.Helper()
		return w.must(who, `{ auditLog`+arguments+` { nodes { id at actor { kind id label } action fields object outcome reason: code
			address userAgent requestId } edges { cursor } pageInfo { hasNextPage endCursor } } }`, nil)
	}
	browser := s.owner.in(s.handle)
	browser["User-Agent"] = "Mozilla/5.0 (X11; ada@acorn.test) Firefox/130.0 ptc_sk_live_xyz"
	made := w.must(browser, `mutation { apiKeyCreate(input: {name: "second", scopes: [ACCESS_READ]}) { apiKey { id } userErrors { code } } }`, nil)

	t.Run("a member from a browser", func(t *testing.T) {
		a := log(s.owner, `(first: 1)`)
		require.Equal(t, map[string]any{
			"id": a.at("auditLog.nodes.0.id"), "at": "2026-01-31T09:30:00Z",
			"actor":  map[string]any{"kind": "MEMBER", "id": s.ids["Member"], "label": "acorn@merchant.test"},
			"action": "apiKeyCreate", "fields": []any{"name", "scopes"}, "object": made.text("apiKeyCreate.apiKey.id"),
			"outcome": "DONE", "reason": nil, "address": "127.0.0.1", "userAgent": "Mozilla/5.0 Firefox/130.0",
			"requestId": made.header.Get("X-Request-Id"),
		}, a.at("auditLog.nodes.0"))
		require.Equal(t, true, a.at("auditLog.pageInfo.hasNextPage"))
	})

	t.Run("a server with a key, refused", func(t *testing.T) {
		cancel := `mutation($id: ID!) { subscriptionUncancel(input: {subscription: $id}) { userErrors { code message } } }`
		refused := w.ask(s.key, cancel, variables{"id": s.ids["CustomerSubscription"]})
		refused.refuses("subscriptionUncancel", "CONFLICT")
		a := log(s.owner, `(first: 1)`)
		require.Equal(t, map[string]any{"kind": "API_KEY", "id": s.ids["ApiKey"], "label": "server"}, a.at("auditLog.nodes.0.actor"))
		require.Equal(t, "REFUSED", a.text("auditLog.nodes.0.outcome"))
		require.Equal(t, "CONFLICT", a.text("auditLog.nodes.0.reason"))
		require.Equal(t, s.ids["CustomerSubscription"], a.text("auditLog.nodes.0.object"), "as the input names it")
	})

	t.Run("a token is its customer's", func(t *testing.T) {
		w.must(s.key, `mutation { launchTokenCreate(input: {customer: {email: "ada@acorn.test"}, product: {identifier: "acorn"}}) { token userErrors { code } } }`, nil)
		const url = `mutation($intent: PortalUrlIntent!) { portalUrlCreate(input: {email: "ada@acorn.test", product: {identifier: "acorn"}, intent: $intent}) {
			url userErrors { code field message } } }`
		w.must(s.key, url, variables{"intent": "MANAGE"})
		w.must(s.key, `mutation { portalUrlSend(input: {customer: {email: "ada@acorn.test"}}) { userErrors { code } } }`, nil)
		w.ask(s.key, url, variables{"intent": "BUY"}).refuses("portalUrlCreate", "ACTIVE_PURCHASE_EXISTS input.product")
		require.NoError(t, w.resolver.Audit.Count(t.Context()))
		require.Len(t, log(s.owner, `(action: "portalUrlCreate")`).at("auditLog.nodes"), 2, "one each, the refusal too")
		a := log(s.owner, `(action: "launchTokenCreate")`)
		require.Len(t, a.at("auditLog.nodes"), 1)
		require.Equal(t, s.ids["Customer"], a.text("auditLog.nodes.0.object"))
		a = w.must(s.owner, `query($id: ID!) { customer(ref: {id: $id}) { tokenUsage { hour kind count flagged } } }`, variables{"id": s.ids["Customer"]})
		require.Equal(t, []any{
			map[string]any{"hour": "2026-01-31T09:00:00Z", "kind": "LAUNCH", "count": json.Number("1"), "flagged": false},
			map[string]any{"hour": "2026-01-31T09:00:00Z", "kind": "PORTAL", "count": json.Number("3"), "flagged": false},
		}, a.at("customer.tokenUsage"))
		w.ask(s.key, `{ customers { nodes { tokenUsage { count } } } }`, nil).fails("FORBIDDEN")
		w.ask(s.key, `mutation { launchTokenCreate(input: {customer: {email: "nobody@acorn.test"}, product: {identifier: "acorn"}}) { userErrors { code field message } } }`, nil).
			refuses("launchTokenCreate", "NOT_FOUND input.customer")
		require.Equal(t, "NOT_FOUND", log(s.owner, `(first: 1)`).text("auditLog.nodes.0.reason"))
	})

	t.Run("narrowed by actor, action, object and time", func(t *testing.T) {
		for arguments, actions := range map[string][]any{
			`(actor: "` + s.ids["Member"] + `", action: "apiKeyCreate")`:          {"apiKeyCreate", "apiKeyCreate"},
			`(actor: "` + s.ids["ApiKey"] + `", action: "apiKeyCreate")`:          {},
			`(object: "` + s.ids["Product"] + `")`:                                {"productCreate"},
			`(object: "` + s.ids["Product"] + `", until: "2026-01-31T09:30:00Z")`: {},
			`(object: "` + s.ids["Product"] + `", since: "2026-01-31T09:30:00Z")`: {"productCreate"},
			`(since: "2026-01-31T09:30:01Z")`:                                     {},
			`(action: "a\u0000b")`:                                                {},
			`(object: "gid://portico/\u0000/1")`:                                  {},
		} {
			a := log(s.owner, arguments)
			got := []any{}
			for _, node := range a.at("auditLog.nodes").([]any) {
				got = append(got, node.(map[string]any)["action"])
			}
			require.Equal(t, actions, got, arguments)
		}
		for arguments, field := range map[string]string{
			`(actor: "gid://portico/Plan/1")`: "actor", `(actor: "me")`: "actor", `(object: "12")`: "object", `(after: "x")`: "after", `(first: 0)`: "first",
			`(since: "2026-01-31T09:30:00Z", until: "2026-01-31T09:29:00Z")`: "until",
		} {
			a := w.ask(s.owner, `{ auditLog`+arguments+` { nodes { id } } }`, nil)
			a.fails("BAD_REQUEST")
			require.Contains(t, a.errors[0].Message, field)
		}
	})

	t.Run("page by page", func(t *testing.T) {
		all := log(s.owner, `(first: 100)`)
		var paged []any
		after := ""
		for {
			a := log(s.owner, `(first: 3, after: "`+after+`")`)
			paged = append(paged, a.at("auditLog.nodes").([]any)...)
			if a.at("auditLog.pageInfo.hasNextPage") == false {
				break
			}
			after = a.text("auditLog.pageInfo.endCursor")
		}
		require.Greater(t, len(paged), 9)
		require.Equal(t, all.at("auditLog.nodes"), paged)
	})

	t.Run("for the merchant's own admins", func(t *testing.T) {
		require.NotContains(t, log(other.owner, `(first: 100)`).raw, s.ids["Product"])
		w.must(s.member("ADMIN"), `{ auditLog { nodes { id } } }`, nil)
		w.ask(s.member("VIEWER"), `{ auditLog { nodes { id } } }`, nil).fails("FORBIDDEN")
		w.ask(s.key, `{ auditLog { nodes { id } } }`, nil).fails("FORBIDDEN")
	})
	require.Empty(t, w.log.String())
}

func TestSignUpsAndSignInsBelongToTheMerchantThatTheyLeadTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	session, shop := w.signUp("Acorn")
	signIn := `mutation($password: String!) { memberSignIn(input: {email: "acorn@merchant.test", password: $password}) { userErrors { code } } }`
	w.must(nil, signIn, variables{"password": password})
	wrong := w.ask(nil, signIn, variables{"password": "wrong horse battery"})
	a := w.must(session.in(shop), `{ auditLog { nodes { action actor { kind id label } object outcome } } viewer { merchant { id } member { id } } }`, nil)
	require.Equal(t, []any{
		map[string]any{"action": "memberSignIn", "actor": map[string]any{"kind": "ANONYMOUS", "id": nil, "label": nil}, "object": a.text("viewer.member.id"), "outcome": "DONE"},
		map[string]any{"action": "merchantSignUp", "actor": map[string]any{"kind": "ANONYMOUS", "id": nil, "label": nil}, "object": a.text("viewer.merchant.id"), "outcome": "DONE"},
	}, a.at("auditLog.nodes"))

	var nobodys int
	require.NoError(t, w.db.System().QueryRow(t.Context(), `select count(*) from audit_entry where merchant_id is null and request_id = $1`,
		wrong.header.Get("X-Request-Id")).Scan(&nobodys))
	require.Equal(t, 1, nobodys, "a failed sign-in is kept, and is no merchant's")
}

func TestWhatAPersonDoesIsInTheLogOfTheMerchantWhoseItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	session, handle := w.signUp("Acorn")
	s := &shop{w: w, name: "Acorn", handle: handle, owner: session, key: session, ids: map[string]string{}}
	s.stock("acorn")
	subscription := s.buy(s.customer("ada@example.com", "pm_card_visa"), s.ids["Plan"]).text("subscriptionCreate.subscription.id")
	w.must(w.person("ada@example.com"), `mutation($id: ID!) { subscriptionCancel(input: {subscription: $id}) { subscription { id } userErrors { code } } }`,
		variables{"id": subscription})
	a := w.must(s.owner, `{ auditLog(first: 1) { nodes { action actor { kind label } object outcome } } }`, nil)
	require.Equal(t, map[string]any{
		"action": "subscriptionCancel", "actor": map[string]any{"kind": "PERSON", "label": nil}, "object": subscription, "outcome": "DONE",
	}, a.at("auditLog.nodes.0"))
}

func TestTheAuditLogHoldsNamesOfFieldsAndNoValues(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	w.must(s.key, `mutation($in: CustomerCreateInput!) { customerCreate(input: $in) { userErrors { code } } }`, variables{"in": variables{
		"email": "eve@marker.test", "name": "Eve Marker", "userMeta": variables{"marker-key": "marker-value"}}})
	w.must(s.key, `mutation { customerCreate(input: {email: "eve2@marker.test", name: "Eve Marker"}) { userErrors { code } } }`, nil)
	w.ask(s.key, `mutation { apiKeyRevoke(input: {id: "gid://portico/marker-type/1"}) { userErrors { code } } }`, nil)
	rows, err := w.db.System().Query(t.Context(), `select entry::text from audit_entry entry order by id`)
	require.NoError(t, err)
	entries, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	all := strings.Join(entries, "\n")
	require.Contains(t, all, "{email,name,userMeta}")
	for _, value := range []string{"marker", "Marker", "@", password, "ptc_", "Acorn", "rosterly", s.secret} {
		require.NotContains(t, all, value)
	}
}

func TestWithoutAnEntryNothingIsDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	_, err := w.db.Pool().Exec(t.Context(), `alter table audit_entry add constraint broken check (action = '') not valid;
		alter table token_mint add constraint broken check (action = '') not valid`)
	require.NoError(t, err)
	before := w.contents()
	w.ask(s.key, `mutation { companyCreate(input: {name: "Initech"}) { company { id } } }`, nil).fails("INTERNAL_SERVER_ERROR")
	a := w.ask(s.key, `mutation { launchTokenCreate(input: {customer: {email: "ada@acorn.test"}, product: {identifier: "acorn"}}) { token } }`, nil)
	a.fails("INTERNAL_SERVER_ERROR")
	require.NotContains(t, a.raw, "eyJ")
	require.Equal(t, before, w.contents())
	require.Contains(t, w.log.String(), "begin the audit entry of companyCreate")
	require.Contains(t, w.log.String(), "record a token of launchTokenCreate")
}

// panicking is a payment provider's library that panics with what it was given.
type panicking struct{ gateway.Gateway }

func (panicking) Attach(_ context.Context, token string) (gateway.Card, error) {
	panic("no such token: " + token)
}

func TestAMutationThatPanicsHasFailedAndItsLogSaysWhereButNotWithWhat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.sandbox("Acorn")
	w.resolver.Billing.Gateways[gateway.TestName] = panicking{}
	id := s.customer("ada@acorn.test", "")
	a := w.ask(s.key, `mutation($id: ID!, $token: String!) { paymentMethodAttach(input: {customer: {id: $id}, token: $token}) { paymentMethod { id } } }`,
		variables{"id": id, "token": "card-of+ada@acorn.test"})
	a.fails("INTERNAL_SERVER_ERROR")
	require.Equal(t, []string{"API_KEY paymentMethodAttach FAILED"}, w.recorded(a))
	require.Contains(t, w.log.String(), "no such token: [redacted]")
	require.Contains(t, w.log.String(), "panicking.Attach")
	require.NotContains(t, w.log.String(), "ada@")
}
