package rest_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/catalog"
)

func requirePage(t *testing.T, a answer, status int) {
	t.Helper()
	require.Equal(t, status, a.status, a.body)
	require.Equal(t, "text/html; charset=utf-8", a.header.Get("Content-Type"))
	require.Regexp(t, `^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='( 'sha256-[A-Za-z0-9+/]{43}=')?; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$`,
		a.header.Get("Content-Security-Policy"))
	require.Equal(t, "strict-origin", a.header.Get("Referrer-Policy"))
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"))
	require.NotContains(t, a.body, "<script")
	for _, link := range regexp.MustCompile(`href="[^"]*"`).FindAllString(a.body, -1) {
		require.Regexp(t, `^href="/portal/[a-z]`, link)
	}
	require.NotContains(t, a.body, "src=")
	require.Contains(t, a.body, `<html lang="en">`)
	require.Contains(t, a.body, "<h1>")
}

func (w *world) token(customer account.Customer) string {
	w.t.Helper()
	return w.tokenOf(w.box, customer)
}

func (w *world) tokenOf(of account.Caller, customer account.Customer) string {
	w.t.Helper()
	minted, err := w.portal.TokenCreate(w.t.Context(), of, account.CustomerRef{ID: &customer.ID})
	require.NoError(w.t, err)
	return string(minted.JWT)
}

func TestThePortalPageShowsACustomerItsSubscriptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.customer(w.box, "ada@example.com", nil, &w.plan)
	bob := w.customer(w.box, "bob@example.com", nil, nil)
	token := w.token(ada)
	page := func(token string) answer {
		return w.send(http.MethodGet, "/portal/"+w.shop+"?token="+url.QueryEscape(token), nil, nil)
	}

	a := page(token)
	requirePage(t, a, 200)
	for _, shown := range []string{"Acorn box", "ada@example.com", "Payroll &lt;b&gt;", "Pro", "Active", "Renews on 1 February 2026"} {
		require.Contains(t, a.body, shown)
	}
	require.NotContains(t, a.body, token)
	require.NotContains(t, a.body, "bob@example.com")
	require.Contains(t, page(w.token(bob)).body, "There are no subscriptions.")

	for name, forged := range map[string]string{"a changed one": token[:len(token)-1], "an API key": w.key, "nothing": "", "a line break": token + "\n"} {
		a := page(forged)
		requirePage(t, a, 401)
		require.Contains(t, a.body, "no longer valid", name)
		require.NotContains(t, a.body, "ada@example.com")
	}
	elsewhere := w.send(http.MethodGet, "/portal/acorn?token="+token, nil, nil)
	requirePage(t, elsewhere, 401)
	w.now = newYear.Add(2 * time.Hour)
	requirePage(t, page(token), 401)
	require.Empty(t, w.log.String())
}

func TestEveryStateOfASubscriptionHasItsWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.customer(w.box, "ada@example.com", nil, &w.plan)
	path := "/portal/" + w.shop + "?token=" + w.token(ada)
	for change, want := range map[string][]string{
		"status = 'ACTIVE', cancel_at_period_end = true":                                                {"Canceled", "Ends on 1 February 2026"},
		"status = 'TRIALING', cancel_at_period_end = false":                                             {"On trial", "Trial until 1 February 2026"},
		"status = 'PAST_DUE', cancel_at_period_end = false":                                             {"Payment failed", "Access until 8 February 2026"},
		"status = 'PAUSED', cancel_at_period_end = false":                                               {"Paused"},
		"status = 'INCOMPLETE', current_period_end = null, cancel_at_period_end = false":                {"Waiting for the first payment"},
		"status = 'EXPIRED', ended_at = '2026-01-15T00:00:00Z', bill_at = null, end_at = null":          {"Expired", "Ended on 15 January 2026"},
		"status = 'CANCELED', ended_at = '2026-01-16T00:00:00Z', bill_at = null, end_at = null":         {"Canceled", "Ended on 16 January 2026"},
		"status = 'SCHEDULED', current_period_end = null, ended_at = null, current_period_start = null": {"Scheduled"},
	} {
		_, err := w.db.System().Exec(t.Context(), `update subscription set current_period_start = '2026-01-01T00:00:00Z',
			current_period_end = '2026-02-01T00:00:00Z', ended_at = null`)
		if err == nil {
			_, err = w.db.System().Exec(t.Context(), `update subscription set `+change)
		}
		require.NoError(t, err, change)
		a := w.send(http.MethodGet, path, nil, nil)
		requirePage(t, a, 200)
		for _, words := range want {
			require.Contains(t, a.body, words)
		}
		_, err = w.db.System().Exec(t.Context(), `update subscription set status = 'ACTIVE', ended_at = null`)
		require.NoError(t, err)
	}
}

