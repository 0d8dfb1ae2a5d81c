// Package billing owns subscriptions and their money: purchase, renewal, dunning, ending, invoices, payments, the ledger, and
// the test clocks that drive all of it in sandboxes.
package billing

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"portico/db"
	"portico/internal/account"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/gateway"
	"portico/internal/mail"
	"portico/internal/webhook"
)

// Billing owns the operations on subscriptions. Exported methods open their own transactions.
type Billing struct {
	DB       *db.DB
	Accounts *account.Accounts
	Catalog  *catalog.Catalog
	Webhooks *webhook.Webhooks
	Mail     *mail.Outbox
	Jobs     *river.Client[pgx.Tx] // inserts only
	// Gateways by name. Payment methods remember the name.
	Gateways map[string]gateway.Gateway
	// LiveGateway names the gateway of merchants that are not sandboxes; empty when the installation has none.
	LiveGateway string
	PublicURL   string // where people reach this installation, without a slash at its end
	Now         func() time.Time
	Log         *slog.Logger
}

// Ref names a subscription among all merchants.
type Ref struct{ MerchantID, ID int64 }

func columns(refs []Ref) (merchantIDs, ids []int64) {
	merchantIDs, ids = make([]int64, len(refs)), make([]int64, len(refs))
	for i, r := range refs {
		merchantIDs[i], ids[i] = r.MerchantID, r.ID
	}
	return merchantIDs, ids
}

// load reads subscriptions that this transaction has locked. Reading is a statement of its own behind the lock: a statement
// that locks and joins would see joined rows as they were before it waited.
func (b *Billing) load(ctx context.Context, tx pgx.Tx, refs []Ref) ([]*Subscription, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	merchantIDs, ids := columns(refs)
	rows, err := b.DB.SubscriptionDetails(ctx, tx, db.SubscriptionDetailsParams{MerchantIds: merchantIDs, Ids: ids})
	if err != nil {
		return nil, fmt.Errorf("read subscriptions: %w", err)
	}
	byRef := make(map[Ref]*Subscription, len(rows))
	for _, row := range rows {
		byRef[Ref{row.Subscription.MerchantID, row.Subscription.ID}] = subscriptionOf(row)
	}
	subs := make([]*Subscription, 0, len(refs))
	for _, r := range refs {
		if s := byRef[r]; s != nil {
			subs = append(subs, s)
		}
	}
	return subs, nil
}

// lock locks and reads the named subscriptions in one fixed order.
func (b *Billing) lock(ctx context.Context, tx pgx.Tx, refs []Ref) ([]*Subscription, error) {
	merchantIDs, ids := columns(refs)
	rows, err := b.DB.LockSubscriptions(ctx, tx, db.LockSubscriptionsParams{MerchantIds: merchantIDs, Ids: ids})
	if err != nil {
		return nil, fmt.Errorf("lock subscriptions: %w", err)
	}
	locked := make([]Ref, len(rows))
	for i, row := range rows {
		locked[i] = Ref{row.MerchantID, row.ID}
	}
	return b.load(ctx, tx, locked)
}

// lockOne locks and reads a subscription that a caller named.
func (b *Billing) lockOne(ctx context.Context, tx pgx.Tx, merchantID, id int64) (*Subscription, error) {
	subs, err := b.lock(ctx, tx, []Ref{{merchantID, id}})
	if err != nil {
		return nil, err
	}
	if len(subs) == 0 {
		return nil, fault.NotFound("subscription", "subscription")
	}
	return subs[0], nil
}
