package main_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/db/dbtest"
	"portico/internal/proctest"
	"portico/internal/secret"
	"portico/internal/webhook"
)

// inbox is what a receiver has got, by path.
type inbox struct {
	*httptest.Server
	mu  sync.Mutex
	got map[string][]letter
}

type letter struct {
	header http.Header
	body   string
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	in := &inbox{got: map[string][]letter{}}
	in.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		in.mu.Lock()
		defer in.mu.Unlock()
		in.got[r.URL.Path] = append(in.got[r.URL.Path], letter{r.Header, string(body)})
	}))
	t.Cleanup(in.Close)
	return in
}

func (in *inbox) letters(path string) []letter {
	in.mu.Lock()
	defer in.mu.Unlock()
	return append([]letter{}, in.got[path]...)
}

func (in *inbox) bodies(path string) (bodies []string) {
	for _, one := range in.letters(path) {
		bodies = append(bodies, one.body)
	}
	return bodies
}

// house is a running installation with a sandbox and a key to it.
type house struct {
	env            []string
	serve          *proctest.Process
	merchant, live proctest.API
	key, session   string
	shop           string
}

func newHouse(t *testing.T) *house {
	t.Helper()
	addr := fmt.Sprintf("127.0.0.1:%d", proctest.FreePort(t))
	h := &house{env: []string{
		"DATABASE_URL=" + dbtest.Empty(t), "PORTICO_KEYS=1:" + string(secret.NewKey()), "PORTICO_PEPPER=" + string(secret.NewKey()),
		"PORTICO_WEBHOOK_ALLOW_LOOPBACK=true", "PORTICO_WEBHOOK_ALLOW_HTTP=true", "PORTICO_LIVE_GATEWAY=test", "PORTICO_ADDR=" + addr,
	}}
	proctest.Portico(t, h.env, "migrate").Wait()
	h.serve = proctest.Portico(t, h.env, "serve")
	h.serve.Line(`"msg":"serving"`)
	proctest.Portico(t, h.env, "work").Line(`"msg":"working"`)
	public := proctest.API{T: t, URL: "http://" + addr + "/graphql"}
	signedUp := public.Do(`mutation { merchantSignUp(input: {name: "Acorn", email: "owner@acorn.test", password: "correct horse battery"}) {
		merchant { shop } sessionToken userErrors { message } } }`, nil)
	h.session = signedUp.Text("merchantSignUp.sessionToken")
	h.live = public.With("Authorization", "Bearer "+h.session)
	sandbox := h.live.Do(`mutation { sandboxCreate(input: {name: "Acorn test"}) { merchant { shop } userErrors { message } } }`, nil)
	h.shop = sandbox.Text("sandboxCreate.merchant.shop")
	h.key = h.live.With("Portico-Merchant", h.shop).Do(`mutation { apiKeyCreate(input: {name: "server"}) { secret userErrors { message } } }`, nil).
		Text("apiKeyCreate.secret")
	h.merchant = public.With("X-API-Key", h.key)
	return h
}

func (h *house) url() string { return strings.TrimSuffix(h.merchant.URL, "/graphql") }

// command starts a command as on another machine: it knows the address and the key, and nothing of the installation.
func (h *house) command(t *testing.T, args ...string) *proctest.Process {
	t.Helper()
	return proctest.Portico(t, []string{"PORTICO_API_KEY=" + h.key, "PORTICO_PUBLIC_URL=" + h.url()}, args...)
}

