package graph_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/graph"
	"portico/internal/peer"
)

func TestAMerchantGrowsATeam(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner, handle := w.signUp("Acorn")
	const apiKey = `mutation { apiKeyCreate(input: {name: "live"}) { secret userErrors { code field message } } }`
	require.Nil(t, w.must(owner, `{ viewer { member { emailVerifiedAt } } }`, nil).at("viewer.member.emailVerifiedAt"))
	w.ask(owner, apiKey, nil).refuses("apiKeyCreate", "EMAIL_UNVERIFIED")
	w.must(owner, `mutation { memberEmailVerificationSend { userErrors { code } } }`, nil)
	w.verify("Acorn")
	require.Equal(t, "2026-01-31T09:30:00Z", w.must(owner, `{ viewer { member { emailVerifiedAt } } }`, nil).text("viewer.member.emailVerifiedAt"))
	w.must(owner, apiKey, nil)

	w.must(owner, `mutation { memberInvite(input: {email: "ada@acorn.test", role: ADMIN}) {
		invitation { id email role expiresAt acceptedAt revokedAt } userErrors { code } } }`, nil)
	require.Equal(t, "ada@acorn.test", w.must(owner, `{ invitations { nodes { email } } }`, nil).text("invitations.nodes.0.email"))
	a := w.must(nil, `mutation($token: String!, $password: String) { invitationAccept(input: {token: $token, password: $password}) {
		merchant { shop status } member { id email } role sessionToken userErrors { code } } }`,
		variables{"token": w.mailed("ada@acorn.test"), "password": password})
	require.Equal(t, "ADMIN", a.text("invitationAccept.role"))
	require.Contains(t, a.header.Get("Set-Cookie"), a.text("invitationAccept.sessionToken"))
	admin, id := bearer(a.text("invitationAccept.sessionToken")), a.text("invitationAccept.member.id")
	require.Equal(t, "ADMIN", w.must(admin.in(handle), `{ viewer { role } }`, nil).text("viewer.role"))
	w.must(admin, `mutation { sandboxCreate(input: {name: "Acorn test"}) { merchant { shop } userErrors { code } } }`, nil)
	require.Equal(t, "OWNER", w.must(owner.in("acorn-test"), `{ viewer { role } }`, nil).text("viewer.role"))
	w.ask(admin, `{ invitations { nodes { email } } }`, nil).fails("FORBIDDEN")

	require.Equal(t, map[string]any{"nodes": []any{
		map[string]any{"role": "OWNER", "since": "2026-01-31T09:30:00Z", "member": map[string]any{"email": "acorn@merchant.test"}},
		map[string]any{"role": "ADMIN", "since": "2026-01-31T09:30:00Z", "member": map[string]any{"email": "ada@acorn.test"}},
	}}, w.must(admin.in("acorn-test"), `{ members { nodes { role since member { email } } } }`, nil).at("members"))
	w.must(owner, `mutation($id: ID!) { memberRoleUpdate(input: {member: $id, role: OWNER}) { membership { role } userErrors { code } } }`, variables{"id": id})
	w.must(owner, `mutation { merchantLeave(input: {shop: "acorn"}) { userErrors { code } } }`, nil)
	require.Equal(t, []any{}, w.must(owner, `{ viewer { merchants { shop } } }`, nil).at("viewer.merchants"))
	w.ask(owner.in("acorn-test"), `{ viewer { kind } }`, nil).fails("FORBIDDEN")

	w.must(admin, `mutation { merchantUpdate(input: {shop: "acorn-inc", name: "Acorn Inc", description: "Nuts", phone: "+44 20 7946 0000",
		logoUrl: "https://acorn.test/logo.svg", graceDays: 3, dunningDays: [0, 2]}) { merchant { id } userErrors { code } } }`, nil)
	require.JSONEq(t, `{"data":{"merchant":{"shop":"acorn-inc","name":"Acorn Inc","description":"Nuts","phone":"+44 20 7946 0000",
		"logoUrl":"https://acorn.test/logo.svg","graceDays":3,"dunningDays":[0,2],"status":"OPEN"}}}`,
		w.must(admin.in("acorn-inc"), `{ merchant { shop name description phone logoUrl graceDays dunningDays status } }`, nil).shown())
	w.must(owner, `mutation { merchantCreate(input: {name: "Acorn"}) { merchant { shop } userErrors { code } } }`, nil)
	require.Equal(t, "acorn", w.must(owner, `{ merchant { shop } }`, nil).text("merchant.shop"))
	require.Empty(t, w.log.String())
}

func TestAPasswordIsResetAndChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, _ := w.signUp("Acorn")
	w.verify("Acorn")
	const ask = `mutation($email: String!) { memberPasswordResetSend(input: {email: $email}) { userErrors { code field message } } }`
	known, unknown := w.must(nil, ask, variables{"email": "acorn@merchant.test"}), w.must(nil, ask, variables{"email": "nobody@merchant.test"})
	require.Equal(t, known.raw, unknown.raw)
	token := w.mailed("acorn@merchant.test")
	const reset = `mutation($token: String!, $password: String!) { memberPasswordReset(input: {token: $token, password: $password}) {
		userErrors { code field message } } }`
	w.must(nil, reset, variables{"token": token, "password": "battery staple horse"})
	w.ask(nil, reset, variables{"token": token, "password": "battery staple horse"}).refuses("memberPasswordReset", "NOT_FOUND input.token")
	w.ask(first, `{ viewer { kind } }`, nil).fails("UNAUTHENTICATED")

	signIn := func() credentials {
		return bearer(w.must(nil, `mutation { memberSignIn(input: {email: "acorn@merchant.test", password: "battery staple horse"}) {
			sessionToken userErrors { code } } }`, nil).text("memberSignIn.sessionToken"))
	}
	one, two := signIn(), signIn()
	w.must(one, `mutation { memberPasswordChange(input: {currentPassword: "battery staple horse", newPassword: "one more long password"}) {
		userErrors { code } } }`, nil)
	require.Equal(t, "MEMBER", w.must(one, `{ viewer { kind } }`, nil).text("viewer.kind"))
	w.ask(two, `{ viewer { kind } }`, nil).fails("UNAUTHENTICATED")
	require.NotContains(t, w.log.String(), "acorn@merchant.test")
}

func TestTheAnswerToASignUpIsTheSameForEveryAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.signUp("Acorn")
	w.verify("Acorn")
	shapes := map[string]bool{}
	for _, email := range []string{"acorn@merchant.test", "nobody@merchant.test"} {
		a := w.must(nil, `mutation($email: String!) { merchantSignUp(input: {name: "Mallory", shop: "mallory", email: $email, password: "battery staple horse"}) {
			merchant { shop email status } member { email emailVerifiedAt } sessionToken userErrors { code } } }`, variables{"email": email})
		session := a.text("merchantSignUp.sessionToken")
		require.NotEmpty(t, a.header.Get("Set-Cookie"))
		shapes[strings.NewReplacer(session, "", email, "").Replace(a.raw)] = true
		w.must(bearer(session), `mutation { merchantClose(input: {shop: "mallory"}) { merchant { status } userErrors { code } } }`, nil)
		_, err := w.db.System().Exec(t.Context(), `update merchant set shop = shop || '-' || id where shop = 'mallory'`)
		require.NoError(t, err)
	}
	require.Len(t, shapes, 1)
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, _ := w.signUp("Acorn")
	const signIn = `mutation($password: String!) { memberSignIn(input: {email: "acorn@merchant.test", password: $password}) { sessionToken userErrors { code } } }`
	phone := bearer(w.must(credentials{"User-Agent": "Mozilla/5.0 (iPhone) Safari/604.1"}, signIn, variables{"password": password}).text("memberSignIn.sessionToken"))
	w.must(credentials{"User-Agent": "robot"}, signIn, variables{"password": password})

	const list = `{ sessions { nodes { id createdAt lastUsedAt expiresAt device address current } } }`
	a := w.must(phone, list, nil)
	require.Len(t, a.at("sessions.nodes"), 3)
	require.Nil(t, a.at("sessions.nodes.0.device"))
	require.Equal(t, "Safari on iPhone", a.text("sessions.nodes.1.device"))
	require.Equal(t, "127.0.0.1", a.text("sessions.nodes.1.address"))
	require.Equal(t, []any{false, true, false}, []any{a.at("sessions.nodes.0.current"), a.at("sessions.nodes.1.current"), a.at("sessions.nodes.2.current")})
	w.must(first, `mutation($id: ID!) { sessionRevoke(input: {id: $id}) { userErrors { code } } }`, variables{"id": a.text("sessions.nodes.1.id")})
	w.ask(phone, list, nil).fails("UNAUTHENTICATED")
	require.EqualValues(t, 1, w.must(first, `mutation { sessionRevokeOthers { count userErrors { code } } }`, nil).number("sessionRevokeOthers.count"))
}

