package graph

import (
	"context"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"portico/internal/account"
	"portico/internal/fault"
)

type callerKey struct{}

func withCaller(ctx context.Context, caller account.Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, caller)
}

func callerOf(ctx context.Context) account.Caller {
	caller, known := ctx.Value(callerKey{}).(account.Caller)
	if !known {
		return account.Caller{Kind: account.KindAnonymous}
	}
	return caller
}

// auth is the directive @auth. Every root field has it, so that here is where every mutation passes.
func auth(
	ctx context.Context, _ any, next graphql.Resolver, allow []string, role string, scope *string, merchant bool,
) (any, error) {
	changes := graphql.GetFieldContext(ctx).Object == "Mutation"
	rule := rule{allow: allow, role: account.Role(role), merchant: merchant, changes: changes}
	if scope != nil {
		rule.scope = *scope
	}
	refused := rule.admit(callerOf(ctx))
	if changes {
		return perform(ctx, refused, next)
	}
	if refused != nil {
		return nil, refused
	}
	return next(ctx)
}

// rule says who may do something.
type rule struct {
	allow    []string     // kinds of caller
	role     account.Role // for members, the least one
	scope    string       // for API keys, if any
	merchant bool         // it is about the merchant that the caller acts for
	changes  bool         // it may change something of that merchant
}

// ruleOf is the rule of a root field, as its @auth says.
func ruleOf(field *ast.FieldDefinition) rule {
	given := field.Directives.ForName("auth").ArgumentMap(nil)
	r := rule{role: account.Role(given["role"].(string)), merchant: given["merchant"].(bool)}
	r.scope, _ = given["scope"].(string)
	for _, kind := range given["allow"].([]any) {
		r.allow = append(r.allow, kind.(string))
	}
	return r
}

func (r rule) admit(caller account.Caller) error {
	switch allowed := slices.Contains(r.allow, string(caller.Kind)); {
	case slices.Contains(r.allow, string(account.KindAnonymous)):
		return nil
	case caller.Kind == account.KindAnonymous:
		return fault.New(fault.CodeUnauthenticated, "", "this needs a credential: send one as Authorization: Bearer")
	case !allowed && caller.Kind == account.KindAPIKey:
		return forbidden("API keys may not do this")
	case !allowed:
		return forbidden("this credential may not do this")
	case !r.merchant, caller.InPortal():
		return nil
	case caller.MerchantID == 0:
		return forbidden("this acts for a merchant, and you are a member of none")
	case r.changes && caller.Suspended != "":
		return account.SuspendedFor(caller.Suspended)
	case caller.Kind == account.KindMember && !caller.Role.Includes(r.role):
		return forbidden("this needs the role %s", r.role)
	case caller.Kind == account.KindAPIKey && r.scope != "" && !caller.HasScope(r.scope):
		return forbidden("this needs an API key with the scope %s", r.scope)
	}
	return nil
}

func forbidden(format string, args ...any) *fault.Error {
	return fault.New(fault.CodeForbidden, "", format, args...)
}

// mayRead tells whether the caller may see objects of a type where no root field guards them: behind other objects, and by their
// global ids.
func mayRead(caller account.Caller, typename string) error {
	if caller.InPortal() {
		return seenInPortal(typename)
	}
	reader := rule{allow: []string{string(account.KindMember), string(account.KindAPIKey)}, role: account.RoleViewer, merchant: true}
	switch typename {
	case "Merchant":
	case "Member":
		reader.allow = []string{string(account.KindMember)}
	case "Session":
		reader.allow, reader.merchant = []string{string(account.KindMember)}, false
	case "Invitation":
		reader.allow, reader.role = []string{string(account.KindMember)}, account.RoleOwner
	case "TokenUsage":
		reader.allow = []string{string(account.KindMember)}
	case "ApiKey", "Client":
		reader.allow, reader.role = []string{string(account.KindMember)}, account.RoleAdmin
	case "Plan", "Product", "ProductReview":
		reader.scope = account.ScopeCatalogRead
	case "Company", "Customer", "PortalToken":
		reader.scope = account.ScopeCustomersRead
	case "CustomerSubscription", "Invoice", "LedgerEntry", "PaymentMethod", "TestClock":
		reader.scope = account.ScopeSubscriptionsRead
	case "Event", "WebhookDelivery", "WebhookEndpoint", "WebhookReplay":
		reader.scope = account.ScopeWebhooksRead
	default:
		return forbidden("there is no such type")
	}
	return reader.admit(caller)
}

// seenInPortal tells whether customers see objects of a type at all. Which ones, the domain knows.
func seenInPortal(typename string) error {
	switch typename {
	case "Company", "Customer", "CustomerSubscription", "Invoice", "PaymentMethod", "Plan", "Product":
		return nil
	}
	return forbidden("customers do not see this")
}
