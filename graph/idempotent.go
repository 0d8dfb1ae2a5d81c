package graph

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"portico/internal/idempotency"
)

const (
	codeConflict            = "CONFLICT"
	codeIdempotencyConflict = "IDEMPOTENCY_CONFLICT"
)

// errAnswered ends a request whose errors are in its answer already.
var errAnswered = errors.New("the answer has errors")

// once performs a root field, or repeats its answer when its @idempotent names a key that has one.
func (h *handler) once(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
	field := graphql.GetRootFieldContext(ctx).Field
	directive := field.Directives.ForName("idempotent")
	if directive == nil || ruleOf(field.Definition).admit(callerOf(ctx)) != nil { // which refuses it
		return next(ctx)
	}
	request, err := h.keyed(ctx, field, directive)
	if err != nil {
		return failed(ctx, field, err)
	}
	var body bytes.Buffer
	answer, repeated, err := h.resolver.Idempotency.Once(ctx, request, func() (idempotency.Answer, error) {
		before := len(graphql.GetErrors(ctx))
		next(ctx).MarshalGQL(&body)
		if len(graphql.GetErrors(ctx)) > before {
			return idempotency.Answer{}, errAnswered
		}
		return idempotency.Answer{Body: body.Bytes(), Secret: revealsSecret(field.Selections)}, nil
	})
	switch {
	case errors.Is(err, errAnswered):
		answer = body.Bytes()
	case err != nil:
		return failed(ctx, field, err)
	case repeated:
		x := exchangeOf(ctx)
		x.repeated = append(x.repeated, field.Alias)
	}
	if string(answer) == "null" {
		return graphql.Null // by which the executor knows that a field must not be
	}
	return graphql.WriterFunc(func(w io.Writer) { _, _ = w.Write(answer) })
}

func failed(ctx context.Context, field graphql.CollectedField, err error) graphql.Marshaler {
	graphql.AddError(ctx, gqlerror.WrapPath(ast.Path{ast.PathName(field.Alias)}, err))
	return graphql.Null
}

// keyed is the request of a field with its key. Its hash is of the field, its arguments and what is selected of it, fragments written out,
// and of what the caller may see: nobody gets an answer that they could not have got themselves.
func (h *handler) keyed(ctx context.Context, field graphql.CollectedField, directive *ast.Directive) (idempotency.Request, error) {
	caller, variables := callerOf(ctx), graphql.GetOperationContext(ctx).Variables
	key, _ := directive.ArgumentMap(variables)["key"].(string)
	if length := utf8.RuneCountInString(key); length == 0 || length > idempotency.MaxKey || strings.ContainsFunc(key, unicode.IsControl) {
		return idempotency.Request{}, refuse("the key of @idempotent must have 1 to %d characters, none of them a control character", idempotency.MaxKey)
	}
	if caller.MerchantID == 0 {
		return idempotency.Request{}, refuse("@idempotent needs a caller who acts for a merchant")
	}
	scopes := slices.Sorted(slices.Values(caller.Scopes))
	c := canon{sha256.New(), variables}
	c.write(caller.Kind, caller.Role, scopes, field.Name, field.ArgumentMap(variables))
	c.selections(field.Selections)
	request := idempotency.Request{MerchantID: caller.MerchantID, Scope: idempotency.Whose(caller), Key: key}
	c.Sum(request.Hash[:0])
	return request, nil
}

// canon writes what is asked for in a form that does not depend on how it is written.
type canon struct {
	hash.Hash
	variables map[string]any
}

func (c canon) write(values ...any) {
	text, err := json.Marshal(values) // the keys of objects are sorted
	if err != nil {
		panic(err) // texts, numbers, and what was read from JSON
	}
	_, _ = c.Write(text)
}

func (c canon) selections(set ast.SelectionSet) {
	c.write("{")
	for _, selection := range set {
		switch selected := selection.(type) {
		case *ast.Field:
			c.directives(selected.Directives)
			c.write(selected.Alias, selected.Name, selected.ArgumentMap(c.variables))
			c.selections(selected.SelectionSet)
		case *ast.InlineFragment:
			c.directives(selected.Directives)
			c.write("...", selected.TypeCondition)
			c.selections(selected.SelectionSet)
		case *ast.FragmentSpread:
			c.directives(selected.Directives)
			c.write("...", selected.Definition.TypeCondition)
			c.selections(selected.Definition.SelectionSet)
		}
	}
	c.write("}")
}

func (c canon) directives(directives ast.DirectiveList) {
	for _, directive := range directives {
		c.write("@", directive.Name, directive.ArgumentMap(c.variables))
	}
}

// revealsSecret tells whether a field is selected that the schema marks with @secret.
func revealsSecret(set ast.SelectionSet) bool {
	return anyField(set, func(field *ast.Field) bool { return field.Definition.Directives.ForName("secret") != nil })
}

// refusesKey finds a field with @idempotent that does not take it.
func refusesKey(doc *ast.QueryDocument) *gqlerror.Error {
	var refused *gqlerror.Error
	find := func(field *ast.Field) bool {
		if field.Directives.ForName("idempotent") == nil || field.Definition.Directives.ForName("idempotency") != nil {
			return false
		}
		refused = badRequest("%s does not take @idempotent.", field.Name)
		return true
	}
	for _, operation := range doc.Operations {
		anyField(operation.SelectionSet, find)
	}
	return refused
}

// anyField tells whether a validated set has such a field, on any level. The limit on fields is the limit on the time that takes.
func anyField(set ast.SelectionSet, is func(*ast.Field) bool) bool {
	return slices.ContainsFunc(set, func(selection ast.Selection) bool {
		switch selected := selection.(type) {
		case *ast.Field:
			return is(selected) || anyField(selected.SelectionSet, is)
		case *ast.InlineFragment:
			return anyField(selected.SelectionSet, is)
		case *ast.FragmentSpread:
			return anyField(selected.Definition.SelectionSet, is)
		}
		return false
	})
}
