package graph

import (
	"context"

	"portico/internal/account"
	"portico/internal/billing"
)

// Merchant is account.Merchant as the schema shows it.
type Merchant struct{ account.Merchant }

func showMerchant(row account.Merchant, _ *siblings[Merchant]) *Merchant { return &Merchant{row} }

// IsNode implements Node.
func (*Merchant) IsNode() {}

// ID is the global id.
func (m *Merchant) ID() string { return gid("Merchant", m.rowID()) }

func (m *Merchant) rowID() int64 { return m.Merchant.ID }

// Status is where the merchant stands.
func (m *Merchant) Status() string { return m.Standing() }

// SuspensionReason is why it may not.
func (m *Merchant) SuspensionReason() *string { return m.Suspension }

// Merchant is the one that the request acts for.
func (r query) Merchant(ctx context.Context) (*Merchant, error) {
	merchant, err := r.Accounts.Merchant(ctx, callerOf(ctx))
	if err != nil {
		return nil, err
	}
	return &Merchant{merchant}, nil
}

// MerchantSignUp opens a merchant account and signs its owner in.
func (r mutation) MerchantSignUp(ctx context.Context, in MerchantSignUpInput) (*MerchantSignUpPayload, error) {
	made, err := r.Accounts.SignUp(ctx, originOf(ctx), account.SignUp{
		Name: in.Name, Shop: in.Shop, Email: in.Email, Password: in.Password,
	})
	if err != nil {
		refused, err := userErrors(err)
		return &MerchantSignUpPayload{UserErrors: refused}, err
	}
	token := r.keepSession(ctx, made.Session)
	return &MerchantSignUpPayload{Merchant: &Merchant{made.Merchant}, Member: &Member{made.Member}, SessionToken: &token}, nil
}

// MerchantCreate opens another merchant account for the caller.
func (r mutation) MerchantCreate(ctx context.Context, in MerchantCreateInput) (*MerchantCreatePayload, error) {
	merchant, err := r.Accounts.MerchantCreate(ctx, callerOf(ctx), originOf(ctx), in.Name, in.Shop)
	if err != nil {
		refused, err := userErrors(err)
		return &MerchantCreatePayload{UserErrors: refused}, err
	}
	return &MerchantCreatePayload{Merchant: &Merchant{merchant}}, nil
}

// MerchantUpdate changes the merchant's profile and settings.
func (r mutation) MerchantUpdate(ctx context.Context, in MerchantUpdateInput) (*MerchantUpdatePayload, error) {
	merchant, err := r.Accounts.MerchantUpdate(ctx, callerOf(ctx), account.MerchantUpdate{
		Name: in.Name, Shop: in.Shop, Email: in.Email, Description: in.Description, LogoURL: in.LogoURL, Phone: in.Phone,
		GraceDays: in.GraceDays, DunningDays: in.DunningDays,
	})
	if err != nil {
		refused, err := userErrors(err)
		return &MerchantUpdatePayload{UserErrors: refused}, err
	}
	return &MerchantUpdatePayload{Merchant: &Merchant{merchant}}, nil
}

// MerchantClose closes the merchant, or begins to.
func (r mutation) MerchantClose(ctx context.Context, in MerchantCloseInput) (*MerchantClosePayload, error) {
	merchant, err := r.Billing.CloseMerchant(ctx, callerOf(ctx), billing.Close{Shop: in.Shop, CancelSubscriptions: in.CancelSubscriptions})
	if err != nil {
		refused, err := userErrors(err)
		return &MerchantClosePayload{UserErrors: refused}, err
	}
	return &MerchantClosePayload{Merchant: &Merchant{merchant}}, nil
}

// MerchantLeave takes the caller out of the merchant.
func (r mutation) MerchantLeave(ctx context.Context, in MerchantLeaveInput) (*MerchantLeavePayload, error) {
	refused, err := userErrors(r.Accounts.Leave(ctx, callerOf(ctx), in.Shop))
	return &MerchantLeavePayload{UserErrors: refused}, err
}

// SandboxCreate opens a sandbox of the caller's merchant.
func (r mutation) SandboxCreate(ctx context.Context, in SandboxCreateInput) (*SandboxCreatePayload, error) {
	sandbox, err := r.Accounts.SandboxCreate(ctx, callerOf(ctx), in.Name)
	if err != nil {
		refused, err := userErrors(err)
		return &SandboxCreatePayload{UserErrors: refused}, err
	}
	return &SandboxCreatePayload{Merchant: &Merchant{sandbox}}, nil
}

func (r *Resolver) merchants(ctx context.Context, ids []int64) (map[int64]*Merchant, error) {
	return readByID(ctx, "Merchant", ids, r.Accounts.MerchantsByID, showMerchant)
}
