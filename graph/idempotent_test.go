package graph_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"

	"portico/graph"
)

// repeated are the fields whose answers are those of earlier requests.
func (a answer) repeated() []string {
	a.t.Helper()
	var shown struct {
		Extensions struct{ Idempotency struct{ Repeated []string } }
	}
	require.NoError(a.t, json.Unmarshal([]byte(a.raw), &shown))
	return shown.Extensions.Idempotency.Repeated
}

const companyOnce = `mutation($key: String!, $name: String!) { made: companyCreate(input: {name: $name}) @idempotent(key: $key) {
	company { id name } userErrors { code message } } }`

func TestAMutationWithAKeyIsPerformedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.sandbox("Acorn")
	first := w.must(s.key, companyOnce, variables{"key": "k", "name": "Initech"})
	require.Empty(t, first.repeated())
	require.Equal(t, "Initech", first.text("made.company.name"))
	for _, document := range []string{
		companyOnce,
		`mutation b($key: String!, $name: String!) { made:companyCreate(input:{name:$name}) @idempotent(key:$key) { ... on CompanyCreatePayload {...f} } }
			fragment f on CompanyCreatePayload { company { id name } userErrors { code message } }`,
		`mutation { made: companyCreate(input: {name: "Initech"}) @idempotent(key: "k") { company { id name } userErrors { code message } } }`,
	} {
		a := w.ask(s.key, document, variables{"key": "k", "name": "Initech"})
		if strings.Contains(document, "fragment") { // which is not the same selection
			a.fails("IDEMPOTENCY_CONFLICT")
			continue
		}
		require.Empty(t, a.errors, a.raw)
		require.Equal(t, []string{"made"}, a.repeated())
		require.Equal(t, first.at("made"), a.at("made"))
	}
	require.Len(t, w.must(s.key, `{ companies { nodes { id } } }`, nil).at("companies.nodes"), 1)

	for name, document := range map[string]string{
		"another selection": strings.Replace(companyOnce, "id name", "id", 1),
		"another alias":     strings.Replace(companyOnce, "id name", "id label: name", 1),
		"another mutation":  `mutation($key: String!, $name: String!) { made: testClockCreate(input: {name: $name}) @idempotent(key: $key) { testClock { id } } }`,
	} {
		a := w.ask(s.key, document, variables{"key": "k", "name": "Initech"})
		a.fails("IDEMPOTENCY_CONFLICT")
		require.Equal(t, []any{"made"}, a.errors[0].Path, name)
	}
	w.ask(s.key, companyOnce, variables{"key": "k", "name": "Globex"}).fails("IDEMPOTENCY_CONFLICT")
	require.Empty(t, w.must(w.sandbox("Birch").key, companyOnce, variables{"key": "k", "name": "Initech"}).repeated(), "another merchant's key")
	require.Empty(t, w.must(s.key, companyOnce, variables{"key": "l", "name": "Initech"}).repeated())
	w.now = w.now.Add(24 * time.Hour)
	require.Empty(t, w.must(s.key, companyOnce, variables{"key": "k", "name": "Globex"}).repeated(), "a day later")
}

func TestAnAnswerIsRepeatedToThoseOnlyWhoMayGetIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.sandbox("Acorn")
	key := func(scopes string) credentials {
		a := w.must(s.owner, `mutation { apiKeyCreate(input: {name: "k", scopes: `+scopes+`}) { secret userErrors { code } } }`, nil)
		return bearer(a.text("apiKeyCreate.secret"))
	}
	w.must(key("[CUSTOMERS_WRITE, CUSTOMERS_READ]"), companyOnce, variables{"key": "k", "name": "Initech"})
	require.Equal(t, []string{"made"}, w.must(key("[CUSTOMERS_READ, CUSTOMERS_WRITE]"), companyOnce, variables{"key": "k", "name": "Initech"}).repeated(),
		"a key that was rolled")
	w.ask(key("[CUSTOMERS_WRITE]"), companyOnce, variables{"key": "k", "name": "Initech"}).fails("IDEMPOTENCY_CONFLICT")
	w.ask(key("[CUSTOMERS_READ]"), companyOnce, variables{"key": "k", "name": "Initech"}).fails("FORBIDDEN")
	w.ask(s.owner, companyOnce, variables{"key": "k", "name": "Initech"}).fails("IDEMPOTENCY_CONFLICT")
	w.ask(nil, companyOnce, variables{"key": "k", "name": "Initech"}).fails("UNAUTHENTICATED")
}

func TestASecretIsNotKeptForARepetition(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.sandbox("Acorn")
	const make = `mutation { apiKeyCreate(input: {name: "k"}) @idempotent(key: "k") { apiKey { name } ...f } } fragment f on ApiKeyCreatePayload { secret }`
	require.NotEmpty(t, w.must(s.owner, make, nil).text("apiKeyCreate.secret"))
	a := w.ask(s.owner, make, nil)
	a.fails("IDEMPOTENCY_CONFLICT")
	require.Contains(t, a.errors[0].Message, "secret")
	require.Len(t, w.must(s.owner, `{ apiKeys { nodes { id } } }`, nil).at("apiKeys.nodes"), 2)
	var kept int
	require.NoError(t, w.db.System().QueryRow(t.Context(), `select count(*) from idempotency_key where convert_from(answer, 'UTF8') like '%ptc_%'`).Scan(&kept))
	require.Zero(t, kept)
	require.Empty(t, w.must(s.owner, `mutation { apiKeyCreate(input: {name: "k"}) @idempotent(key: "l") { apiKey { name } } }`, nil).repeated())
	require.Len(t, w.must(s.owner, `mutation { apiKeyCreate(input: {name: "k"}) @idempotent(key: "l") { apiKey { name } } }`, nil).repeated(), 1)
}

