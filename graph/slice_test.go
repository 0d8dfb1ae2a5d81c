package graph_test

import (
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

func TestAMerchantSellsAProductAndItsAppLetsTheCustomerIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")

	t.Run("the owner signs in and sees the merchants", func(t *testing.T) {
		a := w.must(nil, `mutation($password: String!) { memberSignIn(input: {email: "ACORN@merchant.test", password: $password}) {
			member { id email createdAt } merchants { shop sandbox } sessionToken expiresAt userErrors { code } } }`,
			variables{"password": password})
		require.Equal(t, "acorn@merchant.test", a.text("memberSignIn.member.email"))
		require.Equal(t, "2026-01-31T09:30:00Z", a.text("memberSignIn.member.createdAt"))
		require.Equal(t, "2026-03-02T09:30:00Z", a.text("memberSignIn.expiresAt"))
		require.Equal(t, []any{
			map[string]any{"shop": "acorn", "sandbox": false}, map[string]any{"shop": s.handle, "sandbox": true},
		}, a.at("memberSignIn.merchants"))
		a = w.must(bearer(a.text("memberSignIn.sessionToken")).in(s.handle), `{ viewer { kind member { email } merchant { shop } } }`, nil)
		require.JSONEq(t, `{"data":{"viewer":{"kind":"MEMBER","member":{"email":"acorn@merchant.test"},"merchant":{"shop":"`+s.handle+`"}}}}`,
			a.shown())
	})

	t.Run("the API key acts for its merchant", func(t *testing.T) {
		a := w.must(s.key, `{ viewer { kind member { id } merchant { id } merchants { id } }
			merchant { id name shop email sandbox portalFeeBps graceDays createdAt } }`, nil)
		require.Equal(t, "API_KEY", a.text("viewer.kind"))
		require.Nil(t, a.at("viewer.member"))
		require.Equal(t, s.ids["Merchant"], a.text("viewer.merchant.id"))
		require.Equal(t, true, a.at("merchant.sandbox"))
		require.EqualValues(t, 250, a.number("merchant.portalFeeBps"))
		require.EqualValues(t, 7, a.number("merchant.graceDays"))
	})

	t.Run("the catalogue shows what was put in", func(t *testing.T) {
		a := w.must(s.key, `{ product(ref: {identifier: "acorn"}) { id status upgradeUrl launchTtlSeconds plans {
			id tier trialDays features { name kind enabled limit text }
			prices { id interval money { amountMinor currency amount } } product { identifier } } } }`, nil)
		require.Equal(t, s.ids["Product"], a.text("product.id"))
		require.Equal(t, "DRAFT", a.text("product.status"))
		require.Equal(t, "https://portico.test/portal/"+s.handle+"/acorn", a.text("product.upgradeUrl"))
		require.Equal(t, s.ids["Plan"], a.text("product.plans.0.id"))
		require.Equal(t, map[string]any{"name": "advancedReporting", "kind": "BOOLEAN", "enabled": true, "limit": nil, "text": nil},
			a.at("product.plans.0.features.0"))
		require.EqualValues(t, 50, a.number("product.plans.0.features.1.limit"))
		require.Equal(t, "MONTH", a.text("product.plans.0.prices.0.interval"))
		require.EqualValues(t, 1999, a.number("product.plans.0.prices.0.money.amountMinor"))
		require.Equal(t, "19.99", a.text("product.plans.0.prices.0.money.amount"))
		require.Equal(t, "acorn", a.text("product.plans.0.product.identifier"))
	})

	t.Run("the subscription is active until the month is over", func(t *testing.T) {
		a := w.must(s.key, `query($id: ID!) { subscription(id: $id) {
			id status source quantity currentPeriodStart currentPeriodEnd accessUntil cancelAtPeriodEnd endedAt
			product { id } plan { id } price { interval money { amount currency } }
			customer { id email number userMeta company { name personal } testClock { id } paymentMethods { brand last4 default expYear } }
			company { personal } invoices { nodes { number kind status total { amount } periodEnd closedAt } } } }`,
			variables{"id": s.ids["CustomerSubscription"]})
		require.Equal(t, "PORTAL", a.text("subscription.source"))
		require.Equal(t, "2026-01-31T09:30:00Z", a.text("subscription.currentPeriodStart"))
		require.Equal(t, "2026-02-28T09:30:00Z", a.text("subscription.currentPeriodEnd"))
		require.Equal(t, "2026-03-07T09:30:00Z", a.text("subscription.accessUntil"))
		require.Equal(t, "19.99", a.text("subscription.price.money.amount"))
		require.Equal(t, s.ids["Customer"], a.text("subscription.customer.id"))
		require.Equal(t, "4242", a.text("subscription.customer.paymentMethods.0.last4"))
		require.Equal(t, true, a.at("subscription.customer.paymentMethods.0.default"))
		require.Nil(t, a.at("subscription.customer.testClock"))
		require.Equal(t, true, a.at("subscription.company.personal"))
		require.Equal(t, "PAID", a.text("subscription.invoices.nodes.0.status"))
		require.Equal(t, "2026-02-28T09:30:00Z", a.text("subscription.invoices.nodes.0.periodEnd"))
	})

	t.Run("the app asks for access and is told what the plan allows", func(t *testing.T) {
		a := w.must(s.key, `query($email: String!) { access(customer: {email: $email}, product: {identifier: "acorn"}) {
			allowed reason tier status seats expiresAt upgradeUrl features reporting: feature(name: "advancedReporting")
			missing: feature(name: "sso") below: limit(name: "maxEmployees", current: 49) { allowed limit current error upgradeUrl }
			full: limit(name: "maxEmployees", current: 50) { allowed error } } }`, variables{"email": "ADA@acorn.test"})
		require.Equal(t, true, a.at("access.allowed"))
		require.Equal(t, "ALLOWED", a.text("access.reason"))
		require.Equal(t, "ACTIVE", a.text("access.status"))
		require.Contains(t, a.raw, `"features":{"advancedReporting":true,"maxEmployees":50}`)
		require.Equal(t, true, a.at("access.reporting"))
		require.Equal(t, false, a.at("access.missing"))
		require.Equal(t, true, a.at("access.below.allowed"))
		require.Equal(t, false, a.at("access.full.allowed"))
		require.NotEmpty(t, a.text("access.full.error"))
	})

	t.Run("the launch token verifies with the product's secret", func(t *testing.T) {
		a := w.must(s.key, `mutation($id: ID!) { launchTokenCreate(input: {customer: {id: $id}, product: {identifier: "acorn"}}) {
			token url expiresAt userErrors { code } } }`, variables{"id": s.ids["Customer"]})
		require.Equal(t, "https://app.test/launch?token="+a.text("launchTokenCreate.token"), a.text("launchTokenCreate.url"))
		require.Equal(t, "2026-01-31T09:35:00Z", a.text("launchTokenCreate.expiresAt"))
		claims := jwt.MapClaims{}
		_, err := jwt.ParseWithClaims(a.text("launchTokenCreate.token"), claims,
			func(*jwt.Token) (any, error) { return []byte(s.secret), nil },
			jwt.WithValidMethods([]string{"HS256"}), jwt.WithAudience("acorn"), jwt.WithTimeFunc(func() time.Time { return w.now }))
		require.NoError(t, err)
		require.Equal(t, s.email, claims["email"])
	})

	t.Run("events and deliveries tell what happened", func(t *testing.T) {
		a := w.must(s.key, `{ events { nodes { id type sequence subscriptionId body occurredAt } pageInfo { hasNextPage endCursor } }
			webhookEndpoints { nodes { id url productId eventTypes status timeoutSeconds headers { name value } } }
			webhookDeliveries(status: PENDING) { nodes { id endpointId status attemptCount nextAttemptAt event { type } attempts { number } } } }`,
			nil)
		require.Equal(t, "customer.created", a.text("events.nodes.0.type"))
		require.Equal(t, s.email, a.text("events.nodes.0.body.data.email"))
		require.Equal(t, "invoice.created", a.text("events.nodes.1.type"))
		require.EqualValues(t, 1, a.number("events.nodes.1.sequence"))
		require.Equal(t, s.ids["CustomerSubscription"], a.text("events.nodes.1.subscriptionId"))
		require.Equal(t, "invoice.created", a.text("events.nodes.1.body.event"))
		require.Equal(t, s.ids["Product"], a.text("webhookEndpoints.nodes.0.productId"))
		require.Equal(t, s.ids["WebhookEndpoint"], a.text("webhookDeliveries.nodes.0.endpointId"))
		require.Equal(t, "subscription.created", a.text("webhookDeliveries.nodes.0.event.type"))
		require.Equal(t, []any{}, a.at("webhookDeliveries.nodes.0.attempts"))
	})

	t.Run("the ledger balances", func(t *testing.T) {
		a := w.must(s.key, `{ ledgerEntries { nodes { transaction account money { amountMinor amount currency } } } }`, nil)
		var sum int64
		for i := range a.at("ledgerEntries.nodes").([]any) {
			sum += a.number("ledgerEntries.nodes." + string(rune('0'+i)) + ".money.amountMinor")
		}
		require.Zero(t, sum)
		require.Len(t, a.at("ledgerEntries.nodes"), 3)
	})

	t.Run("a cancellation waits for the end of the period and can be taken back", func(t *testing.T) {
		a := w.must(s.key, `mutation($id: ID!) { subscriptionCancel(input: {subscription: $id, reason: "too dear"}) {
			subscription { status cancelAtPeriodEnd cancelReason canceledAt } userErrors { code } } }`,
			variables{"id": s.ids["CustomerSubscription"]})
		require.Equal(t, true, a.at("subscriptionCancel.subscription.cancelAtPeriodEnd"))
		require.Equal(t, "too dear", a.text("subscriptionCancel.subscription.cancelReason"))
		a = w.must(s.key, `mutation($id: ID!) { subscriptionUncancel(input: {subscription: $id}) {
			subscription { cancelAtPeriodEnd cancelReason product { identifier } } userErrors { code } } }`,
			variables{"id": s.ids["CustomerSubscription"]})
		require.Equal(t, false, a.at("subscriptionUncancel.subscription.cancelAtPeriodEnd"))
		require.Equal(t, "acorn", a.text("subscriptionUncancel.subscription.product.identifier"))
	})

	t.Run("a test clock starts where it is told and goes where it is sent", func(t *testing.T) {
		a := w.must(s.key, `mutation { testClockCreate(input: {name: "leap", now: "2028-02-29T01:00:00+01:00"}) {
			testClock { id now status target } userErrors { code } } }`, nil)
		require.Equal(t, "2028-02-29T00:00:00Z", a.text("testClockCreate.testClock.now"))
		a = w.must(s.key, `mutation($id: ID!) { testClockAdvance(input: {testClock: $id, to: "2028-03-01T00:00:00Z"}) {
			testClock { status target now } userErrors { code } } }`, variables{"id": a.text("testClockCreate.testClock.id")})
		require.Equal(t, "ADVANCING", a.text("testClockAdvance.testClock.status"))
		require.Equal(t, "2028-03-01T00:00:00Z", a.text("testClockAdvance.testClock.target"))
	})

	t.Run("a revoked key opens nothing any more", func(t *testing.T) {
		a := w.must(s.owner, `mutation { apiKeyCreate(input: {name: "old"}) { apiKey { id } secret userErrors { code } } }`, nil)
		old := bearer(a.text("apiKeyCreate.secret"))
		w.must(old, `{ merchant { id } }`, nil)
		a = w.must(s.owner, `mutation($id: ID!) { apiKeyRevoke(input: {id: $id}) { apiKey { revokedAt } userErrors { code } } }`,
			variables{"id": a.text("apiKeyCreate.apiKey.id")})
		require.Equal(t, "2026-01-31T09:30:00Z", a.text("apiKeyRevoke.apiKey.revokedAt"))
		w.ask(old, `{ merchant { id } }`, nil).fails("UNAUTHENTICATED")
	})

	require.Empty(t, w.log.String(), "nothing went wrong on our side")
}

