package graph_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/secret"
)

// shop is a merchant's sandbox with one of everything, all made through the API.
type shop struct {
	w      *world
	name   string
	handle string
	owner  credentials // acts for the sandbox
	live   credentials // acts for the merchant that has the sandbox
	key    credentials // with every scope
	ids    map[string]string
	email  string      // of the customer
	number int64       // of the customer, where a test has asked for it
	secret string      // of the product
	client credentials // of the product
}

func (w *world) signUp(name string) (session credentials, handle string) {
	w.t.Helper()
	a := w.must(nil, `mutation($input: MerchantSignUpInput!) { merchantSignUp(input: $input) {
		merchant { id shop sandbox } member { id email } sessionToken userErrors { code field message } } }`,
		variables{"input": variables{"name": name, "email": strings.ToLower(name) + "@merchant.test", "password": password}})
	return bearer(a.text("merchantSignUp.sessionToken")), a.text("merchantSignUp.merchant.shop")
}

// verify confirms the address of the member who signed up as the merchant's owner.
func (w *world) verify(name string) {
	w.t.Helper()
	w.must(nil, `mutation($token: String!) { memberEmailVerify(input: {token: $token}) { member { emailVerifiedAt } userErrors { code } } }`,
		variables{"token": w.mailed(strings.ToLower(name) + "@merchant.test")})
}

// sandbox signs a merchant up and opens its sandbox with an API key.
func (w *world) sandbox(name string) *shop {
	w.t.Helper()
	s := &shop{w: w, name: name, email: "ada@" + strings.ToLower(name) + ".test", ids: map[string]string{}}
	session, live := w.signUp(name)
	s.live = session.in(live)
	a := w.must(s.live, `mutation($name: String!) { sandboxCreate(input: {name: $name}) {
		merchant { id shop sandbox } userErrors { code } } }`, variables{"name": name + " sandbox"})
	s.handle, s.ids["Merchant"] = a.text("sandboxCreate.merchant.shop"), a.text("sandboxCreate.merchant.id")
	s.owner = session.in(s.handle)
	a = w.must(s.owner, `{ viewer { member { id } } }`, nil)
	s.ids["Member"] = a.text("viewer.member.id")
	a = w.must(s.owner, `mutation { apiKeyCreate(input: {name: "server"}) {
		apiKey { id hint scopes } secret userErrors { code } } }`, nil)
	s.key, s.ids["ApiKey"] = bearer(a.text("apiKeyCreate.secret")), a.text("apiKeyCreate.apiKey.id")
	return s
}

// open is a sandbox with one of everything.
func (w *world) open(name string) *shop {
	w.t.Helper()
	s := w.sandbox(name)
	w.verify(name)
	a := w.must(s.live, `mutation($email: String!) { memberInvite(input: {email: $email, role: VIEWER}) {
		invitation { id } userErrors { code } } }`, variables{"email": "friend@" + strings.ToLower(name) + ".test"})
	s.ids["Invitation"] = a.text("memberInvite.invitation.id")
	s.ids["Session"] = w.must(s.live, `{ sessions { nodes { id } } }`, nil).text("sessions.nodes.0.id")
	s.stock(strings.ToLower(name))
	a = w.must(s.key, `mutation { companyCreate(input: {name: "Initech"}) { company { id } userErrors { code } } }`, nil)
	s.ids["Company"] = a.text("companyCreate.company.id")
	a = w.must(s.owner, `mutation($product: ProductRef!) { clientCreate(input: {name: "server", product: $product}) {
		client { id clientId } secret userErrors { code } } }`, variables{"product": variables{"id": s.ids["Product"]}})
	s.ids["Client"], s.client = a.text("clientCreate.client.id"), basic(a.text("clientCreate.client.clientId"), a.text("clientCreate.secret"))
	a = w.must(s.key, `mutation { testClockCreate(input: {name: "clock"}) { testClock { id } userErrors { code } } }`, nil)
	s.ids["TestClock"] = a.text("testClockCreate.testClock.id")
	a = w.must(s.key, `mutation($product: ProductRef!) { webhookEndpointCreate(input: {
		url: "https://receiver.test/hook", product: $product
	}) { webhookEndpoint { id } secret userErrors { code } } }`, variables{"product": variables{"id": s.ids["Product"]}})
	s.ids["WebhookEndpoint"] = a.text("webhookEndpointCreate.webhookEndpoint.id")
	s.ids["Customer"] = s.customer(s.email, "pm_card_visa")
	a = s.buy(s.ids["Customer"], s.ids["Plan"])
	s.ids["CustomerSubscription"] = a.text("subscriptionCreate.subscription.id")
	_, s.ids["PortalToken"] = s.portalToken(s.ids["Customer"])
	const eventsOfABuyer = 4 // who is one of them
	s.awaitEvents(eventsOfABuyer, nil)
	a = w.must(s.key, `{
		invoices { nodes { id } } ledgerEntries { nodes { id } } webhookDeliveries { nodes { id eventId } }
		customers { nodes { paymentMethods { id } } }
	}`, nil)
	s.ids["Invoice"], s.ids["LedgerEntry"] = a.text("invoices.nodes.0.id"), a.text("ledgerEntries.nodes.0.id")
	s.ids["WebhookReplay"] = w.must(s.owner, `mutation { webhookReplay(input: {since: "2026-01-01T00:00:00Z"}) { webhookReplay { id } } }`, nil).
		text("webhookReplay.webhookReplay.id")
	s.ids["WebhookDelivery"], s.ids["Event"] = a.text("webhookDeliveries.nodes.0.id"), a.text("webhookDeliveries.nodes.0.eventId")
	s.ids["PaymentMethod"] = a.text("customers.nodes.0.paymentMethods.0.id")
	return s
}

