package graph_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestACompanyGivesItsSeatsToSomeOfItsPeople(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	var staff []string
	for _, email := range []string{"a@initech.test", "b@initech.test"} {
		a := w.must(s.key, `mutation($company: ID!, $email: String!) { customerCreate(input: {email: $email, name: "x", company: $company}) {
			customer { id } userErrors { code } } }`, variables{"company": s.ids["Company"], "email": email})
		staff = append(staff, a.text("customerCreate.customer.id"))
	}
	w.must(s.key, `mutation($id: ID!) { paymentMethodAttach(input: {customer: {id: $id}, token: "pm_card_visa"}) { userErrors { code } } }`, variables{"id": staff[0]})
	sub := s.buy(staff[0], s.ids["Plan"]).text("subscriptionCreate.subscription.id")
	const assign = `mutation($sub: ID!, $customer: ID!) { seatAssign(input: {subscription: $sub, customer: {id: $customer}}) {
		seat { number active assignedAt customer { id } } userErrors { code field message } } }`
	a := w.must(s.keyWith("SUBSCRIPTIONS_WRITE", "CUSTOMERS_READ"), assign, variables{"sub": sub, "customer": staff[0]})
	require.EqualValues(t, 1, a.number("seatAssign.seat.number"))
	require.Equal(t, staff[0], a.text("seatAssign.seat.customer.id"))
	w.ask(s.key, assign, variables{"sub": sub, "customer": staff[1]}).refuses("seatAssign", "PLAN_LIMIT_REACHED input.subscription")
	w.ask(s.key, assign, variables{"sub": sub, "customer": s.ids["Customer"]}).refuses("seatAssign", "INVALID input.customer")
	w.ask(s.client, assign, variables{"sub": sub, "customer": staff[1]}).fails("FORBIDDEN")

	reason := func(customer string) string {
		return w.must(s.client, `query($id: ID!) { access(customer: {id: $id}, product: {identifier: "acorn"}) { reason } }`, variables{"id": customer}).text("access.reason")
	}
	require.Equal(t, "ALLOWED", reason(staff[1]), "seats do not decide yet")
	a = w.must(s.key, `mutation($id: ID!) { productUpdate(input: {id: $id, seatAssignment: true}) { product { seatAssignment status } userErrors { code } } }`,
		variables{"id": s.ids["Product"]})
	require.Equal(t, true, a.at("productUpdate.product.seatAssignment"))
	require.Equal(t, "SEAT_NOT_ASSIGNED", reason(staff[1]))
	require.Equal(t, "ALLOWED", reason(staff[0]))
	require.Equal(t, "ALLOWED", reason(s.ids["Customer"]), "nobody needs a seat in a personal subscription")

	const list = `query($id: ID!) { subscription(id: $id) { seats(first: 1) { nodes { number active customer { email } } pageInfo { hasNextPage } } } }`
	a = w.must(s.key, list, variables{"id": sub})
	require.Equal(t, "a@initech.test", a.text("subscription.seats.nodes.0.customer.email"))
	require.Equal(t, false, a.at("subscription.seats.pageInfo.hasNextPage"))
	colleague, _ := s.portalToken(staff[1])
	require.Nil(t, w.must(colleague, list, variables{"id": sub}).at("subscription.seats.nodes.0.customer"), "a colleague does not see who")

	w.must(s.key, `mutation($sub: ID!, $customer: ID!) { seatRelease(input: {subscription: $sub, customer: {id: $customer}}) { userErrors { code } } }`,
		variables{"sub": sub, "customer": staff[0]})
	require.Equal(t, "SEAT_NOT_ASSIGNED", reason(staff[0]))
}