func TestAProductHasAPageForEverybodyOnceItIsApproved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.customer(w.box, "ada@example.com", nil, &w.plan)
	w.stock(w.live, "ledger")
	hidden := w.send(http.MethodGet, "/portal/"+w.shop+"/payroll", nil, nil)
	requirePage(t, hidden, 200)
	require.Contains(t, hidden.body, "cannot be bought now", "a sandbox is for its own")
	require.NotContains(t, hidden.body, "Payroll")
	a := w.send(http.MethodGet, "/portal/"+w.shop+"/payroll?token="+w.token(ada), nil, nil)
	requirePage(t, a, 200)
	require.Contains(t, a.body, "Payroll &lt;b&gt;")
	require.Contains(t, a.body, "<bdi>Pro</bdi>, 19.99 USD a month")
	require.Contains(t, a.body, "You have the plan <bdi>Pro</bdi>: Active. Renews on 1 February 2026")

	draft := "/portal/acorn/ledger"
	hidden = w.send(http.MethodGet, draft, nil, nil)
	requirePage(t, hidden, 200)
	require.Contains(t, hidden.body, "This product of <bdi>Acorn &lt;&amp;&gt;</bdi> cannot be bought now.")
	for _, secret := range []string{"Payroll", "Pro", "19.99"} {
		require.NotContains(t, hidden.body, secret)
	}
	_, err := w.db.System().Exec(t.Context(), `update product set status = 'APPROVED' where identifier = 'ledger'`)
	require.NoError(t, err)
	a = w.send(http.MethodGet, draft, nil, nil)
	requirePage(t, a, 200)
	require.Contains(t, a.body, "A product of <bdi>Acorn &lt;&amp;&gt;</bdi>.")
	require.NotContains(t, a.body, "You have the plan")
	for _, nowhere := range []string{"/portal/nowhere", "/portal/nowhere/ledger", "/portal/acorn/nothing", "/portal/a%00b", "/portal/acorn/%ff"} {
		requirePage(t, w.send(http.MethodGet, nowhere, nil, nil), 404)
	}
}

