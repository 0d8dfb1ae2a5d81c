package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/db"
	"portico/db/dbtest"
	"portico/internal/mail/mailtest"
	"portico/internal/secret"
)

// TestAProductIsSoldLaunchedRenewedAndCanceled drives the main job with real processes: one API, two workers, and a merchant's
// product in Node that knows Portico only by its published contract.
func TestAProductIsSoldLaunchedRenewedAndCanceled(t *testing.T) {
	t.Parallel()
	database := strings.Replace(dbtest.Empty(t), "portico@", "portico:marker-of-the-database@", 1)
	v := newVault(t,
		"DATABASE_URL="+database,
		"PORTICO_KEYS=1:"+string(secret.NewKey()), "PORTICO_PEPPER="+string(secret.NewKey()),
		"PORTICO_WEBHOOK_ALLOW_LOOPBACK=true", "PORTICO_WEBHOOK_ALLOW_HTTP=true", "PORTICO_LOG_LEVEL=debug",
		fmt.Sprintf("PORTICO_ADDR=127.0.0.1:%d", freePort(t)),
	)
	v.portico("migrate").wait()
	server := v.portico("serve")
	var started object
	require.NoError(t, json.Unmarshal([]byte(server.line(`"msg":"serving"`)), &started))
	base := "http://" + started.text("addr")
	workers := []*process{v.portico("work"), v.portico("work", "--queues", "renewals,webhooks")}
	for _, w := range workers {
		w.line(`"msg":"working"`)
	}
	for _, probe := range []string{"/healthz", "/readyz", "/account/verify"} {
		response, err := http.Get(base + probe)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusOK, response.StatusCode)
	}

	// Mails are shown in dev only, and a worker that could not send them says so.
	response, err := http.Get(base + "/dev/mail")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusNotFound, response.StatusCode)
	require.Contains(t, workers[0].text(), "PORTICO_SMTP_URL is not set")
	require.NotContains(t, workers[1].text(), "PORTICO_SMTP_URL", "it does not work the queue")

	// A merchant signs up, opens a sandbox and makes a key for its servers.
	public := api{t: t, url: base + "/graphql", vault: v}
	signedUp := public.do(`mutation { merchantSignUp(input: {name: "Acorn", email: "owner@acorn.test", password: "correct horse battery"}) {
		merchant { shop } sessionToken userErrors { message } } }`, nil)
	member := public.with("Authorization", "Bearer "+signedUp.text("merchantSignUp.sessionToken"))
	sandbox := member.do(`mutation { sandboxCreate(input: {name: "Acorn test"}) { merchant { shop sandbox } userErrors { message } } }`, nil)
	require.Equal(t, true, sandbox.at("sandboxCreate.merchant.sandbox"))
	member = member.with("Portico-Merchant", sandbox.text("sandboxCreate.merchant.shop"))
	key := member.do(`mutation { apiKeyCreate(input: {name: "server"}) { secret userErrors { message } } }`, nil)
	merchant := public.with("X-API-Key", key.text("apiKeyCreate.secret"))

	// It plugs a product in and starts it with the secrets it was shown.
	port := freePort(t)
	product := merchant.do(`mutation($launchUrl: String!) { productCreate(input: {identifier: "rosterly", name: "Rosterly", launchUrl: $launchUrl}) {
		product { id } launchSecret userErrors { message } } }`, object{"launchUrl": fmt.Sprintf("http://127.0.0.1:%d/launch", port)})
	plan := merchant.do(`mutation { planCreate(input: {product: {identifier: "rosterly"}, name: "Pro", tier: "pro",
		features: [{name: "advancedReporting", kind: BOOLEAN, enabled: true}, {name: "maxEmployees", kind: LIMIT, limit: 50}],
		prices: [{interval: MONTH, money: {amountMinor: 4900, currency: "USD"}}]}) { plan { id } userErrors { message } } }`, nil)
	endpoint := merchant.do(`mutation($url: String!) { webhookEndpointCreate(input: {url: $url, eventTypes: ["subscription.created",
		"subscription.updated", "subscription.canceled", "subscription.renewed", "invoice.created", "payment.succeeded"]}) {
		secret userErrors { message } } }`, object{"url": fmt.Sprintf("http://127.0.0.1:%d/webhook", port)})
	receiver := start(t, []string{
		fmt.Sprintf("PORT=%d", port), "PRODUCT_IDENTIFIER=rosterly",
		"PORTAL_JWT_SECRET=" + product.text("productCreate.launchSecret"),
		"PORTAL_WEBHOOK_SECRET=" + endpoint.text("webhookEndpointCreate.secret"),
	}, "node", filepath.Join("testdata", "receiver", "receiver.mjs"))
	receiver.line("listening")

	// It sells to a customer on a test clock, and to one in real time.
	clock := merchant.do(`mutation { testClockCreate(input: {name: "a year", now: "2026-01-31T09:30:00Z"}) { testClock { id } userErrors { message } } }`, nil)
	sell := func(email, clockID string) string {
		t.Helper()
		input := object{"email": email, "name": "Ada", "userMeta": object{"crm": object{"10": "ten", "9": "nine", "note": "<b>&\u2028"}}}
		if clockID != "" {
			input["testClock"] = clockID
		}
		merchant.do(`mutation($in: CustomerCreateInput!) { customerCreate(input: $in) { customer { id } userErrors { message } } }`, object{"in": input})
		merchant.do(`mutation($email: String!) { paymentMethodAttach(input: {customer: {email: $email}, token: "pm_card_visa"}) {
			paymentMethod { last4 } userErrors { message } } }`, object{"email": email})
		sold := merchant.do(`mutation($email: String!, $plan: ID!) { subscriptionCreate(input: {customer: {email: $email}, plan: $plan, interval: MONTH}) {
			subscription { id status currentPeriodEnd } userErrors { message } } }`, object{"email": email, "plan": plan.text("planCreate.plan.id")})
		require.Equal(t, "ACTIVE", sold.at("subscriptionCreate.subscription.status"))
		return sold.text("subscriptionCreate.subscription.id")
	}
	subscription := sell("ada@example.test", clock.text("testClockCreate.testClock.id"))
	inRealTime := sell("bob@example.test", "")

	// The customer has access, and launches the product.
	access := func() object {
		t.Helper()
		return merchant.do(`{ access(customer: {email: "ADA@example.test"}, product: {identifier: "rosterly"}) {
			allowed reason tier status seats feature(name: "advancedReporting") limit(name: "maxEmployees", current: 50) { allowed limit error } } }`, nil).object("access")
	}
	require.Equal(t, true, access()["allowed"])
	require.Equal(t, true, access()["feature"])
	require.Equal(t, false, access().at("limit.allowed"))
	launch := merchant.do(`mutation { launchTokenCreate(input: {customer: {email: "ada@example.test"}, product: {identifier: "rosterly"}}) {
		token url userErrors { message } } }`, nil)
	launched := get(t, launch.text("launchTokenCreate.url"))
	require.Equal(t, "pro", launched.at("user.subscription.tier"))
	require.Equal(t, "active", launched.at("user.subscription.status"))
	require.Equal(t, float64(50), launched.at("user.subscription.features.maxEmployees"))
	require.Equal(t, true, launched["canReport"])
	require.Equal(t, "rosterly", launched.at("user.aud"))
	require.NotNil(t, launched.at("user.companyId"))
	require.Contains(t, get(t, fmt.Sprintf("http://127.0.0.1:%d/launch?token=%sx", port, launch.text("launchTokenCreate.token"))), "error")

	advance := func(to string) {
		t.Helper()
		id := clock.text("testClockCreate.testClock.id")
		merchant.do(`mutation($id: ID!, $to: DateTime!) { testClockAdvance(input: {testClock: $id, to: $to}) { testClock { status } userErrors { message } } }`,
			object{"id": id, "to": to})
		require.Eventually(t, func() bool {
			return merchant.do(`query($id: ID!) { node(id: $id) { ... on TestClock { status now } } }`, object{"id": id}).text("node.status") == "READY"
		}, patience, 50*time.Millisecond)
	}
	advance("2027-02-28T09:30:00Z")

	// Every period was invoiced once, in order, and paid.
	invoices := merchant.do(`query($id: ID!) { invoices(subscription: $id, first: 100) { nodes { status total { amount } periodStart periodEnd } } }`,
		object{"id": subscription}).list("invoices.nodes")
	require.Len(t, invoices, 14)
	for i, invoice := range invoices {
		require.Equal(t, "PAID", invoice["status"])
		require.Equal(t, "49.00", invoice.at("total.amount"))
		if i > 0 {
			require.Equal(t, invoices[i-1]["periodStart"], invoice["periodEnd"])
		}
	}
	require.Equal(t, "2026-01-31T09:30:00Z", invoices[13]["periodStart"])
	require.Equal(t, "2026-03-31T09:30:00Z", invoices[11]["periodStart"])
	untouched := merchant.do(`query($id: ID!) { subscription(id: $id) { invoices { nodes { id } } } }`, object{"id": inRealTime})
	require.Len(t, untouched.list("subscription.invoices.nodes"), 1)

	// Every event was delivered once, in order, and verified by the receiver.
	delivered := func(atLeast int) []object {
		t.Helper()
		var got []object
		require.Eventually(t, func() bool {
			got = nil
			for _, event := range get(t, fmt.Sprintf("http://127.0.0.1:%d/received", port)).list("list") {
				if "gid://portico/CustomerSubscription/"+fmt.Sprint(event.at("data.subscriptionId")) == subscription {
					got = append(got, event)
				}
			}
			return len(got) >= atLeast
		}, patience, 50*time.Millisecond)
		return got
	}
	events := delivered(3 + 13*3)
	require.Len(t, events, 3+13*3)
	for i, event := range events {
		require.EqualValues(t, i+1, event["sequence"], "in order, none missing, none twice")
	}
	require.Equal(t, "<b>&\u2028", events[0].at("data.userMeta.crm.note"))
	require.Equal(t, "subscription.created", events[1]["event"])
	require.Equal(t, "pro", events[1].at("data.tier.name"))
	pending := merchant.do(`{ webhookDeliveries(status: PENDING) { nodes { id } } failed: webhookDeliveries(status: FAILED) { nodes { id } } }`, nil)
	require.Empty(t, pending.list("failed.nodes"))

	// A cancellation takes effect when the period ends: access is over, and the product hears of it.
	merchant.do(`mutation($id: ID!) { subscriptionCancel(input: {subscription: $id, reason: "done"}) { subscription { cancelAtPeriodEnd } userErrors { message } } }`,
		object{"id": subscription})
	require.Equal(t, true, access()["allowed"])
	advance("2027-04-01T00:00:00Z")
	require.Equal(t, false, access()["allowed"])
	require.Equal(t, "CANCELED", access()["reason"])
	refused := merchant.post(`mutation { launchTokenCreate(input: {customer: {email: "ada@example.test"}, product: {identifier: "rosterly"}}) {
		token userErrors { code url } } }`, nil)
	require.Equal(t, "NO_ACTIVE_SUBSCRIPTION", refused.list("data.launchTokenCreate.userErrors")[0]["code"])
	require.NotEmpty(t, refused.list("data.launchTokenCreate.userErrors")[0]["url"])
	events = delivered(len(events) + 2)
	require.Equal(t, "subscription.canceled", events[len(events)-1]["event"])
	require.Equal(t, "canceled", events[len(events)-1].at("data.status"))

	// The books balance, and everything stops when asked to.
	sum := 0.0
	for _, entry := range merchant.do(`{ ledgerEntries(first: 100) { nodes { money { amountMinor } } } }`, nil).list("ledgerEntries.nodes") {
		sum += entry.at("money.amountMinor").(float64)
	}
	require.Zero(t, sum)
	abuse(v, base, database, key.text("apiKeyCreate.secret"), signedUp.text("merchantSignUp.sessionToken"))
	v.portico("verify", "--quiescent").wait()
	for _, p := range append(workers, server) {
		p.stop()
	}
	v.requireSilence(database)
}