func TestAPurchaseWhosePaymentFailsIsShownBesideTheError(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.sandbox("Acorn")
	s.stock("acorn")
	customer := s.customer("bob@acorn.test", "pm_card_chargeCustomerFail")
	a := w.ask(s.key, buy, variables{"customer": customer, "plan": s.ids["Plan"]})
	a.refuses("subscriptionCreate", "PAYMENT_FAILED input.customer")
	require.Equal(t, "INCOMPLETE", a.text("subscriptionCreate.subscription.status"))

	a = w.ask(s.key, `mutation($id: ID!) { launchTokenCreate(input: {customer: {id: $id}, product: {identifier: "acorn"}}) {
		token userErrors { code field message url } } }`, variables{"id": customer})
	a.refuses("launchTokenCreate", "NO_ACTIVE_SUBSCRIPTION")
	require.Nil(t, a.at("launchTokenCreate.token"))
	require.Equal(t, "https://portico.test/portal/"+s.handle+"/acorn", a.text("launchTokenCreate.userErrors.0.url"))
	a = w.must(s.key, `query($id: ID!) { access(customer: {id: $id}, product: {identifier: "acorn"}) { allowed reason tier features } }`,
		variables{"id": customer})
	require.JSONEq(t, `{"data":{"access":{"allowed":false,"reason":"PAYMENT_INCOMPLETE","tier":null,"features":{}}}}`, a.shown())
}
