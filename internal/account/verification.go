package account

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/mail"
	"portico/internal/secret"
)

// An address belongs to the member who has proven to read its mail, and to nobody before. Whoever signs up with an address gets the
// same answer, whether or not it is somebody's: only the mail, which its owner alone reads, says which it is.

// SendVerification mails the caller a link to prove the address with; the earlier ones go on working. If the address is somebody
// else's, its owner is told of the attempt instead, and nothing here tells. It changes nothing for a member who has proven it.
func (a *Accounts) SendVerification(ctx context.Context, caller Caller) error {
	member, err := a.Member(ctx, caller)
	if err != nil {
		return err
	}
	if member.EmailVerifiedAt != nil {
		return nil
	}
	if err := a.take(ctx, mails("verification", member.Email)); err != nil {
		return err
	}
	err = a.DB.System().Tx(ctx, func(tx pgx.Tx) error { return a.askForProof(ctx, tx, member) })
	if err != nil {
		return fmt.Errorf("send a verification: %w", err)
	}
	return nil
}

// askForProof mails a member who has not proven the address, or the one who has. Both take the same steps.
func (a *Accounts) askForProof(ctx context.Context, tx pgx.Tx, member Member) error {
	_, err := a.DB.VerifiedMemberByEmail(ctx, tx, member.Email)
	owned := err == nil
	if err != nil && !db.IsNoRows(err) {
		return fmt.Errorf("find the owner of an address: %w", err)
	}
	id, token, err := a.memberToken(ctx, tx, member, purposeVerify, verificationLifetime)
	if err != nil {
		return err
	}
	message := mail.Message{
		Recipient: member.Email, Cause: fmt.Sprintf("member/%d/verification/%d", member.ID, id),
		Content: mail.VerifyEmail{Link: a.link(PathVerify, token), ExpiresAt: a.Now().Add(verificationLifetime)},
	}
	if owned {
		message.Content = mail.MemberExists{Link: a.link(PathReset, "")}
	}
	return a.Mail.Enqueue(ctx, tx, message)
}

// VerifyEmail takes the token out of a mail as the proof that its member reads the mail of the address. NOT_FOUND for a token that
// is none, is used or has expired; CONFLICT when another member has proven the address first.
func (a *Accounts) VerifyEmail(ctx context.Context, token secret.Text) (Member, error) {
	hash, err := a.mailed(token)
	if err != nil {
		return Member{}, err
	}
	var member Member
	err = a.DB.System().Tx(ctx, func(tx pgx.Tx) error {
		id, err := a.DB.UseMemberToken(ctx, tx, db.UseMemberTokenParams{TokenHash: hash, Purpose: purposeVerify, Now: a.Now()})
		if db.IsNoRows(err) {
			return linkOver()
		}
		if err != nil {
			return fmt.Errorf("use a token: %w", err)
		}
		if member, err = a.verified(ctx, tx, id); err != nil {
			return err
		}
		return a.DB.DropMemberTokens(ctx, tx, db.DropMemberTokensParams{MemberID: id, Purpose: purposeVerify})
	})
	if err != nil {
		return Member{}, fmt.Errorf("verify an address: %w", err)
	}
	return member, nil
}

// verified records that a member has proven the address.
func (a *Accounts) verified(ctx context.Context, tx pgx.Tx, memberID int64) (Member, error) {
	now := a.Now()
	row, err := a.DB.VerifyMember(ctx, tx, db.VerifyMemberParams{ID: memberID, VerifiedAt: &now})
	if violates(err, "member_verified_email_key") {
		return Member{}, fault.New(fault.CodeConflict, "", "this address belongs to another account already: sign in with that one")
	}
	if err != nil {
		return Member{}, fmt.Errorf("verify member %d: %w", memberID, err)
	}
	return memberOf(row), nil
}
