package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/db/dbtest"
	"portico/internal/proctest"
	"portico/internal/secret"
	"portico/internal/webhook"
)

// snippet is the block of docs/webhooks.md that defines a function of JavaScript.
func snippet(t *testing.T, function string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/webhooks.md")
	require.NoError(t, err)
	for _, block := range regexp.MustCompile("(?ms)^```js\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		if regexp.MustCompile(`\bfunction ` + function + `\(`).MatchString(block[1]) {
			return block[1]
		}
	}
	require.Fail(t, "the page does not define "+function)
	return ""
}

// TestAReceiverThatLosesEventsFindsAndRepairsItsGaps runs the documentation's own code in a receiver that forgets what it acknowledged.
func TestAReceiverThatLosesEventsFindsAndRepairsItsGaps(t *testing.T) {
	t.Parallel()
	env := []string{
		"DATABASE_URL=" + dbtest.Empty(t),
		"PORTICO_KEYS=1:" + string(secret.NewKey()), "PORTICO_PEPPER=" + string(secret.NewKey()),
		"PORTICO_WEBHOOK_ALLOW_LOOPBACK=true", "PORTICO_WEBHOOK_ALLOW_HTTP=true",
		fmt.Sprintf("PORTICO_ADDR=127.0.0.1:%d", proctest.FreePort(t)),
	}
	proctest.Portico(t, env, "migrate").Wait()
	base := "http://" + env[len(env)-1][len("PORTICO_ADDR="):]
	proctest.Portico(t, env, "serve").Line(`"msg":"serving"`)
	proctest.Portico(t, env, "work").Line(`"msg":"working"`)

	public := proctest.API{T: t, URL: base + "/graphql"}
	signedUp := public.Do(`mutation { merchantSignUp(input: {name: "Acorn", email: "owner@acorn.test", password: "correct horse battery"}) {
		sessionToken userErrors { message } } }`, nil)
	member := public.With("Authorization", "Bearer "+signedUp.Text("merchantSignUp.sessionToken"))
	sandbox := member.Do(`mutation { sandboxCreate(input: {name: "Acorn test"}) { merchant { shop } userErrors { message } } }`, nil)
	key := member.With("Portico-Merchant", sandbox.Text("sandboxCreate.merchant.shop")).
		Do(`mutation { apiKeyCreate(input: {name: "server"}) { secret userErrors { message } } }`, nil).Text("apiKeyCreate.secret")
	merchant := public.With("X-API-Key", key)
	port := proctest.FreePort(t)
	address := fmt.Sprintf("http://127.0.0.1:%d", port)
	merchant.Do(`mutation { productCreate(input: {identifier: "rosterly", name: "Rosterly", launchUrl: "http://127.0.0.1:1/launch"}) {
		userErrors { message } } }`, nil)
	plan := merchant.Do(`mutation { planCreate(input: {product: {identifier: "rosterly"}, name: "Pro", tier: "pro",
		prices: [{interval: MONTH, money: {amountMinor: 4900, currency: "USD"}}]}) { plan { id } userErrors { message } } }`, nil).Text("planCreate.plan.id")
	endpoint := merchant.Do(`mutation($url: String!, $types: [String!]) { webhookEndpointCreate(input: {url: $url, eventTypes: $types}) {
		secret userErrors { message } } }`, proctest.Object{"url": address, "types": webhook.Types()})

	folder := t.TempDir()
	program, err := os.ReadFile(filepath.Join("testdata", "receiver", "forgetful.mjs"))
	require.NoError(t, err)
	for name, text := range map[string]string{
		"forgetful": string(program), "repair": snippet(t, "repair"), "verifyWebhook": snippet(t, "verifyWebhook"),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name+".mjs"), []byte(text), 0o600))
	}
	proctest.Start(t, []string{
		fmt.Sprintf("PORT=%d", port), "SECRET=" + endpoint.Text("webhookEndpointCreate.secret"), "PORTICO=" + base, "API_KEY=" + key,
	}, "node", filepath.Join(folder, "forgetful.mjs")).Line("listening")

	clock := merchant.Do(`mutation { testClockCreate(input: {name: "years", now: "2026-01-31T09:30:00Z"}) { testClock { id } userErrors { message } } }`,
		nil).Text("testClockCreate.testClock.id")
	for _, email := range []string{"ada@example.test", "bob@example.test", "eve@example.test"} {
		merchant.Do(`mutation($in: CustomerCreateInput!) { customerCreate(input: $in) { userErrors { message } } }`, proctest.Object{"in": proctest.Object{
			"email": email, "name": "Ada", "testClock": clock, "userMeta": proctest.Object{"note": "<b>&\u2028", "10": 1e21, "9": 1e-7},
		}})
		merchant.Do(`mutation($email: String!) { paymentMethodAttach(input: {customer: {email: $email}, token: "pm_card_visa"}) {
			userErrors { message } } }`, proctest.Object{"email": email})
		merchant.Do(`mutation($email: String!, $plan: ID!) { subscriptionCreate(input: {customer: {email: $email}, plan: $plan, interval: MONTH}) {
			userErrors { message } } }`, proctest.Object{"email": email, "plan": plan})
	}

	state := func() proctest.Object { return proctest.Get(t, address+"/state") }
	repair := func() string { return proctest.Get(t, address+"/repair").Text("cursor") }
	// published waits until every event is delivered and shown, and returns their ids.
	published := func(atLeast int) (ids []any) {
		t.Helper()
		require.Eventually(t, func() bool {
			ids = nil
			for after, more := any(nil), true; more; {
				events := merchant.Do(`query($after: String) { events(first: 100, after: $after) { nodes { body } pageInfo { hasNextPage endCursor } } }`,
					proctest.Object{"after": after}).Object("events")
				for _, node := range events.List("nodes") {
					ids = append(ids, node.At("body.id"))
				}
				after, more = events.At("pageInfo.endCursor"), events.At("pageInfo.hasNextPage") == true
			}
			pending := merchant.Do(`{ webhookDeliveries(status: PENDING) { nodes { id } } }`, nil)
			return len(ids) >= atLeast && len(pending.List("webhookDeliveries.nodes")) == 0
		}, proctest.Patience, 50*time.Millisecond)
		return ids
	}
	advance := func(to string) {
		t.Helper()
		merchant.Do(`mutation($id: ID!, $to: DateTime!) { testClockAdvance(input: {testClock: $id, to: $to}) { userErrors { message } } }`,
			proctest.Object{"id": clock, "to": to})
	}

	const customers = 3
	const perPeriod = customers * 3 // more than a page of events in all: the invoice, the payment, and the beginning or renewal
	advance("2027-02-28T09:30:00Z")
	ids := published(customers + 14*perPeriod)
	require.Len(t, ids, customers+14*perPeriod)
	before := state()
	require.Positive(t, before["lost"])
	require.Positive(t, before["gaps"])
	require.EqualValues(t, len(ids)-len(before["ids"].([]any)), before["lost"])
	cursor := repair()
	after := state()
	require.ElementsMatch(t, ids, after["ids"])
	require.Zero(t, after["gaps"])
	require.Equal(t, before["lost"], after["repaired"])

	// The next repair begins where this one ended.
	advance("2027-08-31T09:30:00Z")
	ids = published(customers + 20*perPeriod)
	require.NotEqual(t, cursor, repair())
	after = state()
	require.ElementsMatch(t, ids, after["ids"])
	require.Zero(t, after["gaps"])
	require.Equal(t, after["lost"], after["repaired"])
	require.Zero(t, after["unlike"], "an event is the same whichever way it comes")
	require.Zero(t, after["forged"])
}
