package billing

import (
	"context"
	"fmt"
	"slices"

	"portico/db"
	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/money"
	"portico/internal/page"
)

// Filter narrows a list of subscriptions. Nil fields do not.
type Filter struct {
	CustomerID *int64
	ProductID  *int64
	Statuses   []string
}

// Get reads one subscription of the caller's merchant, or one that a caller of the portal sees.
func (b *Billing) Get(ctx context.Context, caller account.Caller, id int64) (*Subscription, error) {
	found, err := b.ByID(ctx, caller, []int64{id})
	if err != nil {
		return nil, err
	}
	if found[id] == nil {
		return nil, fault.NotFound("subscription", "subscription")
	}
	return found[id], nil
}

// ByID finds those of the named subscriptions that the merchant has, or that a caller of the portal sees.
func (b *Billing) ByID(ctx context.Context, caller account.Caller, ids []int64) (map[int64]*Subscription, error) {
	if caller.InPortal() {
		refs, err := b.seen(ctx, caller, append([]int64{}, ids...), page.Request{Size: len(ids)})
		if err != nil {
			return nil, err
		}
		return b.byRef(ctx, refs)
	}
	refs := make([]Ref, len(ids))
	for i, id := range ids {
		refs[i] = Ref{caller.MerchantID, id}
	}
	return b.byRef(ctx, refs)
}

func (b *Billing) byRef(ctx context.Context, refs []Ref) (map[int64]*Subscription, error) {
	merchantIDs, ids := columns(refs)
	tenant := slices.Compact(slices.Sorted(slices.Values(merchantIDs)))
	rows, err := b.DB.SubscriptionDetails(ctx, b.DB.Tenant(tenant...), db.SubscriptionDetailsParams{MerchantIds: merchantIDs, Ids: ids})
	if err != nil {
		return nil, fmt.Errorf("read subscriptions: %w", err)
	}
	found := make(map[int64]*Subscription, len(rows))
	for _, row := range rows {
		found[row.Subscription.ID] = subscriptionOf(row)
	}
	return found, nil
}

// List reads subscriptions of the caller's merchant, newest first.
func (b *Billing) List(ctx context.Context, caller account.Caller, f Filter, p page.Request) ([]*Subscription, error) {
	ids, err := b.DB.SubscriptionIDs(ctx, b.DB.Tenant(caller.MerchantID), db.SubscriptionIDsParams{
		MerchantID: caller.MerchantID, Before: p.Before(), CustomerID: f.CustomerID, ProductID: f.ProductID,
		Statuses: f.Statuses, Lim: p.Limit(),
	})
	if err != nil {
		return nil, fmt.Errorf("list subscriptions: %w", err)
	}
	found, err := b.ByID(ctx, caller, ids)
	if err != nil {
		return nil, err
	}
	subs := make([]*Subscription, 0, len(ids))
	for _, id := range ids {
		if s := found[id]; s != nil {
			subs = append(subs, s)
		}
	}
	return subs, nil
}

// Invoices lists invoices, newest first, of one subscription or (nil) of all: the merchant's, or those that the customers of a
// caller of the portal pay.
func (b *Billing) Invoices(ctx context.Context, caller account.Caller, subscriptionID *int64, p page.Request) ([]Invoice, error) {
	if caller.InPortal() {
		return b.ownInvoices(ctx, caller, db.InvoicesOfCustomersParams{Before: p.Before(), SubscriptionID: subscriptionID, Lim: p.Limit()})
	}
	rows, err := b.DB.Invoices(ctx, b.DB.Tenant(caller.MerchantID), db.InvoicesParams{
		MerchantID: caller.MerchantID, Before: p.Before(), SubscriptionID: subscriptionID, Lim: p.Limit(),
	})
	if err != nil {
		return nil, fmt.Errorf("list invoices: %w", err)
	}
	return shownInvoices(rows), nil
}

func shownInvoices(rows []db.Invoice) []Invoice {
	invoices := make([]Invoice, len(rows))
	for i, row := range rows {
		invoices[i] = Invoice{row}
	}
	return invoices
}

