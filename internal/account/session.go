package account

import (
	"context"
	"fmt"
	"time"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/secret"
)

// SessionLifetime is how long a member stays signed in. Using a session does not extend it.
const SessionLifetime = 30 * 24 * time.Hour

// Session is a member's, just opened. Only a hash of its token is stored.
type Session struct {
	Token     secret.Text
	ExpiresAt time.Time
	Member    Member
}

// SignIn is what a member gives to sign in. One of the codes is needed when the member has a second factor.
type SignIn struct {
	Email        string
	Password     string
	TOTPCode     *string
	RecoveryCode *string
}

// SignIn opens a session for the member with this e-mail address and password and lists the member's merchants. Whatever does not
// match is the same UNAUTHENTICATED, and takes the same time whether or not the address is known. A member with a second factor is
// asked for it, by TOTP_REQUIRED, only when the password matches.
func (a *Accounts) SignIn(ctx context.Context, in SignIn) (Session, []Merchant, error) {
	refused := fault.New(fault.CodeUnauthenticated, "", "e-mail address and password do not match")
	var check fault.Check
	email := emailAddress(&check, "email", in.Email)
	if check.Err() != nil || len(in.Password) > MaxPasswordBytes {
		return Session{}, nil, refused
	}
	stored := dummyHash()
	row, err := a.DB.MemberByEmail(ctx, a.DB.Pool(), email)
	switch {
	case err == nil:
		stored = row.PasswordHash
	case !db.IsNoRows(err):
		return Session{}, nil, fmt.Errorf("sign in: %w", err)
	}
	matches, err := a.verifyPassword(ctx, stored, in.Password)
	if err != nil {
		return Session{}, nil, fmt.Errorf("sign in: %w", err)
	}
	if !matches {
		return Session{}, nil, refused
	}
	member := memberOf(row)
	if member.TOTP {
		if err := a.proveMember(ctx, member.ID, in.TOTPCode, in.RecoveryCode); err != nil {
			return Session{}, nil, fmt.Errorf("sign in: %w", err)
		}
	}
	session, err := a.openSession(ctx, a.DB.Pool(), member, member.TOTP)
	if err != nil {
		return Session{}, nil, fmt.Errorf("sign in: %w", err)
	}
	merchants, err := a.merchantsOf(ctx, row.ID)
	return session, merchants, err
}

// SignOut ends the session that the caller came with. It changes nothing for callers without one.
func (a *Accounts) SignOut(ctx context.Context, caller Caller) error {
	err := a.DB.DeleteSession(ctx, a.DB.Pool(), db.DeleteSessionParams{ID: caller.SessionID, MemberID: caller.MemberID})
	if err != nil {
		return fmt.Errorf("sign out: %w", err)
	}
	return nil
}

func (a *Accounts) openSession(ctx context.Context, tx db.DBTX, member Member, totp bool) (Session, error) {
	token := secret.NewCredential(secret.KindSession, true)
	row, err := a.DB.InsertSession(ctx, tx, db.InsertSessionParams{
		MemberID: member.ID, TokenHash: a.Keys.Hash(token), CreatedAt: a.Now(), ExpiresAt: a.Now().Add(SessionLifetime), Totp: totp,
	})
	if err != nil {
		return Session{}, fmt.Errorf("open a session for member %d: %w", member.ID, err)
	}
	return Session{Token: token, ExpiresAt: row.ExpiresAt, Member: member}, nil
}
