package graph

import (
	"context"
	"regexp"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"

	"portico/internal/account"
	"portico/internal/fault"
)

const (
	// A parsed document takes some thirty times the memory of its text.
	keptDocuments = 250
	// maxRefusals is how many of a document's errors are shown.
	maxRefusals = 10
)

// documents reads and validates documents, and keeps those that it has.
type documents struct {
	schema        *ast.Schema
	limits        Limits
	introspection Introspection
	kept          *lru.LRU[*document]
	persisted     *lru.LRU[string] // texts of valid documents by their hashes
}

// document is a valid document.
type document struct {
	*ast.QueryDocument
	outlines *outlines // for all of its operations, nil where they depend on variables
}

func newDocument(parsed *ast.QueryDocument) *document {
	for _, operation := range parsed.Operations {
		if hasConditions(operation.SelectionSet) {
			return &document{QueryDocument: parsed}
		}
	}
	return &document{parsed, &outlines{}}
}

// hasConditions tells whether anything in a validated set has a directive.
func hasConditions(set ast.SelectionSet) bool {
	return slices.ContainsFunc(set, func(selection ast.Selection) bool {
		switch selected := selection.(type) {
		case *ast.Field:
			return len(selected.Directives) > 0 || hasConditions(selected.SelectionSet)
		case *ast.InlineFragment:
			return len(selected.Directives) > 0 || hasConditions(selected.SelectionSet)
		case *ast.FragmentSpread:
			return len(selected.Directives) > 0 || hasConditions(selected.Definition.SelectionSet)
		}
		return true
	})
}

// execution prepares the execution of an operation of the document.
func (d *document) execution(operation *graphql.OperationContext, schema *executableSchema) *executionContext {
	ec := newExecutionContext(operation, schema, nil)
	if ec.outlines = d.outlines; ec.outlines == nil {
		ec.outlines = &outlines{}
	}
	return ec
}

func newDocuments(schema *ast.Schema, limits Limits, introspection Introspection) *documents {
	return &documents{
		schema: schema, limits: limits, introspection: introspection,
		kept: lru.New[*document](keptDocuments), persisted: lru.New[string](persistedTexts),
	}
}

// surrogates are written as two escapes, which the parser takes for two broken characters.
var surrogate = regexp.MustCompile(`\\u[dD][89a-fA-F]`)

// read gives the document of a text, or why it cannot be had.
func (d *documents) read(ctx context.Context, text string) (*document, gqlerror.List) {
	if doc, kept := d.kept.Get(ctx, text); kept {
		return doc, nil
	}
	if len(text) > d.limits.DocumentBytes {
		return nil, gqlerror.List{tooComplex("The document has more than %d bytes.", d.limits.DocumentBytes)}
	}
	if surrogate.MatchString(text) {
		return nil, gqlerror.List{badRequest("Escaped surrogate pairs are not supported in documents: write the character, or send a variable.")}
	}
	source := &ast.Source{Input: text}
	if hasMoreTokens(source, d.limits.Tokens) {
		return nil, gqlerror.List{tooComplex("The document has more than %d tokens.", d.limits.Tokens)}
	}
	parsed, err := parser.ParseQuery(source)
	if err != nil {
		return nil, coded(gqlerror.List{gqlerror.WrapIfUnwrapped(err)})
	}
	if err := d.limits.check(parsed); err != nil {
		return nil, gqlerror.List{err}
	}
	if errs := validator.ValidateWithRules(d.schema, parsed, d.rules(callerOf(ctx))); len(errs) > 0 {
		return nil, coded(errs[:min(len(errs), maxRefusals)])
	}
	if err := refusesKey(parsed); err != nil {
		return nil, gqlerror.List{err}
	}
	doc := newDocument(parsed)
	d.kept.Add(ctx, text, doc)
	return doc, nil
}

func hasMoreTokens(source *ast.Source, limit int) bool {
	tokens := lexer.New(source)
	for range limit + 1 {
		token, err := tokens.ReadToken()
		if err != nil || token.Kind == lexer.EOF {
			return false // what is wrong with it the parser will say
		}
	}
	return true
}

// coded says of what the parser and the validator refuse that it is the caller's to mend.
func coded(errs gqlerror.List) gqlerror.List {
	for _, err := range errs {
		if len(err.Path) > 0 { // of a variable: there is no answer yet that a path could lead into
			err.Message, err.Path = err.Path.String()+": "+err.Message, nil
		}
		err.Extensions = map[string]any{"code": codeBadRequest}
	}
	return errs
}

// operation prepares one of a document's operations for its execution, and tells what it costs.
func (d *documents) operation(
	ctx context.Context, doc *document, asked *graphql.RawParams,
) (operation *graphql.OperationContext, cost int, refused gqlerror.List) {
	chosen := doc.Operations.ForName(asked.OperationName)
	if chosen == nil {
		return nil, 0, gqlerror.List{badRequest("The document has no operation of that name, or several and none is named.")}
	}
	if !d.introspection.admits(callerOf(ctx)) && anyField(chosen.SelectionSet, asksForSchema) {
		return nil, 0, gqlerror.List{refusal(string(fault.CodeForbidden), "The schema is not shown to this caller: schema.graphqls documents it.")}
	}
	variables, err := validator.VariableValues(d.schema, chosen, asked.Variables)
	if err != nil {
		return nil, 0, coded(gqlerror.List{gqlerror.WrapIfUnwrapped(err)})
	}
	limit := d.limits.Cost
	if callerOf(ctx).Kind == account.KindAnonymous {
		limit = d.limits.AnonymousCost
	}
	if cost = costOf(chosen, variables); cost > limit {
		return nil, 0, gqlerror.List{tooComplex("The operation costs %d; %d are allowed. Ask for fewer objects at once.", cost, limit)}
	}
	return &graphql.OperationContext{
		RawQuery: asked.Query, OperationName: asked.OperationName, Variables: variables, Doc: doc.QueryDocument, Operation: chosen,
		RecoverFunc:            panicked,
		ResolverMiddleware:     func(ctx context.Context, next graphql.Resolver) (any, error) { return next(ctx) },
		RootResolverMiddleware: func(ctx context.Context, next graphql.RootResolver) graphql.Marshaler { return next(ctx) },
	}, cost, nil
}
