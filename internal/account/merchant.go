package account

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/fault"
)

// Merchant is a seller of products: the tenant that everything else belongs to.
type Merchant struct {
	ID           int64
	Name         string
	Shop         string // unique handle in URLs and in the header Portico-Merchant
	Email        string
	SandboxOf    *int64 // the merchant a sandbox belongs to
	PortalFeeBPS int32  // Portico's share of each payment in basis points
	GraceDays    int32  // of access after a failed renewal
	DunningDays  []int32
	CreatedAt    time.Time
	SuspendedAt  *time.Time // see MerchantSuspend
	Suspension   *string    // the reason
}

// Sandbox tells whether the merchant is one for trying things out: test gateway, test clocks, no real money.
func (m Merchant) Sandbox() bool { return m.SandboxOf != nil }

func merchantOf(row db.Merchant) Merchant {
	return Merchant{
		ID: row.ID, Name: row.Name, Shop: row.Shop, Email: row.Email, SandboxOf: row.SandboxOf, PortalFeeBPS: row.PortalFeeBps,
		GraceDays: row.GraceDays, DunningDays: row.DunningDays, CreatedAt: row.CreatedAt,
		SuspendedAt: row.SuspendedAt, Suspension: row.SuspensionReason,
	}
}

// SignUp is what a new merchant and its first member give.
type SignUp struct {
	Name     string
	Shop     *string // made from the name when nil
	Email    string
	Password string
}

// SignedUp is a new merchant, its owner, and the owner's session.
type SignedUp struct {
	Merchant Merchant
	Member   Member
	Session  Session
}

// SignUp opens a merchant with its first member, the owner, and signs that member in. A handle that was made from the name gets
// a suffix when it is in use; one that was asked for is TAKEN, as is an e-mail address that a member has.
func (a *Accounts) SignUp(ctx context.Context, in SignUp) (SignedUp, error) {
	var check fault.Check
	name := line(&check, "name", in.Name, maxName)
	email := emailAddress(&check, "email", in.Email)
	newPassword(&check, "password", in.Password)
	shops := handles{base: orElse(handleFrom(name), "shop")}
	if in.Shop != nil {
		shops = handles{base: shopHandle(&check, "shop", *in.Shop), chosen: true}
	}
	if err := check.Err(); err != nil {
		return SignedUp{}, err
	}
	passwordHash, err := a.hashPassword(ctx, in.Password)
	if err != nil {
		return SignedUp{}, err
	}
	id, err := a.DB.NextMerchantID(ctx, a.DB.Pool())
	if err != nil {
		return SignedUp{}, fmt.Errorf("sign a merchant up: %w", err)
	}
	var signedUp SignedUp
	err = a.DB.Tenant(id).Tx(ctx, func(tx pgx.Tx) error {
		var err error
		signedUp.Merchant, err = shops.insert(func(shop string) (db.Merchant, error) {
			return a.DB.InsertMerchant(ctx, tx, db.InsertMerchantParams{
				ID: id, Shop: shop, Name: name, Email: email, PortalFeeBps: a.PortalFeeBPS,
				CreatedAt: a.Now(),
			})
		})
		if err != nil {
			return err
		}
		if err := a.insertTokenKey(ctx, tx, signedUp.Merchant); err != nil {
			return err
		}
		signedUp.Member, err = a.insertMember(ctx, tx, email, passwordHash)
		if err != nil {
			return err
		}
		err = a.DB.InsertMembership(ctx, tx, db.InsertMembershipParams{
			MerchantID: id, MemberID: signedUp.Member.ID, Role: string(RoleOwner), CreatedAt: a.Now(),
		})
		if err != nil {
			return err
		}
		signedUp.Session, err = a.openSession(ctx, tx, signedUp.Member, false)
		return err
	})
	if err != nil {
		return SignedUp{}, fmt.Errorf("sign a merchant up: %w", err)
	}
	return signedUp, nil
}

