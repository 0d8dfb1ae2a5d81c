package webhook

import (
	"time"

	"portico/db"
)

// learnedPace is what the drains before have learned.
func learnedPace(e db.WebhookEndpoint) pace {
	p := pace{
		limit: limit{
			size: float64(e.Concurrency), ceiling: int(e.RefusedSize), refused: instant(e.RefusedAt), restTil: instant(e.HeldUntil),
			halving: recalledHalving(microseconds(e.SmoothedUs), microseconds(e.QuickestUs)),
		},
		breaker: breaker{
			state: e.Breaker, probeAt: instant(e.HeldUntil), probes: int(e.FailedProbes), failures: int(e.Failures), suspects: e.Suspects,
		},
		latency: microseconds(e.LatencyUs), slow: e.Slow, since: instant(e.HealthSince),
		lastSuccess: instant(e.LastSuccessAt), lastFailure: instant(e.LastFailureAt), failingSince: instant(e.FailingSince),
		resumedAt: instant(e.ResumedAt),
	}
	if e.RateLimit != nil {
		p.spacing = newSpacing(int(*e.RateLimit), instant(e.NextRequestAt))
	}
	return p
}

// lesson is what the next drain is to know. QuickestUs is how soon answers come with half as many requests.
func (d *drain) lesson(now time.Time) db.EndLeaseParams {
	p, hour := &d.pace, now.UTC().Truncate(time.Hour)
	s := db.EndLeaseParams{
		MerchantID: d.merchantID, ID: d.endpointID, Owner: d.owner, Now: now,
		Concurrency: float32(p.limit.size), RefusedSize: int32(p.limit.ceiling), //nolint:gosec // at most mostSize
		RefusedAt:  stamp(p.limit.refused),
		QuickestUs: p.limit.halving.half.typical().Microseconds(), SmoothedUs: p.limit.halving.whole.typical().Microseconds(),
		LatencyUs: p.latency.Microseconds(), Breaker: p.breaker.state, FailedProbes: int32(p.breaker.probes), //nolint:gosec // one every few minutes
		Failures: int32(min(p.breaker.failures, 1<<30)), Suspects: p.breaker.suspects, //nolint:gosec // bounded
		HeldUntil: stamp(p.heldUntil()), NextRequestAt: stamp(p.spacing.next), Slow: p.slow, HealthSince: stamp(p.since),
		LastSuccessAt: stamp(p.lastSuccess), LastFailureAt: stamp(p.lastFailure), FailingSince: stamp(p.failingSince),
		ResumedAt: stamp(p.resumedAt),
		Slot:      slotOf(hour), Hour: hour, Attempts: d.tally.attempts(), Succeeded: d.tally.succeeded, Failed: d.tally.failed, Durations: d.tally.durations,
	}
	if s.Suspects == nil {
		s.Suspects = []int64{}
	}
	if s.Durations == nil {
		s.Durations = []int64{}
	}
	return s
}

func microseconds(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// instant is the zero time for none.
func instant(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func stamp(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
