package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience bounds every wait for a process; nothing here measures speed.
const patience = 60 * time.Second

// binary builds portico once for all tests of this package.
var binary = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "portico-binary-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "portico")
	output, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build portico: %w: %s", err, output)
	}
	return path, nil
})

// process is a running program whose output is kept.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan struct{}
	err  error

	mu     sync.Mutex
	output bytes.Buffer
}

func start(t *testing.T, env []string, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(name, args...), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	require.NoError(t, p.cmd.Start())
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("output of %s %s:\n%s", filepath.Base(name), strings.Join(args, " "), p.text())
		}
	})
	return p
}

func portico(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	path, err := binary()
	require.NoError(t, err)
	return start(t, env, path, args...)
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

// line waits for a line of output that holds the text.
func (p *process) line(holding string) string {
	p.t.Helper()
	var found string
	p.eventually(func() bool {
		lines := bufio.NewScanner(strings.NewReader(p.text()))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if strings.Contains(lines.Text(), holding) {
				found = lines.Text()
				return true
			}
		}
		return false
	}, "a line with %q", holding)
	return found
}

func (p *process) eventually(condition func() bool, what string, args ...any) {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		select {
		case <-p.done:
			if !condition() {
				p.t.Logf("ended: %v", p.err)
			}
			return condition()
		default:
			return condition()
		}
	}, patience, 20*time.Millisecond, what, args)
}

// stop asks the process to end and waits for it.
func (p *process) stop() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	p.wait()
}

// wait waits for the process to end well.
func (p *process) wait() {
	p.t.Helper()
	select {
	case <-p.done:
		require.NoError(p.t, p.err)
	case <-time.After(patience):
		require.Fail(p.t, "the process does not end")
	}
}

// freePort is a port that nothing listens on for now.
func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	return listener.Addr().(*net.TCPAddr).Port
}

// api calls GraphQL as one caller.
type api struct {
	t      *testing.T
	url    string
	header map[string]string
	vault  *vault // takes down what is secret, if there is one
}

func (a api) with(name, value string) api {
	header := map[string]string{name: value}
	for k, v := range a.header {
		if _, replaced := header[k]; !replaced {
			header[k] = v
		}
	}
	a.header = header
	return a
}

// object is a part of a JSON answer.
type object map[string]any

func (o object) at(path string) any {
	var here any = map[string]any(o)
	for _, step := range strings.Split(path, ".") {
		m, ok := here.(map[string]any)
		if !ok {
			return nil
		}
		here = m[step]
	}
	return here
}

func (o object) text(path string) string {
	text, _ := o.at(path).(string)
	return text
}

func (o object) object(path string) object {
	m, _ := o.at(path).(map[string]any)
	return m
}

func (o object) list(path string) []object {
	items, _ := o.at(path).([]any)
	list := make([]object, len(items))
	for i, item := range items {
		m, _ := item.(map[string]any)
		list[i] = m
	}
	return list
}

// do runs an operation and returns its data. Errors of any kind fail the test.
func (a api) do(query string, variables object) object {
	a.t.Helper()
	answer := a.post(query, variables)
	require.Nil(a.t, answer["errors"], "%s", answer)
	data := answer.object("data")
	for field := range data {
		if userErrors, given := data.at(field + ".userErrors").([]any); given {
			require.Empty(a.t, userErrors, "%s: %v", field, userErrors)
		}
	}
	return data
}

func (a api) post(query string, variables object) object {
	a.t.Helper()
	if a.vault != nil {
		a.vault.request(query, variables, a.header)
	}
	body, err := json.Marshal(object{"query": query, "variables": variables})
	require.NoError(a.t, err)
	request, err := http.NewRequestWithContext(a.t.Context(), http.MethodPost, a.url, bytes.NewReader(body))
	require.NoError(a.t, err)
	request.Header.Set("Content-Type", "application/json")
	for name, value := range a.header {
		request.Header.Set(name, value)
	}
	answer := fetch(a.t, request)
	if a.vault != nil {
		a.vault.walk("answer", "", answer)
	}
	return answer
}

func get(t *testing.T, url string) object {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	return fetch(t, request)
}

func fetch(t *testing.T, request *http.Request) object {
	t.Helper()
	ctx, cancel := context.WithTimeout(request.Context(), patience)
	defer cancel()
	response, err := http.DefaultClient.Do(request.WithContext(ctx))
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	var answer any
	require.NoError(t, json.Unmarshal(text, &answer), "%s answers %s", request.URL, text)
	if list, is := answer.([]any); is {
		return object{"list": list}
	}
	return answer.(map[string]any)
}