// SandboxCreate opens a sandbox of the caller's merchant, with its settings and its members. A sandbox has none of its own:
// CONFLICT.
func (a *Accounts) SandboxCreate(ctx context.Context, caller Caller, name string) (Merchant, error) {
	var check fault.Check
	name = line(&check, "name", name, maxName)
	if err := check.Err(); err != nil {
		return Merchant{}, err
	}
	id, err := a.DB.NextMerchantID(ctx, a.DB.Pool())
	if err != nil {
		return Merchant{}, fmt.Errorf("create a sandbox: %w", err)
	}
	var sandbox Merchant
	err = a.DB.Tenant(caller.MerchantID, id).Tx(ctx, func(tx pgx.Tx) error {
		parent, err := a.merchant(ctx, tx, caller.MerchantID)
		if err != nil {
			return err
		}
		if parent.Sandbox() {
			return fault.New(fault.CodeConflict, "", "a sandbox cannot have a sandbox of its own")
		}
		shops := handles{base: orElse(handleFrom(name), parent.Shop[:min(len(parent.Shop), maxHandle)]+"-sandbox")}
		sandbox, err = shops.insert(func(shop string) (db.Merchant, error) {
			return a.DB.InsertSandbox(ctx, tx, db.InsertSandboxParams{
				ID: id, Shop: shop, Name: name, CreatedAt: a.Now(), MerchantID: parent.ID,
			})
		})
		if err != nil {
			return err
		}
		if err := a.insertTokenKey(ctx, tx, sandbox); err != nil {
			return err
		}
		return a.DB.CopyMemberships(ctx, tx, db.CopyMembershipsParams{SandboxID: id, CreatedAt: a.Now(), MerchantID: parent.ID})
	})
	if err != nil {
		return Merchant{}, fmt.Errorf("create a sandbox: %w", err)
	}
	return sandbox, nil
}

// Merchant is the one that the caller acts for; NOT_FOUND for callers that act for none, as those of the portal do.
func (a *Accounts) Merchant(ctx context.Context, caller Caller) (Merchant, error) {
	if caller.InPortal() {
		return Merchant{}, fault.NotFound("", "merchant")
	}
	return a.merchant(ctx, a.DB.Tenant(caller.MerchantID), caller.MerchantID)
}

// Merchants are those that the member belongs to: real ones first, then sandboxes, each oldest first. Other callers belong to none.
func (a *Accounts) Merchants(ctx context.Context, caller Caller) ([]Merchant, error) {
	return a.merchantsOf(ctx, caller.MemberID)
}

// MerchantsByID are those of the given merchants that the caller acts for or belongs to.
func (a *Accounts) MerchantsByID(ctx context.Context, caller Caller, ids []int64) (map[int64]Merchant, error) {
	if caller.InPortal() {
		return nil, nil
	}
	rows, err := a.DB.MerchantsByID(ctx, a.DB.System(), db.MerchantsByIDParams{
		Ids: ids, MerchantID: caller.MerchantID, MemberID: caller.MemberID,
	})
	if err != nil {
		return nil, fmt.Errorf("find merchants: %w", err)
	}
	return byID(rows, func(row db.Merchant) (int64, Merchant) { return row.ID, merchantOf(row) }), nil
}

func (a *Accounts) merchant(ctx context.Context, tx db.DBTX, id int64) (Merchant, error) {
	row, err := a.DB.Merchant(ctx, tx, id)
	if db.IsNoRows(err) {
		return Merchant{}, fault.NotFound("", "merchant")
	}
	if err != nil {
		return Merchant{}, fmt.Errorf("find merchant %d: %w", id, err)
	}
	return merchantOf(row), nil
}

func (a *Accounts) merchantsOf(ctx context.Context, memberID int64) ([]Merchant, error) {
	rows, err := a.DB.MerchantsOfMember(ctx, a.DB.System(), memberID)
	if err != nil {
		return nil, fmt.Errorf("list the merchants of member %d: %w", memberID, err)
	}
	return convert(rows, merchantOf), nil
}

// handles are the shop handles that a merchant may get: the one that was chosen, or one made from a name and then others like it.
type handles struct {
	base   string
	chosen bool
}

const (
	handleAttempts    = 10
	handleSuffixBytes = 5
)

// insert tries handles until try inserts a row, which it says by returning one.
func (h handles) insert(try func(shop string) (db.Merchant, error)) (Merchant, error) {
	for attempt := range handleAttempts {
		shop := h.base
		if attempt > 0 || (isReserved(shop) && !h.chosen) {
			shop += "-" + strings.ToLower(rand.Text()[:handleSuffixBytes])
		}
		row, err := try(shop)
		if !db.IsNoRows(err) {
			return merchantOf(row), err
		}
		if h.chosen {
			break
		}
	}
	return Merchant{}, fault.Taken("shop", "is in use")
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
