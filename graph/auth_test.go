package graph_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"

	"portico/graph"
	"portico/internal/account"
)

// operation writes the smallest operation that calls a root field.
// operationKind is the keyword of operations on a root.
func operationKind(root *ast.Definition) string {
	if root.Name == "Live" {
		return "subscription"
	}
	return strings.ToLower(root.Name)
}

func operation(schema *ast.Schema, root *ast.Definition, field *ast.FieldDefinition) string {
	var arguments []string
	for _, argument := range field.Arguments {
		if argument.Type.NonNull && argument.DefaultValue == nil {
			arguments = append(arguments, argument.Name+": "+literal(schema, argument.Type))
		}
	}
	list := ""
	if len(arguments) > 0 {
		list = "(" + strings.Join(arguments, ", ") + ")"
	}
	selection := " { __typename }"
	if schema.Types[field.Type.Name()].IsLeafType() {
		selection = ""
	}
	return operationKind(root) + " { " + field.Name + list + selection + " }"
}

func literal(schema *ast.Schema, of *ast.Type) string {
	if of.Elem != nil {
		return "[" + literal(schema, of.Elem) + "]"
	}
	switch definition := schema.Types[of.Name()]; {
	case definition.Name == "ID":
		return `"gid://portico/Nothing/1"`
	case definition.Name == "Boolean":
		return "true"
	case definition.Name == "DateTime":
		return `"2026-01-31T09:30:00Z"`
	case definition.Name == "String":
		return `""`
	case definition.Kind == ast.Scalar:
		return "0"
	case definition.Kind == ast.Enum:
		return definition.EnumValues[0].Name
	default:
		var fields []string
		for _, field := range definition.Fields {
			if field.Type.NonNull && field.DefaultValue == nil {
				fields = append(fields, field.Name+": "+literal(schema, field.Type))
			}
		}
		if definition.Directives.ForName("oneOf") != nil {
			fields = []string{`id: "1"`}
		}
		return "{" + strings.Join(fields, ", ") + "}"
	}
}

// asked is what a root field's @auth says.
type asked struct {
	allow    []string
	role     account.Role
	scope    string
	merchant bool
}

func ruleOf(field *ast.FieldDefinition) asked {
	auth := field.Directives.ForName("auth")
	rule := asked{role: account.RoleViewer, merchant: true}
	for _, kind := range auth.Arguments.ForName("allow").Value.Children {
		rule.allow = append(rule.allow, kind.Value.Raw)
	}
	if role := auth.Arguments.ForName("role"); role != nil {
		rule.role = account.Role(role.Value.Raw)
	}
	if scope := auth.Arguments.ForName("scope"); scope != nil {
		rule.scope = scope.Value.Raw
	}
	if merchant := auth.Arguments.ForName("merchant"); merchant != nil {
		rule.merchant = merchant.Value.Raw == "true"
	}
	return rule
}

func TestEveryRootFieldAdmitsWhomItSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	tokenKey := s.tokenKey()
	members := map[account.Role]credentials{
		account.RoleViewer: s.member("VIEWER"), account.RoleAdmin: s.member("ADMIN"), account.RoleOwner: s.owner,
	}
	keys := map[string]credentials{}
	for _, scope := range account.Scopes() {
		keys[scope] = s.keyWith(scope)
	}
	operator := w.operator()
	ada := s.ids["Customer"]
	s.portalToken(ada) // the first, which the smallest portalTokenRevoke revokes
	customer, _ := s.portalToken(ada)
	person := w.person("ada@acorn.test")
	homeless, _ := w.signUp("Homeless")
	_, err := w.db.System().Exec(t.Context(), `delete from membership where member_id = (select max(id) from member)`)
	require.NoError(t, err)

	schema := graph.NewExecutableSchema(graph.Config{}).Schema()
	for _, root := range []*ast.Definition{schema.Query, schema.Mutation, schema.Subscription} {
		for _, field := range root.Fields {
			if strings.HasPrefix(field.Name, "__") || strings.HasSuffix(field.Name, "SignOut") {
				continue
			}
			document, rule := operation(schema, root, field), ruleOf(field)
			allows := func(kind account.Kind) bool {
				return slices.Contains(rule.allow, string(kind)) || slices.Contains(rule.allow, string(account.KindAnonymous))
			}
			check := func(who credentials, admitted bool, otherwise, sort string) {
				t.Helper()
				a := w.ask(who, document, nil)
				if !admitted {
					a.fails(otherwise)
					return
				}
				require.NotContains(t, a.raw, "FORBIDDEN", "%s for %s", document, sort)
				require.NotContains(t, a.raw, `"code":"UNAUTHENTICATED","requestId"`, "%s for %s", document, sort)
				require.NotContains(t, a.raw, "INTERNAL", "%s for %s", document, sort)
			}
			check(nil, allows(account.KindAnonymous), "UNAUTHENTICATED", "nobody")
			open := allows(account.KindAnonymous)
			for role, member := range members {
				check(member, open || (allows(account.KindMember) && role.Includes(rule.role)), "FORBIDDEN", string(role))
			}
			check(operator, allows(account.KindOperator), "FORBIDDEN", "an operator")
			check(homeless, open || (allows(account.KindMember) && !rule.merchant), "FORBIDDEN", "a member of no merchant")
			check(customer, open || allows(account.KindCustomer), "FORBIDDEN", "a customer")
			check(person, open || allows(account.KindPerson), "FORBIDDEN", "a person")
			for scope, key := range keys {
				check(key, open || (allows(account.KindAPIKey) && (rule.scope == "" || rule.scope == scope)), "FORBIDDEN", scope)
			}
			check(s.client, allows(account.KindClient), "FORBIDDEN", "a client")
			check(tokenKey, allows(account.KindTokenKey), "FORBIDDEN", "a token key")
		}
	}
	require.Empty(t, w.log.String())
	w.must(operator, `mutation { operatorSignOut { userErrors { code } } }`, nil)
	w.ask(operator, `{ viewer { kind } }`, nil).fails("UNAUTHENTICATED")

	t.Run("a member of no merchant is told so and can still sign out", func(t *testing.T) {
		require.Contains(t, w.ask(homeless, `{ merchant { id } }`, nil).errors[0].Message, "a member of none")
		w.must(homeless, `mutation { memberSignOut { userErrors { code } } }`, nil)
		w.ask(homeless, `{ viewer { kind } }`, nil).fails("UNAUTHENTICATED")
	})
}

func TestChangesNeedAnAdminOrAScopeToWrite(t *testing.T) {
	t.Parallel()
	schema := graph.NewExecutableSchema(graph.Config{}).Schema()
	for _, field := range schema.Mutation.Fields {
		rule := ruleOf(field)
		if slices.Contains(rule.allow, "ANONYMOUS") || !rule.merchant {
			continue
		}
		if field.Name == "merchantLeave" {
			continue // everybody's own place is everybody's to give up
		}
		require.True(t, rule.role.Includes(account.RoleAdmin), field.Name)
		if slices.Contains(rule.allow, "API_KEY") {
			require.True(t, strings.HasSuffix(rule.scope, "_WRITE"), field.Name)
		}
	}
	for _, field := range slices.Concat(schema.Query.Fields, schema.Subscription.Fields) {
		if !strings.HasPrefix(field.Name, "__") && ruleOf(field).scope != "" {
			require.True(t, strings.HasSuffix(ruleOf(field).scope, "_READ"), field.Name)
		}
	}
}