// abuse sends what a broken or a hostile client sends, with a marker wherever something could be repeated, and breaks the database so
// that its errors hold values too: nothing of it may show in a log.
func abuse(v *vault, base, database, key, session string) {
	v.t.Helper()
	const marker = "Marker7Of9TheRequest"
	v.keep("marker", marker, "eve@"+strings.ToLower(marker)+".test")
	v.keep("card", "tok_"+marker)
	json, graphql := map[string]string{"Content-Type": "application/json", "X-API-Key": key}, base+"/graphql"
	send := func(body string) string { return v.send(http.MethodPost, graphql, body, json) }
	operation := func(document string) string {
		return send(fmt.Sprintf(`{"query": %q, "variables": {"marker": %q}}`, document, marker))
	}
	for _, body := range []string{
		marker, `{"query": "` + marker, `{"query": 7, "` + marker + `": 1}`, `["` + marker + `"]`, "\xff" + marker, `{"query": "{ viewer { kind } }", "operationName": "` + marker + `"}`,
		`{"query": "query($a: Int) { viewer { kind } }", "variables": {"a": "` + marker + `"}}`,
		`{"query": "{ viewer { kind } }", "variables": "` + marker + `"}`, strings.Repeat(marker, 20_000),
	} {
		send(body)
	}
	for _, document := range []string{
		`{ ` + marker + ` }`, `{ viewer { kind(` + marker + `: 1) } }`, `query { node(id: "` + marker + `") { id } }`, `{ "` + marker, `#` + marker,
		`query($m: ` + marker + `) { viewer { kind } }`, `{ customer(ref: {email: "` + marker + `\u0000@x.test"}) { id } }`,
		`mutation { productCreate(input: {name: "` + marker + `", launchUrl: "javascript:` + marker + `"}) { userErrors { message } } }`,
		`mutation { memberSignIn(input: {email: "eve@marker7of9therequest.test", password: "` + marker + `"}) { userErrors { message } } }`,
		`mutation { paymentMethodAttach(input: {customer: {email: "bob@example.test"}, token: "tok_` + marker + `"}) { userErrors { message } } }`,
		`mutation { webhookEndpointCreate(input: {url: "http://127.0.0.1:1/?token=` + marker + `"}) { userErrors { message } } }`,
		`mutation { customerCreate(input: {email: "eve@marker7of9therequest.test", name: "` + marker + `", userMeta: {a: "` + marker + `"}}) { userErrors { message } } }`,
	} {
		operation(document)
	}
	for _, header := range []map[string]string{
		{"Authorization": "Bearer " + marker}, {"Authorization": "Basic " + marker}, {"X-API-Key": key[:len(key)-1] + "!"}, {"X-API-Key": marker},
		{"Cookie": "portico_session=" + session}, {"Cookie": "portico_session=" + marker}, {"Portico-Merchant": marker, "X-API-Key": key},
		{"User-Agent": marker}, {"X-Forwarded-For": marker}, {"X-Request-Id": marker}, {"Content-Type": "text/" + marker},
	} {
		if header["Content-Type"] == "" {
			header["Content-Type"] = "application/json"
		}
		v.send(http.MethodPost, graphql, `{"query": "{ viewer { kind } }"}`, header)
	}
	v.send(http.MethodGet, graphql+"?token="+marker+"&query="+marker, "", nil)
	v.send(http.MethodPost, graphql+"?token="+marker, `{"query": "{ viewer { kind } }"}`, json)
	v.send(http.MethodGet, base+"/"+marker, "", nil)
	existing := base + "/api/external/v2/"
	v.send(http.MethodGet, existing+"customer-portal-token?api_key="+key+"&email=bob@example.test", "", nil)
	v.send(http.MethodGet, existing+"manage-subscription-link?api_key="+key+"&email=bob@example.test&customerId="+marker, "", nil)
	v.send(http.MethodGet, existing+marker+"?api_key="+marker, "", map[string]string{"Authorization": "Basic " + marker})
	v.send(http.MethodGet, base+"/portal/acorn?token="+marker, "", nil)
	for _, form := range []string{"token=" + marker, "token=%zz" + marker, marker} {
		v.send(http.MethodPost, base+"/portal/login", form, map[string]string{"Content-Type": "application/x-www-form-urlencoded"})
	}

	// The database refuses a company with its whole row in the error's detail, then with its name in the error's message. Counting the
	// token of a launch breaks in the same way, for long enough that River keeps the error.
	d, err := db.Open(v.t.Context(), database)
	require.NoError(v.t, err)
	defer d.Close()
	breaks := func(sql string) {
		_, err := d.Pool().Exec(v.t.Context(), sql)
		require.NoError(v.t, err)
	}
	create := `mutation { companyCreate(input: {name: "` + marker + `"}) { company { id } userErrors { message } } }`
	breaks(`alter table company add constraint broken check (name not like 'Marker%') not valid`)
	require.Contains(v.t, operation(create), "INTERNAL_SERVER_ERROR")
	breaks(`alter table company drop constraint broken`)
	breaks(`create function broken() returns trigger language plpgsql as $$ begin perform (to_jsonb(new)->>tg_argv[0])::timestamp; return new; end $$`)
	breaks(`create trigger broken before insert on company for each row execute function broken('name')`)
	require.Contains(v.t, operation(create), "INTERNAL_SERVER_ERROR")
	breaks(`drop trigger broken on company`)
	breaks(`create trigger broken before insert on audit_entry for each row when (new.action = '` + marker + `') execute function broken('object')`)
	require.NoError(v.t, d.System().Tx(v.t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(v.t.Context(), `insert into token_mint (merchant_id, minted_at, kind, customer_id, actor_kind, action, fields, object, request_id, user_agent)
			values (1, now(), 'LAUNCH', 1, 'API_KEY', $1, '{}', $1, '', '')`, marker)
		return err
	}))
	require.Eventually(v.t, func() bool {
		var kept int
		err := d.Pool().QueryRow(v.t.Context(), `select count(*) from river_job where kind = 'token.count' and errors is not null`).Scan(&kept)
		return err == nil && kept > 0
	}, patience, 50*time.Millisecond)
	breaks(`drop trigger broken on audit_entry; drop function broken()`)
	require.NoError(v.t, d.System().Tx(v.t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(v.t.Context(), `delete from token_mint where action = $1`, marker)
		return err
	}))
}

