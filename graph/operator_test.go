package graph_test

import (
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"
)

// code is what an authenticator app with the secret shows now.
func (w *world) code(key string) string {
	w.t.Helper()
	code, err := totp.GenerateCode(key, w.now)
	require.NoError(w.t, err)
	return code
}

const operatorSignIn = `mutation($code: String!, $password: String!) {
	operatorSignIn(input: {email: "root@portico.test", password: $password, totpCode: $code}) {
		operator { id email } sessionToken expiresAt userErrors { code field message } } }`

// operator makes an operator, as the shell does, who signs in.
func (w *world) operator() credentials {
	w.t.Helper()
	_, made, err := w.resolver.Accounts.OperatorCreate(w.t.Context(), "root@portico.test", password)
	require.NoError(w.t, err)
	a := w.must(nil, operatorSignIn, variables{"code": w.code(string(made.Secret)), "password": password})
	return bearer(a.text("operatorSignIn.sessionToken"))
}

func TestAnOperatorSignsInWithACodeAndWithoutACookie(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, made, err := w.resolver.Accounts.OperatorCreate(t.Context(), "root@portico.test", password)
	require.NoError(t, err)
	w.ask(nil, operatorSignIn, variables{"code": "", "password": password}).refuses("operatorSignIn", "UNAUTHENTICATED")
	w.ask(nil, operatorSignIn, variables{"code": w.code(string(made.Secret)), "password": "wrong"}).refuses("operatorSignIn", "UNAUTHENTICATED")
	a := w.must(nil, operatorSignIn, variables{"code": w.code(string(made.Secret)), "password": password})
	require.Empty(t, a.header.Get("Set-Cookie"))
	require.Equal(t, "2026-01-31T21:30:00Z", a.text("operatorSignIn.expiresAt"))

	token := a.text("operatorSignIn.sessionToken")
	who := w.must(bearer(token), `{ viewer { kind operator { email } member { id } merchant { id } merchants { id } } }`, nil)
	require.Equal(t, "OPERATOR", who.text("viewer.kind"))
	require.Equal(t, "root@portico.test", who.text("viewer.operator.email"))
	require.Nil(t, who.at("viewer.merchant"))
	w.ask(bearer(token), `{ merchant { id } }`, nil).fails("FORBIDDEN")
	require.Equal(t, "ANONYMOUS", w.must(credentials{"Cookie": "portico_operator=" + token}, `{ viewer { kind } }`, nil).text("viewer.kind"))
}

func TestTwoFactorSignInOverHTTP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	session, _ := w.signUp("Acorn")
	const begin = `mutation($password: String!) { memberTotpBegin(input: {password: $password}) { uri secret userErrors { code field message } } }`
	w.ask(session, begin, variables{"password": "wrong"}).refuses("memberTotpBegin", "UNAUTHENTICATED input.password")
	begun := w.must(session, begin, variables{"password": password})
	key := begun.text("memberTotpBegin.secret")
	require.Contains(t, begun.text("memberTotpBegin.uri"), "otpauth://totp/Portico:acorn@merchant.test?")
	const confirm = `mutation($code: String!) { memberTotpConfirm(input: {code: $code}) {
		recoveryCodes member { totpEnabled recoveryCodesLeft } userErrors { code field message } } }`
	w.ask(session, confirm, variables{"code": "12345"}).refuses("memberTotpConfirm", "UNAUTHENTICATED input.code")
	a := w.must(session, confirm, variables{"code": w.code(key)})
	require.Len(t, a.at("memberTotpConfirm.recoveryCodes"), 10)
	require.Equal(t, true, a.at("memberTotpConfirm.member.totpEnabled"))
	recovery := a.text("memberTotpConfirm.recoveryCodes.0")

	const signIn = `mutation($code: String, $recovery: String, $password: String!) {
		memberSignIn(input: {email: "acorn@merchant.test", password: $password, totpCode: $code, recoveryCode: $recovery}) {
			sessionToken member { recoveryCodesLeft } userErrors { code field message } } }`
	w.now = w.now.Add(time.Minute)
	missing := w.ask(nil, signIn, variables{"password": password})
	missing.refuses("memberSignIn", "TOTP_REQUIRED input.totpCode")
	require.Nil(t, missing.at("memberSignIn.sessionToken"))
	require.Empty(t, missing.header.Get("Set-Cookie"))
	w.ask(nil, signIn, variables{"password": "wrong", "code": w.code(key)}).refuses("memberSignIn", "UNAUTHENTICATED")
	in := w.must(nil, signIn, variables{"password": password, "code": w.code(key)})
	require.Equal(t, "MEMBER", w.must(bearer(in.text("memberSignIn.sessionToken")), `{ viewer { kind } }`, nil).text("viewer.kind"))
	w.ask(nil, signIn, variables{"password": password, "code": w.code(key)}).refuses("memberSignIn", "UNAUTHENTICATED input.totpCode")
	w.must(nil, signIn, variables{"password": password, "recovery": recovery})
	require.EqualValues(t, 9, w.must(session, `{ viewer { member { recoveryCodesLeft } } }`, nil).number("viewer.member.recoveryCodesLeft"))

	w.now = w.now.Add(time.Minute)
	renewed := w.must(session, `mutation($code: String!) { memberRecoveryCodesRenew(input: {code: $code}) { recoveryCodes userErrors { code } } }`,
		variables{"code": w.code(key)})
	require.Len(t, renewed.at("memberRecoveryCodesRenew.recoveryCodes"), 10)
	const disable = `mutation($code: String!, $password: String!) { memberTotpDisable(input: {code: $code, password: $password}) {
		member { totpEnabled } userErrors { code field message } } }`
	w.ask(session, disable, variables{"code": "1", "password": password}).refuses("memberTotpDisable", "UNAUTHENTICATED")
	w.now = w.now.Add(time.Minute)
	off := w.must(session, disable, variables{"code": w.code(key), "password": password})
	require.Equal(t, false, off.at("memberTotpDisable.member.totpEnabled"))
	w.must(nil, signIn, variables{"password": password})
	require.NotContains(t, w.log.String(), key)
}

