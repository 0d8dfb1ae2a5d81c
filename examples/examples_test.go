// Package examples_test starts the examples with the commands that their pages name, beside a real `portico dev`, and uses them.
package examples_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/db/dbtest"
	"portico/internal/proctest"
)

func TestTheExamplesDoWhatTheirPagesSay(t *testing.T) {
	t.Parallel()
	dev := startDev(t)
	t.Run("a product in Node.js", func(t *testing.T) {
		t.Parallel()
		sellAndUse(t, dev, startExample(t, dev, "node"), "rosterly")
	})
	t.Run("a product in Go", func(t *testing.T) {
		t.Parallel()
		address := startExample(t, dev, "go")
		sellAndUse(t, dev, address, "ledgerlite")
		verifyOffline(t, dev, address, "ledgerlite")
	})
	t.Run("a page in React", func(t *testing.T) {
		t.Parallel()
		address := startExample(t, dev, "react")
		output, err := exec.CommandContext(t.Context(), "node", "react/test/page.mjs", proctest.Browser(t), address, dev.GraphQLURL, dev.Merchants[0].APIKey,
			"dora@garden.example").CombinedOutput()
		t.Logf("%s", output)
		require.NoError(t, err)
	})
}

// startDev starts portico dev with its demo on a database of its own.
func startDev(t *testing.T) *dev {
	t.Helper()
	d := &dev{folder: t.TempDir()}
	// However long it takes to compile what make will run: the waits are for what is running.
	output, err := exec.CommandContext(t.Context(), "go", "build", "-o", t.TempDir(), "./setup", "./go").CombinedOutput()
	require.NoError(t, err, "%s", output)
	p := proctest.Portico(t, []string{"DATABASE_URL=" + dbtest.Empty(t)}, "dev", "--json", "--addr", "127.0.0.1:0", "--data-dir", d.folder)
	require.NoError(t, json.Unmarshal([]byte(p.Line("graphqlUrl")), d))
	return d
}

// startExample starts an example with the command of its page and gives its address.
func startExample(t *testing.T, d *dev, name string) string {
	t.Helper()
	port := proctest.FreePort(t)
	setup := fmt.Sprintf("SETUP=-url %s -data-dir %s -port %d", d.url(), d.folder, port)
	proctest.Start(t, nil, "make", "--no-print-directory", "-C", "..", "example-"+name, setup).Line(fmt.Sprintf(":%d", port))
	return fmt.Sprintf("http://localhost:%d", port)
}

// sellAndUse sells a product and drives its example through the life of the subscription.
func sellAndUse(t *testing.T, d *dev, address, product string) {
	const emil = "emil@garden.example"
	merchant := d.merchant(t)
	buy := func() object {
		return merchant.Do(`mutation($email: String!, $plan: ID!) { subscriptionCreate(input: {customer: {email: $email}, plan: $plan, interval: MONTH}) {
			subscription { id } userErrors { message } } }`, object{"email": emil, "plan": d.cheapest(product)})
	}
	merchant.Do(`mutation($email: String!) { paymentMethodAttach(input: {customer: {email: $email}, token: "pm_card_visa"}) { userErrors { message } } }`,
		object{"email": emil})
	subscription := buy().Text("subscriptionCreate.subscription.id")

	// Launch: a token opens a session, once, unchanged.
	token := merchant.Do(`mutation($email: String!, $product: String!) { launchTokenCreate(input: {customer: {email: $email}, product: {identifier: $product}}) {
		token userErrors { message } } }`, object{"email": emil, "product": product}).Text("launchTokenCreate.token")
	browser := newBrowser(t, address)
	browser.get("/", http.StatusUnauthorized)
	browser.get("/launch?token="+token+"x", http.StatusUnauthorized)
	browser.get("/launch", http.StatusUnauthorized)
	home := browser.get("/launch?token="+token, http.StatusOK)
	require.Equal(t, emil, home["email"])
	require.NotEmpty(t, home["tier"])
	newBrowser(t, address).get("/launch?token="+token, http.StatusUnauthorized)

	// Gates: by what the subscription allows at this moment.
	refused := browser.get("/reports", http.StatusForbidden)
	require.NotEmpty(t, refused["error"])
	require.Contains(t, refused["upgradeUrl"], product)
	merchant.Do(`mutation($id: ID!) { subscriptionFeaturesOverride(input: {subscription: $id, set: [
		{name: "advancedReporting", kind: BOOLEAN, enabled: true}, {name: "maxEmployees", kind: LIMIT, limit: 2}]}) { userErrors { message } } }`,
		object{"id": subscription})
	browser.get("/reports", http.StatusOK)
	browser.post("/employees", nil, object{"name": " "}, http.StatusBadRequest)
	browser.post("/employees", nil, object{"name": "Ida"}, http.StatusCreated)
	browser.post("/employees", nil, object{"name": "Jon"}, http.StatusCreated)
	refused = browser.post("/employees", nil, object{"name": "Kim"}, http.StatusForbidden)
	require.NotEmpty(t, refused["error"])
	require.EqualValues(t, 2, refused["current"])
	require.Contains(t, refused["upgradeUrl"], product)

	// Webhooks: the end of a subscription closes the product to its company, the next one opens it again.
	forged := object{"event": "subscription.canceled", "sequence": 99, "data": object{"companyId": home["companyId"], "subscriptionId": 1}}
	browser.post("/webhooks", http.Header{"X-Portal-Signature": {"00"}, "Webhook-Signature": {"v1,AA=="}}, forged, http.StatusUnauthorized)
	browser.get("/", http.StatusOK)
	merchant.Do(`mutation($id: ID!) { subscriptionCancel(input: {subscription: $id, atPeriodEnd: false}) { userErrors { message } } }`,
		object{"id": subscription})
	browser.eventually("/", http.StatusForbidden)
	if product == "rosterly" {
		// The same secret, verified behind a parser.
		endpoint := merchant.Do(`query($product: String!) { webhookEndpoints(product: {identifier: $product}) { nodes { id } } }`,
			object{"product": product}).List("webhookEndpoints.nodes")[0]
		merchant.Do(`mutation($id: ID!, $url: String!) { webhookEndpointUpdate(input: {id: $id, url: $url}) { userErrors { message } } }`,
			object{"id": endpoint["id"], "url": address + "/webhooks/parsed"})
		browser.post("/webhooks/parsed", http.Header{"X-Portal-Signature": {"00"}}, forged, http.StatusUnauthorized)
	}
	buy()
	browser.eventually("/", http.StatusOK)
}