func TestAPersonSignsInOnThePages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, plan := w.stock(w.live, "ledger")
	w.customer(w.live, "ada@example.com", nil, &plan)
	requirePage(t, w.send(http.MethodGet, "/portal", nil, nil), 200)
	a := w.send(http.MethodGet, "/portal/acorn", nil, nil)
	requirePage(t, a, 200)
	require.Contains(t, a.body, "Your subscriptions with Acorn &lt;&amp;&gt;")

	known := w.send(http.MethodPost, "/portal/acorn", nil, url.Values{"email": {"ada@example.com"}})
	requirePage(t, known, 200)
	require.Equal(t, known.body, w.send(http.MethodPost, "/portal", nil, url.Values{"email": {"nobody@example.com"}}).body)
	requirePage(t, w.send(http.MethodPost, "/portal", nil, url.Values{"email": {"ada"}}), 400)
	requirePage(t, w.send(http.MethodPost, "/portal", nil, url.Values{"email": {"ada@example.com"}}), 200)
	requirePage(t, w.send(http.MethodPost, "/portal", nil, url.Values{"email": {"ada@example.com"}}), 429)
	requirePage(t, w.send(http.MethodPost, "/portal", nil, url.Values{"email": {strings.Repeat("a", 5000)}}), 400)

	require.NoError(t, w.portal.MailLink(t.Context(), 1))
	require.NoError(t, w.portal.Mail.Send(t.Context(), 1))
	mails, err := w.portal.Mail.KeptMails(t.Context(), 1)
	require.NoError(t, err)
	link := regexp.MustCompile(`/portal/login\?token=(ptc_ml_live_\w+)`).FindStringSubmatch(mails[0].Text)
	require.NotNil(t, link, mails[0].Text)
	for range 2 {
		requirePage(t, w.send(http.MethodGet, link[0], nil, nil), 200) // looking at it does not use it
	}
	form := url.Values{"token": {link[1]}}
	requirePage(t, w.send(http.MethodPost, "/portal/login", http.Header{"Origin": {"https://evil.test"}}, form), 403)
	a = w.send(http.MethodPost, "/portal/login", nil, form)
	require.Equal(t, http.StatusSeeOther, a.status)
	require.Equal(t, "/portal/acorn", a.header.Get("Location"))
	set := a.header.Get("Set-Cookie")
	require.True(t, strings.HasPrefix(set, "portico_person=ptc_ps_live_"), set)
	require.Contains(t, set, "HttpOnly; SameSite=Lax")
	requirePage(t, w.send(http.MethodPost, "/portal/login", nil, form), 401)

	cookie := http.Header{"Cookie": {strings.SplitN(set, ";", 2)[0]}}
	for _, path := range []string{"/portal", "/portal/acorn"} {
		a = w.send(http.MethodGet, path, cookie, nil)
		requirePage(t, a, 200)
		require.Contains(t, a.body, "Renews on 1 February 2026")
		require.Contains(t, a.body, "Sign out")
	}
	require.NotContains(t, w.send(http.MethodGet, "/portal/"+w.shop, cookie, nil).body, "Sign out", "of no sandbox")
	a = w.send(http.MethodPost, "/portal/logout", cookie, nil)
	require.Equal(t, http.StatusSeeOther, a.status)
	require.True(t, strings.HasPrefix(a.header.Get("Set-Cookie"), "portico_person=; "))
	require.NotContains(t, w.send(http.MethodGet, "/portal", cookie, nil).body, "ada@example.com")
	require.NotContains(t, w.log.String(), link[1])
}

func TestAnAddressThatWasHandedOutLeadsToAPageWhateverBecomesOfTheProduct(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, plan := w.stock(w.live, "ledger")
	ada := w.customer(w.live, "ada@example.com", nil, &plan)
	proved := w.live
	proved.EmailVerified = true
	server := w.newKey(proved, account.ScopeTokensWrite)
	page := func(handed string) answer {
		return w.send(http.MethodGet, strings.TrimPrefix(handed, "https://portico.test"), nil, nil)
	}
	handedTo := func(email string) string {
		a := w.post("/api/v1/paywall/ledger/get-customer-portal", key(server), `{"email": "`+email+`"}`)
		require.Equal(t, 200, a.status, a.body)
		return regexp.MustCompile(`https://[^"]+`).FindString(a.body)
	}
	decision, err := w.portal.Access.Check(t.Context(), w.live, account.CustomerRef{ID: &ada.ID}, catalog.ProductRef{Identifier: to("ledger")})
	require.NoError(t, err)
	hers := decision.UpgradeURL + "?token=" + w.tokenOf(w.live, ada)

	const words = "cannot be bought now"
	for _, status := range []string{"DRAFT", "IN_REVIEW", "REJECTED"} {
		_, err := w.db.System().Exec(t.Context(), `update product set status = $1 where identifier = 'ledger'`, status)
		require.NoError(t, err)
		for _, address := range []string{handedTo("new@example.com"), decision.UpgradeURL} {
			a := page(address)
			requirePage(t, a, 200)
			require.Contains(t, a.body, words)
			require.NotContains(t, a.body, "Payroll", "only what is approved is there to see")
		}
		a := page(hers)
		requirePage(t, a, 200)
		require.Contains(t, a.body, words+". What you have goes on.")
		require.Contains(t, a.body, "You have the plan <bdi>Pro</bdi> of <bdi>Payroll &lt;b&gt;</bdi>: Active.")
		require.NotContains(t, a.body, "19.99")
	}
	_, err = w.db.System().Exec(t.Context(), `update product set status = 'ARCHIVED' where identifier = 'ledger'`)
	require.NoError(t, err)
	a := page(hers)
	requirePage(t, a, 200)
	require.Contains(t, a.body, "is no longer sold. What you have goes on.")
}

