package account

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/mail"
	"portico/internal/secret"
)

const (
	recoveryCodes      = 10
	recoveryCodeLength = 10 // characters of base32: 50 bits, of which five guesses are free in a quarter of an hour
)

// TOTPBegin makes a secret for the caller's authenticator app. It counts when TOTPConfirm has had a code made with it; until then
// beginning again makes another. The password keeps a stolen session from locking its member out with a second factor of the thief's.
// CONFLICT for a member who has one.
func (a *Accounts) TOTPBegin(ctx context.Context, caller Caller, password string) (TOTPSecret, error) {
	member, err := a.ownMember(ctx, caller)
	switch {
	case err != nil:
		return TOTPSecret{}, err
	case member.TotpEnabledAt != nil:
		return TOTPSecret{}, totpIsOn()
	}
	matches, err := a.passwordMatches(ctx, member.PasswordHash, password)
	if err != nil {
		return TOTPSecret{}, err
	}
	if !matches {
		return TOTPSecret{}, fault.New(fault.CodeUnauthenticated, "password", "does not match")
	}
	made, err := newTOTPSecret(member.Email)
	if err != nil {
		return TOTPSecret{}, err
	}
	_, err = a.DB.BeginTotp(ctx, a.DB.Pool(), db.BeginTotpParams{
		MemberID: member.ID, SecretCipher: a.sealTOTP(memberHolder(member.ID), made.Secret), CreatedAt: a.Now(),
	})
	if db.IsNoRows(err) {
		return TOTPSecret{}, totpIsOn()
	}
	if err != nil {
		return TOTPSecret{}, fmt.Errorf("begin TOTP for member %d: %w", member.ID, err)
	}
	return made, nil
}

func totpIsOn() error { return fault.New(fault.CodeConflict, "", "two-factor sign-in is on already") }

func totpIsOff() error { return fault.New(fault.CodeConflict, "", "two-factor sign-in is not on") }

// TOTPConfirm turns two-factor sign-in on with a code of the secret that TOTPBegin made, and gives the recovery codes, which are
// not shown again. The caller's session counts as opened with it; the member's other sessions end, and a mail tells the member.
func (a *Accounts) TOTPConfirm(ctx context.Context, caller Caller, code string) ([]secret.Text, error) {
	member, err := a.Member(ctx, caller)
	switch {
	case err != nil:
		return nil, err
	case member.TOTP:
		return nil, totpIsOn()
	}
	begun, err := a.DB.HasTotp(ctx, a.DB.Pool(), int64(memberHolder(member.ID)))
	if err != nil {
		return nil, fmt.Errorf("confirm TOTP: %w", err)
	}
	if !begun {
		return nil, fault.New(fault.CodeConflict, "", "there is nothing to confirm: begin first")
	}
	return a.proven(ctx, member.ID, code, nil, func(tx pgx.Tx, g codeGuess) ([]secret.Text, error) {
		now := a.Now()
		enabled, err := a.DB.EnableTotp(ctx, tx, db.EnableTotpParams{MemberID: member.ID, SessionID: caller.SessionID, EnabledAt: &now})
		if err != nil {
			return nil, err
		}
		if enabled == 0 {
			return nil, totpIsOn()
		}
		if err := a.secondFactorChanged(ctx, tx, member, caller.SessionID, true); err != nil {
			return nil, err
		}
		return a.newRecoveryCodes(ctx, tx, g)
	})
}

// secondFactorChanged ends the member's sessions but the caller's, and tells the member.
func (a *Accounts) secondFactorChanged(ctx context.Context, tx pgx.Tx, member Member, keepSession int64, on bool) error {
	_, err := a.DB.DeleteOtherSessions(ctx, tx, db.DeleteOtherSessionsParams{MemberID: member.ID, KeepID: keepSession})
	if err != nil {
		return fmt.Errorf("end the other sessions of member %d: %w", member.ID, err)
	}
	return a.Mail.Enqueue(ctx, tx, mail.Message{
		Recipient: member.Email, Cause: fmt.Sprintf("member/%d/totp/%d", member.ID, a.Now().UnixMicro()),
		Content: mail.SecondFactorChanged{At: a.Now(), On: on, Link: a.link(PathReset, "")},
	})
}

// TOTPDisable turns two-factor sign-in off, ends the member's other sessions, and has a mail tell the member. A wrong password counts as a
// wrong code.
func (a *Accounts) TOTPDisable(ctx context.Context, caller Caller, password, code string) error {
	row, err := a.memberWithTOTP(ctx, caller)
	if err != nil {
		return err
	}
	_, err = a.proven(ctx, row.ID, code, func() (bool, error) {
		return a.passwordMatches(ctx, row.PasswordHash, password)
	}, func(tx pgx.Tx, _ codeGuess) ([]secret.Text, error) {
		if err := a.DB.DisableTotp(ctx, tx, row.ID); err != nil {
			return nil, err
		}
		return nil, a.secondFactorChanged(ctx, tx, memberOf(row), caller.SessionID, false)
	})
	return err
}

