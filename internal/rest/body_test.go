package rest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestABodyIsReadAsItIsWrittenOrRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, secret := w.client()
	good := fmt.Sprintf(`{"client_id": "%s", "client_secret": "%s", "email": "ada@example.com", "claims": {"a": 1}, "if_version": 0}`, id, secret)
	for name, c := range map[string]struct{ from, to, says string }{
		"another case of a name":        {`"email"`, `"Email"`, "email: is required"},
		"a number for a text":           {`"ada@example.com"`, `5`, "email: must be a string"},
		"a text for a number":           {`"if_version": 0`, `"if_version": "0"`, "if_version: must be a whole number"},
		"a fraction of a version":       {`"if_version": 0`, `"if_version": 0.5`, "if_version: must be a whole number"},
		"half of a surrogate pair":      {`ada@`, `ada\ud83d@`, "email: must not contain half of a surrogate pair"},
		"bytes that are no UTF-8":       {`ada@`, "ada\xff@", "the body must be UTF-8"},
		"a list":                        {good, `[` + good + `]`, "the body must be a JSON object"},
		"null":                          {good, `null`, "the body must be a JSON object"},
		"something behind it":           {good, good + `1`, "the body must be a JSON object"},
		"half of a pair in the claims":  {`"a": 1`, `"a": "\ud83d"`, "claims: must not contain"},
		"half of a pair for the claims": {`{"a": 1}`, `"\ud83d"`, "claims: must not contain half of a surrogate pair"},
	} {
		body := strings.Replace(good, c.from, c.to, 1)
		require.NotEqual(t, good, body, name)
		a := w.post(claimsPath, nil, body)
		requireBareRefusal(t, a, 400)
		require.Contains(t, a.body, c.says, name)
	}
	missing := w.send(http.MethodGet, claimsPath+"?email=ada@example.com", basic(id, secret), nil)
	requireBareRefusal(t, missing, 404)

	a := w.post(claimsPath, nil, strings.Replace(good, `"email"`, `"EMAIL": "eve@example.com", "email"`, 1))
	require.Equal(t, 200, a.status, a.body)
	require.JSONEq(t, `{"email": "ada@example.com", "claims": {"a": 1}, "version": 1}`, a.body)
}
