package account

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/mail"
	"portico/internal/page"
	"portico/internal/secret"
)

// Invitation asks the owner of an address to join a merchant. Its token is only in the mail.
type Invitation struct {
	ID         int64
	Email      string
	Role       Role
	CreatedAt  time.Time
	ExpiresAt  time.Time
	AcceptedAt *time.Time
	RevokedAt  *time.Time
}

func invitationOf(row db.Invitation) Invitation {
	return Invitation{
		ID: row.ID, Email: row.Email, Role: Role(row.Role), CreatedAt: row.CreatedAt, ExpiresAt: row.ExpiresAt,
		AcceptedAt: row.AcceptedAt, RevokedAt: row.RevokedAt,
	}
}

// Invite mails an address an invitation to the merchant, which takes the place of an earlier one. For owners with a proven address:
// EMAIL_UNVERIFIED. TAKEN when the address is a member's of the merchant; too many are THROTTLED.
func (a *Accounts) Invite(ctx context.Context, caller Caller, email string, role Role) (Invitation, error) {
	if err := caller.requireVerified(); err != nil {
		return Invitation{}, err
	}
	var check fault.Check
	email = emailAddress(&check, "email", email)
	if !role.Includes(RoleViewer) {
		check.Add(fault.Invalid("role", "is not a role"))
	}
	if err := check.Err(); err != nil {
		return Invitation{}, err
	}
	if err := a.requireTeam(ctx, a.DB.Tenant(caller.MerchantID), caller.MerchantID); err != nil {
		return Invitation{}, err
	}
	if err := a.take(ctx, invitations(caller.MerchantID)); err != nil {
		return Invitation{}, err
	}
	var invitation Invitation
	err := a.changeTeam(ctx, caller, func(tx pgx.Tx, t team) error {
		if err := t.govern(caller.MemberID); err != nil {
			return err
		}
		var err error
		invitation, err = a.invite(ctx, tx, caller, email, role)
		return err
	})
	if err != nil {
		return Invitation{}, fmt.Errorf("invite a member: %w", err)
	}
	return invitation, nil
}

func (a *Accounts) invite(ctx context.Context, tx pgx.Tx, caller Caller, email string, role Role) (Invitation, error) {
	belongs, err := a.DB.MembershipByEmail(ctx, tx, db.MembershipByEmailParams{MerchantID: caller.MerchantID, Email: email})
	if err != nil {
		return Invitation{}, err
	}
	if belongs {
		return Invitation{}, fault.Taken("email", "belongs to a member of this merchant already")
	}
	inviter, err := a.membership(ctx, tx, caller.MerchantID, caller.MemberID)
	if err != nil {
		return Invitation{}, err
	}
	merchant, err := a.merchant(ctx, tx, caller.MerchantID)
	if err != nil {
		return Invitation{}, err
	}
	now, token := a.Now(), secret.NewCredential(secret.KindMailed, true)
	err = a.DB.RevokeOpenInvitation(ctx, tx, db.RevokeOpenInvitationParams{MerchantID: merchant.ID, Email: email, RevokedAt: &now})
	if err != nil {
		return Invitation{}, err
	}
	row, err := a.DB.InsertInvitation(ctx, tx, db.InsertInvitationParams{
		MerchantID: merchant.ID, Email: email, Role: string(role), TokenHash: a.Keys.Hash(token), InvitedBy: caller.MemberID,
		CreatedAt: now, ExpiresAt: now.Add(invitationLifetime),
	})
	if err != nil {
		return Invitation{}, err
	}
	return invitationOf(row), a.Mail.Enqueue(ctx, tx, mail.Message{
		MerchantID: &merchant.ID, Recipient: email, Cause: fmt.Sprintf("invitation/%d", row.ID),
		Content: mail.Invitation{
			Merchant: merchant.Name, InvitedBy: inviter.Member.Email, Role: strings.ToLower(string(role)),
			Link: a.link(PathInvitation, token), ExpiresAt: row.ExpiresAt,
		},
	})
}

// Invitations lists those of the merchant that can be accepted, newest first: up to a row more than the page.
func (a *Accounts) Invitations(ctx context.Context, caller Caller, request page.Request) ([]Invitation, error) {
	merchantID, err := a.teamOf(ctx, caller)
	if err != nil {
		return nil, err
	}
	rows, err := a.DB.Invitations(ctx, a.DB.Tenant(merchantID), db.InvitationsParams{
		MerchantID: merchantID, Before: request.Before(), Now: a.Now(), RowLimit: request.Limit(),
	})
	if err != nil {
		return nil, fmt.Errorf("list the invitations of merchant %d: %w", merchantID, err)
	}
	return convert(rows, invitationOf), nil
}

// Invitation is one of the merchant's, whatever became of it.
func (a *Accounts) Invitation(ctx context.Context, caller Caller, id int64) (Invitation, error) {
	merchantID, err := a.teamOf(ctx, caller)
	if err != nil {
		return Invitation{}, err
	}
	row, err := a.DB.Invitation(ctx, a.DB.Tenant(merchantID), db.InvitationParams{MerchantID: merchantID, ID: id})
	if db.IsNoRows(err) {
		return Invitation{}, fault.NotFound("id", "invitation")
	}
	if err != nil {
		return Invitation{}, fmt.Errorf("find invitation %d: %w", id, err)
	}
	return invitationOf(row), nil
}

