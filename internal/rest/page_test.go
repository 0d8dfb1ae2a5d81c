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
	require.NotContains(t, a.body, "href=")
	require.NotContains(t, a.body, "src=")
	require.Contains(t, a.body, `<html lang="en">`)
	require.Contains(t, a.body, "<h1>")
}

func (w *world) token(customer account.Customer) string {
	w.t.Helper()
	minted, err := w.portal.TokenCreate(w.t.Context(), w.box, account.CustomerRef{ID: &customer.ID})
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
	requirePage(t, w.send(http.MethodGet, "/portal/"+w.shop+"/payroll", nil, nil), 404) // a sandbox is for its own
	a := w.send(http.MethodGet, "/portal/"+w.shop+"/payroll?token="+w.token(ada), nil, nil)
	requirePage(t, a, 200)
	require.Contains(t, a.body, "Payroll &lt;b&gt;")
	require.Contains(t, a.body, "Pro, 19.99 USD a month")
	require.Contains(t, a.body, "You have the plan Pro: Active. Renews on 1 February 2026")

	draft := "/portal/acorn/ledger"
	requirePage(t, w.send(http.MethodGet, draft, nil, nil), 404)
	_, err := w.db.System().Exec(t.Context(), `update product set status = 'APPROVED' where identifier = 'ledger'`)
	require.NoError(t, err)
	a = w.send(http.MethodGet, draft, nil, nil)
	requirePage(t, a, 200)
	require.Contains(t, a.body, "A product of Acorn &lt;&amp;&gt;.")
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
