package webhook

import "time"

const (
	// Concurrency is how many requests an endpoint gets at once: it begins with startSize and stays between 1 and mostSize.
	startSize = 10
	mostSize  = 50
	// cutTo is what a refusal or a timeout leaves of it: CUBIC's factor.
	cutTo = 0.7
	// jitterAllowed is how much slower than at their quickest answers may come without anything queueing at the receiver.
	jitterAllowed = 20 * time.Millisecond
	// fewQueued and manyQueued are how many requests may be estimated to queue at the receiver before concurrency stops growing, and
	// before it shrinks: alpha and beta of Vegas.
	fewQueued, manyQueued = 3.0, 6.0
	// fastEnough is how soon answers must come for concurrency to grow.
	fastEnough = time.Second
	// ceilingHolds is how long a size that was refused is not tried again.
	ceilingHolds = 30 * time.Second
	// A receiver that refuses even single requests gets pauses between them.
	shortestRest, longestRest = time.Second, 10 * time.Second
	// fewAtOnce is so few requests that a receiver which still seems to queue them has become slower.
	fewAtOnce = 8
)

// limit learns how many requests an endpoint takes at once. It is TCP's congestion control, with requests for packets: additive increase
// and multiplicative decrease (Chiu and Jain, 1989) where the receiver refuses or stays silent; CUBIC's memory of the size at
// which that happened (RFC 9438), so that it settles below instead of running into it again and again; and Vegas' estimate of what
// queues at the receiver (Brakmo and Peterson, 1995; used for requests by Netflix' concurrency-limits) where answers only get slower.
type limit struct {
	size     float64       // requests at once
	quickest time.Duration // how soon the receiver answers when nothing queues; 0 before the first answer
	smoothed time.Duration // how soon it answers now
	ceiling  int           // the size that was refused last; 0 when none is remembered
	refused  time.Time     // when that was, or when the ceiling was last raised
	cut      time.Time     // requests that began before were caused by the former size
	rest     time.Duration // between single requests that are refused
	restTil  time.Time
}

// kind is what an answer says about the receiver.
type kind int

const (
	answered  kind = iota // 2xx
	complains             // an error that has nothing to do with how much it gets
	refuses               // 429 or 503: too much
	silent                // no answer in time
)

// allowed is how many requests may be under way.
func (l *limit) allowed() int { return int(l.size) }

// learn takes in one answer: what it says, when its request began, how long it took, how many were under way then, and how long
// the receiver wants to be left alone.
func (l *limit) learn(k kind, began time.Time, took time.Duration, beside int, retryAfter time.Duration) {
	now := began.Add(took)
	switch k {
	case refuses:
		l.refuse(began, now, retryAfter)
	case silent:
		if !began.Before(l.cut) {
			l.size, l.cut = max(1, l.size*cutTo), now
		}
	case answered:
		l.rest = 0
		l.time(took)
		l.adapt(now, beside)
	case complains:
	}
}

// refuse obeys a receiver that gets too much. One cut answers all refusals of requests that were sent together.
func (l *limit) refuse(began, now time.Time, retryAfter time.Duration) {
	if began.Before(l.cut) {
		return
	}
	if l.allowed() <= 1 {
		l.rest = max(shortestRest, min(2*l.rest, longestRest))
		l.restTil = now.Add(max(l.rest, min(retryAfter, longestRest)))
	}
	l.ceiling, l.refused = l.allowed(), now
	l.size, l.cut = max(1, l.size*cutTo), now
}

func (l *limit) time(took time.Duration) {
	if l.quickest == 0 {
		l.quickest, l.smoothed = took, took
	}
	l.smoothed += (took - l.smoothed) / 8
	l.quickest = min(l.quickest, took)
}

// adapt grows by one for each round of answers, and shrinks likewise. Below startSize it grows by one for each answer, as a new
// connection of TCP does. An endpoint that does not use what it has teaches nothing about more.
func (l *limit) adapt(now time.Time, beside int) {
	queued := 0.0
	if unhurried := l.quickest + jitterAllowed; l.smoothed > unhurried {
		queued = l.size * (1 - float64(unhurried)/float64(l.smoothed))
	}
	switch {
	case queued > manyQueued && l.size <= fewAtOnce:
		l.quickest = l.smoothed
	case queued > manyQueued:
		l.size -= 1 / l.size
	case queued > fewQueued, l.smoothed > fastEnough, 2*beside < l.allowed():
	case l.size < startSize && l.ceiling == 0:
		l.size++
	default:
		l.size += 1 / l.size
	}
	l.size = max(1, min(l.size, l.most(now)))
}

// most is one less than what was refused. That is tried again after a while, one more each time.
func (l *limit) most(now time.Time) float64 {
	if l.ceiling == 0 {
		return mostSize
	}
	if now.Sub(l.refused) >= ceilingHolds {
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
	l.ceiling, l.rest, l.restTil = 0, 0, time.Time{}
}