func TestThePayerGivesTheSeatsOfItsCompany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	staff := map[string]string{}
	for _, name := range []string{"payer", "colleague", "third"} {
		a := w.must(s.key, `mutation($company: ID!, $email: String!) { customerCreate(input: {email: $email, name: "x", company: $company}) {
			customer { id } userErrors { code } } }`, variables{"company": s.ids["Company"], "email": name + "@initech.test"})
		staff[name] = a.text("customerCreate.customer.id")
	}
	w.must(s.key, `mutation($id: ID!) { paymentMethodAttach(input: {customer: {id: $id}, token: "pm_card_visa"}) { userErrors { code } } }`, variables{"id": staff["payer"]})
	sub := s.buy(staff["payer"], s.ids["Plan"]).text("subscriptionCreate.subscription.id")
	token, _ := s.portalToken(staff["payer"])
	colleague, _ := s.portalToken(staff["colleague"])
	stranger, _ := s.portalToken(s.ids["Customer"])
	const assign = `mutation($sub: ID!, $email: String!) { seatAssign(input: {subscription: $sub, customer: {email: $email}}) {
		seat { number email customer { id } } userErrors { code field message } } }`
	const release = `mutation($sub: ID!, $email: String!) { seatRelease(input: {subscription: $sub, customer: {email: $email}}) { userErrors { code field message } } }`
	const list = `query($id: ID!) { subscription(id: $id) { seats { nodes { number email } } } }`
	of := func(name string) variables { return variables{"sub": sub, "email": name + "@initech.test"} }

	const prove = `mutation($is: Boolean!) { portalSettingsUpdate(input: {settings: {authentication: {requireEmailVerification: $is}}}) { userErrors { code } } }`
	w.must(s.owner, prove, variables{"is": true})
	w.ask(token, assign, of("third")).refuses("seatAssign", "NOT_ALLOWED_BY_SETTINGS")
	w.must(s.owner, prove, variables{"is": false})

	sandbox := func(of string) { // persons act for customers of live merchants only
		_, err := w.db.System().Exec(t.Context(), `update merchant set sandbox_of = `+of+` where shop = $1`, s.handle)
		require.NoError(t, err)
	}
	sandbox("null")
	for name, payer := range map[string]credentials{"with a portal token": token, "as a person": w.person("payer@initech.test")} {
		a := w.must(payer, assign, of("colleague"))
		require.Equal(t, "colleague@initech.test", a.text("seatAssign.seat.email"), name)
		require.Nil(t, a.at("seatAssign.seat.customer"), name)
		w.ask(payer, assign, of("third")).refuses("seatAssign", "PLAN_LIMIT_REACHED input.subscription")
		require.Equal(t, "colleague@initech.test", w.must(payer, list, variables{"id": sub}).text("subscription.seats.nodes.0.email"))
		require.Equal(t, "colleague@initech.test", w.must(colleague, list, variables{"id": sub}).text("subscription.seats.nodes.0.email"), "its own")
		w.must(payer, release, of("colleague"))
		w.must(payer, assign, of("third"))
		require.Nil(t, w.must(colleague, list, variables{"id": sub}).at("subscription.seats.nodes.0.email"), "somebody else's")
		w.must(payer, release, of("third"))
		for _, who := range []variables{{"sub": sub, "email": s.email}, {"sub": sub, "email": "nobody@initech.test"}} { // a customer of another company, and none
			w.ask(payer, assign, who).refuses("seatAssign", "NOT_FOUND input.customer")
			w.ask(payer, release, who).refuses("seatRelease", "NOT_FOUND input.customer")
		}
	}
	sandbox("(select min(id) from merchant)")
	for _, who := range []variables{of("third"), {"sub": sub, "email": "nobody@initech.test"}} {
		w.ask(colleague, assign, who).refuses("seatAssign", "FORBIDDEN input.subscription")
		w.ask(colleague, release, who).refuses("seatRelease", "FORBIDDEN input.subscription")
		w.ask(stranger, assign, who).refuses("seatAssign", "NOT_FOUND input.subscription")
		w.ask(stranger, release, who).refuses("seatRelease", "NOT_FOUND input.subscription")
	}
	w.ask(s.keyWith("SUBSCRIPTIONS_READ"), assign, of("third")).fails("FORBIDDEN")
	w.must(s.key, assign, of("third"))
	require.Equal(t, "third@initech.test", w.must(s.key, list, variables{"id": sub}).text("subscription.seats.nodes.0.email"))
	w.ask(s.keyWith("SUBSCRIPTIONS_READ"), list, variables{"id": sub}).fails("FORBIDDEN")

	var audited int
	require.NoError(t, w.db.System().QueryRow(t.Context(), `select count(*) from audit_entry
		where action = 'seatAssign' and actor_kind = 'CUSTOMER' and outcome = 'DONE'`).Scan(&audited))
	require.Equal(t, 2, audited)
}