// TestAMailedLinkLeadsInAndIsNowhereInTheLogs drives what is mailed with real processes and a mail server.
func TestAMailedLinkLeadsInAndIsNowhereInTheLogs(t *testing.T) {
	t.Parallel()
	server := mailtest.NewServer(t)
	v := newVault(t,
		"DATABASE_URL="+dbtest.Empty(t),
		"PORTICO_KEYS=1:"+string(secret.NewKey()), "PORTICO_PEPPER="+string(secret.NewKey()),
		"PORTICO_SMTP_URL="+string(server.URL()), "PORTICO_MAIL_FROM=Portico <portico@example.com>", "PORTICO_LOG_LEVEL=debug", "PORTICO_LIVE_GATEWAY=test",
		fmt.Sprintf("PORTICO_ADDR=127.0.0.1:%d", freePort(t)),
	)
	v.portico("migrate").wait()
	serve, work := v.portico("serve"), v.portico("work")
	var started object
	require.NoError(t, json.Unmarshal([]byte(serve.line(`"msg":"serving"`)), &started))
	work.line(`"msg":"working"`)
	base := "http://" + started.text("addr")
	public := api{t: t, url: base + "/graphql", vault: v}
	signedUp := public.do(`mutation { merchantSignUp(input: {name: "Acorn", email: "owner@acorn.test", password: "correct horse battery"}) {
		sessionToken userErrors { message } } }`, nil)
	member := public.with("Authorization", "Bearer "+signedUp.text("merchantSignUp.sessionToken"))
	member.do(`mutation { customerCreate(input: {email: "ada@example.test", name: "Ada"}) { customer { id } userErrors { message } } }`, nil)
	member.do(`mutation { productCreate(input: {identifier: "rosterly", name: "Rosterly", launchUrl: "https://rosterly.test"}) { userErrors { message } } }`, nil)
	plan := member.do(`mutation { planCreate(input: {product: {identifier: "rosterly"}, name: "Free", tier: "free",
		prices: [{interval: MONTH, money: {amountMinor: 0, currency: "USD"}}]}) { plan { id } userErrors { message } } }`, nil)
	member.do(`mutation($plan: ID!) { subscriptionCreate(input: {customer: {email: "ada@example.test"}, plan: $plan, interval: MONTH}) {
		subscription { id } userErrors { message } } }`, object{"plan": plan.text("planCreate.plan.id")})

	server.Refuse(450) // which names the recipient
	public.do(`mutation { portalMagicLinkSend(input: {email: "ada@example.test"}) { userErrors { message } } }`, nil)
	link, err := url.Parse(server.Wait("ada@example.test", 1)[0].Link())
	require.NoError(t, err)
	token := link.Query().Get("token")
	v.keep("mailed token", token)
	proof, err := url.Parse(server.Wait("owner@acorn.test", 1)[0].Link())
	require.NoError(t, err)
	_, proofToken, found := strings.Cut(proof.Fragment, "token=")
	require.True(t, found)
	v.keep("mailed proof", proofToken)
	public.do(`mutation($token: String!) { memberEmailVerify(input: {token: $token}) { userErrors { message } } }`, object{"token": proofToken})
	public.do(`mutation { memberPasswordResetSend(input: {email: "owner@acorn.test"}) { userErrors { message } } }`, nil)
	reset, err := url.Parse(server.Wait("owner@acorn.test", 2)[1].Link())
	require.NoError(t, err)
	v.keep("mailed reset", strings.TrimPrefix(reset.Fragment, "token="))
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	v.send(http.MethodGet, base+"/portal/login?token="+token, "", nil)
	require.Contains(t, v.send(http.MethodPost, base+"/portal/login", "token="+token, form), "ada@example.test", "it leads in")
	require.Contains(t, v.send(http.MethodPost, base+"/portal/login", "token="+token, form), "no longer valid")
	for _, p := range []*process{serve, work} {
		p.stop()
	}
	require.Contains(t, work.text(), `"level":"DEBUG"`)
	v.requireSilence(strings.TrimPrefix(v.env[0], "DATABASE_URL="))
}

