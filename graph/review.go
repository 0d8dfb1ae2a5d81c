package graph

import (
	"context"

	"portico/internal/catalog"
)

// ProductReview is catalog.Review as the schema shows it.
type ProductReview struct {
	catalog.Review
	siblings *siblings[ProductReview]
}

func showReview(row catalog.Review, s *siblings[ProductReview]) *ProductReview {
	return &ProductReview{row, s}
}

// ID is the global id.
func (v *ProductReview) ID() string { return gid("ProductReview", v.rowID()) }

func (v *ProductReview) rowID() int64 { return v.Review.ID }

// TestCredentials are there for operators only.
func (v *ProductReview) TestCredentials() *string {
	if v.Review.TestCredentials == nil {
		return nil
	}
	return reveal(*v.Review.TestCredentials)
}

type reviewFields struct{ *Resolver }

// ProductReview implements ResolverRoot.
func (r *Resolver) ProductReview() ProductReviewResolver { return reviewFields{r} }

// ProductReviews are those of all merchants.
func (r query) ProductReviews(ctx context.Context, status *string, first *int32, after *string) (*Connection[ProductReview], error) {
	request, err := pageOf(first, after)
	if err != nil {
		return nil, err
	}
	reviews, err := r.Catalog.Reviews(ctx, callerOf(ctx), status, request)
	return connect(reviews, err, request.Size, showReview, (*ProductReview).rowID)
}

// Product is what the review is of. Whoever has the review may see it.
func (r reviewFields) Product(ctx context.Context, review *ProductReview) (*PublicProduct, error) {
	found, err := together(review.siblings, "product", func(all []*ProductReview) (map[int64]*PublicProduct, error) {
		reviews := make([]catalog.Review, len(all))
		for i, one := range all {
			reviews[i] = one.Review
		}
		rows, err := r.Catalog.ReviewedProducts(ctx, reviews)
		if err != nil {
			return nil, err
		}
		s := &siblings[PublicProduct]{}
		shown := make(map[int64]*PublicProduct, len(rows))
		for id, row := range rows {
			shown[id] = showPublicProduct(row, s)
			s.all = append(s.all, shown[id])
		}
		return shown, nil
	})
	return found[review.ProductID], err
}

// LaunchURL is the product's.
func (r reviewFields) LaunchURL(ctx context.Context, review *ProductReview) (string, error) {
	product, err := r.Product(ctx, review)
	if err != nil {
		return "", err
	}
	return product.LaunchURL, nil
}

// IntegrationPageURL is the product's.
func (r reviewFields) IntegrationPageURL(ctx context.Context, review *ProductReview) (*string, error) {
	product, err := r.Product(ctx, review)
	if err != nil {
		return nil, err
	}
	return product.IntegrationPageURL, nil
}

// Reviews are the product's.
func (r productFields) Reviews(ctx context.Context, product *Product) ([]*ProductReview, error) {
	return children(ctx, product, product.siblings, "ProductReview", (*Product).rowID, r.Catalog.ReviewsByProduct, showReview)
}

// ProductApprove ends a review well.
func (r mutation) ProductApprove(ctx context.Context, in ProductApproveInput) (*ProductApprovePayload, error) {
	product, review, err := r.judge(ctx, in.ID, in.Review, catalog.Verdict{Approved: true})
	if err != nil {
		refused, err := userErrors(err)
		return &ProductApprovePayload{UserErrors: refused}, err
	}
	return &ProductApprovePayload{Product: product, Review: review}, nil
}

// ProductReject ends a review badly.
func (r mutation) ProductReject(ctx context.Context, in ProductRejectInput) (*ProductRejectPayload, error) {
	product, review, err := r.judge(ctx, in.ID, in.Review, catalog.Verdict{Reason: in.Reason})
	if err != nil {
		refused, err := userErrors(err)
		return &ProductRejectPayload{UserErrors: refused}, err
	}
	return &ProductRejectPayload{Product: product, Review: review}, nil
}

func (r mutation) judge(
	ctx context.Context, product string, review *string, verdict catalog.Verdict,
) (*PublicProduct, *ProductReview, error) {
	var err error
	if verdict.ProductID, err = rowID("id", "Product", product); err != nil {
		return nil, nil, err
	}
	if verdict.ReviewID, err = optional("review", "ProductReview", review); err != nil {
		return nil, nil, err
	}
	row, err := r.Catalog.Judge(ctx, callerOf(ctx), verdict)
	if err != nil {
		return nil, nil, err
	}
	shown := alone(row, showReview)
	of, err := reviewFields(r).Product(ctx, shown)
	return of, shown, err
}
