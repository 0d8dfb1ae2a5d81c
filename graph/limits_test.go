package graph

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"portico/internal/account"
)

// prepare is what becomes of a document before it is executed.
func prepare(limits Limits, caller account.Caller, text string, variables map[string]any) gqlerror.List {
	documents := newDocuments(NewExecutableSchema(Config{}).Schema(), limits, IntrospectionAll)
	ctx := withCaller(context.Background(), caller)
	doc, errs := documents.read(ctx, text)
	if errs == nil {
		_, _, errs = documents.operation(ctx, doc, &graphql.RawParams{Query: text, Variables: variables})
	}
	return errs
}

func member() account.Caller { return account.Caller{Kind: account.KindMember, MerchantID: 1} }

// chain is fragments of which each spreads the one before it twice.
func chain(links int, link string) string {
	var text strings.Builder
	text.WriteString("{ viewer { merchants { ...f0 } } }")
	for i := range links {
		fmt.Fprintf(&text, "fragment f%d on Merchant { %s }", i, strings.ReplaceAll(link, "NEXT", fmt.Sprintf("f%d", i+1)))
	}
	fmt.Fprintf(&text, "fragment f%d on Merchant { id }", links)
	return text.String()
}

func TestAttacksAreRefusedBeforeTheyCostAnything(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a kilobyte of chained fragments":         chain(25, "...NEXT ...NEXT"),
		"chained fragments that widen":            chain(40, "a: id ...NEXT b: name ...NEXT"),
		"fifteen kilobytes of one field":          "{ viewer {" + strings.Repeat(" kind", 3_000) + " } }",
		"one field a thousand times":              "{ viewer {" + strings.Repeat(" kind", 1_001) + " } }",
		"one field two hundred times":             "{ viewer {" + strings.Repeat(" kind", 200) + " } }",
		"one object two hundred times":            "{ viewer {" + strings.Repeat(" merchant { id }", 200) + " } }",
		"one fragment two hundred times":          "{ viewer {" + strings.Repeat(" ... { kind }", 200) + " } }",
		"repeated objects in repeated objects":    "{ viewer {" + strings.Repeat(" merchants {"+strings.Repeat(" id", 20)+" }", 20) + " } }",
		"a thousand aliases of memberSignIn":      "mutation {" + aliases(1_000, "memberSignIn(input: $i) { expiresAt }") + " }",
		"sixteen kilobytes of them":               "mutation {" + aliases(150, `memberSignIn(input: {email: "a@b.test", password: "hunter2"}) { expiresAt }`) + " }",
		"a hundred thousand directives":           "{ viewer { kind" + strings.Repeat(" @a", 100_000) + " } }",
		"a thousand directives":                   "{ viewer { kind" + strings.Repeat(" @a", 1_000) + " } }",
		"four hundred aliases":                    "{ viewer {" + aliases(400, "kind") + " } }",
		"sixteen aliases":                         "{ viewer {" + aliases(16, "kind") + " } }",
		"aliases in a fragment":                   "{ viewer { ...f merchants { ...g ...g } } } fragment f on Viewer { " + aliases(8, "kind") + " } fragment g on Merchant { " + aliases(4, "id") + " }",
		"eleven root fields":                      "{" + aliases(11, "__typename") + " }",
		"eleven root fields of one fragment":      "{ ...r } fragment r on Query {" + strings.Repeat(" __typename", 11) + " }",
		"fields thirteen levels deep":             "{ products(first: 1) { nodes { plans { product { plans { product { plans { product { plans { product { plans { product { id } } } } } } } } } } } } }",
		"a document that nests without end":       strings.Repeat("{a", 700) + strings.Repeat("}", 700),
		"a list that nests without end":           "{ nodes(ids: " + strings.Repeat("[", 900) + strings.Repeat("]", 900) + ") { id } }",
		"a document that is too long":             "{ viewer { kind } } #" + strings.Repeat("x", 17<<10),
		"more objects than can be shown":          "{ products(first: 100) { nodes { plans { product { plans { tier } } } } } }",
		"more objects through edges":              "{ products(first: 100) { edges { node { plans { product { id } } } } } }",
		"lists in lists":                          "{ subscriptions(first: 100) { nodes { invoices { nodes { id } } } } }",
		"more objects through a fragment":         "{ products(first: 100) { ...p } } fragment p on ProductConnection { nodes { plans { product { id } } } }",
		"introspection eleven times":              "{" + aliases(10, "__schema { types { name } }") + " viewer { merchant { id } } }",
		"introspection through chained fragments": strings.ReplaceAll(strings.Replace(chain(25, "ofType { ...NEXT ...NEXT }"), "viewer { merchants", `__type(name: "Query") { ofType`, 1), "Merchant { id }", "__Type { name }"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			errs := prepare(DefaultLimits(), member(), text, nil)
			require.Len(t, errs, 1)
			require.Equal(t, codeTooComplex, errs[0].Extensions["code"], errs[0].Message)
		})
	}
}

