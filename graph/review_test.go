package graph_test

import (
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

const submit = `mutation($id: ID!, $credentials: String!) {
	productSubmitForReview(input: {id: $id, testCredentials: $credentials, notes: "Look at the reports."}) {
		product { status } userErrors { code field message } } }`

const publicProduct = `query($shop: String!, $identifier: String!) { publicProduct(shop: $shop, identifier: $identifier) {
	id name status url merchantName plans { name tier features { name } prices { interval money { amount } } } } }`

// liveShop is a live merchant with a product and a plan, all made by its owner.
func (w *world) liveShop(name string) *shop {
	w.t.Helper()
	session, handle := w.signUp(name)
	s := &shop{w: w, name: name, handle: handle, owner: session.in(handle), ids: map[string]string{}}
	s.key = s.owner
	s.stock(strings.ToLower(name))
	return s
}

func TestAProductIsReviewedAndThenSeenByEverybody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, operator := w.liveShop("Acorn"), w.operator()
	product := variables{"id": s.ids["Product"]}
	w.must(s.owner, `mutation { webhookEndpointCreate(input: {url: "https://receiver.test/hook", eventTypes: ["product.approved", "product.rejected"]}) {
		webhookEndpoint { id } userErrors { code } } }`, nil)
	asked := variables{"shop": "acorn", "identifier": "acorn"}
	seen := func(who credentials) any { return w.must(who, publicProduct, asked).at("publicProduct") }
	require.Nil(t, seen(nil))
	require.NotNil(t, seen(s.owner), "its own people see a draft")

	w.ask(operator, `mutation($id: ID!) { productApprove(input: {id: $id}) { userErrors { code field message } } }`, product).refuses("productApprove", "CONFLICT input.id")
	w.ask(s.owner, submit, variables{"id": s.ids["Product"], "credentials": " "}).refuses("productSubmitForReview", "REQUIRED input.testCredentials")
	a := w.must(s.owner, submit, variables{"id": s.ids["Product"], "credentials": "user demo, password s3cret-review"})
	require.Equal(t, "IN_REVIEW", a.text("productSubmitForReview.product.status"))
	w.ask(s.owner, submit, variables{"id": s.ids["Product"], "credentials": "x"}).refuses("productSubmitForReview", "CONFLICT")
	require.Nil(t, seen(nil))

	const queue = `{ productReviews(status: IN_REVIEW, first: 10) { nodes { id status notes testCredentials reason launchUrl
		product { name shop merchantName plans { tier prices { money { amount } } } } } } }`
	for _, who := range []credentials{s.owner, nil} {
		require.NotEmpty(t, w.ask(who, queue, nil).errors)
	}
	q := w.must(operator, queue, nil)
	require.Equal(t, "user demo, password s3cret-review", q.text("productReviews.nodes.0.testCredentials"))
	require.Equal(t, "https://app.test/launch", q.text("productReviews.nodes.0.launchUrl"))
	require.Equal(t, "19.99", q.text("productReviews.nodes.0.product.plans.0.prices.0.money.amount"))
	first := q.text("productReviews.nodes.0.id")

	w.ask(operator, `mutation($id: ID!) { productReject(input: {id: $id, reason: " "}) { userErrors { code field message } } }`, product).refuses("productReject", "REQUIRED input.reason")
	rejected := w.must(operator, `mutation($id: ID!) { productReject(input: {id: $id, reason: "The launch page is empty."}) {
		review { status reason testCredentials } product { status } userErrors { code } } }`, product)
	require.Equal(t, "REJECTED", rejected.text("productReject.product.status"))
	require.Equal(t, []any{}, w.must(operator, queue, nil).at("productReviews.nodes"))

	w.must(s.owner, submit, variables{"id": s.ids["Product"], "credentials": "again"})
	w.ask(operator, `mutation($id: ID!, $review: ID!) { productApprove(input: {id: $id, review: $review}) { userErrors { code field message } } }`,
		variables{"id": s.ids["Product"], "review": first}).refuses("productApprove", "CONFLICT input.review")
	approved := w.must(operator, `mutation($id: ID!) { productApprove(input: {id: $id}) { review { status } product { status } userErrors { code } } }`, product)
	require.Equal(t, "APPROVED", approved.text("productApprove.product.status"))

	shown := w.must(nil, publicProduct, asked)
	require.Equal(t, "Acorn", shown.text("publicProduct.merchantName"))
	require.Equal(t, "https://portico.test/portal/acorn/acorn", shown.text("publicProduct.url"))
	require.Equal(t, "19.99", shown.text("publicProduct.plans.0.prices.0.money.amount"))
	require.Equal(t, "acorn", w.must(nil, `{ publicProducts(shop: "acorn") { nodes { identifier plans { number } } } }`, nil).text("publicProducts.nodes.0.identifier"))

	history := w.must(s.owner, `query($id: ID!) { product(ref: {id: $id}) { reviews { status reason notes testCredentials product { name } } } }`, product)
	require.Equal(t, "APPROVED", history.text("product.reviews.0.status"))
	require.Equal(t, "The launch page is empty.", history.text("product.reviews.1.reason"))
	require.Nil(t, history.at("product.reviews.0.testCredentials"))
	require.NotContains(t, w.log.String(), "s3cret-review")

	var told answer
	require.Eventually(t, func() bool {
		told = w.must(s.owner, `{ events { nodes { type subscriptionId sequence body } } webhookDeliveries { nodes { event { type } } } }`, nil)
		return len(told.at("events.nodes").([]any)) == 2
	}, 30*time.Second, 10*time.Millisecond)
	require.Equal(t, "product.rejected", told.text("events.nodes.0.type"))
	require.Equal(t, "The launch page is empty.", told.text("events.nodes.0.body.data.reason"))
	require.Equal(t, "product.approved", told.text("events.nodes.1.type"))
	require.Equal(t, "acorn", told.text("events.nodes.1.body.data.productIdentifier"))
	require.EqualValues(t, 2, told.number("events.nodes.1.sequence"))
	require.Nil(t, told.at("events.nodes.1.subscriptionId"))
	require.Len(t, told.at("webhookDeliveries.nodes"), 2)
}

