package graph

import (
	"context"
	"encoding/json"
	"time"

	"portico/internal/access"
	"portico/internal/account"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/webhook"
)

// CustomerClaims is access.CustomerClaims as the schema shows it.
type CustomerClaims struct{ access.CustomerClaims }

// CustomerID is the customer's number.
func (c *CustomerClaims) CustomerID() int64 { return c.CustomerNumber }

// Object are the claims as tokens have them.
func (c *CustomerClaims) Object() (json.RawMessage, error) {
	return webhook.StableJSON(c.CustomerClaims.Object())
}

// ClaimChange is access.ClaimChange as the schema shows it.
type ClaimChange struct{ access.ClaimChange }

func showClaimChange(row access.ClaimChange, _ *siblings[ClaimChange]) *ClaimChange {
	return &ClaimChange{row}
}

// Actor is who changed it.
func (c *ClaimChange) Actor() *AuditActor {
	return &AuditActor{Kind: c.ActorKind, ID: actorID(c.ActorKind, c.ActorID)}
}

// Claims are those of a customer in a product.
func (r query) Claims(ctx context.Context, customer CustomerRef, product ProductRef) (*CustomerClaims, error) {
	who, what, err := claimRefs(customer, product)
	if err != nil {
		return nil, err
	}
	claims, err := r.Resolver.Access.Claims(ctx, callerOf(ctx), who, what)
	return orNull(&CustomerClaims{claims}, err)
}

// ClaimsHistory is what has changed in them.
func (r query) ClaimsHistory(
	ctx context.Context, customer CustomerRef, product ProductRef, first *int32, after *string,
) (*Connection[ClaimChange], error) {
	request, err := pageOf(first, after)
	if err != nil {
		return nil, err
	}
	who, what, err := claimRefs(customer, product)
	if err != nil {
		return nil, err
	}
	changes, err := r.Resolver.Access.ClaimsHistory(ctx, callerOf(ctx), who, what, request)
	return connect(changes, err, request.Size, showClaimChange, func(c *ClaimChange) int64 { return c.ID })
}

// ClaimsSet sets claims.
func (r mutation) ClaimsSet(ctx context.Context, in ClaimsSetInput) (*ClaimsSetPayload, error) {
	claims, err := r.setClaims(ctx, in)
	refused, err := userErrors(err)
	return &ClaimsSetPayload{Claims: shownClaims(claims), UserErrors: refused}, err
}

func (r mutation) setClaims(ctx context.Context, in ClaimsSetInput) (access.CustomerClaims, error) {
	who, what, err := claimRefs(*in.Customer, *in.Product)
	if err != nil {
		return access.CustomerClaims{}, err
	}
	expiries := make(map[string]*time.Time, len(in.Expiries))
	for _, expiry := range in.Expiries {
		if _, twice := expiries[expiry.Key]; twice {
			return access.CustomerClaims{}, fault.Invalid("expiries", "name %q twice", expiry.Key)
		}
		expiries[expiry.Key] = expiry.ExpiresAt
	}
	return r.Access.ClaimsSet(ctx, callerOf(ctx), access.ClaimsSet{
		Customer: who, Product: what, Claims: in.Claims, ExpiresAt: in.ExpiresAt, Expiries: expiries, IfVersion: in.IfVersion,
	})
}

// ClaimsUnset deletes claims.
func (r mutation) ClaimsUnset(ctx context.Context, in ClaimsUnsetInput) (*ClaimsUnsetPayload, error) {
	claims, err := r.unsetClaims(ctx, in)
	refused, err := userErrors(err)
	return &ClaimsUnsetPayload{Claims: shownClaims(claims), UserErrors: refused}, err
}

func (r mutation) unsetClaims(ctx context.Context, in ClaimsUnsetInput) (access.CustomerClaims, error) {
	who, what, err := claimRefs(*in.Customer, *in.Product)
	if err != nil {
		return access.CustomerClaims{}, err
	}
	return r.Access.ClaimsUnset(ctx, callerOf(ctx), access.ClaimsUnset{Customer: who, Product: what, Keys: in.Keys, IfVersion: in.IfVersion})
}

// shownClaims are null where there are none to show.
func shownClaims(claims access.CustomerClaims) *CustomerClaims {
	if claims.CustomerID == 0 {
		return nil
	}
	return &CustomerClaims{claims}
}

func claimRefs(customer CustomerRef, product ProductRef) (account.CustomerRef, catalog.ProductRef, error) {
	who, err := customerRef("customer", customer)
	if err != nil {
		return who, catalog.ProductRef{}, err
	}
	what, err := productRef("product", product)
	return who, what, err
}