const suspend = `mutation($id: ID!, $reason: String!) { merchantSuspend(input: {id: $id, reason: $reason}) {
	merchant { status suspensionReason suspendedAt } userErrors { code field message } } }`

func TestASuspendedMerchantReadsAndChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	operator := w.operator()
	found := w.must(operator, `{ merchants(search: "aCOrn") { nodes { id shop status } } sandboxes: merchants(sandbox: true) { nodes { id } } }`, nil)
	require.Len(t, found.at("merchants.nodes"), 1)
	require.Equal(t, s.ids["Merchant"], found.text("sandboxes.nodes.0.id"))
	live := found.text("merchants.nodes.0.id")
	ada, _ := s.portalToken(s.ids["Customer"])
	a := w.must(operator, suspend, variables{"id": live, "reason": "Chargebacks"})
	require.Equal(t, "SUSPENDED", a.text("merchantSuspend.merchant.status"))
	w.ask(operator, suspend, variables{"id": live, "reason": ""}).refuses("merchantSuspend", "REQUIRED input.reason")
	w.ask(operator, suspend, variables{"id": "99", "reason": "x"}).refuses("merchantSuspend", "NOT_FOUND input.id")
	require.Len(t, w.must(operator, `{ merchants(status: SUSPENDED) { nodes { id } } }`, nil).at("merchants.nodes"), 1)

	before := w.contents()
	refused := w.ask(s.key, `{ viewer { kind } }`, nil)
	refused.fails("FORBIDDEN")
	require.Equal(t, 403, refused.status)
	require.Contains(t, refused.errors[0].Message, "Chargebacks")
	read := w.must(s.owner, `{ merchant { status suspensionReason } products { nodes { name } } subscriptions { nodes { status } } }`, nil)
	require.Equal(t, "Chargebacks", read.text("merchant.suspensionReason"))
	require.Equal(t, "ACTIVE", read.text("subscriptions.nodes.0.status"))
	for _, who := range []credentials{s.owner, s.live} {
		for _, change := range []string{
			`mutation { customerCreate(input: {email: "new@acorn.test", name: "New"}) { userErrors { code } } }`,
			`mutation { apiKeyCreate(input: {name: "new"}) { userErrors { code } } }`,
			`mutation { launchTokenCreate(input: {customer: {email: "ada@acorn.test"}, product: {identifier: "acorn"}}) { token userErrors { code } } }`,
			`mutation { subscriptionCancel(input: {subscription: "1"}) { userErrors { code } } }`,
		} {
			refused := w.ask(who, change, nil)
			refused.fails("FORBIDDEN")
			require.Contains(t, refused.errors[0].Message, "Chargebacks")
		}
	}
	require.Equal(t, before, w.contents())
	w.ask(ada, `mutation { paymentMethodAttach(input: {customer: {email: "ada@acorn.test"}, token: "pm_card_visa"}) { userErrors { code field message } } }`, nil).
		refuses("paymentMethodAttach", "FORBIDDEN")
	require.Equal(t, "ACTIVE", w.must(ada, `{ mySubscriptions { nodes { status } } }`, nil).text("mySubscriptions.nodes.0.status"))
	w.must(ada, `mutation($id: ID!) { subscriptionCancel(input: {subscription: $id, atPeriodEnd: true}) { userErrors { code } } }`,
		variables{"id": s.ids["CustomerSubscription"]})
	w.must(nil, `mutation($password: String!) { memberSignIn(input: {email: "acorn@merchant.test", password: $password}) { userErrors { code } } }`,
		variables{"password": password})

	a = w.must(operator, `mutation($id: ID!) { merchantReinstate(input: {id: $id}) { merchant { status suspensionReason } userErrors { code } } }`, variables{"id": live})
	require.Equal(t, "OPEN", a.text("merchantReinstate.merchant.status"))
	w.must(s.key, `mutation { customerCreate(input: {email: "new@acorn.test", name: "New"}) { userErrors { code } } }`, nil)
}
