// Package graph owns the GraphQL door: who may call which field, what an operation may cost, and how the domain's answers and
// errors are shown.
package graph

import (
	"portico/internal/access"
	"portico/internal/account"
	"portico/internal/audit"
	"portico/internal/billing"
	"portico/internal/catalog"
	"portico/internal/idempotency"
	"portico/internal/portal"
	"portico/internal/rate"
	"portico/internal/webhook"
)

// Resolver is what the door opens to.
type Resolver struct {
	Accounts *account.Accounts
	Catalog  *catalog.Catalog
	Access   *access.Access
	Billing  *billing.Billing
	Portal   *portal.Portal
	Webhooks *webhook.Webhooks
	Audit    *audit.Log
	Rates    *rate.Limiter

	Idempotency *idempotency.Keys
}

type (
	query    struct{ *Resolver }
	mutation struct{ *Resolver }
	live     struct{ *Resolver }
)

// Query implements ResolverRoot.
func (r *Resolver) Query() QueryResolver { return query{r} }

// Mutation implements ResolverRoot.
func (r *Resolver) Mutation() MutationResolver { return mutation{r} }

// Live implements ResolverRoot.
func (r *Resolver) Live() LiveResolver { return live{r} }
