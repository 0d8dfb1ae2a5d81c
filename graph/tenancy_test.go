package graph_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"

	"portico/graph"
)

// strangers says, for every place of the schema that takes an id, what comes of the id of another merchant's object.
func strangers() map[string]struct{ typename, document, want string } {
	const (
		empty    = "empty"
		null     = "null"
		notFound = "NOT_FOUND"
		denied   = "FORBIDDEN" // for operators only
	)
	product := `product: {id: $id}`
	return map[string]struct{ typename, document, want string }{
		"node.id":                             {"", `query($id: ID!) { node(id: $id) { id } }`, null},
		"nodes.ids":                           {"", `query($id: ID!) { nodes(ids: [$id]) { id } }`, null},
		"product.ref.id":                      {"Product", `query($id: ID!) { product(ref: {id: $id}) { id } }`, null},
		"plans.product.id":                    {"Product", `query($id: ID!) { plans(` + product + `) { nodes { id } } }`, notFound},
		"customer.ref.id":                     {"Customer", `query($id: ID!) { customer(ref: {id: $id}) { id } }`, null},
		"subscriptions.customer.id":           {"Customer", `query($id: ID!) { subscriptions(customer: {id: $id}) { nodes { id } } }`, notFound},
		"customers.product.id":                {"Product", `query($id: ID!) { customers(` + product + `) { nodes { id } } }`, notFound},
		"subscriptions.product.id":            {"Product", `query($id: ID!) { subscriptions(` + product + `) { nodes { id } } }`, notFound},
		"subscription.id":                     {"CustomerSubscription", `query($id: ID!) { subscription(id: $id) { id } }`, null},
		"invoices.subscription":               {"CustomerSubscription", `query($id: ID!) { invoices(subscription: $id) { nodes { id } } }`, empty},
		"access.product.id":                   {"Product", `query($id: ID!) { access(customer: {email: "ada@acorn.test"}, ` + product + `) { allowed } }`, notFound},
		"access.customer.id":                  {"Customer", `query($id: ID!) { access(customer: {id: $id}, product: {identifier: "acorn"}) { reason } }`, "CUSTOMER_NOT_FOUND"},
		"accessTokenVerify.product.id":        {"Product", `query($id: ID!) { accessTokenVerify(token: "x", ` + product + `) { reason } }`, notFound},
		"accessTokenCreate.input.customer.id": {"Customer", `mutation($id: ID!) { accessTokenCreate(input: {customer: {id: $id}, product: {identifier: "acorn"}}) { userErrors { code } } }`, notFound},
		"accessTokenCreate.input.product.id":  {"Product", `mutation($id: ID!) { accessTokenCreate(input: {customer: {email: "ada@acorn.test"}, ` + product + `}) { userErrors { code } } }`, notFound},
		"claims.customer.id":                  {"Customer", `query($id: ID!) { claims(customer: {id: $id}, product: {identifier: "acorn"}) { version } }`, null},
		"claims.product.id":                   {"Product", `query($id: ID!) { claims(customer: {email: "ada@acorn.test"}, ` + product + `) { version } }`, null},
		"claimsHistory.customer.id":           {"Customer", `query($id: ID!) { claimsHistory(customer: {id: $id}, product: {identifier: "acorn"}) { nodes { key } } }`, notFound},
		"claimsHistory.product.id":            {"Product", `query($id: ID!) { claimsHistory(customer: {email: "ada@acorn.test"}, ` + product + `) { nodes { key } } }`, notFound},
		"accessAll.customer.id":               {"Customer", `query($id: ID!) { accessAll(customer: {id: $id}) { nodes { reason } } }`, "CUSTOMER_NOT_FOUND"},
		"portalTokens.customer.id":            {"Customer", `query($id: ID!) { portalTokens(customer: {id: $id}) { nodes { id } } }`, notFound},
		"auditLog.actor":                      {"Member", `query($id: ID!) { auditLog(actor: $id) { nodes { actor { id } } } }`, empty},
		"auditLog.object":                     {"PaymentMethod", `query($id: ID!) { auditLog(object: $id) { nodes { object } } }`, empty},
		"operatorAuditLog.actor":              {"Member", `query($id: ID!) { operatorAuditLog(actor: $id) { nodes { id } } }`, denied},
		"operatorAuditLog.object":             {"Plan", `query($id: ID!) { operatorAuditLog(object: $id) { nodes { id } } }`, denied},
		"webhookDeliveries.event":             {"Event", `query($id: ID!) { webhookDeliveries(event: $id) { nodes { id } } }`, empty},
		"webhookDeliveries.endpoint":          {"WebhookEndpoint", `query($id: ID!) { webhookDeliveries(endpoint: $id) { nodes { id } } }`, empty},

		"webhookDelivered.endpoint":        {"WebhookEndpoint", `subscription($id: ID!) { webhookDelivered(endpoint: $id) { attempt { number } } }`, notFound},
		"subscriptionChanged.subscription": {"CustomerSubscription", `subscription($id: ID!) { subscriptionChanged(subscription: $id) { id } }`, notFound},
		"subscriptionChanged.customer.id":  {"Customer", `subscription($id: ID!) { subscriptionChanged(customer: {id: $id}) { id } }`, notFound},

		"webhookEndpoints.product.id": {"Product", `query($id: ID!) { webhookEndpoints(` + product + `) { nodes { id } } }`, notFound},
		"webhookEndpoint.id":          {"WebhookEndpoint", `query($id: ID!) { webhookEndpoint(id: $id) { id } }`, null},

		"clients.product.id": {"Product", `query($id: ID!) { clients(` + product + `) { nodes { id } } }`, notFound},

		"apiKeyUpdate.input.id":         {"ApiKey", `mutation($id: ID!) { apiKeyUpdate(input: {id: $id, name: "x"}) { userErrors { code } } }`, notFound},
		"apiKeyRoll.input.id":           {"ApiKey", `mutation($id: ID!) { apiKeyRoll(input: {id: $id}) { secret userErrors { code } } }`, notFound},
		"clientCreate.input.product.id": {"Product", `mutation($id: ID!) { clientCreate(input: {name: "x", ` + product + `}) { secret userErrors { code } } }`, notFound},
		"clientRoll.input.id":           {"Client", `mutation($id: ID!) { clientRoll(input: {id: $id}) { secret userErrors { code } } }`, notFound},
		"clientRevoke.input.id":         {"Client", `mutation($id: ID!) { clientRevoke(input: {id: $id}) { userErrors { code } } }`, notFound},
		"sessionRevoke.input.id":        {"Session", `mutation($id: ID!) { sessionRevoke(input: {id: $id}) { userErrors { code } } }`, notFound},
		"invitationRevoke.input.id":     {"Invitation", `mutation($id: ID!) { invitationRevoke(input: {id: $id}) { userErrors { code } } }`, notFound},
		"memberRoleUpdate.input.member": {"Member", `mutation($id: ID!) { memberRoleUpdate(input: {member: $id, role: VIEWER}) { userErrors { code } } }`, notFound},
		"memberRemove.input.member":     {"Member", `mutation($id: ID!) { memberRemove(input: {member: $id}) { userErrors { code } } }`, notFound},
		"apiKeyRevoke.input.id":         {"ApiKey", `mutation($id: ID!) { apiKeyRevoke(input: {id: $id}) { userErrors { code } } }`, notFound},
		"planCreate.input.product.id": {"Product", `mutation($id: ID!) { planCreate(input: {name: "x", tier: "x", ` + product + `, prices: [
			{interval: MONTH, money: {amountMinor: 1, currency: "USD"}}]}) { userErrors { code } } }`, notFound},
		"customerCreate.input.company":                    {"Company", `mutation($id: ID!) { customerCreate(input: {email: "x@y.test", name: "x", company: $id}) { userErrors { code } } }`, notFound},
		"customerCreate.input.testClock":                  {"TestClock", `mutation($id: ID!) { customerCreate(input: {email: "x@y.test", name: "x", testClock: $id}) { userErrors { code } } }`, notFound},
		"paymentMethodAttach.input.customer.id":           {"Customer", `mutation($id: ID!) { paymentMethodAttach(input: {customer: {id: $id}, token: "pm_card_visa"}) { userErrors { code } } }`, notFound},
		"subscriptionCreate.input.customer.id":            {"Customer", `mutation($id: ID!) { subscriptionCreate(input: {customer: {id: $id}, plan: "OWN", interval: MONTH}) { userErrors { code } } }`, notFound},
		"subscriptionCreate.input.plan":                   {"Plan", `mutation($id: ID!) { subscriptionCreate(input: {customer: {email: "ada@acorn.test"}, plan: $id, interval: MONTH}) { userErrors { code } } }`, notFound},
		"subscriptionCancel.input.subscription":           {"CustomerSubscription", `mutation($id: ID!) { subscriptionCancel(input: {subscription: $id}) { userErrors { code } } }`, notFound},
		"subscriptionUncancel.input.subscription":         {"CustomerSubscription", `mutation($id: ID!) { subscriptionUncancel(input: {subscription: $id}) { userErrors { code } } }`, notFound},
		"testClockAdvance.input.testClock":                {"TestClock", `mutation($id: ID!) { testClockAdvance(input: {testClock: $id, to: "2027-01-01T00:00:00Z"}) { userErrors { code } } }`, notFound},
		"claimsSet.input.customer.id":                     {"Customer", `mutation($id: ID!) { claimsSet(input: {customer: {id: $id}, product: {identifier: "acorn"}, claims: {a: 1}}) { userErrors { code } } }`, notFound},
		"claimsSet.input.product.id":                      {"Product", `mutation($id: ID!) { claimsSet(input: {customer: {email: "ada@acorn.test"}, ` + product + `, claims: {a: 1}}) { userErrors { code } } }`, notFound},
		"claimsUnset.input.customer.id":                   {"Customer", `mutation($id: ID!) { claimsUnset(input: {customer: {id: $id}, product: {identifier: "acorn"}, keys: ["a"]}) { userErrors { code } } }`, notFound},
		"claimsUnset.input.product.id":                    {"Product", `mutation($id: ID!) { claimsUnset(input: {customer: {email: "ada@acorn.test"}, ` + product + `, keys: ["a"]}) { userErrors { code } } }`, notFound},
		"launchTokenCreate.input.customer.id":             {"Customer", `mutation($id: ID!) { launchTokenCreate(input: {customer: {id: $id}, product: {identifier: "acorn"}}) { userErrors { code } } }`, notFound},
		"launchTokenCreate.input.product.id":              {"Product", `mutation($id: ID!) { launchTokenCreate(input: {customer: {email: "ada@acorn.test"}, ` + product + `}) { userErrors { code } } }`, notFound},
		"productUpdate.input.id":                          {"Product", `mutation($id: ID!) { productUpdate(input: {id: $id, name: "x"}) { userErrors { code } } }`, notFound},
		"productSecretRoll.input.id":                      {"Product", `mutation($id: ID!) { productSecretRoll(input: {id: $id}) { userErrors { code } } }`, notFound},
		"productSecretActivate.input.id":                  {"Product", `mutation($id: ID!) { productSecretActivate(input: {id: $id}) { userErrors { code } } }`, notFound},
		"productSubmitForReview.input.id":                 {"Product", `mutation($id: ID!) { productSubmitForReview(input: {id: $id, testCredentials: "x"}) { userErrors { code } } }`, notFound},
		"productArchive.input.id":                         {"Product", `mutation($id: ID!) { productArchive(input: {id: $id}) { userErrors { code } } }`, notFound},
		"productApprove.input.id":                         {"Product", `mutation($id: ID!) { productApprove(input: {id: $id}) { userErrors { code } } }`, denied},
		"productApprove.input.review":                     {"Product", `mutation($id: ID!) { productApprove(input: {id: $id, review: $id}) { userErrors { code } } }`, denied},
		"productReject.input.id":                          {"Product", `mutation($id: ID!) { productReject(input: {id: $id, reason: "x"}) { userErrors { code } } }`, denied},
		"productReject.input.review":                      {"Product", `mutation($id: ID!) { productReject(input: {id: $id, review: $id, reason: "x"}) { userErrors { code } } }`, denied},
		"merchantSuspend.input.id":                        {"Merchant", `mutation($id: ID!) { merchantSuspend(input: {id: $id, reason: "x"}) { userErrors { code } } }`, denied},
		"merchantReinstate.input.id":                      {"Merchant", `mutation($id: ID!) { merchantReinstate(input: {id: $id}) { userErrors { code } } }`, denied},
		"subscriptionFeaturesOverride.input.subscription": {"CustomerSubscription", `mutation($id: ID!) { subscriptionFeaturesOverride(input: {subscription: $id, unset: ["x"]}) { userErrors { code } } }`, notFound},
		"seatAssign.input.subscription":                   {"CustomerSubscription", `mutation($id: ID!) { seatAssign(input: {subscription: $id, customer: {email: "ada@acorn.test"}}) { userErrors { code } } }`, notFound},
		"seatAssign.input.customer.id":                    {"Customer", `mutation($id: ID!) { seatAssign(input: {subscription: "1", customer: {id: $id}}) { userErrors { code } } }`, notFound},
		"seatRelease.input.subscription":                  {"CustomerSubscription", `mutation($id: ID!) { seatRelease(input: {subscription: $id, customer: {email: "ada@acorn.test"}}) { userErrors { code } } }`, notFound},
		"seatRelease.input.customer.id":                   {"Customer", `mutation($id: ID!) { seatRelease(input: {subscription: "1", customer: {id: $id}}) { userErrors { code } } }`, notFound},
		"usageRecord.input.customer.id":                   {"Customer", `mutation($id: ID!) { usageRecord(input: {customer: {id: $id}, product: {identifier: "acorn"}, feature: "maxEmployees"}) { userErrors { code } } }`, notFound},
		"usageRecord.input.product.id":                    {"Product", `mutation($id: ID!) { usageRecord(input: {customer: {email: "ada@acorn.test"}, ` + product + `, feature: "maxEmployees"}) { userErrors { code } } }`, notFound},
		"usageSet.input.customer.id":                      {"Customer", `mutation($id: ID!) { usageSet(input: {customer: {id: $id}, product: {identifier: "acorn"}, feature: "maxEmployees", quantity: 1}) { userErrors { code } } }`, notFound},
		"usageSet.input.product.id":                       {"Product", `mutation($id: ID!) { usageSet(input: {customer: {email: "ada@acorn.test"}, ` + product + `, feature: "maxEmployees", quantity: 1}) { userErrors { code } } }`, notFound},

		"portalUrlSend.input.customer.id":     {"Customer", `mutation($id: ID!) { portalUrlSend(input: {customer: {id: $id}}) { customer { id } userErrors { code } } }`, notFound},
		"portalTokenCreate.input.customer.id": {"Customer", `mutation($id: ID!) { portalTokenCreate(input: {customer: {id: $id}}) { userErrors { code } } }`, notFound},
		"connectStart.input.customer.id":      {"Customer", `mutation($id: ID!) { connectStart(input: {customer: {id: $id}, product: {identifier: "acorn"}}) { userErrors { code } } }`, notFound},
		"connectStart.input.product.id":       {"Product", `mutation($id: ID!) { connectStart(input: {customer: {email: "ada@acorn.test"}, ` + product + `}) { userErrors { code } } }`, notFound},
		"subscriptionReportConnected.input.product.id": {"Product", `mutation($id: ID!) { subscriptionReportConnected(input: {
			accessToken: "a", userToken: "b", planNumber: 1, interval: MONTH, price: "1", active: true, startedAt: "2026-01-01T00:00:00Z",
			expireAt: "2027-01-01T00:00:00Z", ` + product + `}) { userErrors { code } } }`, notFound},
		"portalUrlCreate.input.product.id":       {"Product", `mutation($id: ID!) { portalUrlCreate(input: {email: "ada@example.com", ` + product + `}) { userErrors { code } } }`, notFound},
		"portalTokenRevoke.input.id":             {"PortalToken", `mutation($id: ID!) { portalTokenRevoke(input: {id: $id}) { userErrors { code } } }`, notFound},
		"portalTokenRevoke.input.customer.id":    {"Customer", `mutation($id: ID!) { portalTokenRevoke(input: {customer: {id: $id}}) { userErrors { code } } }`, notFound},
		"webhookEndpointCreate.input.product.id": {"Product", `mutation($id: ID!) { webhookEndpointCreate(input: {url: "https://r.test", ` + product + `}) { userErrors { code } } }`, notFound},

		"webhookEndpointUpdate.input.id":         {"WebhookEndpoint", `mutation($id: ID!) { webhookEndpointUpdate(input: {id: $id, description: "x"}) { userErrors { code } } }`, notFound},
		"webhookEndpointUpdate.input.product.id": {"Product", `mutation($id: ID!) { webhookEndpointUpdate(input: {id: "OWN ENDPOINT", ` + product + `}) { userErrors { code } } }`, notFound},
		"webhookReplay.id":                       {"WebhookReplay", `query($id: ID!) { webhookReplay(id: $id) { id } }`, null},
		"webhookReplay.input.endpoint":           {"WebhookEndpoint", `mutation($id: ID!) { webhookReplay(input: {endpoint: $id, since: "2026-01-01T00:00:00Z"}) { userErrors { code } } }`, notFound},
		"webhookReplayCancel.input.id":           {"WebhookReplay", `mutation($id: ID!) { webhookReplayCancel(input: {id: $id}) { userErrors { code } } }`, notFound},
		"webhookDeliveryRetry.input.id":          {"WebhookDelivery", `mutation($id: ID!) { webhookDeliveryRetry(input: {id: $id}) { userErrors { code } } }`, notFound},
		"webhookEndpointDelete.input.id":         {"WebhookEndpoint", `mutation($id: ID!) { webhookEndpointDelete(input: {id: $id}) { userErrors { code } } }`, notFound},
		"webhookEndpointEnable.input.id":         {"WebhookEndpoint", `mutation($id: ID!) { webhookEndpointEnable(input: {id: $id}) { userErrors { code } } }`, notFound},
		"webhookEndpointDisable.input.id":        {"WebhookEndpoint", `mutation($id: ID!) { webhookEndpointDisable(input: {id: $id}) { userErrors { code } } }`, notFound},
		"webhookEndpointTest.input.id":           {"WebhookEndpoint", `mutation($id: ID!) { webhookEndpointTest(input: {id: $id, eventType: "invoice.created"}) { result { requestBody } userErrors { code } } }`, notFound},
		"webhookEndpointRollSecret.input.id":     {"WebhookEndpoint", `mutation($id: ID!) { webhookEndpointRollSecret(input: {id: $id}) { secret userErrors { code } } }`, notFound},
		"webhookEndpointActivateSecret.input.id": {"WebhookEndpoint", `mutation($id: ID!) { webhookEndpointActivateSecret(input: {id: $id}) { userErrors { code } } }`, notFound},
	}
}

