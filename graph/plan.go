package graph

import (
	"context"

	"portico/internal/account"
	"portico/internal/catalog"
)

// Plan is catalog.Plan as the schema shows it.
type Plan struct {
	catalog.Plan
	siblings *siblings[Plan]
}

// Price is catalog.Price as the schema shows it.
type Price struct{ catalog.Price }

// Feature is catalog.Feature as the schema shows it: with the value of its kind and no other.
type Feature struct{ catalog.Feature }

func showPlan(row catalog.Plan, s *siblings[Plan]) *Plan { return &Plan{row, s} }

// IsNode implements Node.
func (*Plan) IsNode() {}

// ID is the global id.
func (p *Plan) ID() string { return gid("Plan", p.Plan.ID) }

func (p *Plan) rowID() int64 { return p.Plan.ID }

// Prices are the plan's.
func (p *Plan) Prices() []*Price {
	prices := make([]*Price, len(p.Plan.Prices))
	for i, price := range p.Plan.Prices {
		prices[i] = &Price{price}
	}
	return prices
}

// Features are what the plan includes.
func (p *Plan) Features() ([]*Feature, error) {
	features, err := p.Plan.Features()
	shown := make([]*Feature, len(features))
	for i, feature := range features {
		shown[i] = &Feature{feature}
	}
	return shown, err
}

// planParts are those that are asked for somewhere below the field.
func planParts(ctx context.Context) catalog.PlanParts {
	return catalog.PlanParts{Features: asksFor(ctx, "Plan", "features")}
}

// withParts names what siblings load together: those who ask for more load again.
func withParts(name string, parts catalog.PlanParts) string {
	if parts.Features {
		return name + " with features"
	}
	return name
}

// ID is the global id.
func (p *Price) ID() string { return gid("Price", p.Price.ID) }

// Enabled is the value of a BOOLEAN.
func (f *Feature) Enabled() *bool {
	return valueFor(f.Kind == catalog.FeatureBoolean, f.Feature.Enabled)
}

// Limit is the value of a LIMIT, and of an UNLIMITED one.
func (f *Feature) Limit() *int64 {
	return valueFor(f.Kind == catalog.FeatureLimit || f.Kind == catalog.FeatureUnlimited, f.Feature.Limit)
}

// Text is the value of a TEXT.
func (f *Feature) Text() *string { return valueFor(f.Kind == catalog.FeatureText, f.Feature.Text) }

// Reset says when the usage of a limit begins at 0 again.
func (f *Feature) Reset() *catalog.UsageReset { return valueFor(f.Counts(), f.Feature.Reset) }

func valueFor[T any](applies bool, value T) *T {
	if !applies {
		return nil
	}
	return &value
}

type planFields struct{ *Resolver }

// Plan implements ResolverRoot.
func (r *Resolver) Plan() PlanResolver { return planFields{r} }

// Plans are those of one product or of all.
func (r query) Plans(ctx context.Context, product *ProductRef, first *int32, after *string) (*Connection[Plan], error) {
	request, err := pageOf(first, after)
	if err != nil {
		return nil, err
	}
	var of *catalog.ProductRef
	if product != nil {
		ref, err := productRef("product", *product)
		if err != nil {
			return nil, err
		}
		of = &ref
	}
	plans, err := r.Catalog.Plans(ctx, callerOf(ctx), of, planParts(ctx), request)
	return connect(plans, err, request.Size, showPlan, (*Plan).rowID)
}

// Product is the plan's.
func (r planFields) Product(ctx context.Context, plan *Plan) (*Product, error) {
	return child(ctx, plan, plan.siblings, "product", func(p *Plan) int64 { return p.ProductID }, r.products)
}

func (r *Resolver) plans(ctx context.Context, ids []int64) (map[int64]*Plan, error) {
	read := func(ctx context.Context, caller account.Caller, ids []int64) (map[int64]catalog.Plan, error) {
		return r.Catalog.PlansByID(ctx, caller, ids, planParts(ctx))
	}
	return readByID(ctx, "Plan", ids, read, showPlan)
}

// PlanCreate adds a plan to a product.
func (r mutation) PlanCreate(ctx context.Context, in PlanCreateInput) (*PlanCreatePayload, error) {
	plan, err := r.createPlan(ctx, in)
	if err != nil {
		refused, err := userErrors(err)
		return &PlanCreatePayload{UserErrors: refused}, err
	}
	return &PlanCreatePayload{Plan: alone(plan, showPlan)}, nil
}

func (r mutation) createPlan(ctx context.Context, in PlanCreateInput) (catalog.Plan, error) {
	product, err := productRef("product", *in.Product)
	if err != nil {
		return catalog.Plan{}, err
	}
	return r.Catalog.PlanCreate(ctx, callerOf(ctx), catalog.PlanCreate{
		Product: product, Number: in.Number, Name: in.Name, Tier: in.Tier, TrialDays: in.TrialDays,
		Features: values(in.Features), Prices: values(in.Prices),
	})
}

func values[T any](pointers []*T) []T {
	values := make([]T, len(pointers))
	for i, p := range pointers {
		values[i] = *p
	}
	return values
}
