package graph_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// get sends the parameters in the address.
func (w *world) get(headers credentials, parameters string) answer {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.server.URL+"/graphql?"+parameters, nil)
	require.NoError(w.t, err)
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	return w.send(request)
}

func parameters(pairs ...string) string {
	given := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		given.Add(pairs[i], pairs[i+1])
	}
	return given.Encode()
}

func TestAQueryCanBeInTheAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.sandbox("Acorn")
	s.stock("acorn")
	const two = `query one { viewer { kind } } query two($id: String!) { product(ref: {identifier: $id}) { identifier } }`
	a := w.get(s.key, parameters("query", two, "operationName", "two", "variables", `{"id": "acorn"}`, "extensions", `{"a": 1}`, "other", "x"))
	require.Equal(t, "acorn", a.text("product.identifier"))
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	require.Equal(t, "ANONYMOUS", w.get(nil, parameters("query", "{ viewer { kind } }", "variables", "")).text("viewer.kind"))
}

func TestAnAddressThatHoldsNoQueryIsRefusedWithoutBeingRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const viewer, secret = "{ viewer { kind } }", "hunter2-is-the-password"
	for name, c := range map[string]struct {
		parameters string
		status     int
	}{
		"nothing":                      {"", 400},
		"no query":                     {parameters("variables", `{"password": "`+secret+`"}`), 400},
		"two queries":                  {parameters("query", viewer, "query", viewer), 400},
		"variables twice":              {parameters("query", viewer, "variables", "{}", "variables", "{}"), 400},
		"variables that are no JSON":   {parameters("query", viewer, "variables", `{"password": "`+secret), 400},
		"variables that are a list":    {parameters("query", viewer, "variables", `["`+secret+`"]`), 400},
		"variables and more":           {parameters("query", viewer, "variables", `{} "`+secret+`"`), 400},
		"half of a surrogate pair":     {parameters("query", viewer, "variables", `{"a": "`+secret+`\ud83d"}`), 400},
		"extensions that are a number": {parameters("query", viewer, "extensions", `1`), 400},
		"bytes that are not UTF-8":     {parameters("query", viewer+" # "+secret+"\xff"), 400},
		"a broken escape":              {"query=%7B%2" + secret, 400},
		"a semicolon":                  {"query=" + secret + ";variables={}", 400},
		"more than eight kilobytes":    {parameters("query", viewer+" # "+strings.Repeat(secret, 9<<10/len(secret))), 414},
		"a mutation":                   {parameters("query", `mutation { memberSignIn(input: {email: "ada@acorn.test", password: "`+secret+`"}) { userErrors { code } } }`), 405},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.get(nil, c.parameters)
			a.fails("BAD_REQUEST")
			require.Equal(t, c.status, a.status)
			require.NotContains(t, a.raw, "hunter2")
			require.NotContains(t, a.raw, `"data"`)
			if c.status == 405 {
				require.Equal(t, "POST", a.header.Get("Allow"))
			}
		})
	}
	require.Empty(t, w.log.String())
}

func TestAMutationInTheAddressIsNotPerformed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.sandbox("Acorn")
	before := w.contents()
	const both = `query a { viewer { kind } } mutation b { companyCreate(input: {name: "Initech"}) { company { id } } }`
	a := w.get(s.key, parameters("query", both, "operationName", "b"))
	a.fails("BAD_REQUEST")
	require.Equal(t, 405, a.status)
	after := w.contents()
	delete(before, "api_key") // its last use
	delete(after, "api_key")
	require.Equal(t, before, after)
}

func TestACookieIsTakenWithAGetOfOurOwnPagesOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	token := strings.TrimPrefix(s.owner["Authorization"], "Bearer ")
	for site, allowed := range map[string]bool{"same-origin": true, "same-site": false, "cross-site": false, "none": false, "": false} {
		headers := credentials{"Cookie": "portico_session=" + token}
		if site != "" {
			headers["Sec-Fetch-Site"] = site
		}
		a := w.get(headers, parameters("query", "{ viewer { kind } }"))
		if allowed {
			require.Equal(t, "MEMBER", a.text("viewer.kind"), site)
			continue
		}
		a.fails("FORBIDDEN")
		require.Equal(t, http.StatusForbidden, a.status, site)
	}
	a := w.get(credentials{"Authorization": "Bearer " + token, "Sec-Fetch-Site": "cross-site"}, parameters("query", "{ viewer { kind } }"))
	require.Equal(t, "MEMBER", a.text("viewer.kind"), "a token is no cookie")
}
