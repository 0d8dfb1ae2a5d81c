package webhook

import (
	"context"
	"fmt"
	"time"

	"portico/db"
)

// The states of an endpoint's health, as in the schema's WebhookEndpointState.
const (
	HealthGood     = "HEALTHY"
	HealthSlow     = "SLOW"     // answers take long on average: it has a queue with others like it
	HealthFailing  = "FAILING"  // the breaker is open: events are held, and single requests find out when it answers again
	HealthDisabled = "DISABLED" // nothing is sent
)

// Condition is what an endpoint's drains have learned of it.
type Condition struct {
	State               string
	Since               time.Time
	HeldUntil           *time.Time // while it is failing: the next request
	ConsecutiveFailures int32
	LastSuccessAt       *time.Time
	LastFailureAt       *time.Time
	FailingSince        *time.Time // the first failure since the last success, or since a long silence
}

func conditionOf(row db.WebhookEndpoint) Condition {
	c := Condition{
		State: HealthGood, Since: row.CreatedAt, ConsecutiveFailures: row.Failures, LastSuccessAt: row.LastSuccessAt, LastFailureAt: row.LastFailureAt,
		FailingSince: row.FailingSince,
	}
	if row.HealthSince != nil {
		c.Since = *row.HealthSince
	}
	switch {
	case row.DisabledAt != nil:
		c.State, c.Since = HealthDisabled, *row.DisabledAt
	case row.Breaker != BreakerClosed:
		c.State, c.HeldUntil = HealthFailing, row.HeldUntil
	case row.Slow:
		c.State = HealthSlow
	}
	return c
}

// Day is what came of the attempts of the last 24 hours, the present hour included.
type Day struct {
	Succeeded, Failed int64
	P95               time.Duration // within which 95 of 100 had ended, at most a fifth too high; 0 without attempts
}

// DaysByEndpoint is that of each of the merchant's endpoints among the ids that had an attempt.
func (w *Webhooks) DaysByEndpoint(ctx context.Context, merchantID int64, ids []int64) (map[int64]Day, error) {
	rows, err := w.DB.HoursOfEndpoints(ctx, w.DB.Tenant(merchantID), db.HoursOfEndpointsParams{
		MerchantID: merchantID, EndpointIds: ids, Since: w.Now().Truncate(time.Hour).Add(-hoursKept * time.Hour),
	})
	if err != nil {
		return nil, fmt.Errorf("read the hours of endpoints: %w", err)
	}
	all := make(map[int64]*tally, len(ids))
	for _, row := range rows {
		if all[row.EndpointID] == nil {
			all[row.EndpointID] = &tally{}
		}
		all[row.EndpointID].merge(tally{succeeded: row.Succeeded, failed: row.Failed, durations: row.Durations})
	}
	days := make(map[int64]Day, len(all))
	for id, t := range all {
		days[id] = Day{Succeeded: t.succeeded, Failed: t.failed, P95: t.percentile(0.95)}
	}
	return days, nil
}

// mostCounted is how far WaitingByEndpoint counts.
const mostCounted = 10_000

// WaitingByEndpoint is how many deliveries to each of the merchant's endpoints among the ids are still to be sent, at most 10,000.
func (w *Webhooks) WaitingByEndpoint(ctx context.Context, merchantID int64, ids []int64) (map[int64]int32, error) {
	rows, err := w.DB.CountWaiting(ctx, w.DB.Tenant(merchantID).ByIndex(), db.CountWaitingParams{
		MerchantID: merchantID, EndpointIds: ids, Most: mostCounted,
	})
	if err != nil {
		return nil, fmt.Errorf("count what is to be sent: %w", err)
	}
	waiting := make(map[int64]int32, len(rows))
	for _, row := range rows {
		waiting[row.EndpointID] = int32(row.Waiting) //nolint:gosec // at most mostCounted
	}
	return waiting, nil
}
