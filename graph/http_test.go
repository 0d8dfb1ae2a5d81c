package graph_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/graph"
)

func (w *world) request(method, contentType, body string) answer {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), method, w.server.URL+"/graphql", strings.NewReader(body))
	require.NoError(w.t, err)
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	return w.send(request)
}

func TestOnlyAnOperationInJSONIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const viewer = `{"query":"{ viewer { kind } }"}`
	secret := "hunter2-is-the-password"

	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch} {
		a := w.request(method, "application/json", viewer)
		a.fails("BAD_REQUEST")
		require.Equal(t, http.StatusMethodNotAllowed, a.status)
		require.Equal(t, "GET, POST", a.header.Get("Allow"))
	}
	for _, contentType := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=utf-16", "nonsense/"} {
		a := w.request(http.MethodPost, contentType, viewer)
		a.fails("BAD_REQUEST")
		require.Equal(t, http.StatusUnsupportedMediaType, a.status, contentType)
	}
	for _, contentType := range []string{"application/json", "application/json; charset=UTF-8", "Application/JSON"} {
		require.Equal(t, "ANONYMOUS", w.request(http.MethodPost, contentType, viewer).text("viewer.kind"))
	}
	for name, body := range map[string]string{
		"nothing":                   "",
		"broken JSON":               `{"query": "{ viewer { kind } }", "variables": {"password": "` + secret + `"`,
		"JSON and more":             viewer + `{"password": "` + secret + `"}`,
		"a batch":                   "[" + viewer + "," + viewer + "]",
		"a text":                    `"` + secret + `"`,
		"null":                      "null",
		"no query":                  `{"variables": {"password": "` + secret + `"}}`,
		"a query that is no text":   `{"query": {"password": "` + secret + `"}}`,
		"variables that are a list": `{"query": "{ viewer { kind } }", "variables": ["` + secret + `"]}`,
		"variables that are a text": `{"query": "{ viewer { kind } }", "variables": "` + secret + `"}`,
		"a name that is no text":    `{"query": "{ viewer { kind } }", "operationName": 1}`,
		"bytes that are not UTF-8":  `{"query": "{ viewer { kind } } # ` + secret + "\xff" + `"}`,
		"half of a surrogate pair":  `{"query": "{ viewer { kind } }", "variables": {"a": "` + secret + `\ud83d"}}`,
		"the halves the wrong way":  `{"query": "{ viewer { kind } }", "variables": {"a": "\\\ude00\ud83d"}}`,
		"nesting without end":       `{"query": "{ viewer { kind } }", "variables": {"a": ` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}}`,
	} {
		t.Run(name, func(t *testing.T) {
			a := w.post(nil, body)
			a.fails("BAD_REQUEST")
			require.Equal(t, http.StatusBadRequest, a.status)
			require.NotContains(t, a.raw, "hunter2")
			require.NotContains(t, a.raw, `"data"`)
		})
	}
	t.Run("a body of ten megabytes", func(t *testing.T) {
		a := w.post(nil, `{"query": "{ viewer { kind } }", "variables": {"password": "`+strings.Repeat(secret, 10<<20/len(secret))+`"}}`)
		a.fails("BAD_REQUEST")
		require.Equal(t, http.StatusRequestEntityTooLarge, a.status)
		require.NotContains(t, a.raw, "hunter2")
	})
	t.Run("what is allowed to be there", func(t *testing.T) {
		a := w.post(nil, `{"query": "query one { viewer { kind } } query two { viewer { __typename } }", "operationName": "two",
			"variables": null, "extensions": {"persisted": false}, "id": "\ud83d\ude00 \\ud83d"}`)
		require.Equal(t, "Viewer", a.text("viewer.__typename"))
	})
	require.Empty(t, w.log.String())
}

func TestTheStatusIsForThoseWhoAskForTheNewMediaType(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const both = "application/graphql-response+json, application/json;q=0.9"
	for name, c := range map[string]struct {
		accept, query string
		status        int
		media         string
	}{
		"an answer":                  {"", "{ viewer { kind } }", 200, "application/json"},
		"an answer, new":             {both, "{ viewer { kind } }", 200, "application/graphql-response+json"},
		"an answer for any":          {"*/*", "{ viewer { kind } }", 200, "application/json"},
		"a document that is none":    {"application/json", "{ viewer { kind ", 200, "application/json"},
		"the same, new":              {both, "{ viewer { kind ", 400, "application/graphql-response+json"},
		"an unknown field, new":      {both, "{ nothing }", 400, "application/graphql-response+json"},
		"a missing variable, new":    {both, "query($id: ID!) { node(id: $id) { id } }", 400, "application/graphql-response+json"},
		"an error of a field, new":   {both, "{ products { nodes { id } } }", 200, "application/graphql-response+json"},
		"application/json preferred": {"application/json, application/graphql-response+json", "{ nothing }", 200, "application/json"},
	} {
		headers := credentials{}
		if c.accept != "" {
			headers["Accept"] = c.accept
		}
		a := w.ask(headers, c.query, nil)
		require.Equal(t, c.status, a.status, name)
		require.Equal(t, c.media+"; charset=utf-8", a.header.Get("Content-Type"), name)
		require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	}
	ids := map[string]bool{}
	for range 5 {
		ids[w.ask(nil, "{ viewer { kind } }", nil).header.Get("X-Request-Id")] = true
	}
	require.Len(t, ids, 5)
}

func TestVariablesAreOfTheirTypes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.sandbox("Acorn")
	s.stock("acorn")
	for name, c := range map[string]struct{ query, variables string }{
		"a Long beyond 2^53":       {`query($n: Long) { customer(ref: {number: $n}) { id } }`, `{"n": 9007199254740992}`},
		"a Long below -2^53":       {`query($n: Long) { customer(ref: {number: $n}) { id } }`, `{"n": -9007199254740992}`},
		"a Long beyond 64 bits":    {`query($n: Long) { customer(ref: {number: $n}) { id } }`, `{"n": 92233720368547758080}`},
		"a Long with a fraction":   {`query($n: Long) { customer(ref: {number: $n}) { id } }`, `{"n": 1.5}`},
		"a Long as text":           {`query($n: Long) { customer(ref: {number: $n}) { id } }`, `{"n": "1"}`},
		"a literal Long too large": {`{ customer(ref: {number: 9007199254740992}) { id } }`, `{}`},
		"an Int beyond 32 bits":    {`query($n: Int) { customers(first: $n) { nodes { id } } }`, `{"n": 2147483648}`},
		"an Int as text":           {`query($n: Int) { customers(first: $n) { nodes { id } } }`, `{"n": "1"}`},
		"a String as a number":     {`query($s: String) { product(ref: {identifier: $s}) { id } }`, `{"s": 1}`},
		"an ID as a fraction":      {`query($id: ID!) { subscription(id: $id) { id } }`, `{"id": 1.5}`},
		"an ID as an object":       {`query($id: ID!) { subscription(id: $id) { id } }`, `{"id": {}}`},
		"an enum in lower case":    {`query($s: [SubscriptionStatus!]) { subscriptions(status: $s) { nodes { id } } }`, `{"s": ["active"]}`},
		"an enum's unknown value":  {`query($s: [SubscriptionStatus!]) { subscriptions(status: $s) { nodes { id } } }`, `{"s": ["GONE"]}`},
		"a Boolean as a number":    {`query($b: Boolean!) { companies(personal: $b) { nodes { id } } }`, `{"b": 1}`},
		"a null that may not be":   {`query($id: ID!) { subscription(id: $id) { id } }`, `{"id": null}`},
		"a missing one":            {`query($id: ID!) { subscription(id: $id) { id } }`, `{}`},
		"an unknown input field":   {`query($r: ProductRef!) { product(ref: $r) { id } }`, `{"r": {"name": "acorn"}}`},
		"a reference to two":       {`query($r: ProductRef!) { product(ref: $r) { id } }`, `{"r": {"id": "1", "identifier": "acorn"}}`},
		"a reference to nothing":   {`query($r: CustomerRef!) { customer(ref: $r) { id } }`, `{"r": {}}`},
		"a literal one to two":     {`{ product(ref: {id: 1, identifier: "acorn"}) { id } }`, `{}`},
		"usage below zero":         {`{ access(customer: {number: 1}, product: {identifier: "acorn"}) { limit(name: "a", current: -1) { allowed } } }`, `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.post(s.key, `{"query": `+quoted(c.query)+`, "variables": `+c.variables+`}`)
			a.fails("BAD_REQUEST")
		})
	}
	a := w.post(s.owner, `{"query": `+quoted(`mutation($i: TestClockCreateInput!) { testClockCreate(input: $i) { testClock { id } userErrors { code } } }`)+
		`, "variables": {"i": {"name": "c", "now": "31.1.2026"}}}`)
	a.fails("BAD_REQUEST")
	require.Contains(t, a.errors[0].Message, "RFC 3339")
	require.Empty(t, w.log.String())

	t.Run("the largest Long is one", func(t *testing.T) {
		a := w.must(s.key, `mutation { customerCreate(input: {email: "max@acorn.test", name: "Max", number: 9007199254740991}) {
			customer { number } userErrors { code } } }`, nil)
		require.EqualValues(t, 9007199254740991, a.number("customerCreate.customer.number"))
	})
}

