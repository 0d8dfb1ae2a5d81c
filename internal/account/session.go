package account

import (
	"context"
	"fmt"
	"time"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/page"
	"portico/internal/secret"
)

const (
	// SessionLifetime is how long a member stays signed in at most. Using a session does not extend it.
	SessionLifetime = 30 * 24 * time.Hour
	// SessionIdle is how long a session lasts without being used.
	SessionIdle = 7 * 24 * time.Hour
)

// OpenSession is a session that was just opened. Only a hash of its token is stored.
type OpenSession struct {
	Token     secret.Text
	ExpiresAt time.Time
	Member    Member
}

// Session is a place where a member is signed in.
type Session struct {
	ID         int64
	CreatedAt  time.Time
	LastUsedAt time.Time // to the minute
	ExpiresAt  time.Time // without use earlier: SessionIdle after LastUsedAt
	Address    string    // where the member signed in from; empty when unknown
	Device     string    // such as "Firefox on Linux", as the browser said; empty when unknown
}

func sessionOf(row db.Session) Session {
	return Session{
		ID: row.ID, CreatedAt: row.CreatedAt, LastUsedAt: lastUse(row.CreatedAt, row.LastUsedAt), ExpiresAt: row.ExpiresAt,
		Address: row.Address, Device: deviceOf(row.UserAgent),
	}
}

func lastUse(created time.Time, used *time.Time) time.Time {
	if used == nil {
		return created
	}
	return *used
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
// asked for it, by TOTP_REQUIRED, only when the password matches. Too many attempts on one account or from one network are THROTTLED,
// whatever the password.
func (a *Accounts) SignIn(ctx context.Context, from Origin, in SignIn) (OpenSession, []Merchant, error) {
	row, err := a.guess(ctx, from, in.Email, in.Password)
	if err != nil {
		return OpenSession{}, nil, err
	}
	if row.TotpEnabledAt != nil {
		if err := a.proveMember(ctx, row.ID, in.TOTPCode, in.RecoveryCode); err != nil {
			return OpenSession{}, nil, fmt.Errorf("sign in: %w", err)
		}
	}
	session, err := a.openSession(ctx, a.DB.Pool(), from, row)
	if err != nil {
		return OpenSession{}, nil, fmt.Errorf("sign in: %w", err)
	}
	merchants, err := a.merchantsOf(ctx, row.ID)
	return session, merchants, err
}

// guess finds the member whose address and password these are. It counts as an attempt until it has proven right.
func (a *Accounts) guess(ctx context.Context, from Origin, email, password string) (db.Member, error) {
	var check fault.Check
	email = emailAddress(&check, "email", email)
	if check.Err() != nil || len(password) > MaxPasswordBytes {
		return db.Member{}, mismatch()
	}
	attempts, err := a.guesses(ctx, from, email)
	if err != nil {
		return db.Member{}, err
	}
	if err := a.take(ctx, attempts); err != nil {
		return db.Member{}, err
	}
	rows, err := a.DB.MembersByEmail(ctx, a.DB.Pool(), email)
	if err != nil {
		return db.Member{}, fmt.Errorf("sign in: %w", err)
	}
	// Two places, taken or not: nothing in the answer or its time tells an address that somebody has proven from one that nobody has.
	for _, verified := range []bool{true, false} {
		member := db.Member{PasswordHash: dummyHash()}
		for _, row := range rows {
			if (row.EmailVerifiedAt != nil) == verified && member.ID == 0 {
				member = row
			}
		}
		matches, err := a.verifyPassword(ctx, member.PasswordHash, password)
		if err != nil {
			return db.Member{}, fmt.Errorf("sign in: %w", err)
		}
		if matches {
			return member, a.giveBack(ctx, attempts)
		}
	}
	return db.Member{}, mismatch()
}

func mismatch() error {
	return fault.New(fault.CodeUnauthenticated, "", "e-mail address and password do not match")
}

// SignOut ends the session that the caller came with. It changes nothing for callers without one.
func (a *Accounts) SignOut(ctx context.Context, caller Caller) error {
	_, err := a.DB.DeleteSession(ctx, a.DB.Pool(), db.DeleteSessionParams{ID: caller.SessionID, MemberID: caller.MemberID})
	if err != nil {
		return fmt.Errorf("sign out: %w", err)
	}
	return nil
}

// Sessions lists where the caller is signed in, newest first: up to a row more than the page.
func (a *Accounts) Sessions(ctx context.Context, caller Caller, request page.Request) ([]Session, error) {
	rows, err := a.DB.Sessions(ctx, a.DB.Pool(), db.SessionsParams{
		MemberID: caller.MemberID, Before: request.Before(), Now: a.Now(), IdleSince: a.Now().Add(-SessionIdle), RowLimit: request.Limit(),
	})
	if err != nil {
		return nil, fmt.Errorf("list the sessions of member %d: %w", caller.MemberID, err)
	}
	return convert(rows, sessionOf), nil
}

// Session is one of the caller's.
func (a *Accounts) Session(ctx context.Context, caller Caller, id int64) (Session, error) {
	row, err := a.DB.SessionByID(ctx, a.DB.Pool(), db.SessionByIDParams{
		MemberID: caller.MemberID, ID: id, Now: a.Now(), IdleSince: a.Now().Add(-SessionIdle),
	})
	if db.IsNoRows(err) {
		return Session{}, fault.NotFound("id", "session")
	}
	if err != nil {
		return Session{}, fmt.Errorf("find session %d: %w", id, err)
	}
	return sessionOf(row), nil
}

// SessionRevoke ends one of the caller's sessions at once. One that is over is NOT_FOUND.
func (a *Accounts) SessionRevoke(ctx context.Context, caller Caller, id int64) error {
	ended, err := a.DB.DeleteSession(ctx, a.DB.Pool(), db.DeleteSessionParams{ID: id, MemberID: caller.MemberID})
	if err != nil {
		return fmt.Errorf("revoke session %d: %w", id, err)
	}
	if ended == 0 {
		return fault.NotFound("id", "session")
	}
	return nil
}

// SessionRevokeOthers ends all of the caller's sessions but the one of this request, and tells how many there were.
func (a *Accounts) SessionRevokeOthers(ctx context.Context, caller Caller) (int, error) {
	ended, err := a.DB.DeleteOtherSessions(ctx, a.DB.Pool(), db.DeleteOtherSessionsParams{MemberID: caller.MemberID, KeepID: caller.SessionID})
	if err != nil {
		return 0, fmt.Errorf("revoke the other sessions of member %d: %w", caller.MemberID, err)
	}
	return int(ended), nil
}

func (a *Accounts) openSession(ctx context.Context, tx db.DBTX, from Origin, member db.Member) (OpenSession, error) {
	token := secret.NewCredential(secret.KindSession, true)
	row, err := a.DB.InsertSession(ctx, tx, db.InsertSessionParams{
		MemberID: member.ID, PasswordHash: member.PasswordHash, TokenHash: a.Keys.Hash(token),
		CreatedAt: a.Now(), ExpiresAt: a.Now().Add(SessionLifetime), Address: from.address(), UserAgent: from.userAgent(),
	})
	if db.IsNoRows(err) {
		return OpenSession{}, mismatch()
	}
	if err != nil {
		return OpenSession{}, fmt.Errorf("open a session for member %d: %w", member.ID, err)
	}
	return OpenSession{Token: token, ExpiresAt: row.ExpiresAt, Member: memberOf(member)}, nil
}