func TestTheIdsOfAnotherMerchantLeadNowhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, other := w.open("Acorn"), w.open("Birch")
	before := w.contents()
	for place, c := range strangers() {
		t.Run(place, func(t *testing.T) {
			typenames := []string{c.typename}
			if c.typename == "" {
				typenames = slices.Collect(maps.Keys(other.ids))
			}
			for _, typename := range typenames {
				who, stranger := s.key, other.key
				if slices.Contains([]string{"ApiKey", "Client", "Invitation", "Member", "Session"}, typename) || strings.HasPrefix(place, "client") ||
					strings.HasPrefix(place, "auditLog.") {
					who, stranger = s.live, other.owner // members are changed in the merchant, and read in its sandbox too
				}
				document := strings.NewReplacer(`"OWN"`, `"`+s.ids["Plan"]+`"`, `"OWN ENDPOINT"`, `"`+s.ids["WebhookEndpoint"]+`"`).Replace(c.document)
				a := w.ask(who, document, variables{"id": other.ids[typename]})
				leadsNowhere(t, a, strings.Split(place, ".")[0], c.want, typename)
				if strings.HasPrefix(c.document, "subscription") {
					require.Equal(t, streaming, w.must(stranger, document, variables{"id": other.ids[typename]}).raw, "its own merchant may follow it")
				} else if !strings.HasPrefix(c.document, "mutation") && c.want != "FORBIDDEN" && c.want != "CUSTOMER_NOT_FOUND" && !strings.HasPrefix(place, "access") && !strings.HasPrefix(place, "claims") {
					require.Contains(t, w.must(stranger, document, variables{"id": other.ids[typename]}).raw, "gid://", "it leads its own merchant to it")
				}
			}
		})
	}
	require.Equal(t, before, w.contents())
}