// approve has the operator approve the shop's product.
func (s *shop) approve(operator credentials) {
	s.w.t.Helper()
	s.w.must(s.owner, submit, variables{"id": s.ids["Product"], "credentials": "demo"})
	s.w.must(operator, `mutation($id: ID!) { productApprove(input: {id: $id}) { userErrors { code } } }`, variables{"id": s.ids["Product"]})
}

func TestNobodySeesWhatIsNotForEverybody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, other, operator := w.liveShop("Acorn"), w.liveShop("Birch"), w.operator()
	s.approve(operator)
	list := func(who credentials, shop string) int {
		t.Helper()
		a := w.must(who, `query($shop: String!) { publicProducts(shop: $shop) { nodes { id } } }`, variables{"shop": shop})
		return len(a.at("publicProducts.nodes").([]any))
	}
	for who, want := range map[string]struct {
		credentials
		acorn, birch int
	}{
		"nobody": {nil, 1, 0}, "its own member": {s.owner, 1, 0}, "another's member": {other.owner, 1, 1}, "an operator": {operator, 1, 0},
	} {
		require.Equal(t, want.acorn, list(want.credentials, "acorn"), who)
		require.Equal(t, want.birch, list(want.credentials, "birch"), who)
	}
	for _, shop := range []string{"", "nobodys", "ACORN", "acorn'--", "\u0000"} {
		require.Zero(t, list(nil, shop), shop)
		require.Nil(t, w.must(nil, publicProduct, variables{"shop": shop, "identifier": "acorn"}).at("publicProduct"))
	}
	for _, identifier := range []string{"", "birch", "Acorn", "\u0000"} {
		require.Nil(t, w.must(nil, publicProduct, variables{"shop": "acorn", "identifier": identifier}).at("publicProduct"))
	}

	box := w.open("Cedar")
	require.Zero(t, list(nil, box.handle), "a sandbox is nobody else's")
	require.Equal(t, 1, list(box.key, box.handle))
	require.Equal(t, 1, list(box.live, box.handle), "by whichever of the member's merchants")
	require.Zero(t, list(s.owner, box.handle))

	merchant := w.must(s.owner, `{ merchant { id } }`, nil).text("merchant.id")
	w.must(operator, suspend, variables{"id": merchant, "reason": "Fraud"})
	require.Zero(t, list(nil, "acorn"), "suspended")
	require.Equal(t, 1, list(s.owner, "acorn"))
	w.must(operator, `mutation($id: ID!) { merchantReinstate(input: {id: $id}) { userErrors { code } } }`, variables{"id": merchant})

	w.must(s.owner, `mutation($id: ID!) { productArchive(input: {id: $id}) { product { status } userErrors { code } } }`, variables{"id": s.ids["Product"]})
	require.Zero(t, list(nil, "acorn"), "archived")
	require.Equal(t, 1, list(s.owner, "acorn"))
}

