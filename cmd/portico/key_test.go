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
	"portico/internal/proctest"
	"portico/internal/secret"
)

// refused waits for a process to end badly and gives what it said.
func refused(t *testing.T, env []string, args ...string) string {
	t.Helper()
	p := proctest.Portico(t, env, args...)
	require.Error(t, p.Ended())
	return p.Text()
}

// said runs a command that ends well and gives what it printed.
func said(t *testing.T, env []string, args ...string) string {
	t.Helper()
	p := proctest.Portico(t, env, args...)
	p.Wait()
	return p.Text()
}

// TestTheKeysAreRotatedAsThePageSays walks through docs/keys.md with real processes.
func TestTheKeysAreRotatedAsThePageSays(t *testing.T) {
	t.Parallel()
	base := []string{"DATABASE_URL=" + dbtest.Empty(t), fmt.Sprintf("PORTICO_ADDR=127.0.0.1:%d", proctest.FreePort(t))}
	pepper := "PORTICO_PEPPER=" + string(secret.NewKey())
	first := strings.TrimSpace(said(t, base, "key", "new"))
	with := func(keys ...string) []string {
		return slices.Concat(base, []string{pepper, "PORTICO_KEYS=" + strings.Join(keys, ",")})
	}
	require.Regexp(t, `^1:`, first)
	proctest.Portico(t, base, "migrate").Wait()
	for _, command := range []string{"serve", "work"} {
		require.Contains(t, refused(t, base, command), "PORTICO_KEYS is not set")
		require.Contains(t, refused(t, append(base, "PORTICO_KEYS="+first), command), "PORTICO_PEPPER is not set")
	}

	server := proctest.Portico(t, with(first), "serve")
	worker := proctest.Portico(t, with(first), "work")
	call := func(server *proctest.Process) proctest.API {
		var started proctest.Object
		require.NoError(t, json.Unmarshal([]byte(server.Line(`"msg":"serving"`)), &started))
		return proctest.API{T: t, URL: "http://" + started.Text("addr") + "/graphql"}
	}
	signedUp := call(server).Do(`mutation { merchantSignUp(input: {name: "Acorn", email: "owner@acorn.test", password: "correct horse battery"}) {
		sessionToken userErrors { message } } }`, nil)
	owner := []string{"Authorization", "Bearer " + signedUp.Text("merchantSignUp.sessionToken")}
	tokenKey := call(server).With(owner[0], owner[1]).Do(`{ tokenKey { key } }`, nil).Text("tokenKey.key")
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
	server.Stop()
	worker.Stop()
	server, worker = proctest.Portico(t, with(second, first), "serve"), proctest.Portico(t, with(second, first), "work")
	call(server)
	worker.Line(`"msg":"rotation finished"`)
	require.Eventually(t, func() bool { return !strings.Contains(said(t, with(second, first), "key", "list"), "under way") }, proctest.Patience, 50*time.Millisecond)
	list := said(t, with(second, first), "key", "list")
	require.Regexp(t, `2 +1 +token_key\.key_cipher +encrypts`, list)
	require.Regexp(t, `1 +0 +decrypts: nothing needs it`, list)
	server.Stop()
	worker.Stop()

	// Then the old key is not needed any more.
	server, worker = proctest.Portico(t, with(second), "serve"), proctest.Portico(t, with(second), "work")
	worker.Line(`"msg":"working"`)
	after := call(server)
	require.Equal(t, tokenKey, after.With(owner[0], owner[1]).Do(`{ tokenKey { key } }`, nil).Text("tokenKey.key"))
	require.Equal(t, "TOKEN_KEY", after.With("api-key", tokenKey).Do(`{ viewer { kind } }`, nil).Text("viewer.kind"))
	require.Contains(t, refused(t, with(first), "serve"), "PORTICO_KEYS lacks the key of version 2")
	for _, p := range []*proctest.Process{server, worker} {
		require.NotContains(t, p.Text(), tokenKey)
	}
}
