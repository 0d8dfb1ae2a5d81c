package examples_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience bounds every wait for a process; nothing here measures speed.
const patience = 60 * time.Second

// dev is what a running portico dev says of itself.
type dev struct {
	folder     string
	GraphQLURL string `json:"graphqlUrl"`
	Merchants  []struct {
		Shop     string
		APIKey   string
		Products []struct {
			Identifier string
			Plans      []struct{ ID int64 }
		}
	}
}

func (d *dev) url() string { return strings.TrimSuffix(d.GraphQLURL, "/graphql") }

// merchant calls as a server of the demo's first merchant.
func (d *dev) merchant(t *testing.T) api {
	return api{t: t, url: d.GraphQLURL, key: d.Merchants[0].APIKey}
}

// cheapest is the id of a product's first plan.
func (d *dev) cheapest(product string) string {
	for _, p := range d.Merchants[0].Products {
		if p.Identifier == product {
			return fmt.Sprintf("gid://portico/Plan/%d", p.Plans[0].ID)
		}
	}
	return ""
}

// process is a running program and whatever it has started.
type process struct {
	t    *testing.T
	done chan struct{}

	mu     sync.Mutex
	output bytes.Buffer
}

func start(t *testing.T, env []string, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, done: make(chan struct{})}
	command := exec.Command(name, args...)
	// Colors would stand in the middle of what is looked for.
	command.Env = append(append(os.Environ(), "NO_COLOR=1"), env...)
	command.Stdout, command.Stderr = p, p
	// make and npm do not hand on that they are to end.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, command.Start())
	go func() {
		_ = command.Wait() // it is killed
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		<-p.done
		if t.Failed() {
			t.Logf("output of %s:\n%s", strings.Join(command.Args, " "), p.text())
		}
	})
	return p
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.Write(b)
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// line waits for a line of output that holds a text.
func (p *process) line(holding string) (found string) {
	p.t.Helper()
	ended := false
	require.Eventually(p.t, func() bool {
		select {
		case <-p.done:
			ended = true
		default:
		}
		lines := bufio.NewScanner(strings.NewReader(p.text()))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if strings.Contains(lines.Text(), holding) {
				found = lines.Text()
			}
		}
		return found != "" || ended
	}, patience, 20*time.Millisecond, "no line with %q", holding)
	require.NotEmpty(p.t, found, "it ended without a line with %q", holding)
	return found
}

// freePort is a port that nothing listens on for now.
func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	return listener.Addr().(*net.TCPAddr).Port
}

// findBrowser finds the Chromium of this machine.
func findBrowser(t *testing.T) string {
	t.Helper()
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

// api calls GraphQL with an API key.
type api struct {
	t        *testing.T
	url, key string
}

// do runs an operation and returns its data. Errors of any kind fail the test.
func (a api) do(query string, variables object) object {
	a.t.Helper()
	body, err := json.Marshal(object{"query": query, "variables": variables})
	require.NoError(a.t, err)
	request, err := http.NewRequestWithContext(a.t.Context(), http.MethodPost, a.url, bytes.NewReader(body))
	require.NoError(a.t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-API-Key", a.key)
	response, err := http.DefaultClient.Do(request)
	require.NoError(a.t, err)
	defer func() { _ = response.Body.Close() }()
	var answer object
	require.NoError(a.t, json.NewDecoder(response.Body).Decode(&answer))
	require.Nil(a.t, answer["errors"], "%s", answer)
	data := object(answer["data"].(map[string]any))
	for field := range data {
		refused, _ := data.at(field + ".userErrors").([]any)
		require.Empty(a.t, refused, field)
	}
	return data
}

// object is a part of a JSON answer.
type object map[string]any

func (o object) at(path string) any {
	var here any = map[string]any(o)
	for _, step := range strings.Split(path, ".") {
		m, _ := here.(map[string]any)
		here = m[step]
	}
	return here
}

func (o object) text(path string) string {
	text, _ := o.at(path).(string)
	return text
}

func (o object) list(path string) (list []object) {
	items, _ := o.at(path).([]any)
	for _, item := range items {
		list = append(list, item.(map[string]any))
	}
	return list
}
