// Package conformance owns the proof that programs written for the five published systems run against Portico with nothing changed but the
// base URL and the keys. Its programs know what their environment gives them and nothing of Portico; CONTRACTS.md numbers the lines that
// the tests are named for.
package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/db"
	"portico/db/dbtest"
	"portico/internal/mail/mailtest"
	"portico/internal/proctest"
	"portico/internal/secret"
)

type object = proctest.Object

// system is portico as it is shipped: one API, one worker, and a mail server.
type system struct {
	t        *testing.T
	env      []string
	database string
	base     string
	mails    *mailtest.Server
	public   proctest.API
}

func newSystem(t *testing.T) *system {
	t.Helper()
	s := &system{t: t, database: dbtest.Empty(t), mails: mailtest.NewServer(t)}
	s.env = []string{
		"DATABASE_URL=" + s.database, "PORTICO_KEYS=1:" + string(secret.NewKey()), "PORTICO_PEPPER=" + string(secret.NewKey()),
		"PORTICO_WEBHOOK_ALLOW_LOOPBACK=true", "PORTICO_WEBHOOK_ALLOW_HTTP=true",
		"PORTICO_SMTP_URL=" + string(s.mails.URL()), "PORTICO_MAIL_FROM=Portico <portico@example.com>",
	}
	proctest.Portico(t, s.env, "migrate").Wait()
	s.base = s.serve()
	proctest.Portico(t, s.env, "work").Line(`"msg":"working"`)
	s.public = proctest.API{T: t, URL: s.base + "/graphql"}
	return s
}

// serve starts an API process and gives its address.
func (s *system) serve(more ...string) string {
	s.t.Helper()
	env := append(append(more, fmt.Sprintf("PORTICO_ADDR=127.0.0.1:%d", proctest.FreePort(s.t))), s.env...)
	var started object
	line := proctest.Portico(s.t, env, "serve").Line(`"msg":"serving"`)
	require.NoError(s.t, json.Unmarshal([]byte(line), &started))
	return "http://" + started.Text("addr")
}

// sql changes the database, for what cannot be reached from outside.
func (s *system) sql(statement string, arguments ...any) {
	s.t.Helper()
	d, err := db.Open(s.t.Context(), s.database)
	require.NoError(s.t, err)
	defer d.Close()
	_, err = d.System().Exec(s.t.Context(), statement, arguments...)
	require.NoError(s.t, err)
}

// merchant is one that has signed up and made a key for its servers.
type merchant struct {
	proctest.API // with the key

	t      *testing.T
	member proctest.API
	key    string
	shop   string
	plans  map[string]string // ids by tier
}

// merchant signs a merchant up and opens a sandbox, where there are test clocks and cards.
func (s *system) merchant(name string) *merchant {
	s.t.Helper()
	signedUp := s.public.Do(`mutation($name: String!, $email: String!) { merchantSignUp(input: {name: $name, email: $email, password: "correct horse battery"}) {
		sessionToken userErrors { message } } }`, object{"name": name, "email": "owner@" + strings.ToLower(name) + ".test"})
	member := s.public.With("Authorization", "Bearer "+signedUp.Text("merchantSignUp.sessionToken"))
	sandbox := member.Do(`mutation($name: String!) { sandboxCreate(input: {name: $name}) { merchant { shop } userErrors { message } } }`,
		object{"name": name + " test"}).Text("sandboxCreate.merchant.shop")
	m := &merchant{t: s.t, member: member.With("Portico-Merchant", sandbox), shop: sandbox, plans: map[string]string{}}
	m.key = m.newKey("")
	m.API = s.public.With("X-API-Key", m.key)
	return m
}

// newKey makes an API key as Settings do. The empty text is for all scopes.
func (m *merchant) newKey(scopes string) string {
	m.t.Helper()
	if scopes != "" {
		scopes = ", scopes: " + scopes
	}
	return m.member.Do(`mutation { apiKeyCreate(input: {name: "server"`+scopes+`}) { secret userErrors { message } } }`, nil).Text("apiKeyCreate.secret")
}

