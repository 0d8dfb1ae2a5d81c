package graph

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"portico/internal/catalog"
	"portico/internal/money"
	"portico/internal/page"
)

// answerOf is what the generated code makes of a page of plans: the JSON, and the path and sentence of each error.
func answerOf(t *testing.T, plans *Connection[Plan], selection, fragments string) (data string, problems []string) {
	t.Helper()
	return written(t, selection, fragments, func(ec *executionContext, ctx context.Context, asked ast.SelectionSet) graphql.Marshaler {
		return ec._PlanConnection(ctx, asked, plans)
	})
}

func written(
	t *testing.T, selection, fragments string, write func(*executionContext, context.Context, ast.SelectionSet) graphql.Marshaler,
) (data string, problems []string) {
	t.Helper()
	schema := NewExecutableSchema(Config{Resolvers: &Resolver{}}).(*executableSchema)
	documents := newDocuments(schema.Schema(), DefaultLimits(), IntrospectionAll)
	ctx := withCaller(t.Context(), member())
	doc, errs := documents.read(ctx, "{ plans "+selection+" } "+fragments)
	require.Empty(t, errs)
	operation, _, errs := documents.operation(ctx, doc, &graphql.RawParams{})
	require.Empty(t, errs)
	present := func(ctx context.Context, err error) *gqlerror.Error {
		shown := &gqlerror.Error{Message: err.Error(), Path: graphql.GetPath(ctx)}
		if located := (*gqlerror.Error)(nil); errors.As(err, &located) {
			shown.Message, shown.Path = located.Message, located.Path
		}
		return shown
	}
	operation.RecoverFunc = func(context.Context, any) error { return errors.New("a panic") }
	ctx = graphql.WithResponseContext(graphql.WithOperationContext(ctx, operation), present, operation.RecoverFunc)
	asked := operation.Operation.SelectionSet[0].(*ast.Field).SelectionSet
	var body bytes.Buffer
	write(doc.execution(operation, schema), ctx, asked).MarshalGQL(&body)
	for _, problem := range graphql.GetErrors(ctx) {
		problems = append(problems, problem.Path.String()+": "+problem.Message)
	}
	slices.Sort(problems)
	return body.String(), problems
}

// somePlans is a page of plans that know no siblings, so that what is behind them cannot be asked for; nil where the number is 0.
func somePlans(numbers ...int64) *Connection[Plan] {
	plans := &Connection[Plan]{cursor: func(p *Plan) string { return page.Cursor(p.rowID()) }}
	for _, number := range numbers {
		var one *Plan
		if number != 0 {
			one = &Plan{Plan: catalog.Plan{ID: number, Number: number, Name: fmt.Sprintf("Plan %d", number), Tier: "pro", Prices: []catalog.Price{
				{ID: 1, Interval: "MONTH", Money: money.Money{Minor: 100 * number, Currency: "USD"}},
				{ID: 2, Interval: "YEAR", Money: money.Money{Minor: 1000 * number, Currency: "USD"}},
			}}}
		}
		plans.Nodes = append(plans.Nodes, one)
	}
	return plans
}

func TestFieldsAreInTheOrderOfTheDocumentWithAliasesAndFragments(t *testing.T) {
	t.Parallel()
	data, problems := answerOf(t, somePlans(7), `{ edges { cursor } nodes {
		name second: number ...more tier name
		... on Node { id }
		... on Plan @include(if: true) { prices { interval } }
		... @skip(if: true) { trialDays }
		__typename prices { money { amount } }
	} }`, `fragment more on Plan { number ...again name } fragment again on Plan { tier }`)
	require.Empty(t, problems)
	require.Equal(t, `{"edges":[{"cursor":"`+page.Cursor(7)+`"}],"nodes":[{"name":"Plan 7","second":7,"number":7,"tier":"pro",`+
		`"id":"gid://portico/Plan/7","prices":[{"interval":"MONTH","money":{"amount":"7.00"}},{"interval":"YEAR","money":{"amount":"70.00"}}],`+
		`"__typename":"Plan"}]}`, data)
}

func TestTheSameObjectsAtSeveralPlacesShowWhatIsAskedOfEach(t *testing.T) {
	t.Parallel()
	data, problems := answerOf(t, somePlans(1, 2), `{ a: nodes { name } b: nodes { number } edges { node { tier } } }`, "")
	require.Empty(t, problems)
	//nolint:testifylint // the order counts
	require.Equal(t, `{"a":[{"name":"Plan 1"},{"name":"Plan 2"}],"b":[{"number":1},{"number":2}],`+
		`"edges":[{"node":{"tier":"pro"}},{"node":{"tier":"pro"}}]}`, data)
}

func TestANullThatMustNotBeTakesWhatItIsInWithIt(t *testing.T) {
	t.Parallel()
	const missing = "the requested element is null which the schema does not allow"
	data, problems := answerOf(t, somePlans(1, 0, 3, 0, 5), `{ pageInfo { hasNextPage } nodes { name } }`, "")
	require.Equal(t, "null", data, "the list's elements, the list and its field must be there")
	require.Equal(t, []string{"nodes[1]: " + missing, "nodes[3]: " + missing}, problems)

	plans := somePlans(1, 0)
	plans.cursor = func(*Plan) string { return "" }
	data, problems = answerOf(t, plans, `{ edges { cursor of: node { name } } }`, "")
	require.Equal(t, "null", data)
	require.Equal(t, []string{"edges[1].of: " + missing}, problems)
}

