package rest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/secret"
)

const (
	external  = "/api/external/v2/"
	tokenPath = external + "customer-portal-token"
	linkPath  = external + "manage-subscription-link"
	mailPath  = external + "subscription-contracts-email-magic-link"
)

// refusal is the body of an answer that is no.
type refusal struct {
	Error struct{ Code, Message string } `json:"error"`
}

func requireRefused(t *testing.T, a answer, status int, code string) {
	t.Helper()
	require.Equal(t, status, a.status, a.body)
	require.Equal(t, "application/json; charset=utf-8", a.header.Get("Content-Type"))
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	var body refusal
	decoder := json.NewDecoder(strings.NewReader(a.body))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&body), a.body)
	require.Equal(t, code, body.Error.Code)
	require.NotEmpty(t, body.Error.Message)
}

func TestAPortalTokenIsMintedOverTheCompatibleRoute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.customer(w.box, "Ada@Example.com", to(int64(12345)), &w.plan)
	idle := w.customer(w.box, "idle@example.com", nil, nil)
	w.customer(w.live, "live@example.com", to(int64(77)), nil)
	owner := "gid://portico/Customer/" + fmt.Sprint(ada.ID)
	for name, c := range map[string]struct {
		query  url.Values
		status int
		number int64
	}{
		"by number":                       {url.Values{"customerId": {"12345"}}, 200, 12345},
		"by a global id of a vendor":      {url.Values{"customerId": {"gid://shopify/Customer/12345"}}, 200, 12345},
		"by a global id of anybody":       {url.Values{"customerId": {"gid://anything/Customer/12345"}}, 200, 12345},
		"by our own global id":            {url.Values{"customerId": {owner}}, 200, 12345},
		"by address":                      {url.Values{"email": {"ada@example.com"}}, 200, 12345},
		"by number without subscription":  {url.Values{"customerId": {fmt.Sprint(idle.Number)}}, 200, idle.Number},
		"both, and the number wins":       {url.Values{"customerId": {"12345"}, "email": {"idle@example.com"}}, 200, 12345},
		"an empty number and an address":  {url.Values{"customerId": {""}, "email": {"ada@example.com"}}, 200, 12345},
		"both, and the number is unknown": {url.Values{"customerId": {"999"}, "email": {"ada@example.com"}}, 404, 0},
		"neither":                         {url.Values{}, 400, 0},
		"both empty":                      {url.Values{"customerId": {""}, "email": {""}}, 400, 0},
		"a number in words":               {url.Values{"customerId": {"twelve"}}, 400, 0},
		"a malformed number beside an address": {
			url.Values{"customerId": {"twelve"}, "email": {"ada@example.com"}}, 400, 0},
		"a negative number":            {url.Values{"customerId": {"-12345"}}, 400, 0},
		"zero":                         {url.Values{"customerId": {"0"}}, 400, 0},
		"leading zeros":                {url.Values{"customerId": {"012345"}}, 400, 0},
		"a fraction":                   {url.Values{"customerId": {"12345.0"}}, 400, 0},
		"spaces":                       {url.Values{"customerId": {" 12345"}}, 400, 0},
		"a number beyond 2^53":         {url.Values{"customerId": {"9007199254740993"}}, 400, 0},
		"a number beyond 64 bits":      {url.Values{"customerId": {"99999999999999999999"}}, 400, 0},
		"a global id of another type":  {url.Values{"customerId": {"gid://shopify/Order/12345"}}, 400, 0},
		"a global id without a number": {url.Values{"customerId": {"gid://shopify/Customer/"}}, 400, 0},
		"a global id without a vendor": {url.Values{"customerId": {"gid:///Customer/12345"}}, 400, 0},
		"a global id and more":         {url.Values{"customerId": {"gid://shopify/Customer/12345?x=1"}}, 400, 0},
		"two numbers":                  {url.Values{"customerId": {"12345", "12345"}}, 400, 0},
		"a malformed address":          {url.Values{"email": {"ada"}}, 400, 0},
		"an address with a NUL":        {url.Values{"email": {"a\x00@example.com"}}, 400, 0},
		"an unknown number":            {url.Values{"customerId": {"999"}}, 404, 0},
		"an unknown address":           {url.Values{"email": {"nobody@example.com"}}, 404, 0},
		"an address that never bought": {url.Values{"email": {"idle@example.com"}}, 404, 0},
		"another merchant's number":    {url.Values{"customerId": {"77"}}, 404, 0},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.send(http.MethodGet, tokenPath+"?"+c.query.Encode(), key(w.key), nil)
			if c.status != http.StatusOK {
				requireRefused(t, a, c.status, map[int]string{400: "INVALID", 404: "NOT_FOUND"}[c.status])
				return
			}
			require.Equal(t, http.StatusOK, a.status, a.body)
			var body map[string]any
			require.NoError(t, json.Unmarshal([]byte(a.body), &body))
			require.Len(t, body, 2)
			require.Equal(t, float64(c.number), body["customerId"])
			token := secret.Text(body["token"].(string))
			require.True(t, strings.HasPrefix(string(token), "eyJ"))
			caller, err := w.portal.Authenticate(t.Context(), token, w.shop)
			require.NoError(t, err)
			require.Equal(t, account.KindCustomer, caller.Kind)
		})
	}
	requireRefused(t, w.send(http.MethodGet, tokenPath+"?customerId=%zz", key(w.key), nil), 400, "INVALID")
	require.Empty(t, w.log.String())
}

