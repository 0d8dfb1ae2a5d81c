package main_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/db"
	"portico/internal/proctest"
)

// vault knows every secret and every address of a run: those that the environment gives to processes, those that requests carry and
// those that answers show, each taken down by the helper that handles it. In the end nothing that the processes have written may hold one.
type vault struct {
	t   *testing.T
	env []string

	mu        sync.Mutex
	known     map[string]string // what each secret is
	processes []*proctest.Process
}

func newVault(t *testing.T, env ...string) *vault {
	t.Helper()
	v := &vault{t: t, env: env, known: map[string]string{}}
	for _, variable := range env {
		name, value, _ := strings.Cut(variable, "=")
		switch name {
		case "PORTICO_KEYS":
			_, key, _ := strings.Cut(value, ":")
			v.keep(name, key)
		case "PORTICO_PEPPER":
			v.keep(name, value)
		case "DATABASE_URL", "PORTICO_SMTP_URL":
			address, err := url.Parse(value)
			require.NoError(t, err)
			password, _ := address.User.Password()
			v.keep(name, password)
		}
	}
	return v
}

// shortest is the length from which on a text is no accident.
const shortest = 8

func (v *vault) keep(what string, values ...string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, value := range values {
		if len(value) >= shortest {
			v.known[value] = what
		}
	}
}

// portico starts a process in the vault's environment, and reads what it writes at the end.
func (v *vault) portico(args ...string) *proctest.Process {
	v.t.Helper()
	p := proctest.Portico(v.t, v.env, args...)
	v.processes = append(v.processes, p)
	return p
}

var (
	mailbox    = regexp.MustCompile(`[\w.+-]+@[\w.-]+\.\w+`)
	secretWord = regexp.MustCompile(`(?i)password|secret|token|email|credential|authorization|cookie|api-?key`)
	literal    = regexp.MustCompile(`(\w+): ?"([^"]+)"`)
)

// Request implements proctest.Watcher: it takes down whatever a request's headers, variables and literals call a secret, and every address.
func (v *vault) Request(query string, variables proctest.Object, header map[string]string) {
	for name, value := range header {
		if secretWord.MatchString(name) {
			v.keep("header "+name, strings.TrimPrefix(value, "Bearer "))
		}
	}
	for _, found := range literal.FindAllStringSubmatch(query, -1) {
		if secretWord.MatchString(found[1]) {
			v.keep("argument "+found[1], found[2])
		}
	}
	v.walk("variable", "", map[string]any(variables))
	v.keep("address", mailbox.FindAllString(query, -1)...)
}

// Answer implements proctest.Watcher.
func (v *vault) Answer(answer proctest.Object) { v.walk("answer", "", answer) }

// walk takes down the secrets of a JSON value, by the names that they go by.
func (v *vault) walk(what, name string, value any) {
	switch value := value.(type) {
	case proctest.Object:
		v.walk(what, name, map[string]any(value))
	case map[string]any:
		for key, inner := range value {
			v.walk(what, key, inner)
		}
	case []any:
		for _, inner := range value {
			v.walk(what, name, inner)
		}
	case string:
		if secretWord.MatchString(name) {
			v.keep(what+" "+name, value)
		}
		if parsed, err := url.Parse(value); err == nil {
			v.keep(what+" in a link", parsed.Query().Get("token"))
		}
		v.keep("address", mailbox.FindAllString(value, -1)...)
	}
}

// send sends what is no proper request, with anything that it carries marked by the caller.
func (v *vault) send(method, url, body string, header map[string]string) string {
	v.t.Helper()
	request, err := http.NewRequestWithContext(v.t.Context(), method, url, bytes.NewBufferString(body))
	require.NoError(v.t, err)
	for name, value := range header {
		request.Header.Set(name, value)
	}
	jar := &cookies{vault: v}
	response, err := (&http.Client{Jar: jar}).Do(request)
	require.NoError(v.t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(v.t, err)
	var answer any
	if json.Unmarshal(text, &answer) == nil {
		v.walk("answer", "", answer)
	}
	return string(text)
}

// cookies are those that one request and its redirects set.
type cookies struct {
	vault *vault
	kept  []*http.Cookie
}

func (c *cookies) SetCookies(_ *url.URL, set []*http.Cookie) {
	for _, cookie := range set {
		c.vault.keep("cookie", cookie.Value)
	}
	c.kept = append(c.kept, set...)
}

func (c *cookies) Cookies(*url.URL) []*http.Cookie { return c.kept }

// forms are the ways in which a text may stand within another.
func forms(text string) []string {
	quoted, _ := json.Marshal(text)
	all := []string{
		text, strings.Trim(string(quoted), `"`), url.QueryEscape(text), url.PathEscape(text), hex.EncodeToString([]byte(text)),
	}
	// In base64 a text looks in one of three ways, but for its ends.
	for shift := range 3 {
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			encoded := encoding.EncodeToString([]byte(strings.Repeat(" ", shift) + text))
			first := (shift*8 + 5) / 6
			all = append(all, encoded[first:len(encoded)-1])
		}
	}
	return all
}

// requireSilence looks for everything that is known in everything that the processes have written, and in what River keeps of jobs.
func (v *vault) requireSilence(address string) {
	v.t.Helper()
	written := v.written()
	written["river_job"] = riverJobs(v.t, address)
	v.requireNone(written)
}

// written is what the processes have written.
func (v *vault) written() map[string]string {
	written := map[string]string{}
	for _, p := range v.processes {
		written[strings.Join(p.Args(), " ")] += p.Text()
	}
	return written
}

func (v *vault) requireNone(written map[string]string) {
	v.t.Helper()
	require.NotEmpty(v.t, v.known)
	for where, text := range written {
		for known, what := range v.known {
			for _, form := range forms(known) {
				if at := strings.Index(text, form); at >= 0 {
					require.Fail(v.t, "a secret is in what nobody may find it in", "%s is in the output of %s: %s",
						what, where, text[max(0, at-300):min(len(text), at+len(form)+100)])
				}
			}
		}
	}
}

// riverJobs is all that River keeps.
func riverJobs(t *testing.T, address string) string {
	t.Helper()
	d, err := db.Open(t.Context(), address)
	require.NoError(t, err)
	defer d.Close()
	rows, err := d.Pool().Query(t.Context(), `select job::text || coalesce(array_to_string(errors, ' '), '') from river_job job`)
	require.NoError(t, err)
	jobs, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.NotEmpty(t, jobs)
	return strings.Join(jobs, "\n")
}

func TestASecretIsFoundInEveryForm(t *testing.T) {
	t.Parallel()
	const known = "correct horse/bättery?"
	for _, text := range []string{
		known, url.QueryEscape(known), url.PathEscape(known), base64.StdEncoding.EncodeToString([]byte(known)),
		base64.StdEncoding.EncodeToString([]byte("user:" + known)), base64.RawURLEncoding.EncodeToString([]byte(`{"p":"` + known + `"}`)),
		base64.StdEncoding.EncodeToString([]byte("user: " + known + "1")), hex.EncodeToString([]byte(known)),
	} {
		found := false
		for _, form := range forms(known) {
			found = found || strings.Contains("before "+text+" after", form)
		}
		require.True(t, found, text)
	}
}
