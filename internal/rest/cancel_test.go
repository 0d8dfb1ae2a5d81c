package rest_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/page"
	"portico/internal/settings"
)

// visit opens the shop's page with a customer's token, as a browser that keeps its cookie.
func (w *world) visit(of account.Caller, shop string, customer account.Customer) (answer, http.Header) {
	w.t.Helper()
	a := w.send(http.MethodGet, "/portal/"+shop+"?token="+w.tokenOf(of, customer), nil, nil)
	return a, http.Header{"Cookie": {strings.SplitN(a.header.Get("Set-Cookie"), ";", 2)[0]}}
}

// cancelPath is the page to cancel a customer's subscription on.
func (w *world) cancelPath(shop string, customer account.Customer) string {
	w.t.Helper()
	self := account.Caller{Kind: account.KindCustomer, MerchantID: customer.MerchantID, CustomerID: customer.ID}
	subs, err := w.portal.Billing.InSight(w.t.Context(), self, page.Request{Size: 1})
	require.NoError(w.t, err)
	require.Len(w.t, subs, 1)
	return "/portal/" + shop + "/subscriptions/" + strconv.FormatInt(subs[0].ID, 10) + "/cancel"
}

func (w *world) settings(of account.Caller, change string) {
	w.t.Helper()
	_, err := w.portal.SettingsUpdate(w.t.Context(), of, settings.Update{Changes: []byte(change)})
	require.NoError(w.t, err)
}

func TestACustomerCancelsOnThePage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, bob := w.customer(w.box, "ada@example.com", nil, &w.plan), w.customer(w.box, "bob@example.com", nil, &w.plan)
	w.settings(w.box, `{"requireCancellationReason": true}`)
	path := w.cancelPath(w.shop, ada)
	a, cookie := w.visit(w.box, w.shop, ada)
	requirePage(t, a, 200)
	require.Contains(t, a.body, `<a href="`+path+`">Cancel<span class="aside"> <bdi>Payroll &lt;b&gt;</bdi></span></a>`)

	for _, method := range []string{http.MethodGet, http.MethodPost} {
		stranger := w.send(method, path, nil, nil)
		require.Equal(t, http.StatusSeeOther, stranger.status)
		require.Equal(t, "/portal/"+w.shop, stranger.header.Get("Location"))
		_, other := w.visit(w.box, w.shop, bob)
		requirePage(t, w.send(method, path, other, nil), 404)
	}
	a = w.send(http.MethodGet, path, cookie, nil)
	requirePage(t, a, 200)
	require.Contains(t, a.body, `name="when" value="period-end" checked> On 1 February 2026`)
	require.Contains(t, a.body, `<textarea id="reason" name="reason" rows="3" maxlength="500" dir="auto" required>`)

	a = w.send(http.MethodPost, path, cookie, url.Values{"when": {"now"}, "reason": {" "}})
	requirePage(t, a, 400)
	require.Contains(t, a.body, `value="now" checked>`, "what was chosen stays")
	require.Contains(t, a.body, `aria-invalid="true" aria-describedby="reason-wrong" autofocus>`)
	require.Contains(t, a.body, `<p class="wrong" id="reason-wrong">The reason is required.</p>`)
	a = w.send(http.MethodPost, path, cookie, url.Values{"reason": {strings.Repeat("é", 501) + "</textarea>"}})
	requirePage(t, a, 400)
	require.Contains(t, a.body, "é&lt;/textarea&gt;</textarea>")
	require.Contains(t, a.body, "The reason must be text of at most 500 characters.")
	crossing := cookie.Clone()
	crossing.Set("Origin", "https://evil.test")
	requirePage(t, w.send(http.MethodPost, path, crossing, url.Values{"reason": {"x"}}), 403)

	a = w.send(http.MethodPost, path, cookie, url.Values{"when": {"period-end"}, "reason": {"too dear"}})
	require.Equal(t, http.StatusSeeOther, a.status, a.body)
	a = w.send(http.MethodGet, a.header.Get("Location"), cookie, nil)
	requirePage(t, a, 200)
	require.Contains(t, a.body, "Ends on 1 February 2026")
	require.NotContains(t, a.body, "/cancel")
	require.Contains(t, w.send(http.MethodGet, path, cookie, nil).body, "It is canceled already.")
	var entries int
	require.NoError(t, w.db.System().QueryRow(t.Context(),
		`select count(*) from audit_entry where action = 'subscriptionCancel' and outcome = 'DONE'`).Scan(&entries))
	require.Equal(t, 1, entries)
}

func TestWhereTheShopDoesNotLetCustomersCancelThePageSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.customer(w.box, "ada@example.com", nil, &w.plan)
	w.settings(w.box, `{"allowCancellation": false}`)
	a, cookie := w.visit(w.box, w.shop, ada)
	require.NotContains(t, a.body, "/cancel")
	a = w.send(http.MethodGet, w.cancelPath(w.shop, ada), cookie, nil)
	requirePage(t, a, 200)
	require.Contains(t, a.body, "Customers of this shop cannot cancel themselves")
	require.NotContains(t, a.body, "<form")
	requirePage(t, w.send(http.MethodPost, w.cancelPath(w.shop, ada), cookie, url.Values{}), 403)
}

func TestCustomersOfASuspendedShopSeeWhatTheyHaveAndCancelIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, plan := w.stock(w.live, "ledger")
	ada := w.customer(w.live, "ada@example.com", nil, &plan)
	w.settings(w.live, `{"allowCancellation": false, "requireCancellationReason": true, "authentication": {"method": "TOKEN"}}`)
	require.NotContains(t, w.send(http.MethodGet, "/portal/acorn", nil, nil).body, "Mail me a link")
	_, err := w.db.System().Exec(t.Context(), `update product set status = 'APPROVED' where identifier = 'ledger'`)
	require.NoError(t, err)
	token := w.tokenOf(w.live, ada)
	_, err = w.db.System().Exec(t.Context(), `update merchant set suspended_at = $1, suspension_reason = 'fraud'`, newYear)
	require.NoError(t, err)

	require.Contains(t, w.send(http.MethodGet, "/portal/acorn", nil, nil).body, "Mail me a link", "nobody else lets them in")
	a := w.send(http.MethodGet, "/portal/acorn?token="+token, nil, nil)
	requirePage(t, a, 200)
	require.Contains(t, a.body, "This shop is closed for now")
	require.NotContains(t, a.body, "fraud")
	require.Contains(t, a.body, "Renews on 1 February 2026")
	cookie := http.Header{"Cookie": {strings.SplitN(a.header.Get("Set-Cookie"), ";", 2)[0]}}
	offer := w.send(http.MethodGet, "/portal/acorn/ledger", cookie, nil)
	requirePage(t, offer, 200)
	require.Contains(t, offer.body, "cannot be bought now. What you have goes on.")
	require.NotContains(t, offer.body, "19.99")

	a = w.send(http.MethodPost, w.cancelPath("acorn", ada), cookie, url.Values{"when": {"now"}})
	require.Equal(t, http.StatusSeeOther, a.status, a.body)
	require.Contains(t, w.send(http.MethodGet, "/portal/acorn", cookie, nil).body, "Ended on 1 January 2026")
	var reasons int
	require.NoError(t, w.db.System().QueryRow(t.Context(), `select count(cancel_reason) from subscription`).Scan(&reasons))
	require.Zero(t, reasons, "none was given")
}
