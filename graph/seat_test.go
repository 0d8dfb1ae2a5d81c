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