func TestListenForwardsWhatAnEndpointGetsAndResumesWithoutAGap(t *testing.T) {
	t.Parallel()
	h, in := newHouse(t), newInbox(t)
	types := make([]string, 0, len(webhook.Types()))
	for _, kind := range webhook.Types() {
		types = append(types, string(kind))
	}
	clock := h.merchant.Do(`mutation { testClockCreate(input: {name: "a year", now: "2026-01-31T09:30:00Z"}) { testClock { id } userErrors { message } } }`, nil).
		Text("testClockCreate.testClock.id")
	h.merchant.Do(`mutation($clock: ID!, $meta: JSON) { customerCreate(input: {email: "ada@example.test", name: "Ada", testClock: $clock, userMeta: $meta}) { userErrors { message } } }`,
		proctest.Object{"clock": clock, "meta": proctest.Object{"10": "ten", "9": "nine", "note": "<b>&\u2028\n\U0001F600"}})
	require.Eventually(t, func() bool { // what is told of the customer is behind both
		now := h.merchant.Do(`{ latestEventCursor events { nodes { id } } }`, nil)
		behind := h.merchant.Do(`query($now: String) { events(after: $now) { nodes { id } } }`, proctest.Object{"now": now["latestEventCursor"]})
		return len(now.List("events.nodes")) == 1 && len(behind.List("events.nodes")) == 0
	}, proctest.Patience, 20*time.Millisecond)
	h.merchant.Do(`mutation($url: String!, $types: [String!]) { webhookEndpointCreate(input: {url: $url, eventTypes: $types}) { userErrors { message } } }`,
		proctest.Object{"url": in.URL + "/endpoint", "types": types})
	listen := h.command(t, "listen", "--forward-to", in.URL+"/hook")
	_, whsec, _ := strings.Cut(listen.Line("Signing secret"), ": ")

	h.merchant.Do(`mutation { productCreate(input: {identifier: "rosterly", name: "Rosterly", launchUrl: "http://localhost:3000"}) { userErrors { message } } }`, nil)
	plan := h.merchant.Do(`mutation { planCreate(input: {product: {identifier: "rosterly"}, name: "Pro", tier: "pro",
		prices: [{interval: MONTH, money: {amountMinor: 4900, currency: "USD"}}]}) { plan { id } userErrors { message } } }`, nil).Text("planCreate.plan.id")
	h.merchant.Do(`mutation { paymentMethodAttach(input: {customer: {email: "ada@example.test"}, token: "pm_card_visa"}) { userErrors { message } } }`, nil)
	h.merchant.Do(`mutation($plan: ID!) { subscriptionCreate(input: {customer: {email: "ada@example.test"}, plan: $plan, interval: MONTH}) { userErrors { message } } }`,
		proctest.Object{"plan": plan})
	listen.Line("subscription.created")
	h.merchant.Do(`mutation($id: ID!) { testClockAdvance(input: {testClock: $id, to: "2029-01-31T10:00:00Z"}) { userErrors { message } } }`, proctest.Object{"id": clock})
	listen.Line("subscription.renewed")

	// The API dies in the middle of it, and comes back when more has happened.
	h.serve.Kill()
	listen.Line("trying again")
	before := len(in.letters("/endpoint"))
	require.Eventually(t, func() bool { return len(in.letters("/endpoint")) > before }, proctest.Patience, 20*time.Millisecond)
	proctest.Portico(t, h.env, "serve").Line(`"msg":"serving"`)

	const all = 3 + 36*3
	require.Eventually(t, func() bool { return len(in.letters("/hook")) >= all && len(in.letters("/endpoint")) >= all }, proctest.Patience, 20*time.Millisecond,
		"everything arrives")
	require.Equal(t, in.bodies("/endpoint"), in.bodies("/hook"), "each once, in order, byte for byte")
	for i, one := range in.letters("/hook") {
		require.Contains(t, one.body, fmt.Sprintf(`"sequence":%d,`, i+1))
		mac := hmac.New(sha256.New, []byte(whsec))
		mac.Write([]byte(one.body))
		require.Equal(t, hex.EncodeToString(mac.Sum(nil)), one.header.Get("x-portal-signature"))
		var seconds int64
		_, err := fmt.Sscan(one.header.Get("webhook-timestamp"), &seconds)
		require.NoError(t, err)
		signature, err := webhook.StandardSignature(whsec, one.header.Get("webhook-id"), time.Unix(seconds, 0), []byte(one.body))
		require.NoError(t, err)
		require.Equal(t, signature, one.header.Get("webhook-signature"))
		require.Equal(t, "application/json", one.header.Get("Content-Type"))
	}
	last := in.bodies("/hook")[all-1]
	again := exec.Command("node", "-e", `process.stdout.write(JSON.stringify(JSON.parse(require('fs').readFileSync(0, 'utf8'))))`)
	again.Stdin = strings.NewReader(last)
	stringified, err := again.Output()
	require.NoError(t, err)
	require.Equal(t, last, string(stringified))

	listen.Signal(syscall.SIGINT)
	listen.Wait()
	require.Contains(t, listen.Text(), " 200 OK (")
	_, cursor, _ := strings.Cut(listen.Line("--after"), "--after ")

	t.Run("from a cursor, of one type, with a secret of its own, as a member", func(t *testing.T) {
		const own = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
		session := proctest.Portico(t, []string{"PORTICO_API_KEY=" + h.session}, "listen", "--url", h.url(), "--merchant", h.shop, "--forward-to", in.URL+"/session",
			"--after", cursor, "--events", "subscription.updated,subscription.canceled", "--secret", own)
		session.Line(own)
		trigger := h.command(t, "trigger", "subscription.canceled")
		trigger.Wait()
		session.Line("subscription.canceled")
		require.Len(t, in.letters("/session"), 1)
		require.Equal(t, webhook.PortalSignature(own, []byte(in.bodies("/session")[0])), in.letters("/session")[0].header.Get("x-portal-signature"))
	})
	t.Run("from the beginning", func(t *testing.T) {
		h.command(t, "listen", "--from-beginning", "--forward-to", in.URL+"/all")
		require.Eventually(t, func() bool { return len(in.letters("/all")) > all }, proctest.Patience, 20*time.Millisecond)
		require.Equal(t, in.bodies("/hook")[:all], in.bodies("/all")[1:all+1], "behind the customer")
	})
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"a wrong cursor":  {[]string{"--forward-to", in.URL, "--after", "nonsense"}, "is not a cursor"},
		"a wrong type":    {[]string{"--forward-to", in.URL, "--events", "nonsense"}, "must be one of"},
		"a wrong address": {[]string{"--forward-to", "localhost:3000"}, "--forward-to must be an address"},
		"a wrong secret":  {[]string{"--forward-to", in.URL, "--secret", "hunter2"}, "--secret: the signing secret does not begin"},
		"a wrong key":     {[]string{"--forward-to", in.URL, "--api-key", "ptc_sk_test_nonsense"}, "UNAUTHENTICATED"},
		"no Portico":      {[]string{"--forward-to", in.URL, "--url", in.URL}, "not as Portico does"},
	} {
		t.Run(name, func(t *testing.T) {
			p := h.command(t, append([]string{"listen"}, c.args...)...)
			require.Error(t, p.Ended())
			require.Contains(t, p.Text(), c.says)
		})
	}
}

