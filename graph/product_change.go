package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"portico/internal/catalog"
	"portico/internal/secret"
)

// ProductUpdate changes a product.
func (r mutation) ProductUpdate(ctx context.Context, in ProductUpdateInput) (*ProductUpdatePayload, error) {
	product, err := r.changed(in.ID, func(id int64) (catalog.Product, error) {
		return r.Catalog.ProductUpdate(ctx, callerOf(ctx), catalog.ProductUpdate{
			ProductID: id, Name: in.Name, Description: in.Description, LaunchURL: in.LaunchURL, UpgradeURL: patch(in.UpgradeURL),
			LogoURL: patch(in.LogoURL), IntegrationPageURL: patch(in.IntegrationPageURL), LaunchTTLSeconds: in.LaunchTTLSeconds,
			SeatAssignment: in.SeatAssignment, AccessTokenAlgorithm: algorithmOrNil(in.AccessTokenAlgorithm),
		})
	})
	if err != nil {
		refused, err := userErrors(err)
		return &ProductUpdatePayload{UserErrors: refused}, err
	}
	return &ProductUpdatePayload{Product: product}, nil
}

// patch is nil for what is left out, and empty for null.
func patch(given graphql.Omittable[*string]) *string {
	value, isGiven := given.ValueOK()
	if isGiven && value == nil {
		return new(string)
	}
	return value
}

// ProductSecretRoll makes a new launch secret.
func (r mutation) ProductSecretRoll(ctx context.Context, in ProductSecretRollInput) (*ProductSecretRollPayload, error) {
	var rolled secret.Text
	product, err := r.changed(in.ID, func(id int64) (product catalog.Product, err error) {
		product, rolled, err = r.Catalog.ProductSecretRoll(ctx, callerOf(ctx), id, in.OverlapSeconds)
		return product, err
	})
	if err != nil {
		refused, err := userErrors(err)
		return &ProductSecretRollPayload{UserErrors: refused}, err
	}
	return &ProductSecretRollPayload{Product: product, LaunchSecret: reveal(rolled)}, nil
}

// ProductSecretActivate has the new launch secret sign.
func (r mutation) ProductSecretActivate(ctx context.Context, in ProductSecretActivateInput) (*ProductSecretActivatePayload, error) {
	product, err := r.changed(in.ID, func(id int64) (catalog.Product, error) {
		return r.Catalog.ProductSecretActivate(ctx, callerOf(ctx), id)
	})
	if err != nil {
		refused, err := userErrors(err)
		return &ProductSecretActivatePayload{UserErrors: refused}, err
	}
	return &ProductSecretActivatePayload{Product: product}, nil
}

// ProductSubmitForReview asks for a review.
func (r mutation) ProductSubmitForReview(ctx context.Context, in ProductSubmitForReviewInput) (*ProductSubmitForReviewPayload, error) {
	product, err := r.changed(in.ID, func(id int64) (catalog.Product, error) {
		return r.Catalog.ProductSubmitForReview(ctx, callerOf(ctx), catalog.SubmitForReview{
			ProductID: id, TestCredentials: in.TestCredentials, Notes: in.Notes,
		})
	})
	if err != nil {
		refused, err := userErrors(err)
		return &ProductSubmitForReviewPayload{UserErrors: refused}, err
	}
	return &ProductSubmitForReviewPayload{Product: product}, nil
}

// ProductArchive ends a product's sale.
func (r mutation) ProductArchive(ctx context.Context, in ProductArchiveInput) (*ProductArchivePayload, error) {
	product, err := r.changed(in.ID, func(id int64) (catalog.Product, error) {
		return r.Catalog.ProductArchive(ctx, callerOf(ctx), id)
	})
	if err != nil {
		refused, err := userErrors(err)
		return &ProductArchivePayload{UserErrors: refused}, err
	}
	return &ProductArchivePayload{Product: product}, nil
}

// changed does something to the product with the global id, and shows it.
func (r mutation) changed(id string, change func(id int64) (catalog.Product, error)) (*Product, error) {
	row, err := rowID("id", "Product", id)
	if err != nil {
		return nil, err
	}
	product, err := change(row)
	if err != nil {
		return nil, err
	}
	return alone(product, showProduct), nil
}