func TestAKeyWithoutTheScopeOfAnObjectFindsItNowhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	scopes := map[string]string{
		"Product": "CATALOG_READ", "Plan": "CATALOG_READ", "Customer": "CUSTOMERS_READ", "Company": "CUSTOMERS_READ",
		"PaymentMethod": "SUBSCRIPTIONS_READ", "PortalToken": "CUSTOMERS_READ", "CustomerSubscription": "SUBSCRIPTIONS_READ", "Invoice": "SUBSCRIPTIONS_READ",
		"LedgerEntry": "SUBSCRIPTIONS_READ", "TestClock": "SUBSCRIPTIONS_READ", "Event": "WEBHOOKS_READ",
		"WebhookEndpoint": "WEBHOOKS_READ", "WebhookDelivery": "WEBHOOKS_READ", "WebhookReplay": "WEBHOOKS_READ",
	}
	const node = `query($id: ID!) { node(id: $id) { __typename id } }`
	viewer := s.member("VIEWER")
	for typename, scope := range scopes {
		id := variables{"id": s.ids[typename]}
		a := w.must(s.keyWith(scope), node, id)
		require.Equal(t, typename, a.text("node.__typename"))
		require.Equal(t, s.ids[typename], a.text("node.id"))
		rest := slices.DeleteFunc(account.Scopes(), func(other string) bool { return other == scope })
		require.Nil(t, w.must(s.keyWith(rest...), node, id).at("node"), "%s needs %s", typename, scope)
		require.Equal(t, typename, w.must(viewer, node, id).text("node.__typename"))
	}
	require.ElementsMatch(t, []string{"Merchant", "Member", "ApiKey", "Client", "Invitation", "Session"}, slices.DeleteFunc(slices.Collect(maps.Keys(s.ids)),
		func(typename string) bool { return scopes[typename] != "" }))

	t.Run("accounts are for their members, keys for admins", func(t *testing.T) {
		for _, typename := range []string{"Member", "ApiKey", "Invitation", "Session"} {
			id := variables{"id": s.ids[typename]}
			require.Nil(t, w.must(s.key, node, id).at("node"))
			require.Equal(t, typename, w.must(s.owner, node, id).text("node.__typename"))
		}
		for _, typename := range []string{"ApiKey", "Invitation", "Session"} {
			require.Nil(t, w.must(viewer, node, variables{"id": s.ids[typename]}).at("node"), typename)
		}
	})

	t.Run("nor behind other objects", func(t *testing.T) {
		id := variables{"id": s.ids["CustomerSubscription"]}
		subscriptions, catalog := s.keyWith("SUBSCRIPTIONS_READ"), s.keyWith("CATALOG_READ", "SUBSCRIPTIONS_READ")
		w.ask(subscriptions, `query($id: ID!) { subscription(id: $id) { customer { email } } }`, id).fails("FORBIDDEN")
		w.ask(subscriptions, `query($id: ID!) { subscription(id: $id) { plan { name } } }`, id).fails("FORBIDDEN")
		w.must(catalog, `query($id: ID!) { subscription(id: $id) { plan { name product { plans { tier } } } invoices { nodes { id } } } }`, id)
		w.ask(s.keyWith("SUBSCRIPTIONS_WRITE"), `mutation($id: ID!) { subscriptionCancel(input: {subscription: $id}) {
			subscription { id invoices { nodes { id } } } } }`, id).fails("FORBIDDEN")
		w.ask(s.keyWith("CUSTOMERS_READ"), `{ customers { nodes { paymentMethods { last4 } } } }`, nil).fails("FORBIDDEN")
	})
}

func TestAWrongCredentialIsNobodyAtAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.sandbox("Acorn")
	valid := strings.TrimPrefix(s.key["Authorization"], "Bearer ")
	for name, who := range map[string]credentials{
		"an unknown key":       bearer("ptc_sk_live_" + strings.Repeat("a", 38)),
		"a key with a typo":    bearer(valid[:len(valid)-1] + "!"),
		"nothing after Bearer": bearer(""),
		"another scheme":       {"Authorization": "Basic " + valid},
		"an empty header":      {"Authorization": ""},
		"a wrong X-API-Key":    {"X-API-Key": "ptc_sk_live_nonsense"},
		"a wrong api-key":      {"api-key": "ptc_sk_live_nonsense"},
		"two that differ":      {"Authorization": "Bearer " + valid, "api-key": strings.TrimPrefix(s.owner["Authorization"], "Bearer ")},
		"a client's name only": basic("ptc_ci_test_nobody", ""),
		"a wrong cookie":       {"Cookie": "portico_session=ptc_ss_live_nonsense"},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.ask(who, `{ viewer { kind } }`, nil)
			a.fails("UNAUTHENTICATED")
			require.Equal(t, 401, a.status)
			require.Nil(t, a.data)
		})
	}
	t.Run("two at once", func(t *testing.T) {
		for header, value := range map[string]string{"Authorization": "Bearer " + valid, "X-Api-Key": valid} {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL, strings.NewReader(`{"query": "{ viewer { kind } }"}`))
			require.NoError(t, err)
			request.Header = http.Header{"Content-Type": {"application/json"}, header: {value, value}}
			w.send(request).fails("UNAUTHENTICATED")
		}
	})
	t.Run("a credential for another merchant", func(t *testing.T) {
		other := w.sandbox("Birch")
		for _, who := range []credentials{s.key.in(other.handle), s.owner.in(other.handle), s.key.in("no-such-shop"), s.owner.in("no'such")} {
			a := w.ask(who, `{ viewer { kind } }`, nil)
			a.fails("FORBIDDEN")
			require.Equal(t, 403, a.status)
		}
	})
	t.Run("the right ones", func(t *testing.T) {
		for _, who := range []credentials{
			s.key, {"X-API-Key": valid}, {"api-key": valid}, {"Authorization": "bearer  " + valid}, s.key.in(s.handle),
			{"X-API-Key": valid, "api-key": valid, "Authorization": "Bearer " + valid}, {"X-API-Key": valid, "Cookie": "portico_session=nonsense"},
		} {
			require.Equal(t, "API_KEY", w.must(who, `{ viewer { kind } }`, nil).text("viewer.kind"))
		}
		require.Equal(t, "ANONYMOUS", w.must(nil, `{ viewer { kind member { id } merchant { id } merchants { id } } }`, nil).text("viewer.kind"))
	})
}

func TestTheBrowserKeepsTheSessionInACookie(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("over https: %t", secure), func(t *testing.T) {
			t.Parallel()
			w := newWorldWith(t, graph.Options{Secure: secure})
			name := map[bool]string{false: "portico_session", true: "__Host-portico_session"}[secure]
			w.signUp("Acorn")
			a := w.must(nil, `mutation($password: String!) { memberSignIn(input: {email: "acorn@merchant.test", password: $password}) {
				sessionToken userErrors { code } } }`, variables{"password": password})
			set := a.header.Get("Set-Cookie")
			require.True(t, strings.HasPrefix(set, name+"="+a.text("memberSignIn.sessionToken")+"; Path=/; Expires=Mon, 02 Mar 2026 09:30:00 GMT; HttpOnly; "), set)
			require.Contains(t, set, "SameSite=Lax")
			require.Equal(t, secure, strings.Contains(set, "Secure"))

			cookie := credentials{"Cookie": strings.SplitN(set, ";", 2)[0]}
			from := func(header, value string) credentials {
				with := maps.Clone(cookie)
				with[header] = value
				return with
			}
			const viewer = `{ viewer { kind } }`
			require.Equal(t, "MEMBER", w.must(cookie, viewer, nil).text("viewer.kind"))
			require.Equal(t, "MEMBER", w.must(from("Sec-Fetch-Site", "same-origin"), viewer, nil).text("viewer.kind"))
			require.Equal(t, "MEMBER", w.must(from("Origin", w.server.URL), viewer, nil).text("viewer.kind"))
			for header, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"} {
				a := w.ask(from(header, value), `mutation { memberSignOut { userErrors { code } } }`, nil)
				a.fails("FORBIDDEN")
				require.Equal(t, 403, a.status)
			}
			other := credentials{"Cookie": strings.Replace(cookie["Cookie"], name, map[bool]string{true: "portico_session", false: "__Host-portico_session"}[secure], 1)}
			require.Equal(t, "ANONYMOUS", w.must(other, viewer, nil).text("viewer.kind"), "the cookie of the other scheme is not looked at")

			a = w.must(cookie, `mutation { memberSignOut { userErrors { code } } }`, nil)
			cleared := name + "=; Path=/; Expires=Thu, 01 Jan 1970"
			require.True(t, strings.HasPrefix(a.header.Get("Set-Cookie"), cleared), a.header.Get("Set-Cookie"))
			a = w.ask(cookie, viewer, nil)
			a.fails("UNAUTHENTICATED")
			require.True(t, strings.HasPrefix(a.header.Get("Set-Cookie"), cleared), "the browser could never sign in again otherwise")
		})
	}
}

func TestARememberedKeyIsWhatItsRowSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.sandbox("Acorn")
	change := func(sql string) {
		t.Helper()
		_, err := w.db.System().Exec(t.Context(), `update api_key set `+sql)
		require.NoError(t, err)
	}
	const products, create = `{ products { nodes { id } } }`,
		`mutation { companyCreate(input: {name: "Late"}) { company { id } userErrors { code } } }`
	remember := func() {
		t.Helper()
		for range 2 { // the first request may record the use of the key, which changes its row
			w.must(s.key, products, nil)
		}
	}

	remember()
	change(`scopes = '{CUSTOMERS_READ}'`)
	w.ask(s.key, products, nil).fails("FORBIDDEN")
	remember = func() { w.must(s.key, `{ customers { nodes { id } } }`, nil) }
	remember()
	change(`scopes = '{CATALOG_READ,CUSTOMERS_READ}'`)
	w.must(s.key, products, nil)

	before := w.contents()
	delete(before, "api_key")
	for name, document := range map[string]string{
		"a query":                       products,
		"a query that asks for nothing": `{ viewer { kind } }`,
		"several":                       `{ products { nodes { id } } customers { nodes { id } } viewer { kind } }`,
		"a mutation":                    create,
		"a forbidden field":             `{ apiKeys { nodes { id } } }`,
		"no such field":                 `{ nonsense }`,
		"no document":                   `{`,
	} {
		change(`revoked_at = null`)
		remember()
		change(`revoked_at = now()`)
		for range 2 {
			a := w.ask(s.key, document, nil)
			a.fails("UNAUTHENTICATED")
			require.Equal(t, 401, a.status, name)
			require.Nil(t, a.data, name)
			require.Equal(t, "Bearer", a.header.Get("WWW-Authenticate"), name)
		}
	}
	after := w.contents()
	delete(after, "api_key")
	require.Equal(t, before, after)
	require.Empty(t, w.log.String())

	change(`revoked_at = null, scopes = '{CATALOG_READ,CUSTOMERS_READ,CUSTOMERS_WRITE}'`)
	remember()
	change(`name = 'Renamed'`)
	w.must(s.key, create, nil)
	require.Len(t, w.must(s.key, `{ companies { nodes { name } } }`, nil).at("companies.nodes"), 1, "created once")

	remember()
	change(`name = 'Renamed again'`)
	sessions := func() (n int) {
		require.NoError(t, w.db.Pool().QueryRow(t.Context(), `select count(*) from session`).Scan(&n))
		return n
	}
	signedIn := sessions()
	w.must(s.key, `mutation($password: String!) { memberSignIn(input: {email: "acorn@merchant.test", password: $password}) { userErrors { code } } }`,
		variables{"password": password})
	require.Equal(t, signedIn+1, sessions(), "signed in once")
}