// product makes a product and gives its id and its launch secret.
func (m *merchant) product(identifier string, more object) (id, launchSecret string) {
	m.t.Helper()
	in := object{"identifier": identifier, "name": strings.ToUpper(identifier[:1]) + identifier[1:], "launchUrl": "https://" + identifier + ".test/launch"}
	for name, value := range more {
		in[name] = value
	}
	made := m.Do(`mutation($in: ProductCreateInput!) { productCreate(input: $in) { product { id } launchSecret userErrors { field message } } }`, object{"in": in})
	return made.Text("productCreate.product.id"), made.Text("productCreate.launchSecret")
}

// plan makes a plan for a month and gives its number. Amounts are cents.
func (m *merchant) plan(product, tier string, amount int, features ...object) int64 {
	m.t.Helper()
	made := m.Do(`mutation($in: PlanCreateInput!) { planCreate(input: $in) { plan { id number } userErrors { field message } } }`, object{"in": object{
		"product": object{"identifier": product}, "name": strings.ToUpper(tier[:1]) + tier[1:], "tier": tier, "features": append([]object{}, features...),
		"prices": []object{
			{"interval": "MONTH", "money": object{"amountMinor": amount, "currency": "USD"}},
			{"interval": "YEAR", "money": object{"amountMinor": 10 * amount, "currency": "USD"}},
		},
	}})
	m.plans[product+"/"+tier] = made.Text("planCreate.plan.id")
	return int64(made.At("planCreate.plan.number").(float64))
}

// customer makes a customer with a card and gives the row's id.
func (m *merchant) customer(email string, more object) string {
	m.t.Helper()
	in := object{"email": email, "name": "Ada Example"}
	for name, value := range more {
		in[name] = value
	}
	id := m.Do(`mutation($in: CustomerCreateInput!) { customerCreate(input: $in) { customer { id } userErrors { field message } } }`,
		object{"in": in}).Text("customerCreate.customer.id")
	m.card(email, "pm_card_visa")
	return id
}

// buyer makes a customer with a card and gives the e-mail address.
func (m *merchant) buyer(email string) string {
	m.t.Helper()
	m.customer(email, nil)
	return email
}

func (m *merchant) card(email, token string) {
	m.t.Helper()
	m.Do(`mutation($email: String!, $token: String!) { paymentMethodAttach(input: {customer: {email: $email}, token: $token}) { userErrors { message } } }`,
		object{"email": email, "token": token})
}

// subscribe sells a plan for a month and gives the subscription's id.
func (m *merchant) subscribe(email, plan string) string {
	m.t.Helper()
	return m.Do(`mutation($email: String!, $plan: ID!) { subscriptionCreate(input: {customer: {email: $email}, plan: $plan, interval: MONTH}) {
		subscription { id } userErrors { message } } }`, object{"email": email, "plan": m.plans[plan]}).Text("subscriptionCreate.subscription.id")
}

func (m *merchant) cancelNow(subscription string) {
	m.t.Helper()
	m.Do(`mutation($id: ID!) { subscriptionCancel(input: {subscription: $id, atPeriodEnd: false}) { userErrors { message } } }`, object{"id": subscription})
}

// clock makes a test clock that stands at an instant.
func (m *merchant) clock(now string) string {
	m.t.Helper()
	return m.Do(`mutation($now: DateTime!) { testClockCreate(input: {name: "clock", now: $now}) { testClock { id } userErrors { message } } }`,
		object{"now": now}).Text("testClockCreate.testClock.id")
}

func (m *merchant) advance(clock, to string) {
	m.t.Helper()
	m.Do(`mutation($id: ID!, $to: DateTime!) { testClockAdvance(input: {testClock: $id, to: $to}) { userErrors { message } } }`, object{"id": clock, "to": to})
	m.eventually("the clock has arrived", func() bool {
		return m.Do(`query($id: ID!) { node(id: $id) { ... on TestClock { status } } }`, object{"id": clock}).Text("node.status") == "READY"
	})
}

