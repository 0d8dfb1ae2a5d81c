package graph_test

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/graph"
	"portico/internal/mail"
)

func TestAMerchantMintsAPortalTokenAndTheCustomerUsesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	a := w.must(s.keyWith("TOKENS_WRITE"), `mutation { portalTokenCreate(input: {customer: {email: "ADA@acorn.test"}}) {
		customerId token expiresIn expiresAt url portalToken { createdAt revokedAt } userErrors { code } } }`, nil)
	number := w.must(s.key, `{ customer(ref: {email: "ada@acorn.test"}) { number } }`, nil).number("customer.number")
	require.Equal(t, number, a.number("portalTokenCreate.customerId"))
	require.EqualValues(t, 7200, a.number("portalTokenCreate.expiresIn"))
	require.Equal(t, "2026-01-31T11:30:00Z", a.text("portalTokenCreate.expiresAt"))
	token := a.text("portalTokenCreate.token")
	require.Equal(t, "https://portico.test/portal/"+s.handle+"?token="+token, a.text("portalTokenCreate.url"))

	ada := bearer(token)
	a = w.must(ada, `{
		viewer { kind customer { id email userMeta merchant { shop name } } customers { id } person { email } member { id } merchant { id } merchants { id } }
		mySubscriptions { nodes { id status product { name identifier } plan { name prices { money { amount } } }
			customer { email paymentMethods { last4 } company { name personal } } company { name } invoices { nodes { id } } } pageInfo { hasNextPage } }
		invoices { nodes { id } }
		access(customer: {email: "ada@acorn.test"}, product: {identifier: "acorn"}) { allowed }
	}`, nil)
	require.Equal(t, "CUSTOMER", a.text("viewer.kind"))
	require.Equal(t, s.ids["Customer"], a.text("viewer.customer.id"))
	require.Equal(t, s.ids["Customer"], a.text("viewer.customers.0.id"))
	require.Equal(t, s.handle, a.text("viewer.customer.merchant.shop"))
	require.Nil(t, a.at("viewer.merchant"), "that is for its members")
	require.Nil(t, a.at("viewer.person"))
	require.Equal(t, s.ids["CustomerSubscription"], a.text("mySubscriptions.nodes.0.id"))
	require.Equal(t, "4242", a.text("mySubscriptions.nodes.0.customer.paymentMethods.0.last4"))
	require.Equal(t, s.ids["Invoice"], a.text("mySubscriptions.nodes.0.invoices.nodes.0.id"))
	require.Equal(t, s.ids["Invoice"], a.text("invoices.nodes.0.id"))
	require.Equal(t, true, a.at("access.allowed"))

	id := variables{"id": s.ids["CustomerSubscription"]}
	a = w.must(ada, `mutation($id: ID!) { subscriptionCancel(input: {subscription: $id}) { subscription { cancelAtPeriodEnd } userErrors { code } } }`, id)
	require.Equal(t, true, a.at("subscriptionCancel.subscription.cancelAtPeriodEnd"))
	w.must(ada, `mutation($id: ID!) { subscriptionUncancel(input: {subscription: $id}) { subscription { id } userErrors { code } } }`, id)
	w.must(ada, `mutation { paymentMethodAttach(input: {customer: {email: "ada@acorn.test"}, token: "pm_card_mastercard"}) {
		paymentMethod { id } userErrors { code } } }`, nil)

	t.Run("which the merchant sees and can end", func(t *testing.T) {
		a := w.must(s.key, `{ portalTokens(customer: {email: "ada@acorn.test"}) { nodes { id lastUsedAt revokedAt customer { email } } } }`, nil)
		require.Equal(t, "2026-01-31T09:30:00Z", a.text("portalTokens.nodes.0.lastUsedAt"))
		require.Equal(t, "ada@acorn.test", a.text("portalTokens.nodes.0.customer.email"))
		require.NotContains(t, a.raw, "eyJ")
		a = w.must(s.key, `mutation { portalTokenRevoke(input: {customer: {email: "ada@acorn.test"}}) { revoked userErrors { code } } }`, nil)
		require.EqualValues(t, 2, a.number("portalTokenRevoke.revoked"), "that of the shop and this one")
		refused := w.ask(ada, `{ viewer { kind } }`, nil)
		refused.fails("UNAUTHENTICATED")
		require.Equal(t, http.StatusUnauthorized, refused.status)
	})
	require.NotContains(t, w.log.String(), token)
}

