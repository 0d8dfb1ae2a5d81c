package verify

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// plant is something that must never be in a database, and what must be said of it. In its texts {name} stands for the id of that
// customer's subscription, {m} for that of their merchant, {now} for the time, {index n of name} for the invoice of that period.
type plant struct {
	name string
	sql  string
	// Sentences of checks. Nothing else may be counted.
	violated, noted []string
	example         string // of the first of these
	rows            int64  // that it counts; 0 stands for 1
	quiescent       bool
}

func TestEachCheckFindsWhatContradictsItAndNothingElseDoes(t *testing.T) {
	t.Parallel()
	w := newBusyWorld(t)
	known, seen := map[string]bool{}, map[string]bool{}
	for _, c := range checks() {
		require.False(t, known[c.name], "two checks say that %s", c.name)
		known[c.name] = true
	}
	nothing := []plant{{name: "nothing"}, {name: "nothing, at rest", quiescent: true}}
	for _, p := range slices.Concat(nothing, ledgerPlants(), billingPlants(), gatewayPlants(), duePlants(), webhookPlants(), tenancyPlants(), secretPlants(), claimPlants(), usagePlants()) {
		t.Run(p.name, func(t *testing.T) { w.find(t, p) })
		for _, name := range slices.Concat(p.violated, p.noted) {
			require.True(t, known[name], "no check says that %s", name)
			seen[name] = true
		}
	}
	for name := range known {
		require.True(t, seen[name], "nothing shows that a database can be found where it is wrong that %s", name)
	}
}

var errRollBack = errors.New("roll back")

// find plants, verifies and takes back, all in one transaction, so that deferred constraints do not stand in the way.
func (w *world) find(t *testing.T, p plant) {
	t.Helper()
	var results []Result
	err := w.db.System().Tx(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), w.fill(p.sql))
		require.NoError(t, err)
		results, err = askAll(t.Context(), tx, w.now, Options{Quiescent: p.quiescent})
		require.NoError(t, err)
		return errRollBack
	})
	require.ErrorIs(t, err, errRollBack)
	var violated, noted []string
	for _, r := range results {
		if r.Violations > 0 {
			violated = append(violated, r.Name)
		}
		if r.Noted > 0 {
			noted = append(noted, r.Name)
		}
		if slices.Concat(p.violated, p.noted, []string{""})[0] != r.Name {
			continue
		}
		require.Equal(t, max(1, p.rows), r.Violations+r.Noted, "%v", r.Examples)
		require.Len(t, r.Examples, int(min(maxExamples, max(1, p.rows))))
		require.Regexp(t, "^"+w.fill(p.example)+"$", r.Examples[0])
	}
	require.ElementsMatch(t, p.violated, violated)
	require.ElementsMatch(t, p.noted, noted)
}

