package account

import (
	"context"
	"fmt"
	"time"

	"portico/db"
	"portico/internal/fault"
)

// Member is a person who uses the dashboard, in one merchant or several.
type Member struct {
	ID              int64
	Email           string
	EmailVerifiedAt *time.Time // nil until the member has proven to own the address
	CreatedAt       time.Time
	TOTP            bool // signing in takes a second factor
}

func memberOf(row db.Member) Member {
	return Member{
		ID: row.ID, Email: row.Email, EmailVerifiedAt: row.EmailVerifiedAt, CreatedAt: row.CreatedAt,
		TOTP: row.TotpEnabledAt != nil,
	}
}

// Member is the caller's own; NOT_FOUND for callers that are no member.
func (a *Accounts) Member(ctx context.Context, caller Caller) (Member, error) {
	return a.MemberByID(ctx, caller, caller.MemberID)
}

// MemberByID is the caller's own member or one of the caller's merchant.
func (a *Accounts) MemberByID(ctx context.Context, caller Caller, id int64) (Member, error) {
	// The members of a sandbox are those of the merchant it belongs to.
	row, err := a.DB.MemberByID(ctx, a.DB.System(), db.MemberByIDParams{
		ID: id, ViewerID: caller.MemberID, MerchantID: caller.MerchantID,
	})
	if db.IsNoRows(err) {
		return Member{}, fault.NotFound("id", "member")
	}
	if err != nil {
		return Member{}, fmt.Errorf("find member %d: %w", id, err)
	}
	return memberOf(row), nil
}

// insertMember adds a member. One whose address is proven, by then, must be the only one who has proven it: TAKEN.
func (a *Accounts) insertMember(ctx context.Context, tx db.DBTX, email, passwordHash string, verified *time.Time) (db.Member, error) {
	row, err := a.DB.InsertMember(ctx, tx, db.InsertMemberParams{
		Email: email, PasswordHash: passwordHash, CreatedAt: a.Now(), VerifiedAt: verified,
	})
	if db.IsNoRows(err) {
		return db.Member{}, fault.Taken("email", "belongs to a member already")
	}
	if err != nil {
		return db.Member{}, fmt.Errorf("insert a member: %w", err)
	}
	return row, nil
}
