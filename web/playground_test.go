package web_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/db/dbtest"
	"portico/internal/secret"
)

// TestTheMainJobIsDoneByClickingThroughThePlayground builds Portico with its pages and drives the playground in a real browser:
// once with workers and a schema that everybody is shown, once with one that strangers are not.
func TestTheMainJobIsDoneByClickingThroughThePlayground(t *testing.T) {
	t.Parallel()
	browser := findBrowser(t)
	portico := filepath.Join(t.TempDir(), "portico")
	output, err := exec.CommandContext(t.Context(), "go", "build", "-o", portico, "../cmd/portico").CombinedOutput()
	require.NoError(t, err, "%s", output)
	env := []string{
		"DATABASE_URL=" + dbtest.Empty(t), "PORTICO_KEYS=1:" + string(secret.NewKey()), "PORTICO_PEPPER=" + string(secret.NewKey()),
		"PORTICO_INTROSPECTION=authenticated", "PORTICO_ADDR=" + freeAddress(t),
	}
	var dev struct{ PlaygroundURL string }
	require.NoError(t, json.Unmarshal(started(t, env, `"playgroundUrl"`, portico, "dev", "--json", "--no-demo", "--addr", "127.0.0.1:0",
		"--data-dir", t.TempDir()), &dev))
	var serve struct{ Addr string }
	require.NoError(t, json.Unmarshal(started(t, env, `"msg":"serving"`, portico, "serve"), &serve))

	output, err = exec.CommandContext(t.Context(), "node", filepath.Join("test", "playground.mjs"), browser, dev.PlaygroundURL,
		"http://"+serve.Addr+"/graphiql").CombinedOutput()
	t.Logf("%s", output)
	require.NoError(t, err)
}

// findBrowser finds the Chromium of this machine.
func findBrowser(t *testing.T) string {
	t.Helper()
	for _, made := range []string{"dist/graphiql.html", "node_modules/playwright-core/package.json"} {
		_, err := os.Stat(made)
		require.NoError(t, err, "the pages are not built: run `make web` (needs Node.js 20 with npm)")
	}
	for _, name := range []string{
		"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
	} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	require.Fail(t, "there is no Chromium: install it (on Debian: apt-get install --no-install-recommends chromium)")
	return ""
}

// started starts a process that ends with the test, and gives the line of its output that holds a text.
func started(t *testing.T, env []string, holding, name string, args ...string) []byte {
	t.Helper()
	process := exec.CommandContext(t.Context(), name, args...)
	process.Env = append(os.Environ(), env...)
	process.Cancel = func() error { return process.Process.Signal(os.Interrupt) }
	var log bytes.Buffer
	output, err := process.StdoutPipe()
	require.NoError(t, err)
	process.Stderr = process.Stdout
	require.NoError(t, process.Start())
	lines := bufio.NewReader(io.TeeReader(output, &log))
	drained := make(chan struct{})
	t.Cleanup(func() {
		<-drained
		_ = process.Wait() // it was interrupted: the context of a test ends before its cleanup
		if t.Failed() {
			t.Logf("output of %s:\n%s", strings.Join(args, " "), log.String())
		}
	})
	var found []byte
	for found == nil && err == nil {
		var line []byte
		if line, err = lines.ReadBytes('\n'); bytes.Contains(line, []byte(holding)) {
			found = line
		}
	}
	go func() {
		_, _ = io.Copy(io.Discard, lines)
		close(drained)
	}()
	require.NotNil(t, found, "%s does not say %s", args[0], holding)
	return found
}

// freeAddress is one that nothing listens on for now.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	return fmt.Sprint(listener.Addr())
}