// verifyOffline calls a product with access tokens of a customer who has it, of one who has not, and for another product.
func verifyOffline(t *testing.T, d *dev, address, product string) {
	t.Helper()
	merchant, client := d.merchant(t), newBrowser(t, address)
	mint := func(email, product string) http.Header {
		token := merchant.Do(`mutation($email: String!, $product: String!) { accessTokenCreate(input: {customer: {email: $email}, product: {identifier: $product}}) {
			token userErrors { message } } }`, object{"email": email, "product": product}).Text("accessTokenCreate.token")
		return http.Header{"Authorization": {"Bearer " + token}}
	}
	for _, call := range []struct {
		email, product string
		status         int
	}{
		{"emil@garden.example", product, http.StatusOK},
		{"ben@bakery.example", product, http.StatusForbidden},
		{"ada@bakery.example", "rosterly", http.StatusUnauthorized},
	} {
		status, answer := client.ask(http.MethodGet, "/api/me", mint(call.email, call.product), nil)
		require.Equal(t, call.status, status, "%v", answer)
		if status == http.StatusOK {
			require.Equal(t, "active", answer.At("claims.status"))
		}
	}
	forged := mint("emil@garden.example", product)
	forged.Set("Authorization", forged.Get("Authorization")[:len(forged.Get("Authorization"))-8]+"AAAAAAAA")
	status, _ := client.ask(http.MethodGet, "/api/me", forged, nil)
	require.Equal(t, http.StatusUnauthorized, status)
}

// browser keeps cookies and follows redirects.
type browser struct {
	t       *testing.T
	address string
	client  http.Client
}

func newBrowser(t *testing.T, address string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &browser{t: t, address: address, client: http.Client{Jar: jar, Timeout: proctest.Patience}}
}

func (b *browser) get(path string, status int) object {
	b.t.Helper()
	got, answer := b.ask(http.MethodGet, path, nil, nil)
	require.Equal(b.t, status, got, "%s: %v", path, answer)
	return answer
}

func (b *browser) post(path string, header http.Header, body object, status int) object {
	b.t.Helper()
	got, answer := b.ask(http.MethodPost, path, header, body)
	require.Equal(b.t, status, got, "%s: %v", path, answer)
	return answer
}

func (b *browser) eventually(path string, status int) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		got, _ := b.ask(http.MethodGet, path, nil, nil)
		return got == status
	}, proctest.Patience, 50*time.Millisecond)
}

func (b *browser) ask(method, path string, header http.Header, body object) (status int, answer object) {
	b.t.Helper()
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		require.NoError(b.t, err)
		sent = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(b.t.Context(), method, b.address+path, sent)
	require.NoError(b.t, err)
	if header != nil {
		request.Header = header.Clone()
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := b.client.Do(request)
	require.NoError(b.t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(b.t, err)
	require.NoError(b.t, json.Unmarshal(text, &answer), "%s answers %s", path, text)
	return response.StatusCode, answer
}
