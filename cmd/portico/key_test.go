package main_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/db/dbtest"
	"portico/internal/secret"
)

// refused waits for a process to end badly and gives what it said.
func refused(t *testing.T, env []string, args ...string) string {
	t.Helper()
	p := portico(t, env, args...)
	select {
	case <-p.done:
		require.Error(t, p.err)
	case <-time.After(patience):
		require.Fail(t, "the process does not end")
	}
	return p.text()
}

// said runs a command that ends well and gives what it printed.
func said(t *testing.T, env []string, args ...string) string {
	t.Helper()
	p := portico(t, env, args...)
	p.wait()
	return p.text()
}

// TestTheKeysAreRotatedAsThePageSays walks through docs/keys.md with real processes.
func TestTheKeysAreRotatedAsThePageSays(t *testing.T) {
	t.Parallel()
	base := []string{"DATABASE_URL=" + dbtest.Empty(t), fmt.Sprintf("PORTICO_ADDR=127.0.0.1:%d", freePort(t))}
	pepper := "PORTICO_PEPPER=" + string(secret.NewKey())
	first := strings.TrimSpace(said(t, base, "key", "new"))
	with := func(keys ...string) []string {
		return slices.Concat(base, []string{pepper, "PORTICO_KEYS=" + strings.Join(keys, ",")})
	}
	require.Regexp(t, `^1:`, first)
	portico(t, base, "migrate").wait()
	for _, command := range []string{"serve", "work"} {
		require.Contains(t, refused(t, base, command), "PORTICO_KEYS is not set")
		require.Contains(t, refused(t, append(base, "PORTICO_KEYS="+first), command), "PORTICO_PEPPER is not set")
	}

	server := portico(t, with(first), "serve")
	worker := portico(t, with(first), "work")
	call := func(server *process) api {
		var started object
		require.NoError(t, json.Unmarshal([]byte(server.line(`"msg":"serving"`)), &started))
		return api{t: t, url: "http://" + started.text("addr") + "/graphql"}
	}
	signedUp := call(server).do(`mutation { merchantSignUp(input: {name: "Acorn", email: "owner@acorn.test", password: "correct horse battery"}) {
		sessionToken userErrors { message } } }`, nil)
	owner := []string{"Authorization", "Bearer " + signedUp.text("merchantSignUp.sessionToken")}
	tokenKey := call(server).with(owner[0], owner[1]).do(`{ tokenKey { key } }`, nil).text("tokenKey.key")
	require.Regexp(t, `1 +1 +token_key\.key_cipher +encrypts`, said(t, with(first), "key", "list"))

	// Wrong settings are noticed before anything is touched.
	second := strings.TrimSpace(said(t, with(first), "key", "new"))
	require.Regexp(t, `^2:`, second)
	for _, command := range []string{"serve", "work"} {
		require.Contains(t, refused(t, with(second), command), "PORTICO_KEYS lacks the key of version 1")
		require.Contains(t, refused(t, with("1:"+string(secret.NewKey())), command), "another key of version 1")
		require.Contains(t, refused(t, append(with(first), "PORTICO_PEPPER="+string(secret.NewKey())), command), "PORTICO_PEPPER is not the one")
	}
	require.Regexp(t, `1 +1 +token_key\.key_cipher +MISSING from PORTICO_KEYS`, said(t, with(second), "key", "list"))

	// The rotation waits for a worker that has the new key first.
	require.Regexp(t, `2 +0 +decrypts: nothing needs it`, said(t, with(first, second), "key", "list"))
	said(t, with(second, first), "key", "rotate")
	require.Contains(t, said(t, with(second, first), "key", "list"), "A rotation is under way.")
	server.stop()
	worker.stop()
	server, worker = portico(t, with(second, first), "serve"), portico(t, with(second, first), "work")
	call(server)
	worker.line(`"msg":"rotation finished"`)
	require.Eventually(t, func() bool { return !strings.Contains(said(t, with(second, first), "key", "list"), "under way") }, patience, 50*time.Millisecond)
	list := said(t, with(second, first), "key", "list")
	require.Regexp(t, `2 +1 +token_key\.key_cipher +encrypts`, list)
	require.Regexp(t, `1 +0 +decrypts: nothing needs it`, list)
	server.stop()
	worker.stop()

	// Then the old key is not needed any more.
	server, worker = portico(t, with(second), "serve"), portico(t, with(second), "work")
	worker.line(`"msg":"working"`)
	after := call(server)
	require.Equal(t, tokenKey, after.with(owner[0], owner[1]).do(`{ tokenKey { key } }`, nil).text("tokenKey.key"))
	require.Equal(t, "TOKEN_KEY", after.with("api-key", tokenKey).do(`{ viewer { kind } }`, nil).text("viewer.kind"))
	require.Contains(t, refused(t, with(first), "serve"), "PORTICO_KEYS lacks the key of version 2")
	for _, p := range []*process{server, worker} {
		require.NotContains(t, p.text(), tokenKey)
	}
}