func TestAPanicIsAnErrorOfItsFieldAndTheOthersAreAskedAllTheSame(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]struct {
		plans     *Connection[Plan]
		selection string
		data      string
		problems  []string
	}{
		"in a resolver of each element": {
			somePlans(1, 2), `{ nodes { name product { id } } }`, "null", []string{"nodes[0].product: a panic", "nodes[1].product: a panic"},
		},
		"in a method": {
			&Connection[Plan]{Nodes: somePlans(1).Nodes}, `{ nodes { name } all: edges { cursor } }`, "null", []string{"all: a panic"},
		},
		"in a resolver below a list of a list": {
			somePlans(1), `{ edges { node { by: product { id } } } }`, "null", []string{"edges[0].node.by: a panic"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, problems := answerOf(t, of.plans, of.selection, "")
			require.Equal(t, of.data, data)
			require.Equal(t, of.problems, problems)
		})
	}
}

func TestWhatAnOperationAsksForIsRememberedUnlessItsVariablesDecide(t *testing.T) {
	t.Parallel()
	schema := NewExecutableSchema(Config{Resolvers: &Resolver{}}).(*executableSchema)
	documents := newDocuments(schema.Schema(), DefaultLimits(), IntrospectionAll)
	ctx := withCaller(t.Context(), member())
	ask := func(text string, variables map[string]any) string {
		doc, errs := documents.read(ctx, text)
		require.Empty(t, errs)
		operation, _, errs := documents.operation(ctx, doc, &graphql.RawParams{Variables: variables})
		require.Empty(t, errs)
		var body bytes.Buffer
		ec := doc.execution(operation, schema)
		asked := graphql.WithResponseContext(graphql.WithOperationContext(ctx, operation), nil, nil)
		ec._PlanConnection(asked, operation.Operation.SelectionSet[0].(*ast.Field).SelectionSet, somePlans(1, 2)).MarshalGQL(&body)
		return body.String()
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 20 {
				//nolint:testifylint // the order counts
				require.Equal(t, `{"nodes":[{"name":"Plan 1","tier":"pro"},{"name":"Plan 2","tier":"pro"}]}`,
					ask(`{ plans { nodes { name ...f } } } fragment f on Plan { tier }`, nil))
				for _, with := range []bool{true, false} {
					want := `{"nodes":[{"name":"Plan 1"},{"name":"Plan 2"}]}`
					if with {
						want = `{"nodes":[{"name":"Plan 1","number":1},{"name":"Plan 2","number":2}]}`
					}
					require.Equal(t, want, ask(`query($with: Boolean!) { plans { nodes { name ...f } } }
						fragment f on Plan { ... on Plan @include(if: $with) { number } }`, map[string]any{"with": with}))
				}
			}
		})
	}
	all.Wait()
}

func TestAPanicInAPlainFieldIsAnErrorOfThatField(t *testing.T) {
	t.Parallel()
	data, problems := written(t, `{ nodes { the: name number prices { interval } } }`, "",
		func(ec *executionContext, ctx context.Context, asked ast.SelectionSet) graphql.Marshaler {
			return ec._Plan(ctx, asked[0].(*ast.Field).SelectionSet, nil) // whose every field panics
		})
	require.Equal(t, "null", data)
	require.Equal(t, []string{"number: a panic", "prices: a panic", "the: a panic"}, problems)
}

func TestNoScalarIsWrittenAsNull(t *testing.T) {
	t.Parallel()
	// The generated code has no path for what is wrong with a plain value.
	for name, value := range map[string]graphql.Marshaler{
		"String": MarshalString(""), "ID": MarshalID(""), "Boolean": MarshalBoolean(false), "Int": MarshalInt(0), "Long": MarshalLong(0),
		"DateTime": MarshalDateTime(time.Time{}), "JSON": MarshalJSON([]byte("null")), "an enum": MarshalEnum(""),
	} {
		require.False(t, value == graphql.Marshaler(graphql.Null), name) //nolint:testifylint // functions are not compared by Equal
	}
}

func TestTextsAreWrittenAsGqlgenWritesThem(t *testing.T) {
	t.Parallel()
	all := []string{"", "plain", "<script>&'", "ü€🙂\u2028", "half \xff a rune"}
	for c := range 128 {
		all = append(all, string(rune(c)), "a"+string(rune(c))+"b"+string(rune(c)))
	}
	for _, one := range all {
		var ours, streamed, theirs bytes.Buffer
		text(one).MarshalGQL(&ours)
		text(one).MarshalGQL(struct{ io.Writer }{&streamed})
		graphql.MarshalString(one).MarshalGQL(&theirs)
		require.Equal(t, theirs.String(), ours.String())
		require.Equal(t, theirs.String(), streamed.String())
	}
}