// RecoveryCodesRenew makes new recovery codes in the place of all that are left.
func (a *Accounts) RecoveryCodesRenew(ctx context.Context, caller Caller, code string) ([]secret.Text, error) {
	row, err := a.memberWithTOTP(ctx, caller)
	if err != nil {
		return nil, err
	}
	return a.proven(ctx, row.ID, code, nil, func(tx pgx.Tx, g codeGuess) ([]secret.Text, error) {
		return a.newRecoveryCodes(ctx, tx, g)
	})
}

// RecoveryCodesLeft is how many recovery codes the caller has not used.
func (a *Accounts) RecoveryCodesLeft(ctx context.Context, caller Caller) (int64, error) {
	left, err := a.DB.CountRecoveryCodes(ctx, a.DB.Pool(), int64(memberHolder(caller.MemberID)))
	if err != nil {
		return 0, fmt.Errorf("count recovery codes: %w", err)
	}
	return left, nil
}

func (a *Accounts) memberWithTOTP(ctx context.Context, caller Caller) (db.Member, error) {
	row, err := a.ownMember(ctx, caller)
	if err == nil && row.TotpEnabledAt == nil {
		err = totpIsOff()
	}
	return row, err
}

// ownMember is the caller's row, with the hash of the password.
func (a *Accounts) ownMember(ctx context.Context, caller Caller) (db.Member, error) {
	row, err := a.DB.MemberByID(ctx, a.DB.Tenant(), db.MemberByIDParams{ID: caller.MemberID, ViewerID: caller.MemberID})
	if db.IsNoRows(err) {
		return row, fault.NotFound("", "member")
	}
	if err != nil {
		return row, fmt.Errorf("find member %d: %w", caller.MemberID, err)
	}
	return row, nil
}

// proven does something for a member who gives a code, and meets one more condition if there is one. What is wrong costs a guess,
// so the guess is taken by a statement of its own, which stays when the rest is taken back.
func (a *Accounts) proven(
	ctx context.Context, memberID int64, code string, also func() (bool, error), do func(pgx.Tx, codeGuess) ([]secret.Text, error),
) (codes []secret.Text, err error) {
	g, err := a.takeGuess(ctx, a.DB.Pool(), memberHolder(memberID))
	if err != nil {
		return nil, err
	}
	step, found := g.step(a.Now(), code)
	if found && also != nil {
		if found, err = also(); err != nil {
			return nil, err
		}
	}
	if !found {
		return nil, wrongCode(also != nil)
	}
	err = a.DB.System().Tx(ctx, func(tx pgx.Tx) error { // as a mail to a member is nobody's merchant's
		if err := a.DB.LockMember(ctx, tx, memberID); err != nil {
			return err
		}
		accepted, err := a.accept(ctx, tx, g, step)
		if err != nil {
			return err
		}
		if !accepted {
			return wrongCode(also != nil)
		}
		codes, err = do(tx, g)
		return err
	})
	return codes, err
}

func wrongCode(withPassword bool) error {
	if withPassword {
		return fault.New(fault.CodeUnauthenticated, "", "password and code do not match, or the code has been used")
	}
	return fault.New(fault.CodeUnauthenticated, "code", "is not valid, or has been used")
}

// proveMember checks the second factor of a member whose password matches.
func (a *Accounts) proveMember(ctx context.Context, memberID int64, totpCode, recoveryCode *string) error {
	switch {
	case totpCode == nil && recoveryCode == nil:
		return fault.New(fault.CodeTOTPRequired, "totpCode", "is required: a code of your authenticator app, or a recovery code")
	case totpCode != nil && recoveryCode != nil:
		return fault.Invalid("recoveryCode", "give either this or totpCode")
	}
	g, err := a.takeGuess(ctx, a.DB.Pool(), memberHolder(memberID))
	if err != nil {
		return err
	}
	field, accepted := "recoveryCode", false
	if totpCode == nil {
		accepted, err = a.redeem(ctx, a.DB.Pool(), g, *recoveryCode)
	} else {
		field = "totpCode"
		if step, found := g.step(a.Now(), *totpCode); found {
			accepted, err = a.accept(ctx, a.DB.Pool(), g, step)
		}
	}
	if err == nil && !accepted {
		err = fault.New(fault.CodeUnauthenticated, field, "is not valid, or has been used")
	}
	return err
}

func (a *Accounts) passwordMatches(ctx context.Context, stored, password string) (bool, error) {
	if len(password) > MaxPasswordBytes {
		return false, nil
	}
	return a.verifyPassword(ctx, stored, password)
}

func (a *Accounts) newRecoveryCodes(ctx context.Context, tx pgx.Tx, g codeGuess) ([]secret.Text, error) {
	codes, hashes := make([]secret.Text, recoveryCodes), make([][]byte, recoveryCodes)
	for i := range codes {
		text := rand.Text()[:recoveryCodeLength]
		codes[i] = secret.Text(text[:recoveryCodeLength/2] + "-" + text[recoveryCodeLength/2:])
		hashes[i] = a.recoveryHash(g.of, text)
	}
	if err := a.DB.ReplaceRecoveryCodes(ctx, tx, db.ReplaceRecoveryCodesParams{Holder: int64(g.of), CodeHashes: hashes}); err != nil {
		return nil, fmt.Errorf("store recovery codes: %w", err)
	}
	return codes, nil
}