func TestAChangeOfWhatWasReviewedNeedsAnotherReview(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, operator := w.liveShop("Acorn"), w.operator()
	change := func(input variables) answer {
		input["id"] = s.ids["Product"]
		return w.ask(s.owner, `mutation($input: ProductUpdateInput!) { productUpdate(input: $input) {
			product { name description launchUrl upgradeUrl logoUrl integrationPageUrl launchTtlSeconds status } userErrors { code field message } } }`,
			variables{"input": input})
	}
	a := change(variables{
		"name": " Acorn Pro ", "description": "Reports", "launchUrl": "https://app.test/go", "upgradeUrl": "https://app.test/buy",
		"logoUrl": "https://app.test/logo.png", "integrationPageUrl": "https://app.test/connect", "launchTtlSeconds": 60,
	})
	want := map[string]any{
		"name": "Acorn Pro", "description": "Reports", "launchUrl": "https://app.test/go", "upgradeUrl": "https://app.test/buy",
		"logoUrl": "https://app.test/logo.png", "integrationPageUrl": "https://app.test/connect", "status": "DRAFT",
	}
	for field, value := range want {
		require.Equal(t, value, a.at("productUpdate.product."+field), a.raw)
	}
	require.EqualValues(t, 60, a.number("productUpdate.product.launchTtlSeconds"))
	change(variables{"name": "", "launchUrl": "http://app.test", "logoUrl": "nowhere", "launchTtlSeconds": 1}).
		refuses("productUpdate", "REQUIRED input.name", "INVALID input.launchUrl", "INVALID input.logoUrl", "INVALID input.launchTtlSeconds")

	s.approve(operator)
	a = change(variables{"description": "More reports", "logoUrl": nil, "upgradeUrl": nil, "launchTtlSeconds": 120, "name": "Acorn Pro"})
	require.Equal(t, "APPROVED", a.text("productUpdate.product.status"), a.raw)
	require.Nil(t, a.at("productUpdate.product.logoUrl"))
	require.Equal(t, "https://portico.test/portal/acorn/acorn", a.text("productUpdate.product.upgradeUrl"))
	require.Equal(t, "https://app.test/connect", a.text("productUpdate.product.integrationPageUrl"), "left out")
	for _, input := range []variables{
		{"name": "Acorn Free"}, {"launchUrl": "https://evil.test"}, {"integrationPageUrl": "https://evil.test"},
	} {
		a = change(input)
		require.Equal(t, "DRAFT", a.text("productUpdate.product.status"), a.raw)
		w.must(s.owner, submit, variables{"id": s.ids["Product"], "credentials": "demo"})
		change(variables{"name": "Something else", "description": "x"}).refuses("productUpdate", "CONFLICT")
		require.Equal(t, "IN_REVIEW", change(variables{"description": "Reports"}).text("productUpdate.product.status"))
		w.must(operator, `mutation($id: ID!) { productApprove(input: {id: $id}) { userErrors { code } } }`, variables{"id": s.ids["Product"]})
	}
}

func TestAnArchivedProductIsSoldNoMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	w.must(s.owner, submit, variables{"id": s.ids["Product"], "credentials": "demo"})
	const archive = `mutation($id: ID!) { productArchive(input: {id: $id}) { product { status reviews { status } } userErrors { code } } }`
	a := w.must(s.owner, archive, variables{"id": s.ids["Product"]})
	require.Equal(t, "ARCHIVED", a.text("productArchive.product.status"))
	require.Equal(t, "WITHDRAWN", a.text("productArchive.product.reviews.0.status"))
	w.must(s.owner, archive, variables{"id": s.ids["Product"]})
	w.ask(s.key, buy, variables{"customer": s.customer("new@acorn.test", "pm_card_visa"), "plan": s.ids["Plan"]}).
		refuses("subscriptionCreate", "CONFLICT input.plan")
	w.must(s.key, `mutation { launchTokenCreate(input: {customer: {email: "ada@acorn.test"}, product: {identifier: "acorn"}}) { token userErrors { code } } }`, nil)
	w.ask(s.owner, submit, variables{"id": s.ids["Product"], "credentials": "x"}).refuses("productSubmitForReview", "CONFLICT")
}

func TestARolledLaunchSecretSignsWhenItsTimeHasCome(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	product := variables{"id": s.ids["Product"]}
	signedWith := func(secret string) bool {
		t.Helper()
		a := w.must(s.key, `mutation { launchTokenCreate(input: {customer: {email: "ada@acorn.test"}, product: {identifier: "acorn"}}) {
			token userErrors { code } } }`, nil)
		_, err := jwt.Parse(a.text("launchTokenCreate.token"), func(*jwt.Token) (any, error) { return []byte(secret), nil },
			jwt.WithValidMethods([]string{"HS256"}), jwt.WithTimeFunc(func() time.Time { return w.now }))
		return err == nil
	}
	roll := func(overlap int) (secret string, at any) {
		t.Helper()
		a := w.must(s.key, `mutation($id: ID!, $overlap: Int!) { productSecretRoll(input: {id: $id, overlapSeconds: $overlap}) {
			launchSecret product { nextLaunchSecretAt } userErrors { code } } }`, variables{"id": s.ids["Product"], "overlap": overlap})
		return a.text("productSecretRoll.launchSecret"), a.at("productSecretRoll.product.nextLaunchSecretAt")
	}
	lost, _ := roll(600)
	second, at := roll(600)
	require.Equal(t, "2026-01-31T09:40:00Z", at)
	require.True(t, signedWith(s.secret))
	w.now = w.now.Add(10 * time.Minute)
	require.True(t, signedWith(second))
	require.False(t, signedWith(lost))

	third, _ := roll(600)
	require.True(t, signedWith(second), "the one that had come into force stays until then")
	const activate = `mutation($id: ID!) { productSecretActivate(input: {id: $id}) { product { nextLaunchSecretAt } userErrors { code } } }`
	for range 2 {
		require.Nil(t, w.must(s.key, activate, product).at("productSecretActivate.product.nextLaunchSecretAt"))
		require.True(t, signedWith(third))
	}
	fourth, at := roll(0)
	require.Nil(t, at)
	require.True(t, signedWith(fourth))
	w.ask(s.key, `mutation($id: ID!) { productSecretRoll(input: {id: $id, overlapSeconds: 604801}) { userErrors { code field message } } }`, product).
		refuses("productSecretRoll", "INVALID input.overlapSeconds")
}
