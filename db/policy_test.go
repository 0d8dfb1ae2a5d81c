package db_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"portico/db"
	"portico/db/dbtest"
)

// Tables that belong to no tenant, and why that is right. Another one must be added here by hand.
var tenantless = map[string]string{
	"member":                 "a member belongs to many merchants",
	"session":                "a session is found before its merchant is known",
	"operator":               "an operator belongs to no merchant",
	"operator_session":       "an operator's",
	"totp":                   "of a member or an operator",
	"recovery_code":          "of a member",
	"person":                 "a person has customers of many merchants",
	"person_session":         "as person",
	"magic_link":             "asked for before anybody is known",
	"installation":           "the pepper is everybody's",
	"encryption_key":         "the keys are everybody's",
	"signing_key":            "as encryption_key",
	"rate_bucket":            "callers without a merchant spend, too",
	"test_gateway_charge":    "the books of a stranger",
	"member_token":           "a member's",
	"attempt_limit":          "counts attempts, whoever makes them",
	"password_reset_request": "there may be no such member",
	"retention_floor":        "days are everybody's",
	"id_mark":                "as retention_floor",
	"goose_db_version":       "the migrations",
}

// unguardedTables are the tables that neither hold the tenant nor are known to have none.
const unguardedTables = `
select c.relname::text,
       case when not c.relrowsecurity or not c.relforcerowsecurity then 'row-level security is not forced'
            when count(p.oid) <> 1 then 'it has ' || count(p.oid) || ' policies and not one'
            when bool_or(p.polname <> 'tenant' or p.polcmd <> '*' or not p.polpermissive or p.polroles <> '{0}') then 'its policy is not that of guard_tenant'
            when bool_or(pg_get_expr(p.polqual, c.oid) is distinct from
                 replace((select pg_get_expr(polqual, polrelid) from pg_policy where polname = 'tenant' and polrelid = 'company'::regclass),
                         'merchant_id', case c.relname when 'merchant' then 'id' else 'merchant_id' end)) then 'its policy has another condition'
            when bool_or(p.polwithcheck is not null) then 'its policy checks new rows in another way'
       end as fault
from pg_class c
left join pg_policy p on p.polrelid = c.oid
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and c.relname not like 'river\_%' and c.relname <> all ($1)
group by c.oid
order by c.relname`

// looseReferences are the foreign keys from one tenant table to another that do not tie merchant to merchant.
const looseReferences = `
with tenant_table as (
    select attrelid as oid, attnum as merchant_id from pg_attribute where attname = 'merchant_id' and not attisdropped
    union all
    select 'merchant'::regclass, attnum from pg_attribute where attrelid = 'merchant'::regclass and attname = 'id'
)
select r.conrelid::regclass::text, r.conname::text
from pg_constraint r
join tenant_table source on source.oid = r.conrelid
join tenant_table target on target.oid = r.confrelid
where r.contype = 'f'
  and not exists (
      select from unnest(r.conkey, r.confkey) as pair(from_column, to_column)
      where pair.from_column = source.merchant_id and pair.to_column = target.merchant_id)
order by 1, 2`

// pairs reads two columns of text, the second of which may be null, as "first: second".
func pairs(t *testing.T, d *db.DB, sql string, args ...any) []string {
	t.Helper()
	rows, err := d.Pool().Query(t.Context(), sql, args...)
	require.NoError(t, err)
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		var first string
		var second *string
		err := row.Scan(&first, &second)
		if second == nil {
			return "", err
		}
		return first + ": " + *second, err
	})
	require.NoError(t, err)
	return found
}

// faults are the tables that are not guarded as they should be. examined is how many were looked at.
func faults(t *testing.T, d *db.DB) (found []string, examined int) {
	t.Helper()
	var known []string
	for table := range tenantless {
		known = append(known, table)
	}
	tables := pairs(t, d, unguardedTables, known)
	for _, table := range tables {
		if table != "" {
			found = append(found, table)
		}
	}
	return found, len(tables)
}

func TestEveryTableHoldsTheTenantOrIsKnownToHaveNone(t *testing.T) {
	t.Parallel()
	found, examined := faults(t, dbtest.New(t))
	require.Empty(t, found)
	require.Greater(t, examined, 15)
}