func leadsNowhere(t *testing.T, a answer, field, want, typename string) {
	t.Helper()
	switch want {
	case "null":
		require.Empty(t, a.errors, a.raw)
		require.NotContains(t, a.raw, "gid://", "%s of another merchant", typename)
	case "empty":
		require.Empty(t, a.errors, a.raw)
		require.Equal(t, []any{}, a.at(field+".nodes"))
	case "FORBIDDEN":
		a.fails("FORBIDDEN")
	case "NOT_FOUND":
		if a.at(field) == nil {
			a.fails("NOT_FOUND")
			return
		}
		require.Equal(t, "NOT_FOUND", a.text(field+".userErrors.0.code"), a.raw)
	default:
		if field == "accessAll" {
			field += ".nodes.0"
		}
		require.Equal(t, want, a.text(field+".reason"))
	}
}

func TestEveryPlaceThatTakesAnIdIsTriedWithAStrangersId(t *testing.T) {
	t.Parallel()
	schema := graph.NewExecutableSchema(graph.Config{}).Schema()
	var places []string
	var walk func(path string, of *ast.Type)
	walk = func(path string, of *ast.Type) {
		definition := schema.Types[of.Name()]
		if definition.Name == "ID" {
			places = append(places, path)
		}
		if definition.Kind == ast.InputObject {
			for _, field := range definition.Fields {
				walk(path+"."+field.Name, field.Type)
			}
		}
	}
	for _, root := range []*ast.Definition{schema.Query, schema.Mutation, schema.Subscription} {
		for _, field := range root.Fields {
			for _, argument := range field.Arguments {
				walk(field.Name+"."+argument.Name, argument.Type)
			}
		}
	}
	require.ElementsMatch(t, places, slices.Collect(maps.Keys(strangers())))
}
