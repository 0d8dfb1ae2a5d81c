package webhook

import (
	"net/http"
	"time"
)

const (
	// An endpoint is slow when it takes so long on average, and no longer when it is well below.
	slowFrom, slowUntil = time.Second, 500 * time.Millisecond
	// latencyWeight is how many answers the average goes back.
	latencyWeight = 16
	// longStreak of failures must not seem to go on because the drain that saw its end was killed.
	longStreak = time.Hour
)

// pace is what Portico has learned of an endpoint, and how its drain goes about it. It travels from drain to drain with the lease.
type pace struct {
	limit   limit
	breaker breaker
	spacing spacing

	latency time.Duration // on average, timeouts included; 0 before the first answer
	slow    bool
	since   time.Time // of health

	lastSuccess, lastFailure time.Time
	failingSince             time.Time // the first failure since the last success, or since a long silence
	resumedAt                time.Time // when events that were held began to flow again
}

// allowed is how many requests may be under way.
func (p *pace) allowed(now time.Time) int {
	if p.isHeld(now) {
		return 0
	}
	return min(p.limit.allowed(), p.breaker.allowed(now))
}

// heldUntil is when the endpoint may get something again: its breaker's next probe, or the end of a rest.
func (p *pace) heldUntil() time.Time {
	if p.breaker.state == BreakerOpen {
		return p.breaker.probeAt
	}
	return p.limit.restTil
}

// isHeld tells whether it may get nothing now.
func (p *pace) isHeld(now time.Time) bool { return now.Before(p.heldUntil()) }

// learn takes in what came of a request, and tells whether that is worth saving at once.
func (p *pace) learn(r reply) bool {
	now := r.startedAt.Add(r.duration)
	health, slow, state := p.health(), p.slow, p.breaker.state
	said := r.kind()
	// A receiver that refuses is given less before it is given up.
	recovers := said == answered && !p.failingSince.IsZero() && now.Sub(p.failingSince) > longStreak
	overfed := said == refuses && p.limit.whole() > 1
	p.limit.learn(said, r.startedAt, r.duration, r.beside, r.retryAfter)
	if p.latency == 0 {
		p.latency = r.duration
	}
	p.latency += (r.duration - p.latency) / latencyWeight
	switch {
	case said == answered:
		p.breaker.learn(true, r.deliveryID, r.startedAt, now)
		p.lastSuccess, p.failingSince = now, time.Time{}
	case !overfed:
		p.breaker.learn(false, r.deliveryID, r.startedAt, now)
		fallthrough
	default:
		if p.failingSince.IsZero() || now.Sub(p.lastFailure) > longestSilence {
			p.failingSince = now
		}
		p.lastFailure = now
	}
	if state != BreakerClosed && p.breaker.state == BreakerClosed {
		p.limit.restart()
	}
	if state == BreakerOpen && p.breaker.state == BreakerHalfOpen {
		p.resumedAt = now
	}
	p.slow = p.isSlow()
	if p.health() != health {
		p.since = now
	}
	return slow != p.slow || state != p.breaker.state || recovers
}

func (p *pace) isSlow() bool {
	if len(p.breaker.suspects) >= leastSuspects || p.breaker.state != BreakerClosed {
		return true
	}
	return p.latency > slowFrom || p.slow && p.latency > slowUntil
}

// The states of an endpoint's health.
const (
	Healthy  = "HEALTHY"
	Slow     = "SLOW"     // answers take more than a second on average, or several deliveries failed in a row
	Failing  = "FAILING"  // its events are held, and it is probed now and then
	Disabled = "DISABLED" // nothing is sent until it is enabled again
)

func (p *pace) health() string {
	switch {
	case p.breaker.state != BreakerClosed:
		return Failing
	case p.slow:
		return Slow
	default:
		return Healthy
	}
}

// kind is what the reply says about the receiver.
func (r reply) kind() kind {
	switch {
	case r.failure == "":
		return answered
	case r.statusCode == http.StatusTooManyRequests, r.statusCode == http.StatusServiceUnavailable:
		return refuses
	case r.class == ErrorTimeout:
		return silent
	default:
		return complains
	}
}
