package graph

import (
	"context"
	"slices"

	"github.com/99designs/gqlgen/graphql"

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

// auth is the directive @auth.
func auth(
	ctx context.Context, _ any, next graphql.Resolver, allow []string, role string, scope *string, merchant bool,
) (any, error) {
	rule := rule{allow: allow, role: account.Role(role), scope: scope, merchant: merchant}
	if err := rule.admit(callerOf(ctx)); err != nil {
		return nil, err
	}
	return next(ctx)
}

// rule says who may do something.
type rule struct {
	allow    []string // kinds of caller
	role     account.Role
	scope    *string
	merchant bool // it is about the merchant that the caller acts for
}

func (r rule) admit(caller account.Caller) error {
	switch {
	case slices.Contains(r.allow, string(account.KindAnonymous)):
		return nil
	case caller.Kind == account.KindAnonymous:
		return fault.New(fault.CodeUnauthenticated, "", "this needs a credential: send one as Authorization: Bearer")
	case !slices.Contains(r.allow, string(caller.Kind)) && caller.Kind == account.KindAPIKey:
		return forbidden("API keys may not do this")
	case !slices.Contains(r.allow, string(caller.Kind)):
		return forbidden("this credential may not do this")
	case !r.merchant:
		return nil
	case caller.MerchantID == 0:
		return forbidden("you are not a member of any merchant: this acts for one")
	case caller.Kind == account.KindMember && !caller.Role.Includes(r.role):
		return forbidden("this needs the role %s", r.role)
	case caller.Kind == account.KindAPIKey && r.scope != nil && !caller.HasScope(*r.scope):
		return forbidden("this needs an API key with the scope %s", *r.scope)
	}
	return nil
}

func forbidden(format string, args ...any) *fault.Error {
	return fault.New(fault.CodeForbidden, "", format, args...)
}

// mayRead tells whether the caller may see objects of a type that root fields of their own do not guard: behind other objects, and by
// their global ids.
func mayRead(caller account.Caller, typename string) error {
	both := []string{string(account.KindMember), string(account.KindAPIKey)}
	reader := rule{allow: both, role: account.RoleViewer, merchant: true}
	scoped := func(scope string) rule {
		reader.scope = &scope
		return reader
	}
	switch typename {
	case "ApiKey":
		reader.allow, reader.role = both[:1], account.RoleAdmin
	case "Member":
		reader.allow = both[:1]
	case "Plan", "Product":
		reader = scoped(account.ScopeCatalogRead)
	case "Company", "Customer":
		reader = scoped(account.ScopeCustomersRead)
	case "CustomerSubscription", "Invoice", "LedgerEntry", "PaymentMethod", "TestClock":
		reader = scoped(account.ScopeSubscriptionsRead)
	case "Event", "WebhookDelivery", "WebhookEndpoint":
		reader = scoped(account.ScopeWebhooksRead)
	}
	return reader.admit(caller)
}
