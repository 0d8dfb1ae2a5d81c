package graph_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"

	"portico/graph"
)

// mark is in the names of everything that belongs to the other merchant, and in no request.
const mark = "zzforeignzz"

// TestNobodyGetsAtAnotherMerchant is made from the schema: every argument and input field that can name an object is given each of
// another merchant's objects that fits, by every kind of caller, with everything selected that the field offers.
func TestNobodyGetsAtAnotherMerchant(t *testing.T) {
	t.Parallel()
	limits := graph.DefaultLimits()
	limits.DocumentBytes, limits.Tokens, limits.Fields, limits.Cost, limits.AnonymousCost = 1<<20, 1<<20, 1<<20, 1<<30, 1<<30
	limits.Overlaps = 1 << 30
	w := newWorldWith(t, graph.Options{Limits: limits})
	own, other := w.open("Acorn"), w.open("Birch")
	w.markAll(other)
	for _, s := range []*shop{own, other} {
		s.number = w.must(s.key, `query($id: ID!) { customer(ref: {id: $id}) { number } }`, variables{"id": s.ids["Customer"]}).number("customer.number")
	}
	callers := own.callers()
	before := w.belongings(other)
	schema := graph.NewExecutableSchema(graph.Config{}).Schema()
	tried := 0
	for _, root := range []*ast.Definition{schema.Query, schema.Mutation, schema.Subscription} {
		for _, field := range root.Fields {
			if strings.HasPrefix(field.Name, "__") {
				continue
			}
			write := writer{t: t, schema: schema, field: field, own: own, other: other}
			for _, place := range write.places() {
				if field.Name == "claimsSet" && place == "input.customer.email" {
					continue // it makes a customer of one's own with the same address
				}
				for _, document := range write.documents(root, place) {
					for kind, who := range callers {
						if kind == "OPERATOR" && slices.Contains(ruleOf(field).allow, kind) {
							continue // all merchants are theirs
						}
						a := w.ask(who, document, nil)
						tried++
						require.NotContains(t, a.raw, "BAD_REQUEST", "%s", document)
						require.NotContains(t, a.raw, "INTERNAL_SERVER_ERROR", "%s", document)
						require.NotContains(t, strings.ToLower(a.raw), mark, "%s by %s", document, kind)
						for typename, id := range other.ids {
							require.NotContains(t, a.raw, `"`+id+`"`, "%s of another merchant for %s by %s", typename, document, kind)
						}
						if root == schema.Mutation && !slices.Contains(ruleOf(field).allow, "ANONYMOUS") {
							require.Contains(t, a.raw, `"code":"`, "%s by %s was not refused", document, kind)
						}
					}
				}
			}
		}
		require.Equal(t, before, w.belongings(other), "%s has changed what is another merchant's", root.Name)
	}
	require.Greater(t, tried, 500)
	require.Empty(t, w.log.String())
}

// callers are one of every kind, each acting for the shop or its customer, except for nobody and the operator.
func (s *shop) callers() map[string]credentials {
	customer, _ := s.portalToken(s.ids["Customer"])
	return map[string]credentials{
		"ANONYMOUS": nil, "MEMBER": s.owner, "MEMBER who reads": s.member("VIEWER"), "API_KEY": s.key,
		"CLIENT": s.client, "TOKEN_KEY": s.tokenKey(),
		"CUSTOMER": customer, "PERSON": s.w.person(s.email), "OPERATOR": s.w.operator(),
	}
}

// markAll puts the mark into every name of a shop.
func (w *world) markAll(s *shop) {
	w.t.Helper()
	err := w.db.System().Tx(w.t.Context(), func(tx pgx.Tx) error {
		for _, column := range []string{"merchant.name", "customer.name", "company.name", "product.name", "plan.name", "api_key.name", "client.name", "test_clock.name"} {
			table, name, _ := strings.Cut(column, ".")
			scope := "merchant_id"
			if table == "merchant" {
				scope = "id"
			}
			_, err := tx.Exec(w.t.Context(), fmt.Sprintf(
				`update %[1]s set %[2]s = '%[3]s ' || %[2]s where %[4]s = (select id from merchant where shop = $1)`, table, name, mark, scope), s.handle)
			if err != nil {
				return err
			}
		}
		return nil
	})
	require.NoError(w.t, err)
}