// launch mints a launch token and gives the address to open, and the token.
func (m *merchant) launch(email, product string) (address, token string) {
	m.t.Helper()
	minted := m.Do(`mutation($email: String!, $product: String!) { launchTokenCreate(input: {customer: {email: $email}, product: {identifier: $product}}) {
		token url userErrors { code message url } } }`, object{"email": email, "product": product})
	return minted.Text("launchTokenCreate.url"), minted.Text("launchTokenCreate.token")
}

// endpoint registers a webhook endpoint and gives its id and its secret.
func (m *merchant) endpoint(url string, more object) (id, secret string) {
	m.t.Helper()
	in := object{"url": url}
	for name, value := range more {
		in[name] = value
	}
	made := m.Do(`mutation($in: WebhookEndpointCreateInput!) { webhookEndpointCreate(input: $in) { webhookEndpoint { id } secret userErrors { field message } } }`,
		object{"in": in})
	return made.Text("webhookEndpointCreate.webhookEndpoint.id"), made.Text("webhookEndpointCreate.secret")
}

func (m *merchant) eventually(what string, condition func() bool) {
	m.t.Helper()
	require.Eventually(m.t, condition, proctest.Patience, 25*time.Millisecond, what)
}

// program starts a program that listens, and gives its address. It is told its port by PORT.
func program(t *testing.T, port int, path string, env ...string) string {
	t.Helper()
	interpreter := "node"
	if strings.HasSuffix(path, ".py") {
		interpreter = "python3"
	}
	proctest.Start(t, append(env, fmt.Sprintf("PORT=%d", port)), interpreter, filepath.FromSlash(path)).Line("listening")
	return local(port)
}

func local(port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port) }

// run runs a program to its end and gives the JSON that it prints.
func run(t *testing.T, env []string, path string, arguments ...string) object {
	t.Helper()
	interpreter := map[string]string{".mjs": "node", ".py": "python3", ".sh": "bash"}[filepath.Ext(path)]
	command := exec.CommandContext(t.Context(), interpreter, append([]string{filepath.FromSlash(path)}, arguments...)...)
	command.Env = append(command.Environ(), env...)
	var complaints bytes.Buffer
	command.Stderr = &complaints
	printed, err := command.Output()
	require.NoError(t, err, "%s %s: %s", path, arguments, complaints.String())
	var answer object
	require.NoError(t, json.Unmarshal(printed, &answer), "%s prints %s", path, printed)
	return answer
}

// shell runs a command to its end with what is typed into it, and gives what it prints.
func shell(t *testing.T, env []string, typed, name string, arguments ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, arguments...)
	command.Env = append(command.Environ(), env...)
	command.Stdin = strings.NewReader(typed)
	printed, err := command.CombinedOutput()
	require.NoError(t, err, "%s", printed)
	return string(printed)
}

// reply is an answer over HTTP.
type reply struct {
	status int
	header http.Header
	text   string
	body   object // nil where the text is no object
}

// send sends a request with a JSON body, or none for nil, as a browser or a server would.
func send(t *testing.T, method, address string, body any, header ...string) reply {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return sendAs(t, &http.Client{Jar: jar, Timeout: proctest.Patience}, method, address, body, header...)
}

func sendAs(t *testing.T, client *http.Client, method, address string, body any, header ...string) reply {
	t.Helper()
	var content io.Reader
	if body != nil {
		text, isText := body.(string)
		if !isText {
			encoded, err := json.Marshal(body)
			require.NoError(t, err)
			text = string(encoded)
		}
		content = strings.NewReader(text)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, address, content)
	require.NoError(t, err)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := client.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	r := reply{status: response.StatusCode, header: response.Header, text: string(text)}
	_ = json.Unmarshal(text, &r.body)
	return r
}

// requireMembers holds a JSON object to exactly these members.
func requireMembers(t *testing.T, value any, members string) {
	t.Helper()
	var o object
	switch value := value.(type) {
	case object:
		o = value
	case map[string]any:
		o = value
	}
	require.NotNil(t, o, "%v is no object", value)
	var names []string
	for name := range o {
		names = append(names, name)
	}
	require.ElementsMatch(t, strings.Fields(members), names)
}