// InvitationRevoke takes an invitation back. Doing so again changes nothing; one that was accepted is NOT_FOUND.
func (a *Accounts) InvitationRevoke(ctx context.Context, caller Caller, id int64) (Invitation, error) {
	var invitation Invitation
	err := a.changeTeam(ctx, caller, func(tx pgx.Tx, t team) error {
		if err := t.govern(caller.MemberID); err != nil {
			return err
		}
		now := a.Now()
		row, err := a.DB.RevokeInvitation(ctx, tx, db.RevokeInvitationParams{MerchantID: caller.MerchantID, ID: id, RevokedAt: &now})
		if db.IsNoRows(err) {
			return fault.NotFound("id", "open invitation")
		}
		invitation = invitationOf(row)
		return err
	})
	if err != nil {
		return Invitation{}, fmt.Errorf("revoke invitation %d: %w", id, err)
	}
	return invitation, nil
}

// Accepted is what became of an invitation.
type Accepted struct {
	Merchant Merchant
	Member   Member
	Role     Role
	Session  *OpenSession // for a caller who was not signed in
}

// InvitationAccept takes the token out of a mail for a place in the merchant. A signed-in caller must be the member of the address
// that was invited: CONFLICT. Anybody else gives a password: that of the member who has proven the address, as at sign-in, or one for
// a new member, whose address the token proves. A member with a second factor has to sign in first: TOTP_REQUIRED. NOT_FOUND for a token that is none, is used, was revoked or has expired.
func (a *Accounts) InvitationAccept(ctx context.Context, caller Caller, from Origin, token secret.Text, password *string) (Accepted, error) {
	hash, err := a.mailed(token)
	if err != nil {
		return Accepted{}, err
	}
	found, err := a.DB.InvitationByHash(ctx, a.DB.System(), db.InvitationByHashParams{TokenHash: hash, Now: a.Now()})
	if db.IsNoRows(err) {
		return Accepted{}, linkOver()
	}
	if err != nil {
		return Accepted{}, fmt.Errorf("find an invitation: %w", err)
	}
	who, err := a.invitee(ctx, caller, from, found, password)
	if err != nil {
		return Accepted{}, err
	}
	var accepted Accepted
	err = a.DB.System().Tx(ctx, func(tx pgx.Tx) (err error) {
		accepted, err = a.join(ctx, tx, from, found, who)
		return err
	})
	if err != nil {
		return Accepted{}, fmt.Errorf("accept invitation %d: %w", found.ID, err)
	}
	return accepted, nil
}

// invitee is who accepts: a member, or somebody who is about to be one.
type invitee struct {
	member       db.Member // without an id: a new one
	passwordHash string
	signIn       bool
}

func (a *Accounts) invitee(ctx context.Context, caller Caller, from Origin, found db.Invitation, password *string) (invitee, error) {
	if caller.Kind == KindMember {
		row, err := a.DB.MemberByID(ctx, a.DB.System(), db.MemberByIDParams{ID: caller.MemberID, ViewerID: caller.MemberID})
		if err != nil {
			return invitee{}, fmt.Errorf("find member %d: %w", caller.MemberID, err)
		}
		if row.EmailKey != found.EmailKey {
			return invitee{}, fault.New(fault.CodeConflict, "", "the invitation is for another address than yours: sign out, and open it again")
		}
		return invitee{member: row}, nil
	}
	if password == nil || *password == "" {
		return invitee{}, fault.Required("password")
	}
	_, err := a.DB.VerifiedMemberByEmail(ctx, a.DB.Pool(), found.Email)
	switch {
	case err == nil:
		row, err := a.guess(ctx, from, found.Email, *password)
		if err == nil && row.TotpEnabledAt != nil {
			err = fault.New(fault.CodeTOTPRequired, "", "sign in with your second factor first, and then accept")
		}
		return invitee{member: row, signIn: true}, err
	case !db.IsNoRows(err):
		return invitee{}, fmt.Errorf("find the owner of an address: %w", err)
	}
	hash, err := a.choosePassword(ctx, "password", *password, found.Email)
	return invitee{passwordHash: hash, signIn: true}, err
}

func (a *Accounts) join(ctx context.Context, tx pgx.Tx, from Origin, found db.Invitation, who invitee) (Accepted, error) {
	now := a.Now()
	row, err := a.DB.AcceptInvitation(ctx, tx, db.AcceptInvitationParams{MerchantID: found.MerchantID, ID: found.ID, AcceptedAt: now})
	if db.IsNoRows(err) {
		return Accepted{}, linkOver()
	}
	if err != nil {
		return Accepted{}, err
	}
	member := who.member
	if member.ID == 0 {
		if member, err = a.insertMember(ctx, tx, row.Email, who.passwordHash, &now); err != nil {
			return Accepted{}, err
		}
	}
	// The token was in a mail to this address.
	verified, err := a.verified(ctx, tx, member.ID)
	if err != nil {
		return Accepted{}, err
	}
	err = a.DB.InsertMembership(ctx, tx, db.InsertMembershipParams{
		MerchantID: row.MerchantID, MemberID: member.ID, Role: row.Role, CreatedAt: now,
	})
	if err != nil {
		return Accepted{}, err
	}
	membership, err := a.membership(ctx, tx, row.MerchantID, member.ID)
	if err != nil {
		return Accepted{}, err
	}
	merchant, err := a.merchant(ctx, tx, row.MerchantID)
	if err != nil || !who.signIn {
		return Accepted{Merchant: merchant, Member: verified, Role: membership.Role}, err
	}
	session, err := a.openSession(ctx, tx, from, member)
	session.Member = verified
	return Accepted{Merchant: merchant, Member: verified, Role: membership.Role, Session: &session}, err
}