func TestAMemberSeesThePageOfAProductBeforeItIsApproved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock(w.live, "ledger")
	in, _, err := w.portal.Accounts.SignIn(t.Context(), account.Origin{}, account.SignIn{Email: "owner@acorn.test", Password: "correct horse battery"})
	require.NoError(t, err)
	cookie := http.Header{"Cookie": {"portico_session=" + string(in.Token)}}
	a := w.send(http.MethodGet, "/portal/acorn/ledger", cookie, nil)
	requirePage(t, a, 200)
	require.Contains(t, a.body, "You see this page as a member of <bdi>Acorn &lt;&amp;&gt;</bdi>.")
	require.Contains(t, a.body, "<bdi>Pro</bdi>, 19.99 USD a month")

	_, err = w.portal.Accounts.SignUp(t.Context(), account.Origin{}, account.SignUp{
		Name: "Birch", Email: "owner@birch.test", Password: "correct horse battery", Verified: true,
	})
	require.NoError(t, err)
	in, _, err = w.portal.Accounts.SignIn(t.Context(), account.Origin{}, account.SignIn{Email: "owner@birch.test", Password: "correct horse battery"})
	require.NoError(t, err)
	a = w.send(http.MethodGet, "/portal/acorn/ledger", http.Header{"Cookie": {"portico_session=" + string(in.Token)}}, nil)
	requirePage(t, a, 200)
	require.NotContains(t, a.body, "19.99", "of another merchant")
}

func TestAFormThatIsWrongComesBackWithWhatWasTypedAndSaysWhatIsWrongBesideTheField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"/portal", "/portal/acorn"} {
		a := w.send(http.MethodPost, path, nil, url.Values{"email": {`ada"<b>`}})
		requirePage(t, a, 400)
		require.Contains(t, a.body, "<title>Error: Your subscriptions")
		require.Contains(t, a.body, `<form method="post" action="`+path+`">`)
		require.Contains(t, a.body, `value="ada&#34;&lt;b&gt;" aria-invalid="true" aria-describedby="email-wrong" autofocus>`)
		require.Contains(t, a.body, `<p class="wrong" id="email-wrong">Give an e-mail address, such as ada@example.com.</p>`)
	}
	a := w.send(http.MethodPost, "/portal", nil, url.Values{})
	requirePage(t, a, 400)
	require.Contains(t, a.body, `<p class="wrong" id="email-wrong">Give an e-mail address`)
	for range 3 {
		requirePage(t, w.send(http.MethodPost, "/portal", nil, url.Values{"email": {"ada@example.com"}}), 200)
	}
	a = w.send(http.MethodPost, "/portal", nil, url.Values{"email": {"ada@example.com"}})
	requirePage(t, a, 429)
	require.Contains(t, a.body, `<p class="problem" role="alert">Too many links were asked for`)
	require.Contains(t, a.body, `value="ada@example.com">`)
	a = w.send(http.MethodPost, "/portal/login", nil, url.Values{"token": {"nonsense"}})
	requirePage(t, a, 401)
	require.Contains(t, a.body, `action="/portal">`, "the form for a new one")
}
