package graph

import (
	"context"

	"portico/internal/catalog"
)

// PublicProduct is catalog.PublicProduct as the schema shows it.
type PublicProduct struct {
	catalog.PublicProduct
	siblings *siblings[PublicProduct]
}

// PublicPlan is catalog.Plan as everybody sees it.
type PublicPlan struct{ Plan }

func showPublicProduct(row catalog.PublicProduct, s *siblings[PublicProduct]) *PublicProduct {
	return &PublicProduct{row, s}
}

func showPublicPlan(row catalog.Plan, _ *siblings[PublicPlan]) *PublicPlan {
	return &PublicPlan{Plan{Plan: row}}
}

// ID is the global id of the product.
func (p *PublicProduct) ID() string { return gid("Product", p.rowID()) }

func (p *PublicProduct) rowID() int64 { return p.PublicProduct.ID }

type publicFields struct{ *Resolver }

// PublicProduct implements ResolverRoot.
func (r *Resolver) PublicProduct() PublicProductResolver { return publicFields{r} }

// PublicProducts are what a shop shows to the caller.
func (r query) PublicProducts(ctx context.Context, shop string, first *int32, after *string) (*Connection[PublicProduct], error) {
	request, err := pageOf(first, after)
	if err != nil {
		return nil, err
	}
	products, err := r.Catalog.PublicProducts(ctx, callerOf(ctx), shop, request)
	return connect(products, err, request.Size, showPublicProduct, (*PublicProduct).rowID)
}

// PublicProduct is one that a shop shows to the caller.
func (r query) PublicProduct(ctx context.Context, shop, identifier string) (*PublicProduct, error) {
	product, err := r.Catalog.PublicProduct(ctx, callerOf(ctx), shop, identifier)
	return orNull(alone(product, showPublicProduct), err)
}

// Plans are the product's. Whoever has the product may see them.
func (r publicFields) Plans(ctx context.Context, product *PublicProduct) ([]*PublicPlan, error) {
	found, err := together(product.siblings, "plans", func(all []*PublicProduct) (map[int64][]*PublicPlan, error) {
		products := make([]catalog.PublicProduct, len(all))
		for i, one := range all {
			products[i] = one.PublicProduct
		}
		rows, err := r.Catalog.PublicPlans(ctx, products)
		return families(rows, showPublicPlan), err
	})
	return found[product.rowID()], err
}