// InvoicesByID finds those of the named invoices that Invoices would list.
func (b *Billing) InvoicesByID(ctx context.Context, caller account.Caller, ids []int64) (map[int64]Invoice, error) {
	if caller.InPortal() {
		return b.ownInvoicesByID(ctx, caller, ids)
	}
	rows, err := b.DB.InvoicesByID(ctx, b.DB.Tenant(caller.MerchantID), db.InvoicesByIDParams{
		MerchantIds: slices.Repeat([]int64{caller.MerchantID}, len(ids)), Ids: ids,
	})
	if err != nil {
		return nil, fmt.Errorf("read invoices: %w", err)
	}
	invoices := make(map[int64]Invoice, len(rows))
	for _, row := range rows {
		invoices[row.ID] = Invoice{row}
	}
	return invoices, nil
}

// InvoicesOf lists the invoices of each of the subscriptions, newest first: up to a row more than the page, which tells whether
// there is another. Callers of the portal get none of those that another customer pays.
func (b *Billing) InvoicesOf(ctx context.Context, caller account.Caller, subscriptionIDs []int64, p page.Request,
) (map[int64][]Invoice, error) {
	if caller.InPortal() {
		return b.ownInvoicesOf(ctx, caller, subscriptionIDs, p)
	}
	rows, err := b.DB.InvoicesOfSubscriptions(ctx, b.DB.Tenant(caller.MerchantID), db.InvoicesOfSubscriptionsParams{
		MerchantID: caller.MerchantID, SubscriptionIds: subscriptionIDs, Before: p.Before(), Lim: p.Limit(),
	})
	if err != nil {
		return nil, fmt.Errorf("list invoices of subscriptions: %w", err)
	}
	invoices := make(map[int64][]Invoice, len(subscriptionIDs))
	for _, row := range rows {
		invoices[row.SubscriptionID] = append(invoices[row.SubscriptionID], Invoice{row})
	}
	return invoices, nil
}

// LedgerEntry is one leg of a ledger transaction: positive is a debit, negative a credit.
type LedgerEntry struct{ db.LedgerEntry }

// Money is the leg's amount.
func (e *LedgerEntry) Money() money.Money {
	return money.Money{Minor: e.AmountMinor, Currency: e.Currency}
}

// LedgerEntries lists ledger entries, newest first.
func (b *Billing) LedgerEntries(ctx context.Context, caller account.Caller, p page.Request) ([]LedgerEntry, error) {
	rows, err := b.DB.LedgerEntries(ctx, b.DB.Tenant(caller.MerchantID), db.LedgerEntriesParams{
		MerchantID: caller.MerchantID, Before: p.Before(), Lim: p.Limit(),
	})
	if err != nil {
		return nil, fmt.Errorf("list ledger entries: %w", err)
	}
	entries := make([]LedgerEntry, len(rows))
	for i, row := range rows {
		entries[i] = LedgerEntry{row}
	}
	return entries, nil
}

// LedgerEntriesByID finds those of the named ledger entries that the merchant has.
func (b *Billing) LedgerEntriesByID(ctx context.Context, caller account.Caller, ids []int64) (map[int64]LedgerEntry, error) {
	rows, err := b.DB.LedgerEntriesByID(ctx, b.DB.Tenant(caller.MerchantID), db.LedgerEntriesByIDParams{
		MerchantID: caller.MerchantID, Ids: ids,
	})
	if err != nil {
		return nil, fmt.Errorf("read ledger entries: %w", err)
	}
	entries := make(map[int64]LedgerEntry, len(rows))
	for _, row := range rows {
		entries[row.ID] = LedgerEntry{row}
	}
	return entries, nil
}

// PaymentMethodsByID finds those of the named payment methods that the merchant has, or that belong to the customers of a caller of
// the portal.
func (b *Billing) PaymentMethodsByID(ctx context.Context, caller account.Caller, ids []int64) (map[int64]PaymentMethod, error) {
	if caller.InPortal() {
		return b.ownMethodsByID(ctx, caller, ids)
	}
	rows, err := b.DB.PaymentMethodsByID(ctx, b.DB.Tenant(caller.MerchantID), db.PaymentMethodsByIDParams{
		MerchantID: caller.MerchantID, Ids: ids,
	})
	if err != nil {
		return nil, fmt.Errorf("read payment methods: %w", err)
	}
	methods := make(map[int64]PaymentMethod, len(rows))
	for _, row := range rows {
		methods[row.ID] = PaymentMethod{row}
	}
	return methods, nil
}
