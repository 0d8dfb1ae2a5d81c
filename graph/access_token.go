package graph

import (
	"context"
	"time"

	"portico/internal/access"
	"portico/internal/catalog"
	"portico/internal/secret"
)

// AccessTokenCreate mints an access token.
func (r mutation) AccessTokenCreate(ctx context.Context, in AccessTokenCreateInput) (*AccessTokenCreatePayload, error) {
	minted, err := r.mintAccessToken(ctx, in)
	if err != nil {
		refused, err := userErrors(err)
		return &AccessTokenCreatePayload{UserErrors: refused}, err
	}
	mintedFor(ctx, minted.CustomerID)
	return &AccessTokenCreatePayload{
		Token: reveal(minted.Token), ExpiresAt: &minted.ExpiresAt, Allowed: &minted.Decision.Allowed,
	}, nil
}

func (r mutation) mintAccessToken(ctx context.Context, in AccessTokenCreateInput) (access.Token, error) {
	who, what, err := claimRefs(*in.Customer, *in.Product)
	if err != nil {
		return access.Token{}, err
	}
	return r.Access.AccessTokenCreate(ctx, callerOf(ctx), who, what, time.Duration(in.TTLSeconds)*time.Second)
}

// AccessTokenVerify checks an access token.
func (r query) AccessTokenVerify(ctx context.Context, token string, product *ProductRef) (*access.TokenCheck, error) {
	var of *catalog.ProductRef
	if product != nil {
		ref, err := productRef("product", *product)
		if err != nil {
			return nil, err
		}
		of = &ref
	}
	check, err := r.Resolver.Access.AccessTokenVerify(ctx, callerOf(ctx), secret.Text(token), of)
	return &check, err
}
