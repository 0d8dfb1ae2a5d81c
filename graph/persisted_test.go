package graph_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/graph"
)

func hashed(document string) string {
	sum := sha256.Sum256([]byte(document))
	return hex.EncodeToString(sum[:])
}

func persisted(hash string) string {
	return fmt.Sprintf(`{"persistedQuery": {"version": 1, "sha256Hash": "%s"}}`, hash)
}

func TestAQueryThatWasSentOnceIsFoundByItsHash(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const document = `query($yes: Boolean!) { viewer { kind @include(if: $yes) } }`
	hash := hashed(document)
	extensions := persisted(hash)
	byHash := `{"extensions": ` + extensions + `, "variables": {"yes": true}}`
	a := w.post(nil, byHash)
	a.fails("PERSISTED_QUERY_NOT_FOUND")
	require.Equal(t, "PersistedQueryNotFound", a.errors[0].Message)
	require.Equal(t, 200, a.status)
	whole := `{"query": "` + document + `", "variables": {"yes": true}, "extensions": ` + extensions + `}`
	require.Equal(t, "ANONYMOUS", w.post(nil, whole).text("viewer.kind"))
	require.Equal(t, "ANONYMOUS", w.post(nil, byHash).text("viewer.kind"))
	require.Equal(t, "ANONYMOUS", w.get(nil, parameters("extensions", extensions, "variables", `{"yes": true}`)).text("viewer.kind"))

	for name, extensions := range map[string]string{
		"another version": strings.Replace(extensions, ": 1", ": 2", 1),
		"no version":      `{"persistedQuery": {"sha256Hash": "` + hash + `"}}`,
		"no hash":         `{"persistedQuery": {"version": 1}}`,
		"half a hash":     persisted(hash[:32]),
		"no hexadecimals": persisted(strings.Repeat("x", 64)),
		"no object":       `{"persistedQuery": "` + hash + `"}`,
	} {
		w.post(nil, `{"extensions": `+extensions+`}`).fails("BAD_REQUEST")
		require.Empty(t, w.log.String(), name)
	}
	w.post(nil, `{"query": "{ viewer { __typename } }", "extensions": `+extensions+`}`).fails("BAD_REQUEST")
}

func TestAHashLeadsPastNoLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.sandbox("Acorn")
	for name, document := range map[string]string{
		"an invalid document": `{ nothing }`,
		"a complex one":       `{ viewer {` + strings.Repeat(" kind", 1_001) + ` } }`,
		"a long one":          `{ viewer { kind } } #` + strings.Repeat("x", 17<<10),
	} {
		extensions := persisted(hashed(document))
		require.NotEmpty(t, w.post(s.key, `{"query": "`+document+`", "extensions": `+extensions+`}`).errors)
		w.post(s.key, `{"extensions": `+extensions+`}`).fails("PERSISTED_QUERY_NOT_FOUND")
		require.Empty(t, w.log.String(), name)
	}
	const companies = `{ companies(first: 100) { nodes { id name } edges { node { id } } } }`
	w.post(s.key, `{"query": "`+companies+`", "extensions": `+persisted(hashed(companies))+`}`).at("companies")
	w.post(nil, `{"extensions": `+persisted(hashed(companies))+`}`).fails("QUERY_TOO_COMPLEX")
	const mutation = `mutation { companyCreate(input: {name: "a"}) { company { id } } }`
	require.Empty(t, w.post(s.key, `{"query": `+quoted(mutation)+`, "extensions": `+persisted(hashed(mutation))+`}`).errors)
	require.Equal(t, 405, w.get(s.key, parameters("extensions", persisted(hashed(mutation)))).status)
	w.post(nil, `{"extensions": `+persisted(hashed(mutation))+`}`).fails("UNAUTHENTICATED")
}

func TestTheSchemaIsShownToThoseItIsFor(t *testing.T) {
	t.Parallel()
	const schema, alias, misspelt = `{ __schema { queryType { name } } }`, `{ a: __type(name: "Query") { name } }`, `{ vewer { kind } product(rev: 1) { id } }`
	fragment := `{ ...f } fragment f on Query { __type(name: "Query") { name } }`
	for introspection, shown := range map[graph.Introspection]struct{ anonymous, key bool }{
		graph.IntrospectionAll: {true, true}, graph.IntrospectionAuthenticated: {false, true}, graph.IntrospectionOff: {false, false}, "": {false, true},
	} {
		t.Run("introspection "+string(introspection), func(t *testing.T) {
			t.Parallel()
			w := newWorldWith(t, graph.Options{Introspection: introspection})
			s := w.sandbox("Acorn")
			for _, c := range []struct {
				who   credentials
				shown bool
			}{{nil, shown.anonymous}, {s.key, shown.key}} {
				require.Equal(t, "Query", w.must(c.who, `{ __typename }`, nil).text("__typename"), "which tells nothing")
				guess := w.ask(c.who, misspelt, nil)
				require.NotEmpty(t, guess.errors)
				for _, document := range []string{schema, alias, fragment} {
					if c.shown {
						w.must(c.who, document, nil)
					} else {
						w.ask(c.who, document, nil).fails("FORBIDDEN")
					}
				}
				if c.shown {
					require.Contains(t, guess.raw, "Did you mean")
				} else {
					require.NotContains(t, guess.raw, "Did you mean")
				}
			}
		})
	}
}
