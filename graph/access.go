package graph

import (
	"context"
	"encoding/json"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"portico/internal/access"
	"portico/internal/account"
	"portico/internal/fault"
)

// Access is access.Decision as the schema shows it.
type Access struct{ access.Decision }

// AccessProduct is access.Product as the schema shows it.
type AccessProduct struct{ access.Product }

func showAccess(decision access.Decision, _ *siblings[Access]) *Access { return &Access{decision} }

func (a *Access) rowID() int64 { return a.Decision.Product.ID }

// Product is what was asked about.
func (a *Access) Product() *AccessProduct { return &AccessProduct{a.Decision.Product} }

// ID is the global id.
func (p *AccessProduct) ID() string { return gid("Product", p.Product.ID) }

// Features are what the subscription includes, in their plain form.
func (a *Access) Features() (json.RawMessage, error) {
	return json.Marshal(a.Decision.Features.Object())
}

// Limit tells whether usage may grow beyond current, or else beyond the stored usage.
func (a *Access) Limit(name string, current *int64) (*access.LimitCheck, error) {
	if current == nil {
		used := a.Used(name)
		current = &used
	}
	if *current < 0 {
		return nil, fault.Invalid("current", "must be at least 0")
	}
	check := a.Decision.Limit(name, *current)
	return &check, nil
}

// Access answers whether a customer may use a product, or a feature of it.
func (r query) Access(ctx context.Context, customer CustomerRef, product ProductRef, feature *string) (*Access, error) {
	who, err := customerRef("customer", customer)
	if err != nil {
		return nil, err
	}
	what, err := productRef("product", product)
	if err != nil {
		return nil, err
	}
	check := r.Resolver.Access.Check
	if asksForUsage(ctx) {
		check = r.Resolver.Access.CheckUsage
	}
	decision, err := check(ctx, callerOf(ctx), who, what)
	if feature != nil {
		decision = decision.Asking(*feature)
	}
	return &Access{decision}, err
}

// AccessAll answers for all products.
func (r query) AccessAll(ctx context.Context, customer CustomerRef, first *int32, after *string) (*Connection[Access], error) {
	who, err := customerRef("customer", customer)
	if err != nil {
		return nil, err
	}
	request, err := pageOf(first, after)
	if err != nil {
		return nil, err
	}
	decisions, err := r.Resolver.Access.CheckAll(ctx, callerOf(ctx), who, asksForUsage(ctx), request)
	return connect(decisions, err, request.Size, showAccess, (*Access).rowID)
}

// asksForUsage tells whether a limit is asked for without the current usage somewhere below the field, so that the one statement reads it.
func asksForUsage(ctx context.Context) bool {
	variables := graphql.GetOperationContext(ctx).Variables
	return anyField(graphql.GetFieldContext(ctx).Field.Selections, func(field *ast.Field) bool {
		return field.ObjectDefinition.Name == "Access" && field.Name == "limit" && field.ArgumentMap(variables)["current"] == nil
	})
}

// UsageRecord adds to the stored usage of a limit.
func (r mutation) UsageRecord(ctx context.Context, in UsageRecordInput) (*UsageRecordPayload, error) {
	check, err := r.use(ctx, in.Customer, in.Product, access.Usage{Feature: in.Feature, Quantity: in.Quantity, ID: in.ID}, r.Access.RecordUsage)
	payload := &UsageRecordPayload{Limit: check}
	if err != nil {
		payload.UserErrors, err = userErrors(err)
	}
	return payload, err
}

// UsageSet sets the stored usage of a limit.
func (r mutation) UsageSet(ctx context.Context, in UsageSetInput) (*UsageSetPayload, error) {
	check, err := r.use(ctx, in.Customer, in.Product, access.Usage{Feature: in.Feature, Quantity: in.Quantity, ID: in.ID}, r.Access.SetUsage)
	payload := &UsageSetPayload{Limit: check}
	if err != nil {
		payload.UserErrors, err = userErrors(err)
	}
	return payload, err
}

// use counts usage. The check is there with errors that have to do with the limit, and nil with others.
func (r mutation) use(
	ctx context.Context, customer *CustomerRef, product *ProductRef, in access.Usage,
	count func(context.Context, account.Caller, access.Usage) (access.LimitCheck, error),
) (*access.LimitCheck, error) {
	var err error
	if in.Customer, err = customerRef("customer", *customer); err != nil {
		return nil, err
	}
	if in.Product, err = productRef("product", *product); err != nil {
		return nil, err
	}
	check, err := count(ctx, callerOf(ctx), in)
	if check == (access.LimitCheck{}) {
		return nil, err
	}
	return &check, err
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