// Each limit alone refuses what is one more than it allows.
func TestEachLimitHoldsByItself(t *testing.T) {
	t.Parallel()
	const most = 1 << 20
	open := Limits{DocumentBytes: most, Tokens: most, Depth: most, Aliases: most, RootFields: most, Fields: most, Overlaps: most, Cost: most}
	deep := func(levels int) string { // from three levels on, two by two
		return "{ plans(first: 1) { nodes {" + strings.Repeat(" product { plans {", (levels-3)/2) + " tier" + strings.Repeat(" } }", (levels-3)/2) + " } } }"
	}
	for name, c := range map[string]struct {
		set           func(*Limits)
		within, above string
	}{
		"bytes":       {func(l *Limits) { l.DocumentBytes = 19 }, "{ viewer { kind } }", "{  viewer { kind } }"},
		"tokens":      {func(l *Limits) { l.Tokens = 6 }, "{ viewer { kind } }", "{ viewer { kind kind } }"},
		"depth":       {func(l *Limits) { l.Depth = 11 }, deep(11), deep(13)},
		"aliases":     {func(l *Limits) { l.Aliases = 15 }, "{ viewer {" + aliases(15, "kind") + " } }", "{ viewer {" + aliases(16, "kind") + " } }"},
		"root fields": {func(l *Limits) { l.RootFields = 10 }, "{" + aliases(10, "__typename") + " }", "{" + aliases(11, "__typename") + " }"},
		"fields":      {func(l *Limits) { l.Fields = 3 }, "{ viewer { kind kind } }", "{ viewer { kind kind kind } }"},
		"overlaps":    {func(l *Limits) { l.Overlaps = 3 }, "{ viewer { kind kind kind } }", "{ viewer { kind kind kind kind } }"},
		"cost":        {func(l *Limits) { l.Cost = 6 }, "{ products(first: 5) { nodes { id } } }", "{ products(first: 6) { nodes { id } } }"},
	} {
		limits := open
		c.set(&limits)
		require.Empty(t, prepare(limits, member(), c.within, nil), name)
		errs := prepare(limits, member(), c.above, nil)
		require.Len(t, errs, 1, name)
		require.Equal(t, codeTooComplex, errs[0].Extensions["code"], name)
		require.Empty(t, prepare(open, member(), c.above, nil), name)
	}
}

func aliases(n int, of string) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, " a%d: %s", i, of)
	}
	return text.String()
}

func TestWhatTheExecutorWouldStumbleOverIsRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a fragment that contains itself":   "{ viewer { ...f } } fragment f on Viewer { ...f }",
		"fragments in a ring":               "{ viewer { ...f } } fragment f on Viewer { ...g } fragment g on Viewer { kind ...f }",
		"@defer":                            "{ viewer { ... @defer { kind } } }",
		"@defer on a spread":                "{ viewer { ...f @defer } } fragment f on Viewer { kind }",
		"a whole number beyond 64 bits":     `mutation { customerCreate(input: {email: "a@b.test", name: "a", userMeta: {n: [12345678901234567890]}}) { userErrors { code } } }`,
		"a number beyond floating point":    `query($a: JSON = {n: 1e999}) { viewer { kind } }`,
		"an escaped surrogate pair":         `mutation { companyCreate(input: {name: "\uD83D\uDE00"}) { userErrors { code } } }`,
		"a fragment that does not exist":    "{ viewer { ...f } }",
		"an unknown field":                  "{ viewer { password } }",
		"an operation that is no operation": "fragment f on Viewer { kind }",
		"no document":                       "",
		"a subscription":                    "subscription { viewer { kind } }",
		"two operations and no name":        "query a { viewer { kind } } query b { viewer { kind } }",
		"a literal of the wrong type":       `{ products(first: "many") { nodes { id } } }`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			errs := prepare(DefaultLimits(), member(), text, nil)
			require.NotEmpty(t, errs)
			for _, err := range errs {
				require.Equal(t, codeBadRequest, err.Extensions["code"], err.Message)
			}
		})
	}
	require.Len(t, prepare(DefaultLimits(), member(), "{ viewer {"+strings.Repeat(" no", 50)+" } }", nil), maxRefusals)
}