func TestATableThatDoesNotHoldTheTenantIsFound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, sql, want string }{
		{"a table without policy", `create table note (merchant_id bigint)`, "note: row-level security is not forced"},
		{"a table without merchant_id", `create table note (id bigint)`, "note: row-level security is not forced"},
		{"a partitioned table", `create table note (merchant_id bigint) partition by list (merchant_id)`, "note: row-level security is not forced"},
		{"a partition", `create table note (merchant_id bigint) partition by list (merchant_id);
			call guard_tenant('note');
			create table note_1 partition of note default`, "note_1: row-level security is not forced"},
		{"a table that its owner escapes", `alter table company no force row level security`, "company: row-level security is not forced"},
		{"a policy that is switched off", `alter table company disable row level security`, "company: row-level security is not forced"},
		{"a table without its policy", `drop policy tenant on plan`, "plan: it has 0 policies and not one"},
		{"a second way in", `create policy more on plan using (true)`, "plan: it has 2 policies and not one"},
		{"a policy for reading only", `drop policy tenant on plan; create policy tenant on plan for select using (true)`,
			"plan: its policy is not that of guard_tenant"},
		{"a policy that lets all through", `drop policy tenant on plan; create policy tenant on plan using (true)`, "plan: its policy has another condition"},
		{"a policy on another column", `drop policy tenant on plan; call guard_tenant('plan', 'product_id')`, "plan: its policy has another condition"},
		{"a policy that lets any row in", `alter policy tenant on plan with check (true)`, "plan: its policy checks new rows in another way"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			_, err := d.Pool().Exec(t.Context(), c.sql)
			require.NoError(t, err)
			found, _ := faults(t, d)
			require.Equal(t, []string{c.want}, found)
		})
	}
}

// A sandbox belongs to another merchant; that is what the column says.
const sandboxOf = "merchant: merchant_sandbox_of_fkey"

func TestAReferenceBetweenTenantTablesStaysWithinTheTenant(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	require.Equal(t, []string{sandboxOf}, pairs(t, d, looseReferences))

	err := d.System().Tx(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `alter table company add unique (id);
			alter table customer add constraint loose foreign key (company_id) references company (id);
			alter table plan add constraint crossed foreign key (product_id, merchant_id) references product (merchant_id, id)`)
		return err
	})
	require.NoError(t, err)
	require.Equal(t, []string{"customer: loose", sandboxOf, "plan: crossed"}, pairs(t, d, looseReferences), "loose references are found")
}

// question catches the statement that a generated method would send.
type question struct {
	sql  string
	args []any
}

var errCaught = errors.New("caught")

func (q *question) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	q.sql, q.args = sql, args
	return pgconn.CommandTag{}, errCaught
}

func (q *question) Query(_ context.Context, sql string, args ...any) (pgx.Rows, error) {
	q.sql, q.args = sql, args
	return nil, errCaught
}

func (q *question) QueryRow(_ context.Context, sql string, args ...any) pgx.Row {
	q.sql, q.args = sql, args
	return q
}

func (q *question) Scan(...any) error { return errCaught }