func TestAPortalTokenIsForItsOwnShopAndForTwoHours(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, other := w.open("Acorn"), w.sandbox("Birch")
	ada, _ := s.portalToken(s.ids["Customer"])
	w.must(ada.in(s.handle), `{ viewer { kind } }`, nil)
	w.ask(ada.in(other.handle), `{ viewer { kind } }`, nil).fails("UNAUTHENTICATED")
	token := strings.TrimPrefix(ada["Authorization"], "Bearer ")
	w.ask(credentials{"Cookie": "portico_person=" + token[:len(token)-1]}, `{ viewer { kind } }`, nil).fails("UNAUTHENTICATED")
	w.now = w.now.Add(2*time.Hour - time.Microsecond)
	w.must(ada, `{ viewer { kind } }`, nil)
	w.now = w.now.Add(time.Microsecond)
	w.ask(ada, `{ viewer { kind } }`, nil).fails("UNAUTHENTICATED")
}

func TestInThePortalNobodyIsLedToWhatIsNotTheirs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, other := w.open("Acorn"), w.open("Birch")
	idle, _ := s.portalToken(s.customer("idle@acorn.test", ""))
	ada, _ := s.portalToken(s.ids["Customer"])
	stranger := w.person("stranger@acorn.test")
	const node = `query($id: ID!) { node(id: $id) { __typename id } }`
	open := []string{"Customer", "CustomerSubscription", "Invoice", "PaymentMethod", "Plan", "Product"}
	for typename := range maps.Keys(s.ids) {
		own := w.must(ada, node, variables{"id": s.ids[typename]}).at("node")
		require.Equal(t, slices.Contains(open, typename), own != nil, "%s for its customer", typename)
		for who, caller := range map[string]credentials{"a customer without anything": idle, "a person without customers": stranger} {
			require.Nil(t, w.must(caller, node, variables{"id": s.ids[typename]}).at("node"), "%s for %s", typename, who)
		}
		require.Nil(t, w.must(ada, node, variables{"id": other.ids[typename]}).at("node"), "%s of another merchant", typename)
	}
	before := w.contents()
	for _, who := range []credentials{idle, stranger} {
		require.Nil(t, w.must(who, `query($id: ID!) { customer(ref: {id: $id}) { id } }`, variables{"id": s.ids["Customer"]}).at("customer"))
		for _, document := range []string{
			`mutation($id: ID!) { subscriptionCancel(input: {subscription: $id}) { userErrors { code field } } }`,
			`mutation($id: ID!) { subscriptionUncancel(input: {subscription: $id}) { userErrors { code field } } }`,
		} {
			a := w.ask(who, document, variables{"id": s.ids["CustomerSubscription"]})
			require.Contains(t, a.raw, "NOT_FOUND", document)
		}
		a := w.ask(who, `mutation($id: ID!) { paymentMethodAttach(input: {customer: {id: $id}, token: "pm_card_visa"}) {
			userErrors { code field message } } }`, variables{"id": s.ids["Customer"]})
		a.refuses("paymentMethodAttach", "NOT_FOUND input.customer")
	}
	require.Equal(t, "CUSTOMER_NOT_FOUND", w.must(idle, `{ access(customer: {email: "ada@acorn.test"}, product: {identifier: "acorn"}) { reason } }`, nil).text("access.reason"))
	require.Equal(t, before, w.contents())
}

