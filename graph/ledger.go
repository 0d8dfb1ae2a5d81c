package graph

import (
	"context"

	"portico/internal/billing"
)

// LedgerEntry is billing.LedgerEntry as the schema shows it.
type LedgerEntry struct{ billing.LedgerEntry }

func showLedgerEntry(row billing.LedgerEntry, _ *siblings[LedgerEntry]) *LedgerEntry {
	return &LedgerEntry{row}
}

// IsNode implements Node.
func (*LedgerEntry) IsNode() {}

// ID is the global id.
func (e *LedgerEntry) ID() string { return gid("LedgerEntry", e.rowID()) }

func (e *LedgerEntry) rowID() int64 { return e.LedgerEntry.ID }

// Transaction is what the legs that belong together have in common.
func (e *LedgerEntry) Transaction() int64 { return e.TransactionID }

// LedgerEntries are the merchant's.
func (r query) LedgerEntries(ctx context.Context, first *int32, after *string) (*Connection[LedgerEntry], error) {
	request, err := pageOf(first, after)
	if err != nil {
		return nil, err
	}
	entries, err := r.Billing.LedgerEntries(ctx, callerOf(ctx), request)
	return connect(entries, err, request.Size, showLedgerEntry, (*LedgerEntry).rowID)
}

func (r *Resolver) ledgerEntries(ctx context.Context, ids []int64) (map[int64]*LedgerEntry, error) {
	return readByID(ctx, "LedgerEntry", ids, r.Billing.LedgerEntriesByID, showLedgerEntry)
}
