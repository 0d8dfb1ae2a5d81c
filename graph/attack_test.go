package graph

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// attacks are requests that anybody can send, each with a secret in it where there is room for one.
func attacks() map[string]string {
	document := func(text string) string {
		body, err := json.Marshal(map[string]any{"query": text, "variables": map[string]any{"password": "hunter2"}})
		if err != nil {
			panic(err) // a text
		}
		return string(body)
	}
	return map[string]string{
		"1 KB of chained fragments":        document(chain(25, "...NEXT ...NEXT")),
		"15 KB of repeated keys":           document("{ viewer {" + strings.Repeat(" kind", 3_000) + " } }"),
		"repeated keys within the limit":   document("{ viewer {" + strings.Repeat(" kind", 700) + " } }"),
		"1,000 aliases of memberSignIn":    document("mutation {" + aliases(1_000, `memberSignIn(input: $i) { expiresAt }`) + " }"),
		"100,000 directives":               document("{ viewer { kind" + strings.Repeat(" @a", 100_000) + " } }"),
		"directives within the tokens":     document("{ viewer { kind" + strings.Repeat(" @a", 700) + " } }"),
		"a body of 10 MB":                  document(strings.Repeat("x", 10<<20)),
		"a body of 250 KB that is no JSON": `{"query": "{ viewer { kind } }", "variables": {"password": "hunter2", "a": "` + strings.Repeat("x", 250<<10),
		"nesting in JSON":                  `{"query": "{ viewer { kind } }", "variables": {"password": "hunter2", "a": ` + strings.Repeat("[", 120_000),
		"nesting in a document":            document(strings.Repeat("{a", 700) + strings.Repeat("}", 700)),
		"deep introspection":               document("{ __schema { types { " + strings.Repeat("fields { type { ", 100) + "name" + strings.Repeat(" } }", 100) + " } } }"),
		"lists in lists":                   document("{ subscriptions(first: 100) { nodes { invoices(first: 100) { nodes { id } } } } }"),
	}
}

// strangersDoor opens to nothing: whatever asks for more than the request breaks on the missing domain, and is told so.
func strangersDoor() http.Handler {
	return NewHandler(&Resolver{}, Options{Log: slog.New(slog.DiscardHandler)})
}

func send(ctx context.Context, door http.Handler, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/graphql", strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	door.ServeHTTP(recorder, request)
	return recorder
}

func TestAnAttackReachesNothingAndIsNotRepeated(t *testing.T) {
	t.Parallel()
	door := strangersDoor()
	for name, body := range attacks() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := send(t.Context(), door, body).Body.String()
			require.NotContains(t, answer, "hunter2")
			require.NotContains(t, answer, codeInternal, "it has reached the domain")
			require.Regexp(t, `"code":"(BAD_REQUEST|QUERY_TOO_COMPLEX|FORBIDDEN)"`, answer)
			require.Less(t, len(answer), 5_000)
		})
	}
	require.Contains(t, send(t.Context(), door, `{"query": "{ publicKeys: merchant { id } }"}`).Body.String(), "UNAUTHENTICATED")
}

// BenchmarkAttacks measures the refusal of each attack by the whole door, the reading of its body included: docs/security.md.
func BenchmarkAttacks(b *testing.B) {
	door := strangersDoor()
	for name, body := range attacks() {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				send(b.Context(), door, body)
			}
		})
	}
}
