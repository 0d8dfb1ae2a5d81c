package account

import (
	"context"
	"fmt"
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
	Description  string
	LogoURL      *string
	Phone        *string
	Status       string // MerchantOpen, MerchantClosing or MerchantClosed
	SandboxOf    *int64 // the merchant a sandbox belongs to
	PortalFeeBPS int32  // Portico's share of each payment in basis points
	GraceDays    int32  // of access after a failed renewal
	DunningDays  []int32
	CreatedAt    time.Time
	SuspendedAt  *time.Time // see MerchantSuspend
	Suspension   *string    // the reason
}

// The statuses of a merchant.
const (
	MerchantOpen    = "OPEN"
	MerchantClosing = "CLOSING" // sells nothing any more, and is closed when its last subscription has ended
	MerchantClosed  = "CLOSED"
	// MerchantSuspended is none that is stored: it stands before the others but for MerchantClosed.
	MerchantSuspended = "SUSPENDED"
)

// Standing is the status that matters most: that of a suspended merchant is MerchantSuspended, unless it is closed.
func (m Merchant) Standing() string {
	if m.SuspendedAt != nil && m.Status != MerchantClosed {
		return MerchantSuspended
	}
	return m.Status
}

// Sandbox tells whether the merchant is one for trying things out: test gateway, test clocks, no real money.
func (m Merchant) Sandbox() bool { return m.SandboxOf != nil }

func merchantOf(row db.Merchant) Merchant {
	return Merchant{
		ID: row.ID, Name: row.Name, Shop: row.Shop, Email: row.Email, Description: row.Description, LogoURL: row.LogoUrl,
		Phone: row.Phone, Status: row.Status, SandboxOf: row.SandboxOf, PortalFeeBPS: row.PortalFeeBps,
		GraceDays: row.GraceDays, DunningDays: row.DunningDays, CreatedAt: row.CreatedAt,
		SuspendedAt: row.SuspendedAt, Suspension: row.SuspensionReason,
	}
}

// SandboxCreate opens a sandbox of the caller's merchant, with its settings. Its members are those of the merchant. A sandbox
// has none of its own: CONFLICT.
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
		switch {
		case parent.Sandbox():
			return fault.New(fault.CodeConflict, "", "a sandbox cannot have a sandbox of its own")
		case parent.Status != MerchantOpen:
			return fault.New(fault.CodeConflict, "", "the merchant is being closed")
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
		return a.insertTokenKey(ctx, tx, sandbox)
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

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