func quoted(text string) string {
	return `"` + strings.NewReplacer(`"`, `\"`, "\n", " ", "\t", " ").Replace(text) + `"`
}

func TestUserMetaKeepsWhatItIsGiven(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.sandbox("Acorn")
	const meta = `{"big": 12345678901234567890123, "exact": 9007199254740993, "price": 19.90, "text": "<&> \u2028 \ud83d\ude00", "none": null, "list": [true, {}]}`
	a := w.post(s.key, `{"query": `+quoted(`mutation($m: JSON) { customerCreate(input: {email: "a@acorn.test", name: "Ada", userMeta: $m}) {
		customer { id userMeta } userErrors { code message } } }`)+`, "variables": {"m": `+meta+`}}`)
	want := `"userMeta":{"big": 12345678901234567890123, "list": [true, {}], "none": null, "text": "<&> ` + "\u2028 \U0001F600" + `", "exact": 9007199254740993, "price": 19.90}`
	require.Contains(t, a.raw, want)
	a = w.must(s.key, `query { customer(ref: {email: "a@acorn.test"}) { userMeta } }`, nil)
	require.Contains(t, a.raw, want)
	a = w.must(s.key, `mutation { customerCreate(input: {email: "b@acorn.test", name: "Bob", userMeta: {id: 9007199254740993, tags: ["x"]}}) {
		customer { userMeta } userErrors { code } } }`, nil)
	require.Contains(t, a.raw, `"userMeta":{"id": 9007199254740993, "tags": ["x"]}`)
	w.must(s.key, `mutation($m: JSON) { customerCreate(input: {email: "d@acorn.test", name: "Dan", userMeta: $m}) { userErrors { code } } }`,
		variables{"m": variables{"sixteen KiB": strings.Repeat("<", 16_000)}})
	a = w.must(s.key, `mutation { customerCreate(input: {email: "c@acorn.test", name: "Cyd"}) { customer { userMeta } userErrors { code } } }`, nil)
	require.Contains(t, a.raw, `"userMeta":{}`)
}

