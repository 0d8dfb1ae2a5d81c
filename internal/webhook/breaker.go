package webhook

import (
	"math/rand/v2"
	"slices"
	"time"
)

// The states of a breaker.
const (
	BreakerClosed   = "CLOSED"    // everything is sent
	BreakerOpen     = "OPEN"      // nothing is sent but a probe now and then
	BreakerHalfOpen = "HALF_OPEN" // a probe was acknowledged: more is sent with each answer
)

const (
	// A breaker opens after so many failures in a row of so many deliveries: one event that a receiver cannot digest does not hold the
	// others.
	failuresToOpen = 10
	leastSuspects  = 3
	// Probes are twice as far apart each time.
	firstProbe, lastProbe = 2 * time.Second, 10 * time.Minute
	// successesToClose and failuresToReopen in a row decide what becomes of one that is half open.
	successesToClose = 10
	failuresToReopen = 2
)

// breaker holds the events of an endpoint that takes none, so that they do not use up their attempts, and finds out when it is back.
type breaker struct {
	state    string
	probeAt  time.Time // of an open one
	probes   int       // failed since it opened
	failures int       // in a row
	good     int       // acknowledged since the last failure, of one that is half open
	suspects []int64   // deliveries that failed in this row, up to leastSuspects
}

// allowed is how many requests may be under way.
func (b *breaker) allowed(now time.Time) int {
	switch {
	case b.state == BreakerClosed:
		return mostSize
	case b.state == BreakerHalfOpen:
		return 1 + b.good
	case now.Before(b.probeAt):
		return 0
	default:
		return 1
	}
}

// learn takes in the end of a request that began at the given time, and tells whether that changed the state.
func (b *breaker) learn(ok bool, deliveryID int64, began, now time.Time) bool {
	before := b.state
	if ok {
		b.succeed()
	} else {
		b.fail(deliveryID, began, now)
	}
	return b.state != before
}

// succeed believes what it hears: an answer to an earlier request is as good as that to a probe.
func (b *breaker) succeed() {
	b.failures, b.suspects = 0, nil
	if b.state == BreakerClosed {
		return
	}
	b.state = BreakerHalfOpen
	if b.good++; b.good >= successesToClose {
		b.state, b.probes, b.good = BreakerClosed, 0, 0
	}
}

func (b *breaker) fail(deliveryID int64, began, now time.Time) {
	b.failures++
	if len(b.suspects) < leastSuspects && !slices.Contains(b.suspects, deliveryID) {
		b.suspects = append(b.suspects, deliveryID)
	}
	switch b.state {
	case BreakerClosed:
		if b.failures >= failuresToOpen && len(b.suspects) >= leastSuspects {
			b.open(deliveryID, now)
		}
	case BreakerHalfOpen:
		b.good = 0
		if b.failures >= failuresToReopen {
			b.probes++
			b.open(deliveryID, now)
		}
	case BreakerOpen:
		// What began before the probe was due says nothing new.
		if !began.Before(b.probeAt) {
			b.probes++
			b.open(deliveryID, now)
		}
	}
}

func (b *breaker) open(deliveryID int64, now time.Time) {
	b.state, b.good = BreakerOpen, 0
	b.probeAt = now.Add(probeDelay(deliveryID, b.probes))
}

// probeDelay is how long a breaker stays open after so many probes. The jitter of a fifth either way spreads endpoints that broke
// together, and is the same whenever it is asked for.
func probeDelay(seed int64, probes int) time.Duration {
	delay := lastProbe
	if probes < 10 {
		delay = min(firstProbe<<probes, lastProbe)
	}
	jitter := rand.New(rand.NewPCG(uint64(seed), uint64(probes))) //nolint:gosec // nobody gains by guessing it
	return time.Duration(float64(delay) * (0.8 + 0.4*jitter.Float64()))
}
