package graph_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	"portico/db"
	"portico/db/dbtest"
	"portico/graph"
	"portico/internal/access"
	"portico/internal/account"
	"portico/internal/audit"
	"portico/internal/billing"
	"portico/internal/catalog"
	"portico/internal/gateway"
	"portico/internal/idempotency"
	"portico/internal/mail"
	"portico/internal/portal"
	"portico/internal/rate"
	"portico/internal/redact"
	"portico/internal/secret"
	"portico/internal/webhook"
)

const password = "correct horse battery"

// world is an installation with a database of its own, reached over HTTP, at a time that stands still.
type world struct {
	t        *testing.T
	db       *db.DB
	resolver *graph.Resolver
	outbox   *mail.Outbox
	server   *httptest.Server
	log      *log
	now      time.Time
}

// log is what the door has logged.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newWorld(t *testing.T) *world { return newWorldWith(t, graph.Options{}) }

func newWorldWith(t *testing.T, options graph.Options) *world {
	t.Helper()
	w := &world{t: t, db: dbtest.New(t), log: &log{}, now: time.Date(2026, time.January, 31, 9, 30, 0, 0, time.UTC)}
	now := func() time.Time { return w.now }
	keys, err := secret.NewKeyring("1:"+secret.NewKey(), secret.NewKey())
	require.NoError(t, err)
	options.Log = slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{ReplaceAttr: redact.Attr}))
	jobs, err := river.NewClient(riverpgxv5.New(w.db.Pool()), &river.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	w.outbox = &mail.Outbox{DB: w.db, Keys: keys, Jobs: jobs, Keep: true, Now: now, Log: options.Log}
	accounts := &account.Accounts{
		DB: w.db, Keys: keys, Now: now, Mail: w.outbox, Jobs: jobs, PublicURL: "https://portico.test", PortalFeeBPS: 250,
	}
	webhooks := &webhook.Webhooks{
		DB: w.db, Keys: keys, Jobs: jobs, Now: now, Log: options.Log, TokenKey: accounts.SentTokenKey,
		Guard: webhook.NewGuard(webhook.GuardOptions{AllowLoopback: true, AllowHTTP: true}),
		Mail:  w.outbox, PublicURL: "https://portico.test",
	}
	accounts.Webhooks = webhooks
	products := &catalog.Catalog{DB: w.db, Keys: keys, Now: now, Webhooks: webhooks, PublicURL: "https://portico.test"}
	decisions := &access.Access{DB: w.db, Keys: keys, Accounts: accounts, Webhooks: webhooks, Now: now, Issuer: "https://portico.test"}
	sales := &billing.Billing{
		DB: w.db, Accounts: accounts, Catalog: products, Webhooks: webhooks, Mail: w.outbox, Jobs: jobs, Now: now,
		Log: options.Log, PublicURL: "https://portico.test",
		Gateways:    map[string]gateway.Gateway{gateway.TestName: &gateway.Test{Pool: w.db.Pool(), Now: now}},
		LiveGateway: gateway.TestName,
	}
	webhooks.AccessToken = sales.AccessToken
	w.resolver = &graph.Resolver{
		Rates: &rate.Limiter{DB: w.db, Now: now}, Idempotency: &idempotency.Keys{DB: w.db, Now: now, Log: options.Log},
		Accounts: accounts, Catalog: products, Webhooks: webhooks, Access: decisions, Billing: sales,
		Portal: &portal.Portal{
			DB: w.db, Keys: keys, Accounts: accounts, Catalog: products, Access: decisions, Billing: sales, Jobs: jobs, Now: now,
			Mail: w.outbox, PublicURL: "https://portico.test", Log: options.Log,
		},
		Audit: &audit.Log{DB: w.db, Now: now, Retention: 400 * 24 * time.Hour, Log: options.Log},
	}
	w.server = httptest.NewServer(graph.NewHandler(w.resolver, options))
	t.Cleanup(w.server.Close)
	return w
}

// variables of an operation.
type variables map[string]any