func TestWhatBreaksIsLoggedOnceAndNotShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	for i := range 3 {
		s.stock([]string{"birch", "cedar", "douglas"}[i])
	}
	err := w.db.System().Tx(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `alter table plan rename to moved_plan`)
		return err
	})
	require.NoError(t, err)
	a := w.ask(s.key, `{ products { nodes { name plans { tier } } } }`, nil)
	require.Len(t, a.errors, 4, "one for each product")
	for _, one := range a.errors {
		require.Equal(t, "INTERNAL_SERVER_ERROR", one.Extensions.Code)
		require.Equal(t, a.header.Get("X-Request-Id"), one.Extensions.RequestID)
	}
	require.NotContains(t, a.raw, "relation")
	logged := w.log.String()
	require.Equal(t, 1, strings.Count(logged, "\n"), logged)
	require.Contains(t, logged, a.header.Get("X-Request-Id"))
	require.Contains(t, logged, "relation \\\"plan\\\" does not exist")
}

func TestAPanicIsContained(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.sandbox("Acorn")
	w.resolver.Catalog = nil
	a := w.ask(s.key, `{ merchant { shop } products { nodes { id } } }`, nil)
	a.fails("INTERNAL_SERVER_ERROR")
	require.Equal(t, 200, a.status)
	require.NotContains(t, a.raw, "nil pointer")
	require.Contains(t, w.log.String(), "catalog.(*Catalog).Products", "with its stack")

	w.resolver.Portal = nil
	a = w.ask(s.key, `{ merchant { shop } }`, nil)
	a.fails("INTERNAL_SERVER_ERROR")
	require.Equal(t, 500, a.status)
	require.Contains(t, w.log.String(), a.header.Get("X-Request-Id"))
}

// lock keeps a table from everybody until the test lets go.
func (w *world) lock(table string) (release func()) {
	w.t.Helper()
	tx, err := w.db.Pool().Begin(w.t.Context())
	require.NoError(w.t, err)
	_, err = tx.Exec(w.t.Context(), `lock table `+table)
	require.NoError(w.t, err)
	return func() { require.NoError(w.t, tx.Rollback(context.WithoutCancel(w.t.Context()))) }
}

func TestAnOperationThatTakesTooLongIsGivenUp(t *testing.T) {
	t.Parallel()
	limits := graph.DefaultLimits()
	limits.QueryTime = time.Second
	w := newWorldWith(t, graph.Options{Limits: limits})
	s := w.sandbox("Acorn")
	release := w.lock("product")
	defer release()
	started := time.Now()
	a := w.ask(s.key, `{ merchant { shop } products { nodes { id } } }`, nil)
	require.Less(t, time.Since(started), limits.MutationTime/2)
	a.fails("INTERNAL_SERVER_ERROR")
	require.Contains(t, a.errors[0].Message, "too long")
	require.Contains(t, w.log.String(), "took too long")
}

func TestAMutationIsFinishedThoughTheClientHasGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.sandbox("Acorn")
	w.must(s.key, `{ merchant { id } }`, nil)
	release := w.lock("company")
	ctx, leave := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.server.URL,
		strings.NewReader(`{"query": "mutation { companyCreate(input: {name: \"Initech\"}) { company { id } } }"}`))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", s.key["Authorization"])
	go func() {
		for waiting := false; !waiting && t.Context().Err() == nil; {
			_ = w.db.Pool().QueryRow(t.Context(), `select exists (select from pg_locks l where not granted and relation = 'company'::regclass
				and database = (select oid from pg_database where datname = current_database()))`).Scan(&waiting)
		}
		leave()
	}()
	_, err = w.server.Client().Do(request) //nolint:bodyclose // there is none
	require.ErrorIs(t, err, context.Canceled)
	release()
	require.Eventually(t, func() bool {
		return len(w.must(s.key, `{ companies { nodes { name } } }`, nil).at("companies.nodes").([]any)) == 1
	}, 10*time.Second, 10*time.Millisecond)
}