func TestAPurchaseThatIsAskedForTwiceIsChargedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open("Acorn")
	charges := func() (n int) {
		require.NoError(t, w.db.Pool().QueryRow(t.Context(), `select count(*) from test_gateway_charge`).Scan(&n))
		return n
	}
	w.must(s.key, `mutation { customerCreate(input: {email: "bob@acorn.test", name: "Bob"}) { customer { id } userErrors { code } } }`, nil)
	w.must(s.key, `mutation { paymentMethodAttach(input: {customer: {email: "bob@acorn.test"}, token: "pm_card_chargeCustomerFailInsufficientFunds"}) {
		paymentMethod { id } userErrors { code } } }`, nil)
	a := w.must(s.key, `mutation { planCreate(input: {product: {identifier: "acorn"}, name: "Paid", tier: "paid",
		prices: [{interval: MONTH, money: {amountMinor: 900, currency: "USD"}}]}) { plan { id } userErrors { code } } }`, nil)
	document := `mutation { subscriptionCreate(input: {customer: {email: "bob@acorn.test"}, plan: "` + a.text("planCreate.plan.id") + `", interval: MONTH})
		@idempotent(key: "k") { subscription { id status } userErrors { code message } } }`
	before := charges()
	first := w.ask(s.key, document, nil)
	first.refuses("subscriptionCreate", "PAYMENT_FAILED")
	second := w.ask(s.key, document, nil)
	require.Equal(t, first.at("subscriptionCreate"), second.at("subscriptionCreate"))
	require.Equal(t, []string{"subscriptionCreate"}, second.repeated())
	require.Equal(t, before+1, charges())
}

func TestAKeyIsFreeAgainWhenItsAnswerHasErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.sandbox("Acorn")
	rename := func(from, to string) {
		require.NoError(t, w.db.System().Tx(t.Context(), func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), fmt.Sprintf(`alter table %s rename to %s`, from, to))
			return err
		}))
	}
	rename("company", "moved_company")
	a := w.ask(s.key, companyOnce, variables{"key": "k", "name": "Initech"})
	a.fails("INTERNAL_SERVER_ERROR")
	require.Nil(t, a.data)
	rename("moved_company", "company")
	require.Empty(t, w.must(s.key, companyOnce, variables{"key": "k", "name": "Initech"}).repeated())
	require.Len(t, w.must(s.key, companyOnce, variables{"key": "k", "name": "Initech"}).repeated(), 1)
}

func TestAKeyIsTakenWhereTheSchemaSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.sandbox("Acorn")
	for name, document := range map[string]string{
		"a query":                  `{ viewer @idempotent(key: "k") { kind } }`,
		"a field of a payload":     `mutation { companyCreate(input: {name: "a"}) { company @idempotent(key: "k") { id } } }`,
		"a field in a fragment":    `mutation { ...f } fragment f on Mutation { companyCreate(input: {name: "a"}) { company { id @idempotent(key: "k") } } }`,
		"a mutation that does not": `mutation { memberSignOut @idempotent(key: "k") { userErrors { code } } }`,
		"an operation":             `mutation @idempotent(key: "k") { companyCreate(input: {name: "a"}) { company { id } } }`,
		"no key":                   `mutation { companyCreate(input: {name: "a"}) @idempotent { company { id } } }`,
		"an empty key":             `mutation { companyCreate(input: {name: "a"}) @idempotent(key: "") { company { id } } }`,
		"a key that is too long":   `mutation { companyCreate(input: {name: "a"}) @idempotent(key: "` + strings.Repeat("k", 256) + `") { company { id } } }`,
		"a control character":      `mutation { companyCreate(input: {name: "a"}) @idempotent(key: "a\u0000") { company { id } } }`,
	} {
		w.ask(s.key, document, nil).fails("BAD_REQUEST")
		require.Empty(t, w.must(s.key, `{ companies { nodes { id } } }`, nil).at("companies.nodes"), name)
	}
	w.must(s.key, companyOnce, variables{"key": strings.Repeat("ä", 255), "name": "Initech"})
	require.Empty(t, w.log.String())
}

// A repetition acts for a merchant, and its answer is kept: nothing else may be asked for with a key.
func TestOnlyMutationsOfAMerchantTakeKeys(t *testing.T) {
	t.Parallel()
	schema := graph.NewExecutableSchema(graph.Config{}).Schema()
	taken := 0
	for _, definition := range schema.Types {
		for _, field := range definition.Fields {
			if field.Directives.ForName("idempotency") == nil {
				continue
			}
			taken++
			require.Equal(t, schema.Mutation, definition)
			auth := field.Directives.ForName("auth").ArgumentMap(nil)
			require.Equal(t, true, auth["merchant"], field.Name)
			require.NotContains(t, auth["allow"], "ANONYMOUS", field.Name)
		}
	}
	require.GreaterOrEqual(t, taken, 10)
	for _, definition := range schema.Types {
		for _, field := range definition.Fields {
			if definition.Kind == ast.Object && strings.HasSuffix(definition.Name, "Payload") && field.Type.NamedType == "String" {
				require.NotNil(t, field.Directives.ForName("secret"), "%s.%s: a text of a payload is a secret, or belongs to an object", definition.Name, field.Name)
			}
		}
	}
}
