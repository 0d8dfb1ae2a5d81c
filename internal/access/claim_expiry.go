package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/account"
)

const (
	expiryBatch = 500
	// A sweep ends well before its job's timeout; what is left is found by the next one.
	expireFor = 15 * time.Second
	// How long claims that cannot be taken away wait, so that they do not stand before the others. Nobody is shown them.
	expiryPause = time.Hour
)

// ClaimsExpire takes away the claims that have ended, in real time or in the time of their customer's test clock, batch by batch, and
// announces it. Reads and tokens do not wait for it: they leave out what has ended. It returns of how many customers there were some.
func (a *Access) ClaimsExpire(ctx context.Context) (int, error) {
	started, total := a.Now(), 0
	for {
		var due []claimantRef
		err := a.DB.System().Tx(ctx, func(tx pgx.Tx) error {
			rows, err := a.DB.LockDueClaimSets(ctx, tx, db.LockDueClaimSetsParams{Now: a.Now(), Most: expiryBatch})
			if err != nil {
				return fmt.Errorf("look for claims that have ended: %w", err)
			}
			due = make([]claimantRef, len(rows))
			for i, row := range rows {
				due[i] = claimantRef{row.MerchantID, row.CustomerID, row.ProductID}
			}
			return a.expire(ctx, tx, due)
		})
		if err != nil && len(due) > 0 && ctx.Err() == nil {
			err = a.expireEach(ctx, due)
		}
		total += len(due)
		if err != nil || len(due) < expiryBatch || a.Now().Sub(started) >= expireFor {
			return total, err
		}
	}
}

// expire takes away what has ended of claims that are locked.
func (a *Access) expire(ctx context.Context, tx pgx.Tx, due []claimantRef) error {
	if len(due) == 0 {
		return nil
	}
	found, err := a.claimants(ctx, tx, due)
	if err != nil {
		return err
	}
	var changes []claimsChange
	for _, c := range found {
		if changed := c.expire(); len(changed) > 0 {
			changes = append(changes, claimsChange{c, changed})
		}
	}
	if len(changes) == 0 {
		return nil
	}
	return a.saveClaims(ctx, tx, account.Caller{Kind: account.KindSystem}, changes)
}

// expireEach goes through a batch that failed one by one, so that what is wrong with one customer's claims stops nobody else's.
func (a *Access) expireEach(ctx context.Context, due []claimantRef) error {
	var failed error
	for _, of := range due {
		err := a.DB.Tenant(of.merchantID).Tx(ctx, func(tx pgx.Tx) error {
			if err := a.lockClaims(ctx, tx, []claimantRef{of}); err != nil {
				return err
			}
			return a.expire(ctx, tx, []claimantRef{of})
		})
		if err == nil {
			continue
		}
		later := a.Now().Add(expiryPause)
		failed = errors.Join(failed, err, a.DB.PostponeClaimExpiry(ctx, a.DB.Tenant(of.merchantID), db.PostponeClaimExpiryParams{
			MerchantID: of.merchantID, CustomerID: of.customerID, ProductID: of.productID, ExpireAt: &later,
		}))
	}
	return failed
}
