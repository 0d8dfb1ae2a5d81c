package graph

import (
	"context"

	"portico/internal/account"
)

// Operator is account.Operator as the schema shows it.
type Operator struct{ account.Operator }

// ID is the global id.
func (o *Operator) ID() string { return gid("Operator", o.Operator.ID) }

// OperatorSignIn opens an operator's session, without a cookie.
func (r mutation) OperatorSignIn(ctx context.Context, in OperatorSignInInput) (*OperatorSignInPayload, error) {
	session, err := r.Accounts.OperatorSignIn(ctx, originOf(ctx), in.Email, in.Password, in.TotpCode)
	if err != nil {
		refused, err := userErrors(err)
		return &OperatorSignInPayload{UserErrors: refused}, err
	}
	return &OperatorSignInPayload{
		Operator: &Operator{session.Operator}, SessionToken: reveal(session.Token), ExpiresAt: &session.ExpiresAt,
	}, nil
}

// OperatorSignOut ends the session that the request carries.
func (r mutation) OperatorSignOut(ctx context.Context) (*OperatorSignOutPayload, error) {
	refused, err := userErrors(r.Accounts.OperatorSignOut(ctx, callerOf(ctx)))
	return &OperatorSignOutPayload{UserErrors: refused}, err
}

// Merchants are all of the installation.
func (r query) Merchants(
	ctx context.Context, search, status *string, sandbox bool, first *int32, after *string,
) (*Connection[Merchant], error) {
	request, err := pageOf(first, after)
	if err != nil {
		return nil, err
	}
	filter := account.MerchantFilter{Sandboxes: sandbox}
	if search != nil {
		filter.Search = *search
	}
	filter.Status = status
	merchants, err := r.Accounts.AllMerchants(ctx, callerOf(ctx), filter, request)
	return connect(merchants, err, request.Size, showMerchant, (*Merchant).rowID)
}

// MerchantSuspend suspends a merchant.
func (r mutation) MerchantSuspend(ctx context.Context, in MerchantSuspendInput) (*MerchantSuspendPayload, error) {
	id, err := rowID("id", "Merchant", in.ID)
	if err != nil {
		refused, err := userErrors(err)
		return &MerchantSuspendPayload{UserErrors: refused}, err
	}
	merchant, err := r.Accounts.MerchantSuspend(ctx, callerOf(ctx), id, in.Reason)
	if err != nil {
		refused, err := userErrors(err)
		return &MerchantSuspendPayload{UserErrors: refused}, err
	}
	return &MerchantSuspendPayload{Merchant: &Merchant{merchant}}, nil
}

// MerchantReinstate ends a suspension.
func (r mutation) MerchantReinstate(ctx context.Context, in MerchantReinstateInput) (*MerchantReinstatePayload, error) {
	id, err := rowID("id", "Merchant", in.ID)
	if err != nil {
		refused, err := userErrors(err)
		return &MerchantReinstatePayload{UserErrors: refused}, err
	}
	merchant, err := r.Accounts.MerchantReinstate(ctx, callerOf(ctx), id)
	if err != nil {
		refused, err := userErrors(err)
		return &MerchantReinstatePayload{UserErrors: refused}, err
	}
	return &MerchantReinstatePayload{Merchant: &Merchant{merchant}}, nil
}
