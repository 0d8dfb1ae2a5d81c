package graph

import (
	"context"

	"portico/internal/account"
)

// Merchant is account.Merchant as the schema shows it.
type Merchant struct{ account.Merchant }

func showMerchant(row account.Merchant, _ *siblings[Merchant]) *Merchant { return &Merchant{row} }

// IsNode implements Node.
func (*Merchant) IsNode() {}

// ID is the global id.
func (m *Merchant) ID() string { return gid("Merchant", m.rowID()) }

func (m *Merchant) rowID() int64 { return m.Merchant.ID }

// Status tells whether the merchant may act.
func (m *Merchant) Status() string {
	if m.SuspendedAt != nil {
		return merchantSuspended
	}
	return "OPEN"
}

// SuspensionReason is why it may not.
func (m *Merchant) SuspensionReason() *string { return m.Suspension }

const merchantSuspended = "SUSPENDED"

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
	made, err := r.Accounts.SignUp(ctx, account.SignUp{Name: in.Name, Shop: in.Shop, Email: in.Email, Password: in.Password})
	if err != nil {
		refused, err := userErrors(err)
		return &MerchantSignUpPayload{UserErrors: refused}, err
	}
	token := r.keepSession(ctx, made.Session)
	return &MerchantSignUpPayload{Merchant: &Merchant{made.Merchant}, Member: &Member{made.Member}, SessionToken: &token}, nil
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