// awaitEvents reads the events behind a cursor. They show when no older transaction is open, be it in the database of another test.
func (s *shop) awaitEvents(n int, after any) (a answer) {
	s.w.t.Helper()
	require.Eventually(s.w.t, func() bool {
		a = s.w.must(s.key, `query($after: String) { events(after: $after) { nodes { id sequence } } }`, variables{"after": after})
		return len(a.at("events.nodes").([]any)) == n
	}, 30*time.Second, 10*time.Millisecond)
	return a
}

// stock adds a product with a plan.
func (s *shop) stock(identifier string) {
	s.w.t.Helper()
	a := s.w.must(s.key, `mutation($input: ProductCreateInput!) { productCreate(input: $input) {
		product { id } launchSecret userErrors { code field message } } }`,
		variables{"input": variables{"identifier": identifier, "name": identifier, "launchUrl": "https://app.test/launch"}})
	s.ids["Product"], s.secret = a.text("productCreate.product.id"), a.text("productCreate.launchSecret")
	a = s.w.must(s.key, `mutation($input: PlanCreateInput!) { planCreate(input: $input) {
		plan { id number } userErrors { code field message } } }`, variables{"input": s.plan(s.ids["Product"])})
	s.ids["Plan"] = a.text("planCreate.plan.id")
}

// plan is the input of a plan that costs 19.99 dollars a month.
func (s *shop) plan(product string) variables {
	return variables{
		"product": variables{"id": product}, "name": "Pro", "tier": "pro",
		"features": []variables{
			{"name": "advancedReporting", "kind": "BOOLEAN", "enabled": true}, {"name": "maxEmployees", "kind": "LIMIT", "limit": 50},
		},
		"prices": []variables{{"interval": "MONTH", "money": variables{"amountMinor": 1999, "currency": "USD"}}},
	}
}

// customer creates a customer, with a payment method where a card is given.
func (s *shop) customer(email, card string) string {
	s.w.t.Helper()
	a := s.w.must(s.key, `mutation($email: String!) { customerCreate(input: {email: $email, name: "Ada"}) {
		customer { id } userErrors { code field message } } }`, variables{"email": email})
	id := a.text("customerCreate.customer.id")
	if card != "" {
		s.w.must(s.key, `mutation($customer: ID!, $token: String!) {
			paymentMethodAttach(input: {customer: {id: $customer}, token: $token}) { paymentMethod { id } userErrors { code } } }`,
			variables{"customer": id, "token": card})
	}
	return id
}

const buy = `mutation($customer: ID!, $plan: ID!) {
	subscriptionCreate(input: {customer: {id: $customer}, plan: $plan, interval: MONTH}) {
		subscription { id status } userErrors { code field message } } }`

func (s *shop) buy(customer, plan string) answer {
	s.w.t.Helper()
	a := s.w.must(s.key, buy, variables{"customer": customer, "plan": plan})
	require.Equal(s.w.t, "ACTIVE", a.text("subscriptionCreate.subscription.status"))
	return a
}

// portalToken is a customer in the portal.
func (s *shop) portalToken(customer string) (who credentials, id string) {
	s.w.t.Helper()
	a := s.w.must(s.key, `mutation($customer: ID!) { portalTokenCreate(input: {customer: {id: $customer}}) {
		token portalToken { id } userErrors { code } } }`, variables{"customer": customer})
	return bearer(a.text("portalTokenCreate.token")), a.text("portalTokenCreate.portalToken.id")
}

// person is who has signed in to the portal with an address.
func (w *world) person(email string) credentials {
	w.t.Helper()
	token := secret.NewCredential(secret.KindPersonSession, true)
	_, err := w.db.System().Exec(w.t.Context(), `
		with p as (insert into person (email, created_at) values ($1, $2) returning id)
		insert into person_session (person_id, token_hash, created_at, expires_at) select id, $3, $2, $2::timestamptz + interval '1 hour' from p`,
		email, w.now, w.resolver.Portal.Keys.Hash(token))
	require.NoError(w.t, err)
	return bearer(string(token))
}

// member adds a member with a role to the merchant and signs it in to the sandbox.
func (s *shop) member(role string) credentials {
	s.w.t.Helper()
	session, _ := s.w.signUp(fmt.Sprintf("%s%s", s.name, strings.ToLower(role)))
	_, err := s.w.db.System().Exec(s.w.t.Context(), `
		insert into membership (merchant_id, member_id, role, created_at)
		select m.sandbox_of, (select max(id) from member), $2, m.created_at from merchant m where m.shop = $1`, s.handle, role)
	require.NoError(s.w.t, err)
	return session.in(s.handle)
}

// keyWith is an API key that has only these scopes.
func (s *shop) keyWith(scopes ...string) credentials {
	s.w.t.Helper()
	a := s.w.must(s.owner, `mutation($scopes: [ApiScope!]) { apiKeyCreate(input: {name: "narrow", scopes: $scopes}) {
		secret userErrors { code } } }`, variables{"scopes": scopes})
	return bearer(a.text("apiKeyCreate.secret"))
}
