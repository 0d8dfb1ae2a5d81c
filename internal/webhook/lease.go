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
	d.endAt, d.renewAt = earliest(now.Add(sliceTime), d.lastAt), nextRenewal(now)
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

// nextRenewal is the same for all drains, so that they share a statement.
func nextRenewal(now time.Time) time.Time { return now.Truncate(renewEvery).Add(renewEvery) }

// renew keeps the lease and saves what was learned; at once where publishers and others need to know. Where another drain has the
// endpoint by now, nothing is left to do for this one; every statement asks for the owner.
func (d *drain) renew(ctx context.Context) error {
	now := d.w.Now()
	if now.Before(d.renewAt) && !d.changed {
		return nil
	}
	end, err := d.w.leases.ask(ctx, d.lesson(now), bookMoment, d.w.saveLeases)
	switch {
	case err != nil:
		return err
	case end == leaseLost:
		d.over = true
		return nil
	case end == leaseLocked:
		d.renewAt = now.Add(pulseEvery)
		return nil
	}
	d.renewAt, d.changed = nextRenewal(now), false
	d.tally = tally{}
	if d.resumed {
		d.resumed, d.more = false, true
		return d.retrySoon(ctx, now)
	}
	return nil
}

// leaseEnd is what came of a renewal.
type leaseEnd int

const (
	leaseLost   leaseEnd = iota // to another drain
	leaseLocked                 // somebody has the endpoint's row: try again soon
	leaseSaved
)

// saveLeases renews the leases of several drains.
func (w *Webhooks) saveLeases(ctx context.Context, lessons []db.EndLeaseParams) ([]leaseEnd, error) {
	p := db.SaveLeasesParams{Until: w.Now().Add(leaseTime)}
	for _, s := range lessons {
		p.MerchantIds = append(p.MerchantIds, s.MerchantID)
		p.Ids = append(p.Ids, s.ID)
		p.Owners = append(p.Owners, s.Owner)
		p.Concurrencies = append(p.Concurrencies, s.Concurrency)
		p.RefusedSizes = append(p.RefusedSizes, s.RefusedSize)
		p.RefusedAts = append(p.RefusedAts, instant(s.RefusedAt))
		p.QuickestUs = append(p.QuickestUs, s.QuickestUs)
		p.SmoothedUs = append(p.SmoothedUs, s.SmoothedUs)
		p.LatenciesUs = append(p.LatenciesUs, s.LatencyUs)
		p.Breakers = append(p.Breakers, s.Breaker)
		p.HeldUntils = append(p.HeldUntils, instant(s.HeldUntil))
		p.FailedProbes = append(p.FailedProbes, s.FailedProbes)
		p.Failures = append(p.Failures, s.Failures)
		p.Suspects = append(p.Suspects, numbers(s.Suspects))
		p.NextRequestAts = append(p.NextRequestAts, instant(s.NextRequestAt))
		p.Slows = append(p.Slows, s.Slow)
		p.HealthSinces = append(p.HealthSinces, instant(s.HealthSince))
		p.LastSuccessAts = append(p.LastSuccessAts, instant(s.LastSuccessAt))
		p.LastFailureAts = append(p.LastFailureAts, instant(s.LastFailureAt))
		p.FailingSinces = append(p.FailingSinces, instant(s.FailingSince))
		p.ResumedAts = append(p.ResumedAts, instant(s.ResumedAt))
		p.Slots = append(p.Slots, s.Slot)
		p.Hours = append(p.Hours, s.Hour)
		p.Succeeded = append(p.Succeeded, s.Succeeded)
		p.Failed = append(p.Failed, s.Failed)
		p.Durations = append(p.Durations, numbers(s.Durations))
	}
	rows, err := w.DB.SaveLeases(ctx, w.DB.Tenant(tenants(p.MerchantIds)...).ByIndex(), p)
	if err != nil {
		return nil, fmt.Errorf("renew leases: %w", err)
	}
	ends := make([]leaseEnd, len(lessons))
	for _, row := range rows {
		ends[row.Place-1] = leaseLocked
		if row.Saved {
			ends[row.Place-1] = leaseSaved
		}
	}
	return ends, nil
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
		lesson := d.lesson(d.w.Now())
		lesson.Expecting = !d.isQuiet()
		left, err := d.w.DB.EndLease(ctx, tx, lesson)
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