// credentials are the headers that say who calls.
type credentials map[string]string

func bearer(token string) credentials { return credentials{"Authorization": "Bearer " + token} }

func basic(id, plain string) credentials {
	return credentials{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+plain))}
}

// in is the same caller acting for a merchant.
func (c credentials) in(shop string) credentials {
	acting := maps.Clone(c)
	acting["Portico-Merchant"] = shop
	return acting
}

// answer is what a request came back with.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	raw    string
	data   any
	errors []struct {
		Message    string
		Path       []any
		Extensions struct{ Code, RequestID string }
	}
}

// ask sends an operation.
func (w *world) ask(who credentials, document string, vars variables) answer {
	w.t.Helper()
	body, err := json.Marshal(map[string]any{"query": document, "variables": vars})
	require.NoError(w.t, err)
	return w.post(who, string(body))
}

// post sends a body as it is.
func (w *world) post(headers credentials, body string) answer {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.server.URL+"/graphql", strings.NewReader(body))
	require.NoError(w.t, err)
	request.Header.Set("Content-Type", "application/json")
	if strings.HasPrefix(body, `{"query":"subscription`) {
		request.Header.Set("Accept", "text/event-stream")
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	return w.send(request)
}

func (w *world) send(request *http.Request) answer {
	w.t.Helper()
	response, err := w.server.Client().Do(request)
	require.NoError(w.t, err)
	defer func() { _ = response.Body.Close() }()
	raw, err := firstAnswer(response)
	require.NoError(w.t, err)
	a := answer{t: w.t, status: response.StatusCode, header: response.Header, raw: string(raw)}
	parsed := struct {
		Data   any
		Errors *[]struct {
			Message    string
			Path       []any
			Extensions struct{ Code, RequestID string }
		}
	}{Errors: &a.errors}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	require.NoError(w.t, decoder.Decode(&parsed), "%s", raw)
	a.data = parsed.Data
	return a
}

// streaming is the answer of an operation on Live that has begun.
const streaming = "{}"

// firstAnswer is the body of an answer, or the first event of a stream of them that has not begun well.
func firstAnswer(response *http.Response) ([]byte, error) {
	if !strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		return io.ReadAll(response.Body)
	}
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), ":") {
			return []byte(streaming), nil
		}
		if data, is := strings.CutPrefix(lines.Text(), "data: "); is {
			return []byte(data), nil
		}
	}
	return nil, io.ErrUnexpectedEOF
}

// must is ask for an operation that succeeds.
func (w *world) must(who credentials, document string, vars variables) answer {
	w.t.Helper()
	a := w.ask(who, document, vars)
	require.Equal(w.t, http.StatusOK, a.status, a.raw)
	require.Empty(w.t, a.errors, a.raw)
	require.NotContains(w.t, a.raw, `"code":"`, a.raw)
	return a
}

// at is the value at a path such as "products.nodes.0.name"; nil where there is none.
func (a answer) at(path string) any {
	value := a.data
	for _, step := range strings.Split(path, ".") {
		switch inner := value.(type) {
		case map[string]any:
			value = inner[step]
		case []any:
			i, err := strconv.Atoi(step)
			require.NoError(a.t, err, path)
			if i >= len(inner) {
				return nil
			}
			value = inner[i]
		default:
			return nil
		}
	}
	return value
}

// shown is the answer without its errors and extensions.
func (a answer) shown() string {
	a.t.Helper()
	text, err := json.Marshal(map[string]any{"data": a.data})
	require.NoError(a.t, err)
	return string(text)
}

func (a answer) text(path string) string {
	a.t.Helper()
	text, ok := a.at(path).(string)
	require.True(a.t, ok, "%s is no text in %s", path, a.raw)
	return text
}

func (a answer) number(path string) int64 {
	a.t.Helper()
	number, ok := a.at(path).(json.Number)
	require.True(a.t, ok, "%s is no number in %s", path, a.raw)
	value, err := number.Int64()
	require.NoError(a.t, err)
	return value
}

