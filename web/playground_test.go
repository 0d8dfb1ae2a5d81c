package web_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/db/dbtest"
	"portico/internal/proctest"
	"portico/internal/secret"
)

func TestMain(m *testing.M) { os.Exit(proctest.Main(m)) }

// TestTheMainJobIsDoneByClickingThroughThePlayground builds Portico with its pages and drives the playground in a real browser:
// once with workers and a schema that everybody is shown, once with one that strangers are not.
func TestTheMainJobIsDoneByClickingThroughThePlayground(t *testing.T) {
	t.Parallel()
	for _, made := range []string{"dist/graphiql.html", "node_modules/playwright-core/package.json"} {
		_, err := os.Stat(made)
		require.NoError(t, err, "the pages are not built: run `make web` (needs Node.js 20 with npm)")
	}
	browser := proctest.Browser(t)
	env := []string{
		"DATABASE_URL=" + dbtest.Empty(t), "PORTICO_KEYS=1:" + string(secret.NewKey()), "PORTICO_PEPPER=" + string(secret.NewKey()),
		"PORTICO_INTROSPECTION=authenticated", fmt.Sprintf("PORTICO_ADDR=127.0.0.1:%d", proctest.FreePort(t)),
	}
	var dev struct{ PlaygroundURL string }
	require.NoError(t, json.Unmarshal([]byte(proctest.Portico(t, env, "dev", "--json", "--no-demo", "--addr", "127.0.0.1:0",
		"--data-dir", t.TempDir()).Line(`"playgroundUrl"`)), &dev))
	var serve struct{ Addr string }
	require.NoError(t, json.Unmarshal([]byte(proctest.Portico(t, env, "serve").Line(`"msg":"serving"`)), &serve))

	output, err := exec.CommandContext(t.Context(), "node", filepath.Join("test", "playground.mjs"), browser, dev.PlaygroundURL,
		"http://"+serve.Addr+"/graphiql").CombinedOutput()
	t.Logf("%s", output)
	require.NoError(t, err)
}