// TestDevIsOneCommand starts what a newcomer starts, and does with it what the screen says.
func TestDevIsOneCommand(t *testing.T) {
	t.Parallel()
	const wrongPassword = "marker of a wrong password"
	folder := t.TempDir()
	dev := func() (*process, object) {
		p := portico(t, []string{"DATABASE_URL=", "PORTICO_LOG_LEVEL=debug"}, "dev", "--json", "--addr", "127.0.0.1:0", "--data-dir", folder)
		var info object
		require.NoError(t, json.Unmarshal([]byte(p.line(`"graphqlUrl"`)), &info))
		return p, info
	}
	first, info := dev()
	mails, err := http.Get(info.text("mailUrl"))
	require.NoError(t, err)
	require.NoError(t, mails.Body.Close())
	require.Equal(t, http.StatusOK, mails.StatusCode)
	require.Len(t, info.list("merchants"), 2)
	products := 0
	for _, m := range info.list("merchants") {
		merchant := api{t: t, url: info.text("graphqlUrl")}.with("X-API-Key", m.text("apiKey"))
		products += len(m.list("products"))
		for _, product := range m.list("products") {
			require.Len(t, product.list("plans"), 2)
			for _, customer := range m.list("customers") {
				answer := merchant.do(`query($c: CustomerRef!, $p: ProductRef!) { access(customer: $c, product: $p) { allowed } }`, object{
					"c": object{"email": customer["email"]}, "p": object{"identifier": product["identifier"]},
				})
				require.Equal(t, customer["subscribed"] == product["identifier"], answer.at("access.allowed"), "%v and %v", customer, product)
			}
		}
		signedIn := api{t: t, url: info.text("graphqlUrl")}.do(`mutation($in: MemberSignInInput!) { memberSignIn(input: $in) {
			merchants { shop } userErrors { message } } }`, object{"in": object{"email": m["memberEmail"], "password": m["memberPassword"]}})
		require.Equal(t, m["shop"], signedIn.list("memberSignIn.merchants")[0]["shop"])
		api{t: t, url: info.text("graphqlUrl")}.post(`mutation($in: MemberSignInInput!) { memberSignIn(input: $in) { userErrors { message } } }`,
			object{"in": object{"email": m["memberEmail"], "password": wrongPassword}})
	}
	require.Equal(t, 3, products)

	second := portico(t, []string{"DATABASE_URL="}, "dev", "--addr", "127.0.0.1:0", "--data-dir", folder)
	<-second.done
	require.Error(t, second.err, "a second one on the same folder")
	require.Contains(t, second.text(), fmt.Sprint(first.cmd.Process.Pid), "says who has it")

	// Killed without warning, it leaves nothing behind and starts again with the same data and credentials.
	require.NoError(t, first.cmd.Process.Kill())
	<-first.done
	again, infoAgain := dev()
	require.Equal(t, info["merchants"], infoAgain["merchants"])
	again.stop()

	// Neither dev nor its Postgres has logged what the demo's merchants sign in with, what they were refused with, or a customer.
	v := newVault(t)
	v.walk("demo", "", infoAgain)
	v.keep("refused password", wrongPassword)
	v.processes = []*process{first, second, again}
	written := map[string]string{}
	for _, p := range v.processes {
		if _, log, isLog := strings.Cut(p.text(), "\n"); isLog { // after the line that shows the credentials
			written["dev"] += log
		}
	}
	text, err := os.ReadFile(filepath.Join(folder, "postgres", "postgres.log"))
	require.NoError(t, err)
	written["postgres"] = string(text)
	require.Contains(t, written["postgres"], "ready to accept connections")
	v.requireNone(written)
	if _, err := os.Stat(filepath.Join(folder, "postgres", "postmaster.pid")); err == nil {
		require.Fail(t, "postgres was not shut down")
	}
}
