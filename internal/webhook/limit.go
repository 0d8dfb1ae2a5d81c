package webhook

import (
	"math"
	"time"
)

const (
	// Concurrency is how many requests an endpoint gets at once: it begins with startSize and stays between 1 and mostSize.
	startSize = 10
	mostSize  = 50
	// cutTo is what a refusal or a timeout leaves of it: CUBIC's factor.
	cutTo = 0.7
	// queueAllowed is how much of what it gets at once a receiver may queue: then it has as little as possible to wait for the next.
	queueAllowed = 0.3
	// growBy and shrinkBy are how far a comparison moves concurrency, in doublings for a whole queue. A single one is wrong now and then
	// where durations vary, and what it says is bounded by leastQueue and mostQueue; many together are not wrong.
	growBy, shrinkBy      = 0.8, 0.4
	leastQueue, mostQueue = -0.5, 1.5
	// little is so small a move, in doublings, that there is no hurry to compare again.
	little = 0.1
	// fastEnough is how soon answers must come for concurrency to grow beyond startSize.
	fastEnough = time.Second
	// ceilingHolds is how long a size that was refused is not tried again.
	ceilingHolds = 30 * time.Second
	// A receiver that refuses even single requests gets pauses between them.
	shortestRest, longestRest = time.Second, 10 * time.Second
)

// limit learns how many requests an endpoint takes at once: what its receiver can use, and no more. It is TCP's congestion control, with
// requests for packets: multiplicative decrease (Chiu and Jain, 1989) where the receiver refuses or stays silent, and CUBIC's memory of
// the size at which that happened (RFC 9438), so that it settles below instead of running into it again and again. Where answers only get
// slower, halving tells a queue from a receiver whose answers vary.
type limit struct {
	size    float64 // requests at once
	halving halving
	regain  float64       // the size before it was cut, or what was refused when that is tried again; 0 when there is nothing to go back to
	ceiling int           // the size that was refused last; 0 when none is remembered
	refused time.Time     // when that was, or when the ceiling was last raised
	cut     time.Time     // requests that began before were caused by the former size
	rest    time.Duration // between single requests that are refused
	restTil time.Time
}

// kind is what an answer says about the receiver.
type kind int

const (
	answered  kind = iota // 2xx
	complains             // an error that has nothing to do with how much it gets
	refuses               // 429 or 503: too much
	silent                // no answer in time
)

// whole is how many requests the receiver takes at once.
func (l *limit) whole() int { return int(l.size) }

// allowed is how many requests may be under way now.
func (l *limit) allowed() int {
	if l.halving.on {
		return max(1, l.whole()/2)
	}
	return l.whole()
}

// learn takes in one answer: what it says, when its request began, how long it took, how many were under way then, and how long
// the receiver wants to be left alone.
func (l *limit) learn(k kind, began time.Time, took time.Duration, beside int, retryAfter time.Duration) {
	now := began.Add(took)
	switch k {
	case refuses:
		l.refuse(began, now, retryAfter)
	case silent:
		if !began.Before(l.cut) {
			l.shorten(now)
		}
	case answered:
		l.rest = 0
		l.adapt(began, took, beside)
	case complains:
	}
}

// refuse obeys a receiver that gets too much. One cut answers all refusals of requests that were sent together.
func (l *limit) refuse(began, now time.Time, retryAfter time.Duration) {
	if began.Before(l.cut) {
		return
	}
	if l.whole() <= 1 {
		l.rest = max(shortestRest, min(2*l.rest, longestRest))
		l.restTil = now.Add(max(l.rest, min(retryAfter, longestRest)))
	}
	l.ceiling, l.refused = l.whole(), now
	l.shorten(now)
}

func (l *limit) shorten(now time.Time) {
	l.regain = max(l.regain, l.size)
	l.size, l.cut = max(1, l.size*cutTo), now
	l.halving.stop(now)
}

// adapt goes back to the size from before a cut, by one for each round of answers and below startSize by one for each answer, as a new
// connection of TCP does. Beyond it, it grows and shrinks by what the comparisons with half as many requests say. An endpoint that
// does not use what it has teaches nothing about more.
func (l *limit) adapt(began time.Time, took time.Duration, beside int) {
	now := began.Add(took)
	switch {
	case l.size >= l.regain:
		l.regain = 0
	case 2*beside < l.allowed():
	case l.size < startSize && l.ceiling == 0:
		l.size = min(l.size+1, l.regain)
	default:
		l.size = min(l.size+1/l.size, l.regain)
	}
	if queues, judged := l.halving.learn(l.whole(), beside, began, took); judged {
		l.move(queues, now)
	}
	l.size = min(l.size, l.most(now))
}

// move changes the size by what a comparison says.
func (l *limit) move(queues float64, now time.Time) {
	before := l.size
	free := queueAllowed - max(leastQueue, min(queues, mostQueue))
	switch {
	case free < 0:
		l.size *= math.Exp2(shrinkBy * free)
		l.regain = 0
	case l.halving.whole.typical() <= fastEnough:
		l.size *= math.Exp2(growBy * free)
	case l.size < startSize:
		l.size = min(l.size*math.Exp2(growBy*free), startSize)
	}
	l.size = max(1, min(l.size, l.most(now)))
	l.halving.settled = math.Abs(math.Log2(l.size/before)) < little
}

// most is one less than what was refused. That is tried again after a while, one more each time.
func (l *limit) most(now time.Time) float64 {
	if l.ceiling == 0 {
		return mostSize
	}
	if now.Sub(l.refused) >= ceilingHolds {
		if l.whole() == l.ceiling-1 {
			l.regain = float64(l.ceiling)
		}
		l.ceiling, l.refused = l.ceiling+1, now
	}
	if l.ceiling > mostSize {
		l.ceiling = 0
		return mostSize
	}
	return max(1, float64(l.ceiling-1))
}

// restart forgets what a receiver that was down seemed to take.
func (l *limit) restart() {
	l.size = max(l.size, startSize)
	l.ceiling, l.rest, l.restTil = 0, 0, time.Time{}
}