// Behind a policy Postgres uses an index only for leakproof comparisons, and scans the tenant's rows otherwise.
func TestLookUpsUseTheirIndexBehindThePolicy(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	fill(t, d)
	ctx := t.Context()
	_, err := d.System().Exec(ctx, `insert into customer (merchant_id, number, email, name, company_id, created_at)
		select company.merchant_id, i, 'customer' || i || '@example.com', 'Customer', company.id, $1 from company, generate_series(1, 5000) i`, newYear)
	require.NoError(t, err)
	_, err = d.System().Exec(ctx, `insert into product (merchant_id, identifier, name, launch_url, launch_secret_cipher, created_at)
		select merchant.id, 'app' || i, 'App', 'https://example.com', '', $1 from merchant, generate_series(1, 5000) i`, newYear)
	require.NoError(t, err)
	_, err = d.System().Exec(ctx, `insert into api_key (merchant_id, name, hint, key_hash, scopes, created_at)
		select merchant.id, 'Key', '', sha256(convert_to(merchant.id || '/' || i, 'UTF8')), '{}', $1 from merchant, generate_series(1, 5000) i`, newYear)
	require.NoError(t, err)
	_, err = d.System().Exec(ctx, `insert into token_key (merchant_id, key_hash, key_cipher, created_at, expires_at)
		select merchant_id, key_hash, '', created_at, created_at from api_key`)
	require.NoError(t, err)
	_, err = d.System().Exec(ctx, `insert into client (merchant_id, product_id, client_id, name, created_at)
		select merchant_id, id, merchant_id || identifier, 'Client', created_at from product`)
	require.NoError(t, err)
	_, err = d.System().Exec(ctx, `insert into client_secret (merchant_id, of_client, hint, secret_hash, created_at)
		select merchant_id, id, '', sha256(convert_to(client_id, 'UTF8')), created_at from client`)
	require.NoError(t, err)
	_, err = d.Pool().Exec(ctx, `analyze customer; analyze product; analyze api_key; analyze token_key; analyze client; analyze client_secret`)
	require.NoError(t, err)

	email, identifier, number := "Customer77@Example.com", "app77", int64(77)
	for _, c := range []struct {
		name  string
		scope db.Scope
		ask   func(q *question) error
		index string
		cond  string
	}{
		{"a customer by e-mail address", d.Tenant(1), func(q *question) error {
			_, err := d.CustomerByEmail(ctx, q, db.CustomerByEmailParams{MerchantID: 1, Email: email})
			return err
		}, "customer_email_key", "email_key = 'customer77@example.com'"},
		{"a customer by number", d.Tenant(1), func(q *question) error {
			_, err := d.CustomerByNumber(ctx, q, db.CustomerByNumberParams{MerchantID: 1, Number: number})
			return err
		}, "customer_number_key", "number = '77'"},
		{"a product by identifier", d.Tenant(1), func(q *question) error {
			_, err := d.ProductByRef(ctx, q, db.ProductByRefParams{MerchantID: 1, Identifier: &identifier})
			return err
		}, "product_identifier_key", "identifier = 'app77'"},
		{"access by e-mail address and identifier: the customer", d.Tenant(1), func(q *question) error {
			_, err := d.AccessOf(ctx, q, db.AccessOfParams{MerchantID: 1, CustomerEmail: &email, ProductIdentifier: &identifier, Now: newYear})
			return err
		}, "customer_email_key", "email_key = 'customer77@example.com'"},
		{"access by e-mail address and identifier: the product", d.Tenant(1), func(q *question) error {
			_, err := d.AccessOf(ctx, q, db.AccessOfParams{MerchantID: 1, CustomerEmail: &email, ProductIdentifier: &identifier, Now: newYear})
			return err
		}, "product_identifier_key", "identifier = 'app77'"},
		{"an API key by hash, for the system", d.System(), func(q *question) error {
			_, err := d.APIKeyByHash(ctx, q, []byte("hash"))
			return err
		}, "api_key_key_hash_key", "key_hash ="},
		{"a token key by hash, for the system", d.System(), func(q *question) error {
			_, err := d.TokenKeyByHash(ctx, q, []byte("hash"))
			return err
		}, "token_key_key_hash_key", "key_hash ="},
		{"a client by its secret's hash, for the system", d.System(), func(q *question) error {
			_, err := d.ClientBySecretHash(ctx, q, []byte("hash"))
			return err
		}, "client_secret_secret_hash_key", "secret_hash ="},
		{"a client by its secret's hash, for the system: the client", d.System(), func(q *question) error {
			_, err := d.ClientBySecretHash(ctx, q, []byte("hash"))
			return err
		}, "client_pkey", "id = client_secret.of_client"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var q question
			require.ErrorIs(t, c.ask(&q), errCaught)
			rows, err := c.scope.Query(t.Context(), "explain "+q.sql, q.args...)
			require.NoError(t, err)
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			require.NoError(t, err)
			requireIndexScan(t, strings.Join(lines, "\n"), c.index, c.cond)
		})
	}
}

// requireIndexScan wants a scan of the index with the comparison among its conditions, not in a filter behind it.
func requireIndexScan(t *testing.T, plan, index, cond string) {
	t.Helper()
	_, scan, found := strings.Cut(plan, index)
	require.True(t, found, plan)
	_, scan, found = strings.Cut(scan, "Index Cond: ")
	require.True(t, found, plan)
	conditions, _, _ := strings.Cut(scan, "\n")
	require.Contains(t, conditions, cond, plan)
}