// belongings is a digest of the rows of every tenant table that are a shop's.
func (w *world) belongings(s *shop) map[string]string {
	w.t.Helper()
	digests := w.digests(`
		select c.table_name, 't.' || c.column_name || ' = (select id from merchant where shop = $1)'
		from information_schema.columns c
		join pg_class on pg_class.oid = c.table_name::regclass and pg_class.relkind = 'r'
		where c.table_schema = 'public' and (c.column_name = 'merchant_id' or (c.table_name, c.column_name) = ('merchant', 'id'))`, s.handle)
	require.Contains(w.t, digests, "merchant")
	require.NotEqual(w.t, "0 rows, ", digests["subscription"])
	return digests
}

// writer writes operations on one root field.
type writer struct {
	t          *testing.T
	schema     *ast.Schema
	field      *ast.FieldDefinition
	own, other *shop
}

// places are the paths of the arguments and input fields that can name an object, such as "input.customer.email".
func (w writer) places() []string {
	var places []string
	var walk func(path string, of *ast.Type, within *ast.Definition)
	walk = func(path string, of *ast.Type, within *ast.Definition) {
		definition := w.schema.Types[of.Name()]
		switch name := path[strings.LastIndexByte(path, '.')+1:]; {
		case definition.Kind == ast.InputObject:
			for _, field := range definition.Fields {
				walk(path+"."+field.Name, field.Type, definition)
			}
		case definition.Name == "ID", within != nil && within.Directives.ForName("oneOf") != nil, within == nil && name == "shop":
			places = append(places, path)
		}
	}
	for _, argument := range w.field.Arguments {
		walk(argument.Name, argument.Type, nil)
	}
	return places
}

// documents name the other merchant's objects at a place: all of them where any type can be meant.
func (w writer) documents(root *ast.Definition, place string) []string {
	references := []string{w.reference(w.other, place)}
	if w.field.Name == "node" || w.field.Name == "nodes" {
		references = nil
		for _, id := range w.other.ids {
			references = append(references, `"`+id+`"`)
		}
	}
	var documents []string
	for _, reference := range references {
		var arguments []string
		for _, argument := range w.field.Arguments {
			if text, given := w.value(argument.Name, argument.Type, argument.DefaultValue, place, reference, nil); given {
				arguments = append(arguments, argument.Name+": "+text)
			}
		}
		head := operationKind(root) + " { " + w.field.Name + "(" + strings.Join(arguments, ", ") + ") "
		documents = append(documents, head+w.selection(w.field.Type, 3)+" }", head+w.selection(w.field.Type, 1)+" }")
	}
	return documents
}

// value writes an argument or input field: what leads to the place, and what is required.
func (w writer) value(path string, of *ast.Type, standard *ast.Value, place, reference string, within *ast.Definition) (string, bool) {
	leads := path == place || strings.HasPrefix(place, path+".")
	switch definition := w.schema.Types[of.Name()]; {
	case path == place:
		return listed(of, reference), true
	case !leads && (!of.NonNull || standard != nil):
		return "", false
	case definition.Kind == ast.InputObject:
		var fields []string
		oneOf := definition.Directives.ForName("oneOf") != nil
		for _, field := range definition.Fields {
			here := path + "." + field.Name
			if oneOf && !strings.HasPrefix(place+".", here+".") && (leads || len(fields) > 0) {
				continue
			}
			wanted := *field.Type
			wanted.NonNull = wanted.NonNull || oneOf
			if text, given := w.value(here, &wanted, field.DefaultValue, place, reference, definition); given {
				fields = append(fields, field.Name+": "+text)
			}
		}
		return listed(of, "{"+strings.Join(fields, ", ")+"}"), true
	case definition.Name == "ID", within != nil && within.Directives.ForName("oneOf") != nil:
		return listed(of, w.reference(w.own, path)), true
	default:
		return listed(of, plain(path, definition)), true
	}
}