// shape is a body without its values: which members there are, and of which types. Merchants' own data has none.
func shape(value any) any {
	of, isObject := value.(map[string]any)
	if !isObject {
		return fmt.Sprintf("%T", value)
	}
	members := map[string]any{}
	for name, member := range of {
		switch name {
		case "userMeta", "features", "claims":
		default:
			members[name] = shape(member)
		}
	}
	return members
}

// requireAlike holds a sample against an event that has happened: a receiver that works with one works with the other.
func requireAlike(t *testing.T, kind string, happened, sample map[string]any) {
	t.Helper()
	require.ElementsMatch(t, slices.Collect(maps.Keys(happened)), slices.Collect(maps.Keys(sample)), "members of %s", kind)
	for name, value := range happened {
		if similar := sample[name]; value != nil && similar != nil {
			require.Equal(t, shape(map[string]any{name: value}), shape(map[string]any{name: similar}), "%s of %s", name, kind)
		}
	}
}

func TestTriggerMakesEachEventHappen(t *testing.T) {
	t.Parallel()
	h, in := newHouse(t), newInbox(t)
	endpoint := h.merchant.Do(`mutation($url: String!) { webhookEndpointCreate(input: {url: $url, eventTypes: ["product.approved"]}) {
		webhookEndpoint { id } userErrors { message } } }`, proctest.Object{"url": in.URL + "/sample"}).Text("webhookEndpointCreate.webhookEndpoint.id")
	listed := h.command(t, "trigger", "--list")
	listed.Wait()
	for _, kind := range webhook.Types() {
		require.Contains(t, listed.Text(), string(kind), "trigger has a recipe for it, or says why not")
		p := h.command(t, "trigger", string(kind))
		err := p.Ended()
		if strings.HasPrefix(string(kind), "product.") {
			require.Error(t, err)
			require.Contains(t, p.Text(), "only an operator decides")
			continue
		}
		require.NoError(t, err, p.Text())
		var id string
		var sequence int64
		_, err = fmt.Sscanf(p.Text(), string(kind)+" evt_%s sequence %d", &id, &sequence)
		require.NoError(t, err, p.Text())
		event := h.merchant.Do(`query($id: ID!) { node(id: $id) { ... on Event { type sequence body } } }`, proctest.Object{"id": "gid://portico/Event/" + id})
		require.Equal(t, string(kind), event.Text("node.type"))
		require.EqualValues(t, sequence, event.At("node.sequence"))
		body, err := json.Marshal(event.At("node.body"))
		require.NoError(t, err)
		require.Contains(t, string(body), "trigger", "of the product, or of the customer of this run")

		tested := h.merchant.Do(`mutation($id: ID!, $type: String!) { webhookEndpointTest(input: {id: $id, eventType: $type}) {
			result { requestBody } userErrors { message } } }`, proctest.Object{"id": endpoint, "type": string(kind)})
		var sample proctest.Object
		require.NoError(t, json.Unmarshal([]byte(tested.Text("webhookEndpointTest.result.requestBody")), &sample))
		happened := proctest.Object{"body": event.At("node.body")}
		requireAlike(t, string(kind), happened.At("body.data").(map[string]any), sample.At("data").(map[string]any))
		if until, has := happened.At("body.data.accessUntil").(string); has {
			require.Equal(t, until > happened.Text("body.createdAt"), sample.Text("data.accessUntil") > sample.Text("createdAt"), "is there access after %s", kind)
		}
	}
	products := h.merchant.Do(`{ products { nodes { identifier plans { id } } } }`, nil).List("products.nodes")
	require.Len(t, products, 1, "made once")
	require.Len(t, products[0].List("plans"), 2, "each made once")

	p := proctest.Portico(t, []string{"PORTICO_API_KEY=" + h.session, "PORTICO_PUBLIC_URL=" + h.url()}, "trigger", "subscription.created", "--merchant", "acorn")
	require.Error(t, p.Ended())
	require.Contains(t, p.Text(), "is no sandbox")
}
