package graph

import (
	"context"
	"strings"
	"time"

	"portico/internal/catalog"
	"portico/internal/secret"
)

// Product is catalog.Product as the schema shows it.
type Product struct {
	catalog.Product
	siblings *siblings[Product]
}

func showProduct(row catalog.Product, s *siblings[Product]) *Product { return &Product{row, s} }

// IsNode implements Node.
func (*Product) IsNode() {}

// ID is the global id.
func (p *Product) ID() string { return gid("Product", p.Product.ID) }

func (p *Product) rowID() int64 { return p.Product.ID }

// NextLaunchSecretAt is when the newest launch secret begins to sign.
func (p *Product) NextLaunchSecretAt() *time.Time { return p.NextSecretAt }

// AccessTokenAlgorithm is the algorithm as the schema names it.
func (p *Product) AccessTokenAlgorithm() string {
	return strings.ToUpper(p.Product.AccessTokenAlgorithm)
}

// algorithm is an algorithm as JWT names it.
func algorithm(enum string) string {
	if strings.EqualFold(enum, catalog.EdDSA) {
		return catalog.EdDSA
	}
	return enum
}

func algorithmOrNil(enum *string) *string {
	if enum == nil {
		return nil
	}
	named := algorithm(*enum)
	return &named
}

type productFields struct{ *Resolver }

// Product implements ResolverRoot.
func (r *Resolver) Product() ProductResolver { return productFields{r} }

// Products are the merchant's.
func (r query) Products(ctx context.Context, first *int32, after *string) (*Connection[Product], error) {
	request, err := pageOf(first, after)
	if err != nil {
		return nil, err
	}
	products, err := r.Catalog.Products(ctx, callerOf(ctx), request)
	return connect(products, err, request.Size, showProduct, (*Product).rowID)
}

// Product is the one that is referred to.
func (r query) Product(ctx context.Context, in ProductRef) (*Product, error) {
	ref, err := productRef("ref", in)
	if err != nil {
		return nil, err
	}
	product, err := r.Catalog.Product(ctx, callerOf(ctx), ref)
	return orNull(alone(product, showProduct), err)
}

// Plans are the product's.
func (r productFields) Plans(ctx context.Context, product *Product) ([]*Plan, error) {
	caller := callerOf(ctx)
	if err := mayRead(caller, "Plan"); err != nil {
		return nil, err
	}
	parts := planParts(ctx)
	found, err := together(product.siblings, withParts("plans", parts), func(all []*Product) (map[int64][]*Plan, error) {
		rows, err := r.Catalog.PlansByProduct(ctx, caller, distinct(all, (*Product).rowID), parts)
		return families(rows, showPlan), err
	})
	return found[product.rowID()], err
}

func (r *Resolver) products(ctx context.Context, ids []int64) (map[int64]*Product, error) {
	return readByID(ctx, "Product", ids, r.Catalog.ProductsByID, showProduct)
}

// ProductCreate plugs a product in.
func (r mutation) ProductCreate(ctx context.Context, in ProductCreateInput) (*ProductCreatePayload, error) {
	product, launchSecret, err := r.Catalog.ProductCreate(ctx, callerOf(ctx), catalog.ProductCreate{
		Identifier: in.Identifier, Name: in.Name, Description: in.Description, LaunchURL: in.LaunchURL, UpgradeURL: in.UpgradeURL,
		LogoURL: in.LogoURL, IntegrationPageURL: in.IntegrationPageURL, LaunchTTLSeconds: in.LaunchTTLSeconds,
		SeatAssignment: in.SeatAssignment, AccessTokenAlgorithm: algorithm(in.AccessTokenAlgorithm),
	})
	if err != nil {
		refused, err := userErrors(err)
		return &ProductCreatePayload{UserErrors: refused}, err
	}
	return &ProductCreatePayload{Product: alone(product, showProduct), LaunchSecret: reveal(launchSecret)}, nil
}

// reveal shows a secret: in the one answer that holds it.
func reveal(s secret.Text) *string {
	plain := string(s)
	return &plain
}
