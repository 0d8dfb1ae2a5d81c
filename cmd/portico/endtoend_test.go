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
	"portico/internal/proctest"
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
		fmt.Sprintf("PORTICO_ADDR=127.0.0.1:%d", proctest.FreePort(t)),
	)
	v.portico("migrate").Wait()
	server := v.portico("serve")
	var started proctest.Object
	require.NoError(t, json.Unmarshal([]byte(server.Line(`"msg":"serving"`)), &started))
	base := "http://" + started.Text("addr")
	workers := []*proctest.Process{v.portico("work"), v.portico("work", "--queues", "renewals,webhooks")}
	for _, w := range workers {
		w.Line(`"msg":"working"`)
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
	require.Contains(t, workers[0].Text(), "PORTICO_SMTP_URL is not set")
	require.NotContains(t, workers[1].Text(), "PORTICO_SMTP_URL", "it does not work the queue")

	// A merchant signs up, opens a sandbox and makes a key for its servers.
	public := proctest.API{T: t, URL: base + "/graphql", Watch: v}
	signedUp := public.Do(`mutation { merchantSignUp(input: {name: "Acorn", email: "owner@acorn.test", password: "correct horse battery"}) {
		merchant { shop } sessionToken userErrors { message } } }`, nil)
	member := public.With("Authorization", "Bearer "+signedUp.Text("merchantSignUp.sessionToken"))
	sandbox := member.Do(`mutation { sandboxCreate(input: {name: "Acorn test"}) { merchant { shop sandbox } userErrors { message } } }`, nil)
	require.Equal(t, true, sandbox.At("sandboxCreate.merchant.sandbox"))
	member = member.With("Portico-Merchant", sandbox.Text("sandboxCreate.merchant.shop"))
	key := member.Do(`mutation { apiKeyCreate(input: {name: "server"}) { secret userErrors { message } } }`, nil)
	merchant := public.With("X-API-Key", key.Text("apiKeyCreate.secret"))

	// It plugs a product in and starts it with the secrets it was shown.
	port := proctest.FreePort(t)
	product := merchant.Do(`mutation($launchUrl: String!) { productCreate(input: {identifier: "rosterly", name: "Rosterly", launchUrl: $launchUrl}) {
		product { id } launchSecret userErrors { message } } }`, proctest.Object{"launchUrl": fmt.Sprintf("http://127.0.0.1:%d/launch", port)})
	plan := merchant.Do(`mutation { planCreate(input: {product: {identifier: "rosterly"}, name: "Pro", tier: "pro",
		features: [{name: "advancedReporting", kind: BOOLEAN, enabled: true}, {name: "maxEmployees", kind: LIMIT, limit: 50}],
		prices: [{interval: MONTH, money: {amountMinor: 4900, currency: "USD"}}]}) { plan { id } userErrors { message } } }`, nil)
	endpoint := merchant.Do(`mutation($url: String!) { webhookEndpointCreate(input: {url: $url, eventTypes: ["subscription.created",
		"subscription.updated", "subscription.canceled", "subscription.renewed", "invoice.created", "payment.succeeded"]}) {
		secret userErrors { message } } }`, proctest.Object{"url": fmt.Sprintf("http://127.0.0.1:%d/webhook", port)})
	receiver := proctest.Start(t, []string{
		fmt.Sprintf("PORT=%d", port), "PRODUCT_IDENTIFIER=rosterly",
		"PORTAL_JWT_SECRET=" + product.Text("productCreate.launchSecret"),
		"PORTAL_WEBHOOK_SECRET=" + endpoint.Text("webhookEndpointCreate.secret"),
	}, "node", filepath.Join("testdata", "receiver", "receiver.mjs"))
	receiver.Line("listening")

	// It sells to a customer on a test clock, and to one in real time.
	clock := merchant.Do(`mutation { testClockCreate(input: {name: "a year", now: "2026-01-31T09:30:00Z"}) { testClock { id } userErrors { message } } }`, nil)
	sell := func(email, clockID string) string {
		t.Helper()
		input := proctest.Object{"email": email, "name": "Ada", "userMeta": proctest.Object{"crm": proctest.Object{"10": "ten", "9": "nine", "note": "<b>&\u2028"}}}
		if clockID != "" {
			input["testClock"] = clockID
		}
		merchant.Do(`mutation($in: CustomerCreateInput!) { customerCreate(input: $in) { customer { id } userErrors { message } } }`, proctest.Object{"in": input})
		merchant.Do(`mutation($email: String!) { paymentMethodAttach(input: {customer: {email: $email}, token: "pm_card_visa"}) {
			paymentMethod { last4 } userErrors { message } } }`, proctest.Object{"email": email})
		sold := merchant.Do(`mutation($email: String!, $plan: ID!) { subscriptionCreate(input: {customer: {email: $email}, plan: $plan, interval: MONTH}) {
			subscription { id status currentPeriodEnd } userErrors { message } } }`, proctest.Object{"email": email, "plan": plan.Text("planCreate.plan.id")})
		require.Equal(t, "ACTIVE", sold.At("subscriptionCreate.subscription.status"))
		return sold.Text("subscriptionCreate.subscription.id")
	}
	subscription := sell("ada@example.test", clock.Text("testClockCreate.testClock.id"))
	inRealTime := sell("bob@example.test", "")

	// The customer has access, and launches the product.
	access := func() proctest.Object {
		t.Helper()
		return merchant.Do(`{ access(customer: {email: "ADA@example.test"}, product: {identifier: "rosterly"}) {
			allowed reason tier status seats feature(name: "advancedReporting") limit(name: "maxEmployees", current: 50) { allowed limit error } } }`, nil).Object("access")
	}
	require.Equal(t, true, access()["allowed"])
	require.Equal(t, true, access()["feature"])
	require.Equal(t, false, access().At("limit.allowed"))
	launch := merchant.Do(`mutation { launchTokenCreate(input: {customer: {email: "ada@example.test"}, product: {identifier: "rosterly"}}) {
		token url userErrors { message } } }`, nil)
	launched := proctest.Get(t, launch.Text("launchTokenCreate.url"))
	require.Equal(t, "pro", launched.At("user.subscription.tier"))
	require.Equal(t, "active", launched.At("user.subscription.status"))
	require.Equal(t, float64(50), launched.At("user.subscription.features.maxEmployees"))
	require.Equal(t, true, launched["canReport"])
	require.Equal(t, "rosterly", launched.At("user.aud"))
	require.NotNil(t, launched.At("user.companyId"))
	require.Contains(t, proctest.Get(t, fmt.Sprintf("http://127.0.0.1:%d/launch?token=%sx", port, launch.Text("launchTokenCreate.token"))), "error")

	advance := func(to string) {
		t.Helper()
		id := clock.Text("testClockCreate.testClock.id")
		merchant.Do(`mutation($id: ID!, $to: DateTime!) { testClockAdvance(input: {testClock: $id, to: $to}) { testClock { status } userErrors { message } } }`,
			proctest.Object{"id": id, "to": to})
		require.Eventually(t, func() bool {
			return merchant.Do(`query($id: ID!) { node(id: $id) { ... on TestClock { status now } } }`, proctest.Object{"id": id}).Text("node.status") == "READY"
		}, proctest.Patience, 50*time.Millisecond)
	}
	advance("2027-02-28T09:30:00Z")

	// Every period was invoiced once, in order, and paid.
	invoices := merchant.Do(`query($id: ID!) { invoices(subscription: $id, first: 100) { nodes { status total { amount } periodStart periodEnd } } }`,
		proctest.Object{"id": subscription}).List("invoices.nodes")
	require.Len(t, invoices, 14)
	for i, invoice := range invoices {
		require.Equal(t, "PAID", invoice["status"])
		require.Equal(t, "49.00", invoice.At("total.amount"))
		if i > 0 {
			require.Equal(t, invoices[i-1]["periodStart"], invoice["periodEnd"])
		}
	}
	require.Equal(t, "2026-01-31T09:30:00Z", invoices[13]["periodStart"])
	require.Equal(t, "2026-03-31T09:30:00Z", invoices[11]["periodStart"])
	untouched := merchant.Do(`query($id: ID!) { subscription(id: $id) { invoices { nodes { id } } } }`, proctest.Object{"id": inRealTime})
	require.Len(t, untouched.List("subscription.invoices.nodes"), 1)

	// Every event was delivered once, in order, and verified by the receiver.
	delivered := func(atLeast int) []proctest.Object {
		t.Helper()
		var got []proctest.Object
		require.Eventually(t, func() bool {
			got = nil
			for _, event := range proctest.Get(t, fmt.Sprintf("http://127.0.0.1:%d/received", port)).List("list") {
				if "gid://portico/CustomerSubscription/"+fmt.Sprint(event.At("data.subscriptionId")) == subscription {
					got = append(got, event)
				}
			}
			return len(got) >= atLeast
		}, proctest.Patience, 50*time.Millisecond)
		return got
	}
	events := delivered(3 + 13*3)
	require.Len(t, events, 3+13*3)
	for i, event := range events {
		require.EqualValues(t, i+1, event["sequence"], "in order, none missing, none twice")
	}
	require.Equal(t, "<b>&\u2028", events[0].At("data.userMeta.crm.note"))
	require.Equal(t, "subscription.created", events[1]["event"])
	require.Equal(t, "pro", events[1].At("data.tier.name"))
	pending := merchant.Do(`{ webhookDeliveries(status: PENDING) { nodes { id } } failed: webhookDeliveries(status: FAILED) { nodes { id } } }`, nil)
	require.Empty(t, pending.List("failed.nodes"))

	// A cancellation takes effect when the period ends: access is over, and the product hears of it.
	merchant.Do(`mutation($id: ID!) { subscriptionCancel(input: {subscription: $id, reason: "done"}) { subscription { cancelAtPeriodEnd } userErrors { message } } }`,
		proctest.Object{"id": subscription})
	require.Equal(t, true, access()["allowed"])
	advance("2027-04-01T00:00:00Z")
	require.Equal(t, false, access()["allowed"])
	require.Equal(t, "CANCELED", access()["reason"])
	refused := merchant.Post(`mutation { launchTokenCreate(input: {customer: {email: "ada@example.test"}, product: {identifier: "rosterly"}}) {
		token userErrors { code url } } }`, nil)
	require.Equal(t, "NO_ACTIVE_SUBSCRIPTION", refused.List("data.launchTokenCreate.userErrors")[0]["code"])
	require.NotEmpty(t, refused.List("data.launchTokenCreate.userErrors")[0]["url"])
	events = delivered(len(events) + 2)
	require.Equal(t, "subscription.canceled", events[len(events)-1]["event"])
	require.Equal(t, "canceled", events[len(events)-1].At("data.status"))

	// The books balance, and everything stops when asked to.
	sum := 0.0
	for _, entry := range merchant.Do(`{ ledgerEntries(first: 100) { nodes { money { amountMinor } } } }`, nil).List("ledgerEntries.nodes") {
		sum += entry.At("money.amountMinor").(float64)
	}
	require.Zero(t, sum)
	abuse(v, base, database, key.Text("apiKeyCreate.secret"), signedUp.Text("merchantSignUp.sessionToken"))
	v.portico("verify", "--quiescent").Wait()
	for _, p := range append(workers, server) {
		p.Stop()
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
			values (1, now(), 'LAUNCH', 1, 'API_KEY', $1, '{}', $1, 'R1', '')`, marker)
		return err
	}))
	require.Eventually(v.t, func() bool {
		var kept int
		err := d.Pool().QueryRow(v.t.Context(), `select count(*) from river_job where kind = 'token.count' and errors is not null`).Scan(&kept)
		return err == nil && kept > 0
	}, proctest.Patience, 50*time.Millisecond)
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
		fmt.Sprintf("PORTICO_ADDR=127.0.0.1:%d", proctest.FreePort(t)),
	)
	v.portico("migrate").Wait()
	serve, work := v.portico("serve"), v.portico("work")
	var started proctest.Object
	require.NoError(t, json.Unmarshal([]byte(serve.Line(`"msg":"serving"`)), &started))
	work.Line(`"msg":"working"`)
	base := "http://" + started.Text("addr")
	public := proctest.API{T: t, URL: base + "/graphql", Watch: v}
	signedUp := public.Do(`mutation { merchantSignUp(input: {name: "Acorn", email: "owner@acorn.test", password: "correct horse battery"}) {
		sessionToken userErrors { message } } }`, nil)
	member := public.With("Authorization", "Bearer "+signedUp.Text("merchantSignUp.sessionToken"))
	member.Do(`mutation { customerCreate(input: {email: "ada@example.test", name: "Ada"}) { customer { id } userErrors { message } } }`, nil)
	member.Do(`mutation { productCreate(input: {identifier: "rosterly", name: "Rosterly", launchUrl: "https://rosterly.test"}) { userErrors { message } } }`, nil)
	plan := member.Do(`mutation { planCreate(input: {product: {identifier: "rosterly"}, name: "Free", tier: "free",
		prices: [{interval: MONTH, money: {amountMinor: 0, currency: "USD"}}]}) { plan { id } userErrors { message } } }`, nil)
	member.Do(`mutation($plan: ID!) { subscriptionCreate(input: {customer: {email: "ada@example.test"}, plan: $plan, interval: MONTH}) {
		subscription { id } userErrors { message } } }`, proctest.Object{"plan": plan.Text("planCreate.plan.id")})

	server.Refuse(450) // which names the recipient
	public.Do(`mutation { portalMagicLinkSend(input: {email: "ada@example.test"}) { userErrors { message } } }`, nil)
	link, err := url.Parse(server.Wait("ada@example.test", 1)[0].Link())
	require.NoError(t, err)
	token := link.Query().Get("token")
	v.keep("mailed token", token)
	proof, err := url.Parse(server.Wait("owner@acorn.test", 1)[0].Link())
	require.NoError(t, err)
	_, proofToken, found := strings.Cut(proof.Fragment, "token=")
	require.True(t, found)
	v.keep("mailed proof", proofToken)
	public.Do(`mutation($token: String!) { memberEmailVerify(input: {token: $token}) { userErrors { message } } }`, proctest.Object{"token": proofToken})
	public.Do(`mutation { memberPasswordResetSend(input: {email: "owner@acorn.test"}) { userErrors { message } } }`, nil)
	reset, err := url.Parse(server.Wait("owner@acorn.test", 2)[1].Link())
	require.NoError(t, err)
	v.keep("mailed reset", strings.TrimPrefix(reset.Fragment, "token="))
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	v.send(http.MethodGet, base+"/portal/login?token="+token, "", nil)
	require.Contains(t, v.send(http.MethodPost, base+"/portal/login", "token="+token, form), "ada@example.test", "it leads in")
	require.Contains(t, v.send(http.MethodPost, base+"/portal/login", "token="+token, form), "no longer valid")
	for _, p := range []*proctest.Process{serve, work} {
		p.Stop()
	}
	require.Contains(t, work.Text(), `"level":"DEBUG"`)
	v.requireSilence(strings.TrimPrefix(v.env[0], "DATABASE_URL="))
}

// TestDevIsOneCommand starts what a newcomer starts, and does with it what the screen says.
func TestDevIsOneCommand(t *testing.T) {
	t.Parallel()
	const wrongPassword = "marker of a wrong password"
	folder := t.TempDir()
	dev := func() (*proctest.Process, proctest.Object) {
		p := proctest.Portico(t, []string{"DATABASE_URL=", "PORTICO_LOG_LEVEL=debug"}, "dev", "--json", "--addr", "127.0.0.1:0", "--data-dir", folder)
		var info proctest.Object
		require.NoError(t, json.Unmarshal([]byte(p.Line(`"graphqlUrl"`)), &info))
		return p, info
	}
	first, info := dev()
	mails, err := http.Get(info.Text("mailUrl"))
	require.NoError(t, err)
	require.NoError(t, mails.Body.Close())
	require.Equal(t, http.StatusOK, mails.StatusCode)
	require.Len(t, info.List("merchants"), 2)
	products := 0
	for _, m := range info.List("merchants") {
		merchant := proctest.API{T: t, URL: info.Text("graphqlUrl")}.With("X-API-Key", m.Text("apiKey"))
		products += len(m.List("products"))
		for _, product := range m.List("products") {
			require.Len(t, product.List("plans"), 2)
			for _, customer := range m.List("customers") {
				answer := merchant.Do(`query($c: CustomerRef!, $p: ProductRef!) { access(customer: $c, product: $p) { allowed upgradeUrl } }`, proctest.Object{
					"c": proctest.Object{"email": customer["email"]}, "p": proctest.Object{"identifier": product["identifier"]},
				})
				require.Equal(t, customer["subscribed"] == product["identifier"], answer.At("access.allowed"), "%v and %v", customer, product)
				offer, err := http.Get(answer.Text("access.upgradeUrl"))
				require.NoError(t, err)
				require.NoError(t, offer.Body.Close())
				require.Equal(t, http.StatusOK, offer.StatusCode, "the page where %v is bought", product)
			}
		}
		signedIn := proctest.API{T: t, URL: info.Text("graphqlUrl")}.Do(`mutation($in: MemberSignInInput!) { memberSignIn(input: $in) {
			merchants { shop } userErrors { message } } }`, proctest.Object{"in": proctest.Object{"email": m["memberEmail"], "password": m["memberPassword"]}})
		require.Equal(t, m["shop"], signedIn.List("memberSignIn.merchants")[0]["shop"])
		proctest.API{T: t, URL: info.Text("graphqlUrl")}.Post(`mutation($in: MemberSignInInput!) { memberSignIn(input: $in) { userErrors { message } } }`,
			proctest.Object{"in": proctest.Object{"email": m["memberEmail"], "password": wrongPassword}})
	}
	require.Equal(t, 3, products)

	second := proctest.Portico(t, []string{"DATABASE_URL="}, "dev", "--addr", "127.0.0.1:0", "--data-dir", folder)
	require.Error(t, second.Ended(), "a second one on the same folder")
	require.Contains(t, second.Text(), fmt.Sprint(first.ID()), "says who has it")

	// Killed without warning, it leaves nothing behind and starts again with the same data and credentials.
	first.Kill()
	again, infoAgain := dev()
	require.Equal(t, info["merchants"], infoAgain["merchants"])
	again.Stop()

	// Neither dev nor its Postgres has logged what the demo's merchants sign in with, what they were refused with, or a customer.
	v := newVault(t)
	v.walk("demo", "", infoAgain)
	v.keep("refused password", wrongPassword)
	v.processes = []*proctest.Process{first, second, again}
	written := map[string]string{}
	for _, p := range v.processes {
		if _, log, isLog := strings.Cut(p.Text(), "\n"); isLog { // after the line that shows the credentials
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