func listed(of *ast.Type, text string) string {
	if of.Elem != nil {
		return "[" + text + "]"
	}
	return text
}

// reference names a shop's object at a place. The type of an id is told by the nearest name of the path that is a type's, or else by
// the name of the root field.
func (w writer) reference(s *shop, path string) string {
	steps := strings.Split(path, ".")
	switch steps[len(steps)-1] {
	case "number":
		return fmt.Sprint(s.number)
	case "email":
		return `"` + s.email + `"`
	case "identifier":
		return `"` + strings.ToLower(s.name) + `"`
	case "shop":
		return `"` + s.handle + `"`
	}
	names := append([]string{w.field.Name}, steps...)
	for _, name := range slices.Backward(names) {
		if typename := w.typename(name); typename != "" {
			return `"` + s.ids[typename] + `"`
		}
	}
	require.Fail(w.t, "no type", "which type does %s.%s take? Give the shop of these tests one, or its name here", w.field.Name, path)
	return ""
}

// typename is the type of the shop's object that a name begins with.
func (w writer) typename(name string) (found string) {
	for other, typename := range map[string]string{
		"subscription": "CustomerSubscription", "endpoint": "WebhookEndpoint", "node": "Product", "productReject": "ProductReview",
		"actor": "Member", "object": "PaymentMethod",
	} {
		if strings.HasPrefix(name, other) {
			found = typename
		}
	}
	for typename := range w.own.ids {
		if strings.HasPrefix(strings.ToLower(name), strings.ToLower(typename)) && len(typename) > len(found) {
			found = typename
		}
	}
	return found
}

// plain is a value that is no reference and that no validation refuses.
func plain(path string, definition *ast.Definition) string {
	name := strings.ToLower(path[strings.LastIndexByte(path, '.')+1:])
	switch {
	case definition.Kind == ast.Enum:
		return definition.EnumValues[0].Name
	case definition.Name == "Boolean":
		return "true"
	case definition.Name == "DateTime":
		return `"2027-01-31T09:30:00Z"`
	case name == "claims":
		return "{plan: true}"
	case definition.Name == "JSON":
		return "{}"
	case definition.Kind == ast.Scalar && definition.Name != "String":
		return "1"
	case strings.Contains(name, "email"):
		return `"new@customer.test"`
	case strings.Contains(name, "url"):
		return `"https://receiver.test/hook"`
	case name == "currency":
		return `"USD"`
	case name == "token":
		return `"pm_card_visa"`
	default:
		return `"plain"`
	}
}

// selection is all that a type offers without arguments, so many levels deep, and at its end the id.
func (w writer) selection(of *ast.Type, depth int) string {
	definition := w.schema.Types[of.Name()]
	if definition.Kind == ast.Scalar || definition.Kind == ast.Enum {
		return ""
	}
	var fields []string
	for _, field := range definition.Fields {
		inner := w.schema.Types[field.Type.Name()]
		leaf := inner.Kind == ast.Scalar || inner.Kind == ast.Enum
		needs := slices.ContainsFunc(field.Arguments, func(a *ast.ArgumentDefinition) bool { return a.Type.NonNull && a.DefaultValue == nil })
		switch {
		case strings.HasPrefix(field.Name, "__"), needs:
		case leaf, field.Name == "userErrors", depth > 1:
			fields = append(fields, field.Name+w.selection(field.Type, max(depth-1, 1)))
		}
	}
	return " { __typename " + strings.Join(fields, " ") + " }"
}