func TestAColleagueSeesWithoutThePayer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.sandbox("Acorn")
	s.stock("acorn")
	a := w.must(s.key, `mutation { companyCreate(input: {name: "Initech"}) { company { id } userErrors { code } } }`, nil)
	staff := func(email string) string {
		a := w.must(s.key, `mutation($company: ID!, $email: String!) { customerCreate(input: {email: $email, name: "x", company: $company}) {
			customer { id } userErrors { code } } }`, variables{"company": a.text("companyCreate.company.id"), "email": email})
		return a.text("customerCreate.customer.id")
	}
	payer, colleague := staff("payer@acorn.test"), staff("colleague@acorn.test")
	w.must(s.key, `mutation($id: ID!) { paymentMethodAttach(input: {customer: {id: $id}, token: "pm_card_visa"}) { userErrors { code } } }`, variables{"id": payer})
	bought := s.buy(payer, s.ids["Plan"]).text("subscriptionCreate.subscription.id")
	who, _ := s.portalToken(colleague)
	a = w.must(who, `{ mySubscriptions { nodes { id customer { email } company { name } invoices { nodes { id } } } } }`, nil)
	require.Equal(t, bought, a.text("mySubscriptions.nodes.0.id"))
	require.Equal(t, "Initech", a.text("mySubscriptions.nodes.0.company.name"))
	require.Nil(t, a.at("mySubscriptions.nodes.0.customer"))
	require.Empty(t, a.at("mySubscriptions.nodes.0.invoices.nodes"))
	w.ask(who, `mutation($id: ID!) { subscriptionCancel(input: {subscription: $id}) { userErrors { code field message } } }`,
		variables{"id": bought}).refuses("subscriptionCancel", "FORBIDDEN input.subscription")
}

func TestAPersonSignsInByMailAndSeesEveryMerchant(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, graph.Options{Secure: true})
	var shops []*shop
	for _, name := range []string{"Acorn", "Birch"} {
		session, handle := w.signUp(name)
		s := &shop{w: w, name: name, handle: handle, owner: session, key: session, ids: map[string]string{}}
		s.stock(strings.ToLower(name))
		s.buy(s.customer("ada@example.com", "pm_card_visa"), s.ids["Plan"])
		shops = append(shops, s)
	}
	const send = `mutation($email: String!) { portalMagicLinkSend(input: {email: $email}) { userErrors { code field message } } }`
	known, unknown := w.ask(nil, send, variables{"email": "ada@example.com"}), w.ask(nil, send, variables{"email": "nobody@example.com"})
	require.JSONEq(t, `{"data":{"portalMagicLinkSend":{"userErrors":[]}}}`, known.shown())
	require.Equal(t, known.raw, unknown.raw)
	w.ask(nil, send, variables{"email": "ada"}).refuses("portalMagicLinkSend", "INVALID input.email")
	require.NoError(t, w.resolver.Portal.MailLink(t.Context(), 1))
	require.NoError(t, w.resolver.Portal.MailLink(t.Context(), 2))
	w.work(`select id from mail order by id`, w.outbox.Send)
	mails, err := w.outbox.KeptMails(t.Context(), 10)
	require.NoError(t, err)
	mails = slices.DeleteFunc(mails, func(m mail.Kept) bool { return m.Kind != mail.KindMagicLink })
	require.Len(t, mails, 1)
	token := regexp.MustCompile(`ptc_ml_live_\w+`).FindString(mails[0].Text)

	const signIn = `mutation($token: String!) { personSignIn(input: {token: $token}) { person { email } sessionToken expiresAt userErrors { code field message } } }`
	a := w.must(nil, signIn, variables{"token": token})
	set := a.header.Get("Set-Cookie")
	require.True(t, strings.HasPrefix(set, "__Host-portico_person="+a.text("personSignIn.sessionToken")+"; Path=/; "), set)
	require.Contains(t, set, "HttpOnly; Secure; SameSite=Lax")
	w.ask(nil, signIn, variables{"token": token}).refuses("personSignIn", "UNAUTHENTICATED input.token")

	cookie := credentials{"Cookie": strings.SplitN(set, ";", 2)[0]}
	a = w.must(cookie, `{ viewer { kind person { email } customer { id } customers { email merchant { shop } } }
		mySubscriptions { nodes { product { name } customer { merchant { name } } } } }`, nil)
	require.Equal(t, "PERSON", a.text("viewer.kind"))
	require.Equal(t, "ada@example.com", a.text("viewer.person.email"))
	require.Nil(t, a.at("viewer.customer"))
	require.Equal(t, "Birch", a.text("mySubscriptions.nodes.0.customer.merchant.name"))
	require.Equal(t, "Acorn", a.text("mySubscriptions.nodes.1.customer.merchant.name"))
	require.Equal(t, []string{"acorn", "birch"}, []string{a.text("viewer.customers.0.merchant.shop"), a.text("viewer.customers.1.merchant.shop")})
	evil := maps.Clone(cookie)
	evil["Origin"] = "https://evil.test"
	w.ask(evil, `{ viewer { kind } }`, nil).fails("FORBIDDEN")
	both := credentials{"Cookie": cookie["Cookie"] + "; __Host-portico_session=" + strings.TrimPrefix(shops[0].owner["Authorization"], "Bearer ")}
	require.Equal(t, "MEMBER", w.must(both, `{ viewer { kind } }`, nil).text("viewer.kind"))

	a = w.must(cookie, `mutation { personSignOut { userErrors { code } } }`, nil)
	require.True(t, strings.HasPrefix(a.header.Get("Set-Cookie"), "__Host-portico_person=; "), a.header.Get("Set-Cookie"))
	w.ask(cookie, `{ viewer { kind } }`, nil).fails("UNAUTHENTICATED")
}