func TestWhoGuessesIsToldToWait(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, graph.Options{Proxies: peer.Proxies{netip.MustParsePrefix("127.0.0.0/8")}})
	w.signUp("Acorn")
	const signIn = `mutation($email: String!, $password: String!) { memberSignIn(input: {email: $email, password: $password}) { sessionToken userErrors { code field message retryAfter } } }`
	try := func(from, email, password string) answer {
		return w.ask(credentials{"X-Forwarded-For": "192.0.2.9, " + from}, signIn, variables{"email": email, "password": password})
	}
	for i := range 5 {
		try(fmt.Sprintf("198.51.100.%d", i), "acorn@merchant.test", "wrong horse battery").refuses("memberSignIn", "UNAUTHENTICATED")
	}
	a := try("198.51.100.9", "acorn@merchant.test", password)
	a.refuses("memberSignIn", "THROTTLED")
	require.EqualValues(t, 60, a.number("memberSignIn.userErrors.0.retryAfter"))
	require.Empty(t, a.header.Values("Set-Cookie"))

	for i := range 30 {
		try("203.0.113.7", fmt.Sprintf("member%d@merchant.test", i), "wrong horse battery").refuses("memberSignIn", "UNAUTHENTICATED")
	}
	try("203.0.113.7", "fresh@merchant.test", password).refuses("memberSignIn", "THROTTLED")
	try("203.0.113.8", "fresh@merchant.test", password).refuses("memberSignIn", "UNAUTHENTICATED")
	require.Empty(t, w.log.String())
}

func TestAClosedMerchantIsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	w.must(s.key, `{ products { nodes { id } } }`, nil)
	a := w.must(s.live, `mutation { merchantClose(input: {shop: "acorn"}) { merchant { status } userErrors { code } } }`, nil)
	require.Equal(t, "CLOSING", a.text("merchantClose.merchant.status"), "the sandbox still has a subscription")
	w.must(s.key, `{ products { nodes { id } } }`, nil)
	w.ask(s.key, buy, variables{"customer": s.customer("late@acorn.test", "pm_card_visa"), "plan": s.ids["Plan"]})
	closed, err := w.resolver.Billing.CloseDue(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, closed)

	w.ask(s.key, `{ products { nodes { id } } }`, nil).fails("UNAUTHENTICATED")
	for _, who := range []credentials{s.live, s.owner} {
		w.ask(who, `{ viewer { kind } }`, nil).fails("FORBIDDEN")
	}
	homeless := credentials{"Authorization": s.live["Authorization"]}
	require.Equal(t, []any{}, w.must(homeless, `{ viewer { merchants { shop } } }`, nil).at("viewer.merchants"))
	require.Equal(t, []any{}, w.must(nil, `query($shop: String!) { publicProducts(shop: $shop) { nodes { name } } }`, variables{"shop": s.handle}).at("publicProducts.nodes"))
	w.ask(homeless, `query($id: ID!) { node(id: $id) { id } }`, variables{"id": s.ids["Merchant"]}).fails("FORBIDDEN")
}
