package account

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/page"
)

// Membership is a member's place in a merchant. A sandbox has none of its own: its members are those of the merchant it belongs to,
// with the same roles.
type Membership struct {
	Member Member
	Role   Role
	Since  time.Time
}

func membershipOf(row db.MembershipsRow) Membership {
	return Membership{Member: memberOf(row.Member), Role: Role(row.Role), Since: row.Since}
}

// team is who belongs to a merchant, locked: what one change leaves is what the next one sees.
type team []db.LockTeamRow

func (t team) role(memberID int64) Role {
	for _, m := range t {
		if m.MemberID == memberID {
			return Role(m.Role)
		}
	}
	return ""
}

func (t team) owners() (n int) {
	for _, m := range t {
		if Role(m.Role) == RoleOwner {
			n++
		}
	}
	return n
}

// govern tells whether a member may change members, in spite of what was true when the request came.
func (t team) govern(actorID int64) error {
	if t.role(actorID) != RoleOwner {
		return fault.New(fault.CodeForbidden, "", "this needs the role %s", RoleOwner)
	}
	return nil
}

// raise tells whether a member may have another role. A merchant always has an owner.
func (t team) raise(memberID int64, role Role) error {
	switch {
	case !role.Includes(RoleViewer):
		return fault.Invalid("role", "is not a role")
	case t.role(memberID) == "":
		return fault.NotFound("member", "member")
	case t.role(memberID) == RoleOwner && role != RoleOwner && t.owners() == 1:
		return lastOwner("member")
	}
	return nil
}

// part tells whether the merchant can do without a member.
func (t team) part(memberID int64, field string) error {
	switch {
	case t.role(memberID) == "":
		return fault.NotFound(field, "member")
	case t.role(memberID) == RoleOwner && t.owners() == 1:
		return lastOwner(field)
	}
	return nil
}

func lastOwner(field string) *fault.Error {
	return fault.New(fault.CodeConflict, field, "a merchant needs an owner: make somebody else one first")
}

// Members lists the merchant's members in the order in which they signed up to Portico: up to a row more than the page.
func (a *Accounts) Members(ctx context.Context, caller Caller, request page.Request) ([]Membership, error) {
	merchantID, err := a.teamOf(ctx, caller)
	if err != nil {
		return nil, err
	}
	rows, err := a.DB.Memberships(ctx, a.DB.Tenant(merchantID), db.MembershipsParams{
		MerchantID: merchantID, After: request.After, RowLimit: request.Limit(),
	})
	if err != nil {
		return nil, fmt.Errorf("list the members of merchant %d: %w", merchantID, err)
	}
	return convert(rows, membershipOf), nil
}

// MemberUpdateRole gives a member another role. For owners; the last one stays one: CONFLICT.
func (a *Accounts) MemberUpdateRole(ctx context.Context, caller Caller, memberID int64, role Role) (Membership, error) {
	var membership Membership
	err := a.changeTeam(ctx, caller, func(tx pgx.Tx, t team) error {
		if err := t.govern(caller.MemberID); err != nil {
			return err
		}
		if err := t.raise(memberID, role); err != nil {
			return err
		}
		err := a.DB.SetRole(ctx, tx, db.SetRoleParams{MerchantID: caller.MerchantID, MemberID: memberID, Role: string(role)})
		if err != nil {
			return err
		}
		membership, err = a.membership(ctx, tx, caller.MerchantID, memberID)
		return err
	})
	if err != nil {
		return Membership{}, fmt.Errorf("update the role of member %d: %w", memberID, err)
	}
	return membership, nil
}

// MemberRemove takes a member out of the merchant and its sandboxes. For owners; the last one stays: CONFLICT.
func (a *Accounts) MemberRemove(ctx context.Context, caller Caller, memberID int64) error {
	err := a.changeTeam(ctx, caller, func(tx pgx.Tx, t team) error {
		if err := t.govern(caller.MemberID); err != nil {
			return err
		}
		if err := t.part(memberID, "member"); err != nil {
			return err
		}
		return a.DB.DeleteMembership(ctx, tx, db.DeleteMembershipParams{MerchantID: caller.MerchantID, MemberID: memberID})
	})
	if err != nil {
		return fmt.Errorf("remove member %d: %w", memberID, err)
	}
	return nil
}

// Leave takes the caller out of the merchant, whose handle is given to be sure which. The last owner stays: CONFLICT.
func (a *Accounts) Leave(ctx context.Context, caller Caller, shop string) error {
	err := a.changeTeam(ctx, caller, func(tx pgx.Tx, t team) error {
		merchant, err := a.merchant(ctx, tx, caller.MerchantID)
		if err != nil {
			return err
		}
		if err := merchant.Confirm(shop); err != nil {
			return err
		}
		if err := t.part(caller.MemberID, ""); err != nil {
			return err
		}
		return a.DB.DeleteMembership(ctx, tx, db.DeleteMembershipParams{MerchantID: caller.MerchantID, MemberID: caller.MemberID})
	})
	if err != nil {
		return fmt.Errorf("leave merchant %d: %w", caller.MerchantID, err)
	}
	return nil
}

// changeTeam locks the members of the caller's merchant for a change. From a sandbox: CONFLICT.
func (a *Accounts) changeTeam(ctx context.Context, caller Caller, change func(pgx.Tx, team) error) error {
	return a.DB.Tenant(caller.MerchantID).Tx(ctx, func(tx pgx.Tx) error {
		if err := a.requireTeam(ctx, tx, caller.MerchantID); err != nil {
			return err
		}
		rows, err := a.DB.LockTeam(ctx, tx, caller.MerchantID)
		if err != nil {
			return fmt.Errorf("lock the members of merchant %d: %w", caller.MerchantID, err)
		}
		return change(tx, rows)
	})
}

// requireTeam refuses merchants that have no members of their own: CONFLICT.
func (a *Accounts) requireTeam(ctx context.Context, tx db.DBTX, merchantID int64) error {
	merchant, err := a.merchant(ctx, tx, merchantID)
	if err != nil {
		return err
	}
	if merchant.Sandbox() {
		return fault.New(fault.CodeConflict, "", "the members of a sandbox are those of the merchant it belongs to: change them there")
	}
	return nil
}

// teamOf is the merchant whose members the caller's merchant has: itself, or the one that the sandbox belongs to.
func (a *Accounts) teamOf(ctx context.Context, caller Caller) (int64, error) {
	merchant, err := a.Merchant(ctx, caller)
	if err != nil {
		return 0, err
	}
	if merchant.SandboxOf != nil {
		return *merchant.SandboxOf, nil
	}
	return merchant.ID, nil
}

func (a *Accounts) membership(ctx context.Context, tx db.DBTX, merchantID, memberID int64) (Membership, error) {
	row, err := a.DB.MembershipOf(ctx, tx, db.MembershipOfParams{MerchantID: merchantID, MemberID: memberID})
	if db.IsNoRows(err) {
		return Membership{}, fault.NotFound("member", "member")
	}
	if err != nil {
		return Membership{}, fmt.Errorf("find member %d of merchant %d: %w", memberID, merchantID, err)
	}
	return membershipOf(db.MembershipsRow(row)), nil
}