func (w *world) fill(text string) string {
	pairs := []string{"{m}", fmt.Sprint(w.caller.MerchantID), "{now}", w.now.Format("timestamptz '2006-01-02T15:04:05Z07:00'")}
	for name, id := range w.subs {
		pairs = append(pairs, "{"+name+"}", fmt.Sprint(id))
		for n := range 5 {
			invoice := fmt.Sprintf("(select id from invoice where subscription_id = %d and period_index = %d and status <> 'VOID')", id, n)
			pairs = append(pairs, fmt.Sprintf("{index %d of %s}", n, name), invoice)
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// ofPayment changes the entries of somebody's first payment.
func ofPayment(name, change string) string {
	return `alter table ledger_entry disable trigger ledger_entry_append_only;` +
		change + ` where payment_id = (select id from payment where invoice_id = {index 0 of ` + name + `});
		alter table ledger_entry enable trigger ledger_entry_append_only`
}

// inCurrency adds entries to the transaction of that payment, which sum to zero and concern neither the fee nor the payable.
func inCurrency(currency string) string {
	return `insert into ledger_entry (merchant_id, transaction_id, account, currency, amount_minor, payment_id, created_at)
		select merchant_id, transaction_id, account, '` + currency + `', minor, payment_id, created_at
		from ledger_entry cross join (values (1), (-1)) of (minor)
		where account = 'CASH' and payment_id = (select id from payment where invoice_id = {index 0 of renewed})`
}

func ledgerPlants() []plant {
	const (
		balanced = "ledger transactions sum to zero per currency, and so does the ledger"
		triggers = "triggers keep ledger entries unchanged and balanced"
		booked   = "a payment is booked, as its fee and what is payable"
		totals   = "fees and payables in the ledger are those of the payments"
	)
	return []plant{
		{
			name: "a leg that was changed", violated: []string{balanced}, example: "all entries in USD", rows: 2,
			sql: ofPayment("renewed", "update ledger_entry set amount_minor = amount_minor + case account when 'CASH' then 1 else 0 end"),
		},
		{
			name: "two transactions that only balance together", violated: []string{balanced}, example: `transaction {m}/\d+ in USD`, rows: 2,
			sql: `alter table ledger_entry disable trigger ledger_entry_append_only;
				update ledger_entry set amount_minor = amount_minor + case payment_id when (select id from payment where invoice_id = {index 0 of twin}) then 1 else -1 end
				where account = 'CASH' and payment_id in (select id from payment where invoice_id in ({index 0 of renewed}, {index 0 of twin}));
				alter table ledger_entry enable trigger ledger_entry_append_only`,
		},
		{
			name: "entries that may be changed", violated: []string{triggers}, example: "trigger ledger_entry_append_only",
			sql: `alter table ledger_entry disable trigger ledger_entry_append_only`,
		},
		{
			name: "entries that may be deleted", violated: []string{triggers}, example: "trigger ledger_entry_append_only",
			sql: `drop trigger ledger_entry_append_only on ledger_entry;
				create trigger ledger_entry_append_only before update on ledger_entry for each row execute function refuse_change()`,
		},
		{
			name: "entries that may be emptied out", violated: []string{triggers}, example: "trigger ledger_entry_no_truncate",
			sql: `drop trigger ledger_entry_no_truncate on ledger_entry`,
		},
		{
			name: "transactions that are not weighed", violated: []string{triggers}, example: "trigger ledger_entry_balanced",
			sql: `drop trigger ledger_entry_balanced on ledger_entry;
				create trigger ledger_entry_balanced after insert on ledger_entry referencing new table as added
				for each statement when (pg_trigger_depth() > 0) execute function ledger_balanced()`,
		},
		{
			name: "fees that were booked otherwise", violated: []string{booked}, example: `payment {m}/\d+`, rows: 2,
			sql: `update payment set fee_minor = fee_minor + case invoice_id when {index 0 of twin} then 1 else -1 end
				where invoice_id in ({index 0 of renewed}, {index 0 of twin})`,
		},
		{
			name: "a fee that was booked as the portal's expense", violated: []string{booked, totals}, example: `payment {m}/\d+`,
			sql: ofPayment("renewed", "update ledger_entry set amount_minor = amount_minor + case account when 'PORTAL_FEE' then 1 when 'CASH' then -1 else 0 end"),
		},
		{
			name: "a payable that was booked too high", violated: []string{booked, totals}, example: `payment {m}/\d+`,
			sql: ofPayment("renewed", "update ledger_entry set amount_minor = amount_minor + case account when 'MERCHANT_PAYABLE' then -1 when 'CASH' then 1 else 0 end"),
		},
		{
			name: "a payment with entries in a second currency", violated: []string{booked}, example: `payment {m}/\d+`,
			sql: inCurrency("EUR"),
		},
		{
			name: "a payment with entries in a third currency", violated: []string{booked}, example: `payment {m}/\d+`,
			sql: inCurrency("ZAR"),
		},
		{
			name: "a payment that was booked in another currency", violated: []string{booked, totals}, example: `payment {m}/\d+`,
			sql: ofPayment("renewed", "update ledger_entry set currency = 'EUR'"),
		},
		{
			name: "a payment that was not booked", violated: []string{booked, totals}, example: `payment {m}/\d+`,
			sql: ofPayment("renewed", "delete from ledger_entry"),
		},
		{
			name: "the only payment in a currency, that was not booked", violated: []string{booked, totals}, example: `payment {m}/\d+`,
			sql: ofPayment("yearly", "delete from ledger_entry"),
		},
		{
			name: "a payment that was booked twice", violated: []string{totals}, example: `PORTAL_FEE of merchant {m} in USD`, rows: 2,
			sql: `insert into ledger_entry (merchant_id, transaction_id, account, currency, amount_minor, payment_id, created_at)
				select merchant_id, -transaction_id, account, currency, amount_minor, payment_id, created_at
				from ledger_entry where payment_id = (select id from payment where invoice_id = {index 0 of renewed})`,
		},
	}
}

func tenancyPlants() []plant {
	const (
		references = "a row refers to rows of its own tenant"
		guarded    = "every tenant table forces row-level security with the tenant policy"
		move       = `update customer set company_id = (select company_id from subscription where id = {neighbour})
			where id = (select customer_id from subscription where id = {renewed})`
	)
	return []plant{
		{
			name: "a customer in another tenant's company", violated: []string{references}, example: `customer {m}/\d+`,
			sql: `alter table customer drop constraint customer_merchant_id_company_id_fkey;
				` + move + `;
				alter table customer add foreign key (merchant_id, company_id) references company not valid`,
		},
		{
			name: "a customer in another tenant's company by a key that does not name the tenant", violated: []string{references}, example: `customer {m}/\d+`,
			sql: `alter table company add unique (id);
				alter table customer drop constraint customer_merchant_id_company_id_fkey, add foreign key (company_id) references company (id);
				` + move,
		},
		{
			name: "a table that its owner escapes", violated: []string{guarded}, example: "table membership",
			sql: `alter table membership no force row level security`,
		},
		{
			name: "a table whose policy is switched off", violated: []string{guarded}, example: "table company",
			sql: `alter table company disable row level security`,
		},
		{
			name: "a table without a policy", violated: []string{guarded}, example: "table membership",
			sql: `drop policy tenant on membership`,
		},
		{
			name: "a table with a second way in", violated: []string{guarded}, example: "table plan",
			sql: `create policy more on plan using (true)`,
		},
		{
			name: "a partition without a policy", violated: []string{guarded}, example: "table event_default",
			sql: `drop policy tenant on event_default`,
		},
		{
			name: "a policy that lets all through", violated: []string{guarded}, example: "table plan",
			sql: `drop policy tenant on plan; create policy tenant on plan using (true)`,
		},
		{
			name: "a policy that lets every tenant through", violated: []string{guarded}, example: "table plan",
			sql: `drop policy tenant on plan; create policy tenant on plan using (current_setting('portico.tenant') is not null)`,
		},
		{
			name: "a policy that lets any row in", violated: []string{guarded}, example: "table plan",
			sql: `alter policy tenant on plan with check (true)`,
		},
		{
			name: "a new tenant table that nobody guards", violated: []string{guarded}, example: "table note",
			sql: `create table note (merchant_id bigint)`,
		},
	}
}

func signingKey(algorithm, head string, size int) string {
	return fmt.Sprintf(`insert into signing_key (kid, algorithm, public_key, private_key_cipher, created_at, signs_from)
		values ('%[1]s %[2]s', '%[1]s', '%[2]s' || decode(repeat('5a', %[3]d), 'hex'), decode(repeat('00ff', 30), 'hex'), {now}, {now});`, algorithm, head, size)
}

func secretPlants() []plant {
	const (
		ciphers   = "what is to be encrypted is not readable"
		hashes    = "credentials are kept as hashes of 32 bytes"
		passwords = "passwords are kept as argon2id"
		texts     = "no text holds a credential"
		public    = "what is published of a signing key is its public half"
		key       = `'ptc_sk_test_' || repeat('a1', 19)`
	)
	return []plant{
		{
			name: "the public halves of signing keys",
			sql: signingKey("ES256", `\x3059301306072a8648ce3d020106082a8648ce3d03010703420004`, 64) +
				signingKey("EdDSA", `\x302a300506032b6570032100`, 32),
		},
		{
			name: "a private key that is published", violated: []string{public}, example: `signing_key \d+`, rows: 2,
			sql: signingKey("EdDSA", `\x302e020100300506032b657004220420`, 32) + signingKey("ES256", `\x308187020100`, 132),
		},
		{
			name: "a signing key in clear", violated: []string{ciphers}, example: `signing_key \d+`,
			sql: signingKey("EdDSA", `\x302a300506032b6570032100`, 32) + `update signing_key set private_key_cipher = convert_to(repeat('MC4CAQAw', 8), 'UTF8')`,
		},
		{
			name: "a token key in clear", violated: []string{ciphers}, example: `token_key {m}/\d+`,
			sql: `update token_key set key_cipher = convert_to(` + key + `, 'UTF8') where merchant_id = {m}`,
		},
		{
			name: "a launch secret in clear", violated: []string{ciphers}, example: `product {m}/\d+`,
			sql: `update product set launch_secret_cipher = convert_to(repeat('aZ-_09', 7) || 'x', 'UTF8') where merchant_id = {m}`,
		},
		{
			name: "a signing secret in clear behind other bytes", violated: []string{ciphers}, example: `webhook_endpoint {m}/\d+`, rows: 2,
			sql: `update webhook_endpoint set secret_cipher = '\x0100ff' || convert_to('whsec_' || repeat('aZ+/', 11), 'UTF8')`,
		},
		{
			name: "a ciphertext without its tag", violated: []string{ciphers}, example: `token_key {m}/\d+`,
			sql: `update token_key set key_cipher = substr(key_cipher, 1, 28) where merchant_id = {m}`,
		},
		{
			name: "a mail's link in clear", violated: []string{ciphers}, example: `mail \d+`,
			sql: `insert into mail (kind, cause, recipient, content_cipher, created_at)
				values ('VERIFY_EMAIL', 'member/1', 'a@b.test', convert_to('{"text":"https://portico.test/verify?token=aZ09"}', 'UTF8'), {now})`,
		},
		{
			name: "a session token as a mail's cause", violated: []string{texts}, example: `mail \d+`,
			sql: `insert into mail (kind, cause, recipient, content_cipher, created_at)
				values ('VERIFY_EMAIL', 'ptc_ss_live_' || repeat('a1', 19), 'a@b.test', decode(repeat('00ff', 30), 'hex'), {now})`,
		},
		{
			name: "a sealed mail of no merchant, and a finished one without its content",
			sql: `insert into mail (kind, cause, recipient, content_cipher, created_at)
				values ('VERIFY_EMAIL', 'member/1', 'a@b.test', decode(repeat('00ff', 30), 'hex'), {now});
				insert into mail (merchant_id, kind, cause, recipient, status, created_at, finished_at)
				values ({m}, 'VERIFY_EMAIL', 'member/1', 'a@b.test', 'SENT', {now}, {now})`,
		},
		{
			name: "the shortest ciphertext that there can be",
			sql:  `update token_key set key_cipher = substr(key_cipher, 1, 29) where merchant_id = {m}`,
		},
		{
			name: "an API key that is not hashed", violated: []string{hashes}, example: `api_key {m}/\d+`,
			sql: `update api_key set key_hash = convert_to('my key', 'UTF8') where merchant_id = {m}`,
		},
		{
			name: "a session token that is not hashed", violated: []string{hashes}, example: `session \d+`,
			sql: `update session set token_hash = sha512(token_hash) where id = (select min(id) from session)`,
		},
		{
			name: "a password that is not hashed", violated: []string{passwords}, example: `member \d+`,
			sql: `update member set password_hash = 'correct horse battery' where id = (select min(id) from member)`,
		},
		{
			name: "an operator's password that is not hashed", violated: []string{passwords}, example: `operator \d+`,
			sql: `insert into operator (email, password_hash, created_at) values ('root@portico.test', 'correct horse battery', {now})`,
		},
		{
			name: "test credentials in clear", violated: []string{ciphers}, example: `product_review {m}/\d+`,
			sql: `insert into product_review (merchant_id, product_id, notes, test_credentials_cipher, submitted_at)
				select merchant_id, id, '', convert_to('user demo, password correct horse battery', 'UTF8'), {now} from product where merchant_id = {m} limit 1`,
		},
		{
			name: "a second factor in clear", violated: []string{ciphers}, example: `totp \d+`,
			sql: `insert into totp (member_id, secret_cipher, created_at) select id, convert_to(repeat('A7', 16), 'UTF8'), {now} from member order by id limit 1`,
		},
		{
			name: "a recovery code that is not hashed", violated: []string{hashes}, example: `recovery_code \d+.*`,
			sql: `insert into totp (member_id, secret_cipher, created_at) select m.id, p.launch_secret_cipher, {now} from member m, product p order by m.id limit 1;
				insert into recovery_code select holder, convert_to('ABCDE-FGHIJ', 'UTF8') from totp`,
		},
		{
			name: "an API key in a receiver's answer", violated: []string{texts}, example: `webhook_attempt {m}/\d+/1`,
			sql: `update webhook_attempt set response_body = 'got ' || ` + key + ` where delivery_id = (select min(delivery_id) from webhook_attempt) and number = 1`,
		},
		{
			name: "a session token in a job", violated: []string{texts}, example: `river_job \d+`,
			sql: `update river_job set args = jsonb_build_object('token', 'ptc_ss_live_' || repeat('a1', 19)) where id = (select min(id) from river_job)`,
		},
		{
			name: "a signing secret in an event", violated: []string{texts}, example: `event {m}/\d+`,
			sql: `update event set body = convert_to(regexp_replace(convert_from(body, 'UTF8'), '\}$', ',"key":"whsec_' || repeat('aZ+/', 11) || '"}'), 'UTF8')
				where id = (select min(id) from event)`,
		},
		{
			name: "a token key among a customer's own data", violated: []string{texts}, example: `customer {m}/\d+`,
			sql: `update customer set user_meta = jsonb_build_object('a', array['ptc_tk_test_' || repeat('a1', 19)])
				where id = (select customer_id from subscription where id = {renewed})`,
		},
		{
			name: "a client secret in a list of names", violated: []string{texts}, example: `api_key {m}/\d+`,
			sql: `update api_key set scopes = array['ACCESS_READ', 'ptc_cs_live_' || repeat('a1', 19)] where merchant_id = {m}`,
		},
		{
			name: "an API key in a table without a key of its own", violated: []string{texts}, example: `note \(0,1\)`,
			sql: `create table note as select ` + key + ` as body`,
		},
		{
			name: "the beginning of an API key, which is no secret",
			sql:  `update api_key set hint = left(` + key + `, 31) where merchant_id = {m}`,
		},
	}
}
