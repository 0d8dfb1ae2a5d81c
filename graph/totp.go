package graph

import (
	"context"

	"portico/internal/secret"
)

// MemberTotpBegin makes a secret for an authenticator app.
func (r mutation) MemberTotpBegin(ctx context.Context, in MemberTotpBeginInput) (*MemberTotpBeginPayload, error) {
	made, err := r.Accounts.TOTPBegin(ctx, callerOf(ctx), in.Password)
	if err != nil {
		refused, err := userErrors(err)
		return &MemberTotpBeginPayload{UserErrors: refused}, err
	}
	return &MemberTotpBeginPayload{URI: reveal(made.URI), Secret: reveal(made.Secret)}, nil
}

// MemberTotpConfirm turns two-factor sign-in on.
func (r mutation) MemberTotpConfirm(ctx context.Context, in MemberTotpConfirmInput) (*MemberTotpConfirmPayload, error) {
	codes, err := r.Accounts.TOTPConfirm(ctx, callerOf(ctx), in.Code)
	if err != nil {
		refused, err := userErrors(err)
		return &MemberTotpConfirmPayload{UserErrors: refused}, err
	}
	member, err := r.Accounts.Member(ctx, callerOf(ctx))
	return &MemberTotpConfirmPayload{RecoveryCodes: revealAll(codes), Member: &Member{member}}, err
}

// MemberTotpDisable turns two-factor sign-in off.
func (r mutation) MemberTotpDisable(ctx context.Context, in MemberTotpDisableInput) (*MemberTotpDisablePayload, error) {
	if err := r.Accounts.TOTPDisable(ctx, callerOf(ctx), in.Password, in.Code); err != nil {
		refused, err := userErrors(err)
		return &MemberTotpDisablePayload{UserErrors: refused}, err
	}
	member, err := r.Accounts.Member(ctx, callerOf(ctx))
	return &MemberTotpDisablePayload{Member: &Member{member}}, err
}

// MemberRecoveryCodesRenew makes new recovery codes.
func (r mutation) MemberRecoveryCodesRenew(
	ctx context.Context, in MemberRecoveryCodesRenewInput,
) (*MemberRecoveryCodesRenewPayload, error) {
	codes, err := r.Accounts.RecoveryCodesRenew(ctx, callerOf(ctx), in.Code)
	if err != nil {
		refused, err := userErrors(err)
		return &MemberRecoveryCodesRenewPayload{UserErrors: refused}, err
	}
	return &MemberRecoveryCodesRenewPayload{RecoveryCodes: revealAll(codes)}, nil
}

// revealAll shows secrets: in the one answer that holds them.
func revealAll(secrets []secret.Text) []string {
	plain := make([]string, len(secrets))
	for i, s := range secrets {
		plain[i] = string(s)
	}
	return plain
}
