package graph

import (
	"context"

	"portico/internal/account"
	"portico/internal/secret"
)

// Member is account.Member as the schema shows it.
type Member struct{ account.Member }

// IsNode implements Node.
func (*Member) IsNode() {}

// ID is the global id.
func (m *Member) ID() string { return gid("Member", m.Member.ID) }

// TotpEnabled tells whether signing in takes a second factor.
func (m *Member) TotpEnabled() bool { return m.TOTP }

// Viewer is the caller.
type Viewer struct{ account.Caller }

// Kind is the kind of caller.
func (v *Viewer) Kind() string { return string(v.Caller.Kind) }

type viewerFields struct{ *Resolver }

// Viewer implements ResolverRoot.
func (r *Resolver) Viewer() ViewerResolver { return viewerFields{r} }

// Viewer is the caller.
func (r query) Viewer(ctx context.Context) (*Viewer, error) { return &Viewer{callerOf(ctx)}, nil }

// Member is the signed-in one.
func (r viewerFields) Member(ctx context.Context, viewer *Viewer) (*Member, error) {
	member, err := r.Accounts.Member(ctx, viewer.Caller)
	return orNull(&Member{member}, err)
}

// Merchant is the one that the request acts for.
func (r viewerFields) Merchant(ctx context.Context, viewer *Viewer) (*Merchant, error) {
	merchant, err := r.Accounts.Merchant(ctx, viewer.Caller)
	return orNull(&Merchant{merchant}, err)
}

// Merchants are those of the signed-in member.
func (r viewerFields) Merchants(ctx context.Context, viewer *Viewer) ([]*Merchant, error) {
	merchants, err := r.Accounts.Merchants(ctx, viewer.Caller)
	return family(merchants, showMerchant), err
}

// Operator is the signed-in one.
func (r viewerFields) Operator(ctx context.Context, viewer *Viewer) (*Operator, error) {
	operator, err := r.Accounts.Operator(ctx, viewer.Caller)
	return orNull(&Operator{operator}, err)
}

type memberFields struct{ *Resolver }

// Member implements ResolverRoot.
func (r *Resolver) Member() MemberResolver { return memberFields{r} }

// RecoveryCodesLeft are the member's, for nobody else.
func (r memberFields) RecoveryCodesLeft(ctx context.Context, member *Member) (*int64, error) {
	caller := callerOf(ctx)
	if caller.MemberID != member.Member.ID {
		return nil, nil //nolint:nilnil // null is the answer
	}
	left, err := r.Accounts.RecoveryCodesLeft(ctx, caller)
	return &left, err
}

// Role is what the signed-in member may do in that merchant.
func (v *Viewer) Role() *string {
	if v.Caller.Role == "" {
		return nil
	}
	role := string(v.Caller.Role)
	return &role
}

// MemberSignIn opens a session.
func (r mutation) MemberSignIn(ctx context.Context, in MemberSignInInput) (*MemberSignInPayload, error) {
	session, merchants, err := r.Accounts.SignIn(ctx, originOf(ctx), account.SignIn{
		Email: in.Email, Password: in.Password, TOTPCode: in.TotpCode, RecoveryCode: in.RecoveryCode,
	})
	if err != nil {
		refused, err := userErrors(err)
		return &MemberSignInPayload{UserErrors: refused}, err
	}
	token := r.keepSession(ctx, session)
	return &MemberSignInPayload{
		Member: &Member{session.Member}, Merchants: family(merchants, showMerchant),
		SessionToken: &token, ExpiresAt: &session.ExpiresAt,
	}, nil
}

// MemberSignOut ends the session that the request carries.
func (r mutation) MemberSignOut(ctx context.Context) (*MemberSignOutPayload, error) {
	if err := r.Accounts.SignOut(ctx, callerOf(ctx)); err != nil {
		refused, err := userErrors(err)
		return &MemberSignOutPayload{UserErrors: refused}, err
	}
	r.dropSession(ctx)
	return &MemberSignOutPayload{}, nil
}

// MemberEmailVerificationSend mails the caller the link to confirm the address with.
func (r mutation) MemberEmailVerificationSend(ctx context.Context) (*MemberEmailVerificationSendPayload, error) {
	refused, err := userErrors(r.Accounts.SendVerification(ctx, callerOf(ctx)))
	return &MemberEmailVerificationSendPayload{UserErrors: refused}, err
}

// MemberEmailVerify confirms an address.
func (r mutation) MemberEmailVerify(ctx context.Context, in MemberEmailVerifyInput) (*MemberEmailVerifyPayload, error) {
	member, err := r.Accounts.VerifyEmail(ctx, secret.Text(in.Token))
	if err != nil {
		refused, err := userErrors(err)
		return &MemberEmailVerifyPayload{UserErrors: refused}, err
	}
	return &MemberEmailVerifyPayload{Member: &Member{member}}, nil
}

// MemberPasswordResetSend mails a link to choose a new password.
func (r mutation) MemberPasswordResetSend(ctx context.Context, in MemberPasswordResetSendInput) (*MemberPasswordResetSendPayload, error) {
	refused, err := userErrors(r.Accounts.RequestReset(ctx, originOf(ctx), in.Email))
	return &MemberPasswordResetSendPayload{UserErrors: refused}, err
}

// MemberPasswordReset chooses a new password for a forgotten one.
func (r mutation) MemberPasswordReset(ctx context.Context, in MemberPasswordResetInput) (*MemberPasswordResetPayload, error) {
	refused, err := userErrors(r.Accounts.ResetPassword(ctx, secret.Text(in.Token), in.Password))
	return &MemberPasswordResetPayload{UserErrors: refused}, err
}

// MemberPasswordChange gives the caller another password.
func (r mutation) MemberPasswordChange(ctx context.Context, in MemberPasswordChangeInput) (*MemberPasswordChangePayload, error) {
	refused, err := userErrors(r.Accounts.ChangePassword(ctx, callerOf(ctx), originOf(ctx), in.CurrentPassword, in.NewPassword))
	return &MemberPasswordChangePayload{UserErrors: refused}, err
}

func (r *Resolver) member(ctx context.Context, caller account.Caller, id int64) (*Member, error) {
	member, err := r.Accounts.MemberByID(ctx, caller, id)
	return &Member{member}, err
}
