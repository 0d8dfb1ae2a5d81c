package graph_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBadInputIsExplainedAndChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, other := w.open("Acorn"), w.open("Birch")
	newcomer := s.customer("new@acorn.test", "pm_card_visa")
	penniless := s.customer("poor@acorn.test", "")

	const (
		signUp         = `mutation($input: MerchantSignUpInput!) { merchantSignUp(input: $input) { merchant { id } userErrors { code field message } } }`
		signIn         = `mutation($input: MemberSignInInput!) { memberSignIn(input: $input) { member { id } userErrors { code field message } } }`
		invite         = `mutation($input: MemberInviteInput!) { memberInvite(input: $input) { invitation { id } userErrors { code field message } } }`
		roleUpdate     = `mutation($input: MemberRoleUpdateInput!) { memberRoleUpdate(input: $input) { membership { role } userErrors { code field message } } }`
		remove         = `mutation($input: MemberRemoveInput!) { memberRemove(input: $input) { userErrors { code field message } } }`
		leave          = `mutation($input: MerchantLeaveInput!) { merchantLeave(input: $input) { userErrors { code field message } } }`
		merchantUpdate = `mutation($input: MerchantUpdateInput!) { merchantUpdate(input: $input) { merchant { id } userErrors { code field message } } }`
		merchantClose  = `mutation($input: MerchantCloseInput!) { merchantClose(input: $input) { merchant { id } userErrors { code field message } } }`
		verify         = `mutation($input: MemberEmailVerifyInput!) { memberEmailVerify(input: $input) { member { id } userErrors { code field message } } }`
		sessionRevoke  = `mutation($input: SessionRevokeInput!) { sessionRevoke(input: $input) { userErrors { code field message } } }`
		sandboxCreate  = `mutation($input: SandboxCreateInput!) { sandboxCreate(input: $input) { merchant { id } userErrors { code field message } } }`
		keyCreate      = `mutation($input: ApiKeyCreateInput!) { apiKeyCreate(input: $input) { secret userErrors { code field message } } }`
		keyRevoke      = `mutation($input: ApiKeyRevokeInput!) { apiKeyRevoke(input: $input) { apiKey { id } userErrors { code field message } } }`
		productCreate  = `mutation($input: ProductCreateInput!) { productCreate(input: $input) { product { id } userErrors { code field message } } }`
		planCreate     = `mutation($input: PlanCreateInput!) { planCreate(input: $input) { plan { id } userErrors { code field message } } }`
		customer       = `mutation($input: CustomerCreateInput!) { customerCreate(input: $input) { customer { id } userErrors { code field message } } }`
		company        = `mutation($input: CompanyCreateInput!) { companyCreate(input: $input) { company { id } userErrors { code field message } } }`
		attach         = `mutation($input: PaymentMethodAttachInput!) { paymentMethodAttach(input: $input) { paymentMethod { id } userErrors { code field message } } }`
		sell           = `mutation($input: SubscriptionCreateInput!) { subscriptionCreate(input: $input) { subscription { id } userErrors { code field message } } }`
		cancel         = `mutation($input: SubscriptionCancelInput!) { subscriptionCancel(input: $input) { subscription { id } userErrors { code field message } } }`
		uncancel       = `mutation($input: SubscriptionUncancelInput!) { subscriptionUncancel(input: $input) { subscription { id } userErrors { code field message } } }`
		clockCreate    = `mutation($input: TestClockCreateInput!) { testClockCreate(input: $input) { testClock { id } userErrors { code field message } } }`
		clockAdvance   = `mutation($input: TestClockAdvanceInput!) { testClockAdvance(input: $input) { testClock { id } userErrors { code field message } } }`
		launch         = `mutation($input: LaunchTokenCreateInput!) { launchTokenCreate(input: $input) { token userErrors { code field message url } } }`
		endpoint       = `mutation($input: WebhookEndpointCreateInput!) { webhookEndpointCreate(input: $input) { secret userErrors { code field message } } }`
	)
	change := func(in variables, name string, value any) variables {
		changed := variables{}
		for k, v := range in {
			changed[k] = v
		}
		changed[name] = value
		return changed
	}
	plan := s.plan(s.ids["Product"])
	price := func(minor int64, currency string) []variables {
		return []variables{{"interval": "MONTH", "money": variables{"amountMinor": minor, "currency": currency}}}
	}
	product := variables{"name": "Second", "identifier": "second", "launchUrl": "https://second.test/launch"}
	sale := variables{"customer": variables{"id": newcomer}, "plan": s.ids["Plan"], "interval": "MONTH"}

	cases := map[string]struct {
		who      credentials
		document string
		input    variables
		want     []string
	}{
		"a plan of an unknown product":        {s.key, planCreate, change(plan, "product", variables{"identifier": "nosuch"}), []string{"NOT_FOUND input.product"}},
		"a plan of a product of no id":        {s.key, planCreate, change(plan, "product", variables{"id": "gid://portico/Product/999999"}), []string{"NOT_FOUND input.product"}},
		"a price in an unknown currency":      {s.key, planCreate, change(plan, "prices", price(1, "XXX")), []string{"INVALID input.prices.0.money.currency"}},
		"a price in lower case":               {s.key, planCreate, change(plan, "prices", price(1, "usd")), []string{"INVALID input.prices.0.money.currency"}},
		"a negative price":                    {s.key, planCreate, change(plan, "prices", price(-1, "USD")), []string{"INVALID input.prices.0.money.amountMinor"}},
		"a plan without prices":               {s.key, planCreate, change(plan, "prices", []variables{}), []string{"REQUIRED input.prices"}},
		"a limit without a number":            {s.key, planCreate, change(plan, "features", []variables{{"name": "seats", "kind": "LIMIT"}}), []string{"REQUIRED input.features.0.limit"}},
		"several faults at once":              {s.key, planCreate, change(change(plan, "tier", "No Tier"), "trialDays", -1), []string{"INVALID input.tier", "INVALID input.trialDays"}},
		"a product by id and identifier":      {s.key, planCreate, change(plan, "product", variables{"id": s.ids["Product"], "identifier": "acorn"}), []string{"INVALID input.product"}},
		"a product by nothing":                {s.key, planCreate, change(plan, "product", variables{}), []string{"INVALID input.product"}},
		"the id of another type":              {s.key, planCreate, change(plan, "product", variables{"id": s.ids["Plan"]}), []string{"INVALID input.product.id"}},
		"an id that is none":                  {s.key, planCreate, change(plan, "product", variables{"id": "12; drop table plan"}), []string{"INVALID input.product.id"}},
		"a duplicate identifier":              {s.key, productCreate, change(product, "identifier", "acorn"), []string{"TAKEN input.identifier"}},
		"an identifier in upper case":         {s.key, productCreate, change(product, "identifier", "Second"), []string{"INVALID input.identifier"}},
		"a launch URL that is none":           {s.key, productCreate, change(product, "launchUrl", "javascript:alert(1)"), []string{"INVALID input.launchUrl"}},
		"a launch token that lives too long":  {s.key, productCreate, change(product, "launchTtlSeconds", 901), []string{"INVALID input.launchTtlSeconds"}},
		"a malformed e-mail address":          {s.key, customer, variables{"email": "ada", "name": "Ada"}, []string{"INVALID input.email"}},
		"an e-mail address with a NUL":        {s.key, customer, variables{"email": "a\x00@b.test", "name": "Ada"}, []string{"INVALID input.email"}},
		"an e-mail address in use":            {s.key, customer, variables{"email": "ADA@Acorn.test", "name": "Ada"}, []string{"TAKEN input.email"}},
		"userMeta that is no object":          {s.key, customer, variables{"email": "x@b.test", "name": "Ada", "userMeta": []int{1}}, []string{"INVALID input.userMeta"}},
		"userMeta with a NUL":                 {s.key, customer, variables{"email": "x@b.test", "name": "Ada", "userMeta": variables{"a": "\x00"}}, []string{"INVALID input.userMeta"}},
		"userMeta that is too large":          {s.key, customer, variables{"email": "x@b.test", "name": "Ada", "userMeta": variables{"a": strings.Repeat("a", 17<<10)}}, []string{"INVALID input.userMeta"}},
		"a number out of range":               {s.key, customer, variables{"email": "x@b.test", "name": "Ada", "number": 0}, []string{"INVALID input.number"}},
		"a company without a name":            {s.key, company, variables{"name": " "}, []string{"REQUIRED input.name"}},
		"an expired card":                     {s.key, attach, variables{"customer": variables{"id": newcomer}, "token": "pm_card_chargeDeclinedExpiredCard"}, []string{"PAYMENT_FAILED input.token"}},
		"a card of nobody":                    {s.key, attach, variables{"customer": variables{"number": 424242}, "token": "pm_card_visa"}, []string{"NOT_FOUND input.customer"}},
		"a currency that the plan has not":    {s.key, sell, change(sale, "currency", "EUR"), []string{"INVALID input.currency"}},
		"an interval that the plan has not":   {s.key, sell, change(sale, "interval", "YEAR"), []string{"INVALID input.interval"}},
		"no seats":                            {s.key, sell, change(sale, "quantity", 0), []string{"INVALID input.quantity"}},
		"a plan of another merchant":          {s.key, sell, change(sale, "plan", other.ids["Plan"]), []string{"NOT_FOUND input.plan"}},
		"a customer of another merchant":      {s.key, sell, change(sale, "customer", variables{"id": other.ids["Customer"]}), []string{"NOT_FOUND input.customer"}},
		"a second live subscription":          {s.key, sell, change(sale, "customer", variables{"id": s.ids["Customer"]}), []string{"ACTIVE_PURCHASE_EXISTS input.plan"}},
		"a purchase without a payment method": {s.key, sell, change(sale, "customer", variables{"id": penniless}), []string{"REQUIRED input.customer"}},
		"the end of an unknown subscription":  {s.key, cancel, variables{"subscription": "999999"}, []string{"NOT_FOUND input.subscription"}},
		"a reason that is too long":           {s.key, cancel, variables{"subscription": s.ids["CustomerSubscription"], "reason": strings.Repeat("x", 501)}, []string{"INVALID input.reason"}},
		"taking back what was not canceled":   {s.key, uncancel, variables{"subscription": s.ids["CustomerSubscription"]}, []string{"CONFLICT input.subscription"}},
		"a test clock of a live merchant":     {s.live, clockCreate, variables{"name": "clock"}, []string{"CONFLICT"}},
		"a clock that goes backwards":         {s.key, clockAdvance, variables{"testClock": s.ids["TestClock"], "to": "2020-01-01T00:00:00Z"}, []string{"INVALID input.to"}},
		"a launch token for a stranger":       {s.key, launch, variables{"customer": variables{"email": "no@acorn.test"}, "product": variables{"identifier": "acorn"}}, []string{"NOT_FOUND input.customer"}},
		"a launch token without access":       {s.key, launch, variables{"customer": variables{"id": newcomer}, "product": variables{"identifier": "acorn"}}, []string{"NO_ACTIVE_SUBSCRIPTION"}},
		"a webhook to a private network":      {s.key, endpoint, variables{"url": "https://10.0.0.1/hook"}, []string{"INVALID input.url"}},
		"a webhook of unknown events":         {s.key, endpoint, variables{"url": "https://receiver.test", "eventTypes": []string{"sun.rose"}}, []string{"INVALID input.eventTypes.0"}},
		"a webhook of another's product":      {s.key, endpoint, variables{"url": "https://receiver.test", "product": variables{"id": other.ids["Product"]}}, []string{"NOT_FOUND input.product"}},
		"an API key that has expired":         {s.owner, keyCreate, variables{"name": "old", "expiresAt": "2026-01-31T09:30:00Z"}, []string{"INVALID input.expiresAt"}},
		"an API key without scopes":           {s.owner, keyCreate, variables{"name": "idle", "scopes": []string{}}, []string{"INVALID input.scopes"}},
		"the end of an unknown API key":       {s.owner, keyRevoke, variables{"id": "999999"}, []string{"NOT_FOUND input.id"}},
		"a sandbox of a sandbox":              {s.owner, sandboxCreate, variables{"name": "deeper"}, []string{"CONFLICT"}},
		"a password that is too short":        {nil, signUp, variables{"name": "Cedar", "email": "cedar@merchant.test", "password": "short"}, []string{"INVALID input.password"}},
		"a shop that is in use":               {nil, signUp, variables{"name": "Cedar", "shop": "acorn", "email": "cedar@merchant.test", "password": password}, []string{"TAKEN input.shop"}},
		"a password that is guessed first":    {nil, signUp, variables{"name": "Cedar", "email": "cedar@merchant.test", "password": "password1234"}, []string{"INVALID input.password"}},
		"a live key without a proven address": {s.member("OWNER").in("acorn"), keyCreate, variables{"name": "live"}, []string{"EMAIL_UNVERIFIED"}},
		"an invitation to a sandbox":          {s.owner, invite, variables{"email": "ada@b.test", "role": "VIEWER"}, []string{"CONFLICT"}},
		"an invitation of a member":           {s.live, invite, variables{"email": "ACORN@merchant.test", "role": "VIEWER"}, []string{"TAKEN input.email"}},
		"the last owner as a viewer":          {other.live, roleUpdate, variables{"member": other.ids["Member"], "role": "VIEWER"}, []string{"CONFLICT input.member"}},
		"the last owner taken out":            {other.live, remove, variables{"member": other.ids["Member"]}, []string{"CONFLICT input.member"}},
		"the last owner who leaves":           {other.live, leave, variables{"shop": "birch"}, []string{"CONFLICT"}},
		"leaving another merchant":            {other.live, leave, variables{"shop": "acorn"}, []string{"INVALID input.shop"}},
		"a handle that is in use":             {s.live, merchantUpdate, variables{"shop": "birch"}, []string{"TAKEN input.shop"}},
		"a logo that runs":                    {s.live, merchantUpdate, variables{"logoUrl": "javascript:alert(1)"}, []string{"INVALID input.logoUrl"}},
		"closing another merchant":            {s.owner, merchantClose, variables{"shop": "acorn"}, []string{"INVALID input.shop"}},
		"closing with subscriptions":          {s.owner, merchantClose, variables{"shop": s.handle}, []string{"CONFLICT input.cancelSubscriptions"}},
		"a link that is none":                 {nil, verify, variables{"token": "nonsense"}, []string{"NOT_FOUND input.token"}},
		"the end of an unknown session":       {s.live, sessionRevoke, variables{"id": "999999"}, []string{"NOT_FOUND input.id"}},
		"a wrong password":                    {nil, signIn, variables{"email": "acorn@merchant.test", "password": "wrong horse battery"}, []string{"UNAUTHENTICATED"}},
		"an unknown member":                   {nil, signIn, variables{"email": "nobody@merchant.test", "password": password}, []string{"UNAUTHENTICATED"}},
	}
	before := w.contents()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			a := w.ask(c.who, c.document, variables{"input": c.input})
			mutation := strings.TrimSpace(strings.SplitN(strings.SplitN(c.document, "{", 2)[1], "(", 2)[0])
			a.refuses(mutation, c.want...)
			require.Equal(t, before, w.contents(), "the database is as it was")
			require.Empty(t, a.header.Values("Set-Cookie"))
		})
	}
	require.Empty(t, w.log.String())
}