// fails asserts that the answer has one error, with the code.
func (a answer) fails(code string) {
	a.t.Helper()
	require.Len(a.t, a.errors, 1, a.raw)
	require.Equal(a.t, code, a.errors[0].Extensions.Code, a.raw)
	require.Equal(a.t, a.header.Get("X-Request-Id"), a.errors[0].Extensions.RequestID)
	require.NotEmpty(a.t, a.errors[0].Message)
}

// refuses asserts that the mutation's payload has exactly these userErrors, each as "CODE field.path".
func (a answer) refuses(mutation string, want ...string) {
	a.t.Helper()
	require.Empty(a.t, a.errors, a.raw)
	list, ok := a.at(mutation + ".userErrors").([]any)
	require.True(a.t, ok, a.raw)
	var got []string
	for _, one := range list {
		shown := one.(map[string]any)
		var field []string
		if path, given := shown["field"].([]any); given {
			for _, step := range path {
				field = append(field, step.(string))
			}
		}
		require.NotEmpty(a.t, shown["message"])
		got = append(got, strings.TrimSpace(fmt.Sprint(shown["code"], " ", strings.Join(field, "."))))
	}
	require.ElementsMatch(a.t, want, got, a.raw)
}

// mailed is the token in the newest mail to an address.
func (w *world) mailed(to string) string {
	w.t.Helper()
	w.work(`select id from password_reset_request order by id`, w.resolver.Accounts.SendReset)
	w.work(`select id from mail order by id`, w.outbox.Send)
	kept, err := w.outbox.KeptMails(w.t.Context(), 100)
	require.NoError(w.t, err)
	for _, one := range kept {
		if token := regexp.MustCompile(`#token=(\w+)`).FindStringSubmatch(one.Text); token != nil && strings.EqualFold(one.Recipient, to) {
			return token[1]
		}
	}
	require.Fail(w.t, "no mail has a token", to)
	return ""
}

// work does what the workers do with rows.
func (w *world) work(rows string, do func(context.Context, int64) error) {
	w.t.Helper()
	var ids []int64
	require.NoError(w.t, w.db.System().Tx(w.t.Context(), func(tx pgx.Tx) error {
		found, err := tx.Query(w.t.Context(), rows)
		if err != nil {
			return err
		}
		ids, err = pgx.CollectRows(found, pgx.RowTo[int64])
		return err
	}))
	for _, id := range ids {
		require.NoError(w.t, do(w.t.Context(), id))
	}
}

// contents is a digest of every table's rows, but for the record of what was tried.
func (w *world) contents() map[string]string {
	w.t.Helper()
	digests := w.digests(`select tablename, 'true' from pg_tables
		where schemaname = 'public' and tablename not in ('audit_entry', 'attempt_limit') order by 1`)
	require.Contains(w.t, digests, "subscription")
	return digests
}

// digests are those of the tables that a question names, each with the condition that its rows must meet, which knows the arguments.
func (w *world) digests(question string, args ...any) map[string]string {
	w.t.Helper()
	digests := map[string]string{}
	err := w.db.System().Tx(w.t.Context(), func(tx pgx.Tx) error {
		rows, err := tx.Query(w.t.Context(), question)
		if err != nil {
			return err
		}
		tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Name, Condition string }])
		if err != nil {
			return err
		}
		for _, table := range tables {
			var digest string
			err := tx.QueryRow(w.t.Context(), `select count(*) || ' rows, ' || coalesce(md5(string_agg(t::text, ',' order by t::text)), '')
				from `+pgx.Identifier{table.Name}.Sanitize()+` t where `+table.Condition, args...).Scan(&digest)
			if err != nil {
				return err
			}
			digests[table.Name] = digest
		}
		return nil
	})
	require.NoError(w.t, err)
	return digests
}

// statements counts those that a request makes. A key that was seen within the minute takes none for itself.
func (w *world) statements(ask func()) int64 {
	w.t.Helper()
	before := w.db.Pool().Stat().AcquireCount()
	ask()
	return w.db.Pool().Stat().AcquireCount() - before
}