func TestAskingForLinksIsThrottledAlikeForEveryAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ask := func(email string) answer {
		return w.ask(nil, fmt.Sprintf(`mutation { portalMagicLinkSend(input: {email: %q, shop: "acorn"}) { userErrors { code field message } } }`, email), nil)
	}
	for range 3 {
		require.JSONEq(t, `{"data":{"portalMagicLinkSend":{"userErrors":[]}}}`, ask("ada@example.com").shown())
	}
	ask("ada@example.com").refuses("portalMagicLinkSend", "THROTTLED")
	require.Equal(t, ask("ada@example.com").raw, ask("nobody@example.com").raw)
}

func TestAMerchantSendsSomebodyToThePortalToBuyOrToManage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	const create = `mutation($in: PortalUrlCreateInput!) { portalUrlCreate(input: $in) {
		url expiresAt customer { id email userMeta } userErrors { code field } } }`
	ask := func(in variables) answer { return w.ask(s.key, create, variables{"in": in}) }
	product := variables{"identifier": "acorn"}

	a := ask(variables{"product": product, "email": "new@acorn.test", "userMeta": variables{"seat": 7}})
	require.True(t, strings.HasPrefix(a.text("portalUrlCreate.url"), "https://portico.test/portal/"+s.handle+"/acorn?token=eyJ"), a.raw)
	require.Equal(t, "2026-01-31T11:30:00Z", a.text("portalUrlCreate.expiresAt"))
	require.EqualValues(t, 7, a.number("portalUrlCreate.customer.userMeta.seat"))
	require.Equal(t, a.text("portalUrlCreate.customer.id"),
		w.must(s.key, `{ customers(product: {identifier: "acorn"}) { nodes { id } } }`, nil).text("customers.nodes.0.id"))

	a = ask(variables{"product": product, "email": "ada@acorn.test"})
	require.Equal(t, "ACTIVE_PURCHASE_EXISTS", a.text("portalUrlCreate.userErrors.0.code"))
	require.Nil(t, a.at("portalUrlCreate.url"))
	require.Equal(t, s.ids["Customer"], a.text("portalUrlCreate.customer.id"))
	a = ask(variables{"product": product, "email": "ada@acorn.test", "intent": "MANAGE"})
	require.True(t, strings.HasPrefix(a.text("portalUrlCreate.url"), "https://portico.test/portal/"+s.handle+"?token=eyJ"), a.raw)
	require.Equal(t, "INVALID", ask(variables{"product": product, "email": "ada"}).text("portalUrlCreate.userErrors.0.code"))
	require.Equal(t, "NOT_FOUND", ask(variables{"product": variables{"identifier": "nothing"}, "email": "ada@acorn.test"}).text("portalUrlCreate.userErrors.0.code"))
	w.ask(s.keyWith("CUSTOMERS_WRITE"), create, variables{"in": variables{"product": product, "email": "ada@acorn.test"}}).fails("FORBIDDEN")
}

func TestAMerchantDecidesWhatCustomersDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	a := w.must(s.key, `mutation { portalSettingsUpdate(input: {preset: LOCKED_DOWN, settings: {
		maxPauseDuration: 30, theme: {accentColor: "#123456"}, redirectUrls: {home: "https://acorn.test"}, analytics: {id: 7}, authentication: {method: TOKEN}}}) {
		portalSettings { shop allowCancellation maxPauseDuration layout redirectUrls analytics theme { accentColor primaryColor } authentication { method } }
		userErrors { code field message } } }`, nil)
	const settings = "portalSettingsUpdate.portalSettings."
	require.Equal(t, false, a.at(settings+"allowCancellation"))
	require.EqualValues(t, 30, a.number(settings+"maxPauseDuration"))
	require.Equal(t, "#123456", a.text(settings+"theme.accentColor"))
	require.Equal(t, "TOKEN", a.text(settings+"authentication.method"))
	require.Equal(t, "https://acorn.test", a.text(settings+"redirectUrls.home"))
	require.EqualValues(t, 7, a.number(settings+"analytics.id"))

	a = w.ask(s.key, `mutation($in: PortalSettingsInput) { portalSettingsUpdate(input: {settings: $in}) { portalSettings { shop } userErrors { code field } } }`,
		variables{"in": variables{"theme": variables{"customCss": "a { background: url(x) }"}}})
	require.Equal(t, "INVALID", a.text("portalSettingsUpdate.userErrors.0.code"))
	require.Equal(t, []any{"input", "settings", "theme", "customCss"}, a.at("portalSettingsUpdate.userErrors.0.field"))

	token := w.must(s.key, `mutation { portalTokenCreate(input: {customer: {email: "ada@acorn.test"}}) { token userErrors { code } } }`, nil)
	ada := bearer(token.text("portalTokenCreate.token"))
	require.Equal(t, false, w.must(ada, `{ portalSettings { allowCancellation } }`, nil).at("portalSettings.allowCancellation"))
	a = w.ask(ada, `mutation($id: ID!) { subscriptionCancel(input: {subscription: $id, reason: "x"}) { subscription { id } userErrors { code } } }`,
		variables{"id": s.ids["CustomerSubscription"]})
	require.Equal(t, "NOT_ALLOWED_BY_SETTINGS", a.text("subscriptionCancel.userErrors.0.code"))
	w.ask(ada, `mutation { portalSettingsUpdate(input: {preset: FULL_SERVICE}) { userErrors { code } } }`, nil).fails("FORBIDDEN")
}

func TestAMerchantHasAnAddressOfThePortalMailedFromASandboxToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	const send = `mutation($customer: CustomerRef!) { portalUrlSend(input: {customer: $customer}) {
		customer { email } expiresAt userErrors { code field message } } }`
	a := w.must(s.keyWith("TOKENS_WRITE"), send, variables{"customer": variables{"email": "ADA@acorn.test"}})
	require.Equal(t, "2026-01-31T11:30:00Z", a.text("portalUrlSend.expiresAt"))
	require.NotContains(t, a.raw, "eyJ")
	w.work(`select id from mail order by id`, w.outbox.Send)
	mails, err := w.outbox.KeptMails(t.Context(), 10)
	require.NoError(t, err)
	mails = slices.DeleteFunc(mails, func(m mail.Kept) bool { return m.Kind != mail.KindMagicLink })
	require.Len(t, mails, 1)
	require.Equal(t, "ada@acorn.test", mails[0].Recipient)
	require.Contains(t, mails[0].Text, "https://portico.test/portal/"+s.handle+"?token=eyJ")
	w.ask(s.key, send, variables{"customer": variables{"email": "nobody@acorn.test"}}).refuses("portalUrlSend", "NOT_FOUND input.customer")
	w.ask(s.keyWith("CUSTOMERS_WRITE"), send, variables{"customer": variables{"email": "ada@acorn.test"}}).fails("FORBIDDEN")
}