func TestHonestOperationsPass(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"ten root fields": "{" + aliases(10, "__typename") + " }",
		"fifteen aliases": "{ viewer {" + aliases(15, "kind") + " } }",
		"a full page of subscriptions with all that belongs to them": `{ subscriptions(first: 100) { nodes { id status accessUntil
			price { money { amount } } plan { name tier } customer { email name company { name } } } pageInfo { endCursor } } }`,
		"a full page with its edges":                 "{ customers(first: 100) { edges { cursor node { id email company { id } } } pageInfo { hasNextPage } } }",
		"many components asking for the same object": "{ subscription(id: 1) {" + spreads(30) + " } }" + components(30),
		"a hundred nodes":                            "query($ids: [ID!]!) { nodes(ids: $ids) { id __typename ... on Product { name } ... on Customer { email } } }",
		"the whole schema":                           schemaQuery,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ids := make([]any, 100)
			for i := range ids {
				ids[i] = "gid://portico/Product/1"
			}
			require.Empty(t, prepare(DefaultLimits(), member(), text, map[string]any{"ids": ids}))
		})
	}
	require.Empty(t, prepare(DefaultLimits(), account.Caller{Kind: account.KindAnonymous}, schemaQuery, nil), "for anybody")
}

func spreads(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, " ...c%d", i)
	}
	return text.String()
}

func components(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, " fragment c%d on CustomerSubscription { __typename id status plan { __typename id name } }", i)
	}
	return text.String()
}

func TestTheCostIsThatOfTheObjectsShown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want int
	}{
		{"{ viewer { kind } }", 1},
		{"{ viewer { merchants { id } } }", 1 + 5},
		{"{ products { nodes { id name } } }", 1 + 20},
		{"{ products(first: 7) { nodes { id } pageInfo { endCursor } } }", 1 + 1 + 7},
		{"query($n: Int) { products(first: $n) { nodes { id } } }", 1 + 30},
		{"query($m: Int = 40) { products(first: $m) { nodes { id } } }", 1 + 40},
		{"{ products(first: 1000000) { nodes { id } } }", 1 + 100},
		{"{ products(first: 10) { nodes { plans { tier } } edges { node { id } } } }", 1 + 10*(1+5) + 10*2},
		{"{ products(first: 10) { ...p ...p } } fragment p on ProductConnection { nodes { id } }", 1 + 10 + 10},
		{"{ subscriptions(first: 10) { nodes { invoices(first: 3) { nodes { id } } } } }", 1 + 10*(1+1+3)},
		{"query($ids: [ID!]!) { nodes(ids: $ids) { id } }", 3},
		{"mutation { memberSignOut { userErrors { code } } }", 10 + 1 + 5},
		{"mutation { ...m } fragment m on Mutation { a: memberSignOut { userErrors { code } } b: memberSignOut { __typename } }", 10 + 1 + 5 + 10 + 1},
		{`mutation { memberSignIn(input: {email: "a", password: "b"}) { member { id } } }`, 50 + 1 + 1},
		{"{ __schema { types { fields { name } } } __typename }", 100},
		{"{ rateLimit { currentlyAvailable } }", 0},
		{"{ rateLimit { currentlyAvailable } viewer { kind } }", 1},
	} {
		documents := newDocuments(NewExecutableSchema(Config{}).Schema(), DefaultLimits(), IntrospectionAll)
		doc, errs := documents.read(t.Context(), c.text)
		require.Empty(t, errs, c.text)
		operation, cost, errs := documents.operation(withCaller(t.Context(), member()), doc, &graphql.RawParams{Query: c.text, Variables: map[string]any{
			"n": int64(30), "ids": []any{"1", "2", "3"},
		}})
		require.Empty(t, errs, c.text)
		require.NotNil(t, operation)
		require.Equal(t, c.want, cost, c.text)
	}
	anybody := account.Caller{Kind: account.KindAnonymous}
	const page = "{ products(first: 100) { nodes { upgradeUrl plans { tier } } } }"
	require.Empty(t, prepare(DefaultLimits(), member(), page, nil))
	require.Equal(t, codeTooComplex, prepare(DefaultLimits(), anybody, page, nil)[0].Extensions["code"])
}

const schemaQuery = `query IntrospectionQuery { __schema { description queryType { name } mutationType { name } subscriptionType { name }
	types { ...FullType } directives { name description isRepeatable locations args { ...InputValue } } } }
fragment FullType on __Type { kind name description specifiedByURL isOneOf
	fields(includeDeprecated: true) { name description args { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason }
	inputFields { ...InputValue } interfaces { ...TypeRef }
	enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue }
fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
	ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }`