func TestTheCompatibleRoutesWantAnAPIKeyThatMayMint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.customer(w.box, "ada@example.com", to(int64(12345)), &w.plan)
	narrow := w.newKey(w.box, account.ScopeCustomersRead)
	revoked := w.newKey(w.box, account.ScopeTokensWrite)
	_, err := w.db.System().Exec(t.Context(), `update api_key set revoked_at = $1 where id = (select max(id) from api_key)`, newYear)
	require.NoError(t, err)
	session, _, err := w.portal.Accounts.SignIn(t.Context(), account.Origin{}, account.SignIn{Email: "owner@acorn.test", Password: "correct horse battery"})
	require.NoError(t, err)
	minted, err := w.portal.TokenCreate(t.Context(), w.box, account.CustomerRef{Number: to(int64(12345))})
	require.NoError(t, err)
	for _, path := range []string{tokenPath + "?customerId=12345", linkPath + "?customerId=12345", mailPath + "?email=ada@example.com"} {
		method := map[bool]string{true: http.MethodPost, false: http.MethodGet}[strings.HasPrefix(path, mailPath)]
		for name, c := range map[string]struct {
			path   string
			header http.Header
			status int
		}{
			"no key":                           {path, nil, 401},
			"an empty key":                     {path, key(""), 401},
			"a wrong key":                      {path, key("ptc_sk_test_wrong"), 401},
			"a key with a typo":                {path, key(w.key[:len(w.key)-1]), 401},
			"a revoked key":                    {path, key(revoked), 401},
			"a member's session":               {path, key(string(session.Token)), 401},
			"a portal token":                   {path, key(string(minted.JWT)), 401},
			"two keys":                         {path, http.Header{"X-Api-Key": {w.key, narrow}}, 401},
			"a wrong parameter":                {path + "&api_key=nonsense", nil, 401},
			"a parameter that differs":         {path + "&api_key=" + narrow, key(w.key), 401},
			"a key without the scope":          {path, key(narrow), 403},
			"the key":                          {path, key(w.key), 200},
			"the key as api-key":               {path, http.Header{"Api-Key": {w.key}}, 200},
			"the key as a Bearer token":        {path, http.Header{"Authorization": {"Bearer " + w.key}}, 200},
			"an api-key that differs":          {path, http.Header{"Api-Key": {narrow}, "X-Api-Key": {w.key}}, 401},
			"the key as parameter":             {path + "&api_key=" + w.key, nil, 200},
			"the key in both":                  {path + "&api_key=" + w.key, key(w.key), 200},
			"the key in another case's header": {path, http.Header{http.CanonicalHeaderKey("x-api-key"): {w.key}}, 200},
		} {
			a := w.send(method, c.path, c.header, nil)
			if c.status == 200 {
				require.Equal(t, 200, a.status, "%s: %s", name, a.body)
				continue
			}
			requireRefused(t, a, c.status, map[int]string{401: "UNAUTHENTICATED", 403: "FORBIDDEN"}[c.status])
		}
	}
	require.NotContains(t, w.log.String(), w.key)
}

func TestTheManageLinkIsTheWholeAddressOfThePortal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.customer(w.box, "ada@example.com", to(int64(12345)), &w.plan)
	for _, query := range []string{"customerId=12345", "email=ada@example.com", "emailId=ada@example.com"} {
		a := w.send(http.MethodGet, linkPath+"?"+query, key(w.key), nil)
		require.Equal(t, 200, a.status, a.body)
		var body struct {
			Link    string    `json:"manageSubscriptionLink"`
			Expires time.Time `json:"tokenExpirationTime"`
		}
		require.NoError(t, json.Unmarshal([]byte(a.body), &body))
		require.Equal(t, newYear.Add(2*time.Hour), body.Expires)
		link, err := url.Parse(body.Link)
		require.NoError(t, err)
		require.Equal(t, "https://portico.test/portal/"+w.shop, "https://"+link.Host+link.Path)
		page := w.send(http.MethodGet, link.RequestURI(), nil, nil)
		require.Equal(t, 200, page.status)
		require.Contains(t, page.body, "ada@example.com")
	}
	requireRefused(t, w.send(http.MethodGet, linkPath, key(w.key), nil), 400, "INVALID")
	requireRefused(t, w.send(http.MethodGet, linkPath+"?customerId=9", key(w.key), nil), 404, "NOT_FOUND")
}

