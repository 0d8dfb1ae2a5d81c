package webhook

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
)

// leaseTime is how long an endpoint stays with a drain that has died.
const (
	leaseTime  = 15 * time.Second
	renewEvery = 5 * time.Second
)

// lease tells whether the endpoint is this drain's now.
func (d *drain) lease(ctx context.Context) (bool, error) {
	now := d.w.Now()
	d.endAt, d.renewAt = now.Add(sliceTime), now.Add(renewEvery)
	var err error
	d.endpoint, err = d.w.DB.LeaseEndpoint(ctx, d.scope, db.LeaseEndpointParams{
		MerchantID: d.merchantID, ID: d.endpointID, Owner: d.owner, Until: now.Add(leaseTime), Now: now,
	})
	if db.IsNoRows(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("lease endpoint %d: %w", d.endpointID, err)
	}
	d.pace = learnedPace(d.endpoint)
	return true, nil
}

// renew keeps the lease and saves what was learned; at once where publishers and others need to know. Where another drain has the
// endpoint by now, nothing is left to do for this one; every statement asks for the owner.
func (d *drain) renew(ctx context.Context) error {
	now := d.w.Now()
	if now.Before(d.renewAt) && !d.changed {
		return nil
	}
	d.renewAt, d.changed = now.Add(renewEvery), false
	until := now.Add(leaseTime)
	_, err := d.w.DB.SaveLease(ctx, d.scope, d.lesson(now, &until))
	if db.IsNoRows(err) {
		d.over = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("renew the lease: %w", err)
	}
	d.tally = tally{}
	if d.resumed {
		d.resumed, d.more = false, true
		return d.retrySoon(ctx, now)
	}
	return nil
}

// retrySoon is for an endpoint that answers again. What has failed would otherwise wait for hours, and later events overtake it. A drain
// that dies before leaves it at that.
func (d *drain) retrySoon(ctx context.Context, now time.Time) error {
	err := d.w.DB.RetrySoon(ctx, d.scope.ByIndex(), db.RetrySoonParams{MerchantID: d.merchantID, EndpointID: d.endpointID, Now: now})
	if err != nil {
		return fmt.Errorf("try again what has failed: %w", err)
	}
	return nil
}

// free gives the endpoint back and, in the same transaction, inserts the job that goes on. A drain that failed leaves that to Wake,
// so that a fault that lasts does not make for a job without a pause. A drain that had to stop hands over even where nothing is due:
// events may be on their way whose publishers have seen it.
func (d *drain) free(ctx context.Context, handOver bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bookTimeout)
	defer cancel()
	err := d.scope.Tx(ctx, func(tx pgx.Tx) error {
		lesson := d.lesson(d.w.Now(), nil)
		lesson.Expecting = !d.isQuiet()
		left, err := d.w.DB.SaveLease(ctx, tx, lesson)
		if db.IsNoRows(err) {
			return nil
		}
		if err != nil || !left.More || !handOver {
			return err
		}
		_, err = d.w.insertDrains(ctx, tx, []DrainArgs{{d.merchantID, d.endpointID, left.Slow}}, nil)
		return err
	})
	if err != nil {
		return fmt.Errorf("free endpoint %d: %w", d.endpointID, err)
	}
	return nil
}

// isWaiting tells whether the endpoint has something due and no drain.
func (d *drain) isWaiting(ctx context.Context) (bool, error) {
	waiting, err := d.w.DB.EndpointIsWaiting(ctx, d.scope, db.EndpointIsWaitingParams{
		MerchantID: d.merchantID, ID: d.endpointID, Now: d.w.Now(),
	})
	if err != nil {
		return false, fmt.Errorf("look at endpoint %d again: %w", d.endpointID, err)
	}
	return waiting, nil
}
