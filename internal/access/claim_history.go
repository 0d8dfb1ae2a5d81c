package access

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/account"
	"portico/internal/catalog"
	"portico/internal/page"
)

// ClaimChange is a change of one key.
type ClaimChange struct {
	ID        int64
	Version   int64 // that it made, together with the others of the same version
	Key       string
	Before    json.RawMessage // nil when it was not there
	After     json.RawMessage // nil when it is gone
	ExpiresAt *time.Time      // of what is there after it
	ActorKind account.Kind    // SYSTEM for a claim that expired
	ActorID   int64
	ChangedAt time.Time // in real time
}

// ClaimsHistory is what has changed in the claims of a customer in a product, newest first: up to a row more than the page, which tells
// whether there is another. The last 500 versions are there at least.
func (a *Access) ClaimsHistory(
	ctx context.Context, caller account.Caller, customer account.CustomerRef, product catalog.ProductRef, r page.Request,
) ([]ClaimChange, error) {
	of, err := a.claimantRef(ctx, caller, customer, product, nil)
	if err != nil {
		return nil, err
	}
	rows, err := a.DB.ClaimChanges(ctx, a.DB.Tenant(of.merchantID), db.ClaimChangesParams{
		MerchantID: of.merchantID, CustomerID: of.customerID, ProductID: of.productID, Before: r.Before(), RowLimit: r.Limit(),
	})
	if err != nil {
		return nil, fmt.Errorf("list changes of claims: %w", err)
	}
	changes := make([]ClaimChange, len(rows))
	for i, row := range rows {
		changes[i] = ClaimChange{
			ID: row.ID, Version: row.Version, Key: row.Key, Before: row.ValueBefore, After: row.ValueAfter, ExpiresAt: inUTC(row.ExpiresAt),
			ActorKind: account.Kind(row.ActorKind), ChangedAt: row.ChangedAt.UTC(),
		}
		if row.ActorID != nil {
			changes[i].ActorID = *row.ActorID
		}
	}
	return changes, nil
}

func addHistory(history *db.InsertClaimChangesParams, of *claimant, one claimed, caller account.Caller, now time.Time) {
	kind, actor := caller.Kind, caller.ID()
	if one.expired {
		kind, actor = account.KindSystem, 0
	}
	value := func(c *keptClaim) string {
		if c == nil {
			return ""
		}
		return string(c.Value)
	}
	var expires *time.Time
	if one.after != nil {
		expires = one.after.ExpiresAt
	}
	history.MerchantIds, history.CustomerIds = append(history.MerchantIds, of.row.MerchantID), append(history.CustomerIds, of.row.CustomerID)
	history.ProductIds, history.Versions = append(history.ProductIds, of.row.ProductID), append(history.Versions, of.version)
	history.Keys, history.Befores = append(history.Keys, one.key), append(history.Befores, value(one.before))
	history.Afters, history.ExpiresAts = append(history.Afters, value(one.after)), append(history.ExpiresAts, orEpoch(expires))
	history.ActorKinds, history.ActorIds = append(history.ActorKinds, string(kind)), append(history.ActorIds, actor)
	history.ChangedAts = append(history.ChangedAts, now)
}

// The history keeps at least so many versions, and is cut every so many.
const (
	keptVersions = 500
	cutEvery     = 100
)

func (a *Access) forgetClaimChanges(ctx context.Context, tx pgx.Tx, of *claimant) error {
	if of.version <= keptVersions || of.version%cutEvery != 0 {
		return nil
	}
	err := a.DB.DeleteClaimChanges(ctx, tx, db.DeleteClaimChangesParams{
		MerchantID: of.row.MerchantID, CustomerID: of.row.CustomerID, ProductID: of.row.ProductID, Version: of.version - keptVersions,
	})
	if err != nil {
		return fmt.Errorf("forget old changes of claims: %w", err)
	}
	return nil
}

// orEpoch and orZero stand in arrays for what is null.

func orEpoch(t *time.Time) time.Time {
	if t == nil {
		return time.Unix(0, 0).UTC()
	}
	return *t
}

func orZero(id *int64) int64 {
	if id == nil {
		return 0
	}
	return *id
}