func TestALinkIsMailedForTheMerchant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.customer(w.box, "ada@example.com", nil, &w.plan)
	requireRefused(t, w.send(http.MethodPost, mailPath, key(w.key), nil), 400, "REQUIRED")
	requireRefused(t, w.send(http.MethodPost, mailPath+"?email=ada", key(w.key), nil), 400, "INVALID")
	requireRefused(t, w.send(http.MethodPost, mailPath+"?email=nobody@example.com", key(w.key), nil), 404, "NOT_FOUND")
	for _, method := range []string{http.MethodPost, http.MethodGet} {
		a := w.send(method, mailPath+"?email=ADA@example.com", key(w.key), nil)
		require.Equal(t, 200, a.status, a.body)
		var sentence string
		require.NoError(t, json.Unmarshal([]byte(a.body), &sentence))
	}
	var counted int
	require.NoError(t, w.db.System().QueryRow(t.Context(), `select count(*) from token_mint where kind = 'PORTAL'`).Scan(&counted))
	require.Equal(t, 2, counted, "like the tokens that callers get")
	require.NoError(t, w.portal.Mail.Send(t.Context(), 1))
	mails, err := w.portal.Mail.KeptMails(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, mails, 1)
	require.Equal(t, "ada@example.com", mails[0].Recipient)
	require.Regexp(t, `https://portico\.test/portal/`+w.shop+`\?token=eyJ`, mails[0].Text)
}

func TestWhatBreaksIsLoggedAndSaysNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	minted := w.send(http.MethodGet, tokenPath+"?customerId=1", key(w.key), nil)
	requireRefused(t, minted, 404, "NOT_FOUND")
	w.portal.Accounts = nil
	a := w.send(http.MethodGet, tokenPath+"?customerId=1&api_key="+w.key, nil, nil)
	requireRefused(t, a, 500, "INTERNAL_SERVER_ERROR")
	require.NotContains(t, a.body, "nil pointer")
	require.Contains(t, w.log.String(), a.header.Get("X-Request-Id"))
	require.NotContains(t, w.log.String(), w.key)
	requireRefused(t, w.send(http.MethodGet, "/api/nothing", nil, nil), 404, "NOT_FOUND")
}

func TestARequestThatTakesTooLongIsGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	held, release := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- w.db.System().Tx(t.Context(), func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), `lock table customer in access exclusive mode`)
			close(held)
			<-release
			return err
		})
	}()
	<-held
	var all sync.WaitGroup
	all.Go(func() {
		requireRefused(t, w.send(http.MethodGet, tokenPath+"?customerId=1", key(w.key), nil), 504, "TIMEOUT")
	})
	all.Go(func() { requireBareRefusal(t, w.paywall("payroll", w.key, `{"email": "ada@example.com"}`), 504) })
	all.Wait()
	close(release)
	require.NoError(t, <-done)
	require.Contains(t, w.log.String(), "request took too long")
	require.Equal(t, 200, w.paywall("payroll", w.key, `{"email": "ada@example.com"}`).status)
}

func TestEveryRouteThatDoesSomethingLeavesAnEntry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	customer, err := w.portal.Accounts.CustomerCreate(t.Context(), w.box, account.CustomerCreate{Email: "ada@example.test", Name: "Ada"})
	require.NoError(t, err)
	narrow := w.newKey(w.box, account.ScopeAccessRead)
	for _, c := range []struct{ method, path, form, key, want string }{
		{"GET", "/api/external/v2/customer-portal-token?customerId=" + strconv.FormatInt(customer.Number, 10), "", w.key, "API_KEY customer-portal-token DONE"},
		{"GET", "/api/external/v2/customer-portal-token?customerId=x", "", w.key, "API_KEY customer-portal-token REFUSED INVALID"},
		{"GET", "/api/external/v2/customer-portal-token?customerId=1", "", narrow, "API_KEY customer-portal-token REFUSED FORBIDDEN"},
		{"GET", "/api/external/v2/manage-subscription-link?customerId=" + strconv.FormatInt(customer.Number, 10), "", w.key, "API_KEY manage-subscription-link DONE"},
		{"POST", "/api/external/v2/subscription-contracts-email-magic-link?email=eve@example.test", "", w.key, "API_KEY subscription-contracts-email-magic-link REFUSED NOT_FOUND"},
		{"POST", "/portal", "email=ada@example.test", "", "ANONYMOUS portalMagicLinkSend DONE"},
		{"POST", "/portal/" + w.shop, "email=ada@example.test", "", "ANONYMOUS portalMagicLinkSend DONE"},
		{"POST", "/portal/login", "token=nonsense", "", "ANONYMOUS personSignIn REFUSED UNAUTHENTICATED"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), c.method, w.server.URL+c.path, strings.NewReader(c.form))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if c.key != "" {
			request.Header.Set("X-API-Key", c.key)
		}
		response, err := w.server.Client().Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		var entry string
		require.NoError(t, w.db.System().QueryRow(t.Context(), `
			select concat_ws(' ', actor_kind, action, outcome, code) from (
				select request_id, actor_kind, action, outcome, code, address from audit_entry
				union all select request_id, actor_kind, action, 'DONE', null, address from token_mint) entry
			where request_id = $1 and address = '127.0.0.1'`, response.Header.Get("X-Request-Id")).Scan(&entry), c.path)
		require.Equal(t, c.want, entry)
	}
}
