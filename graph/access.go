package graph

import (
	"context"
	"encoding/json"

	"portico/internal/access"
	"portico/internal/fault"
)

// Access is access.Decision as the schema shows it.
type Access struct{ access.Decision }

// Features are what the plan includes, in their plain form.
func (a *Access) Features() (json.RawMessage, error) {
	return json.Marshal(a.Decision.Features.Object())
}

// Limit tells whether usage may grow beyond current.
func (a *Access) Limit(name string, current int64) (*access.LimitCheck, error) {
	if current < 0 {
		return nil, fault.Invalid("current", "must be at least 0")
	}
	check := a.Decision.Limit(name, current)
	return &check, nil
}

// Access answers whether a customer may use a product.
func (r query) Access(ctx context.Context, customer CustomerRef, product ProductRef) (*Access, error) {
	who, err := customerRef("customer", customer)
	if err != nil {
		return nil, err
	}
	what, err := productRef("product", product)
	if err != nil {
		return nil, err
	}
	decision, err := r.Resolver.Access.Check(ctx, callerOf(ctx), who, what)
	return &Access{decision}, err
}

// LaunchTokenCreate mints a launch token.
func (r mutation) LaunchTokenCreate(ctx context.Context, in LaunchTokenCreateInput) (*LaunchTokenCreatePayload, error) {
	launch, err := r.launch(ctx, in)
	if err != nil {
		refused, err := userErrors(err)
		return &LaunchTokenCreatePayload{UserErrors: refused}, err
	}
	mintedFor(ctx, launch.CustomerID)
	return &LaunchTokenCreatePayload{Token: reveal(launch.Token), URL: reveal(launch.URL), ExpiresAt: &launch.ExpiresAt}, nil
}

func (r mutation) launch(ctx context.Context, in LaunchTokenCreateInput) (access.LaunchToken, error) {
	customer, err := customerRef("customer", *in.Customer)
	if err != nil {
		return access.LaunchToken{}, err
	}
	product, err := productRef("product", *in.Product)
	if err != nil {
		return access.LaunchToken{}, err
	}
	return r.Access.LaunchTokenCreate(ctx, callerOf(ctx), customer, product)
}
