package webhook

import (
	"math"
	"time"
)

const (
	// enough is how many answers with half as many requests make a comparison, and wholeFor as many times as many with all of them.
	enough   = 16
	wholeFor = 3
	// fewest will do where answers come so slowly that a drain would not live to see enough of them.
	fewest = 4
	// halfTime bounds how long a drain sends half as many.
	halfTime = 2 * time.Second
	// wholeTime is how far apart comparisons are where the last one has changed little. A drain has time for three.
	wholeTime = 3 * time.Second
	// remembered is how much of a comparison counts in the next.
	remembered = 0.5
	// jitterAllowed is how much slower answers may come than with half as many requests without anything queueing at the receiver.
	jitterAllowed = 20 * time.Millisecond
)

// halving finds out whether a receiver queues requests: now and then it gets half as many for a moment. Where all of them are worked on,
// answers take as long as before, however much they vary; where they queue, half as many are answered in half the time. Both are of the
// same seconds and the same kind of events, so that a receiver that has become slower, or is slow with some events, is not taken for one
// that queues.
type halving struct {
	on        bool      // half as many requests go out
	from, til time.Time // the last that went out like this began from then until, unless on, then
	since     time.Time // when that or its opposite began
	got       int       // answers to requests of this phase
	settled   bool      // there is no hurry
	whole     timings   // answers with as many requests as are allowed
	half      timings   // and with half as many
}

// timings is how long some answers took.
type timings struct{ roots, n float64 }

func (t *timings) add(took time.Duration) {
	t.roots += math.Sqrt(took.Seconds())
	t.n++
}

func (t *timings) fade() { t.roots, t.n = t.roots*remembered, t.n*remembered }

// typical is the square of the mean root: what takes long counts for more than in a median, and for less than in a mean, of which a few
// answers that take very long make anything.
func (t *timings) typical() time.Duration {
	if t.n == 0 {
		return 0
	}
	root := t.roots / t.n
	return time.Duration(root * root * float64(time.Second))
}

// recalledHalving goes on from what drains before have found typical. A drain has few answers of a receiver that is slow, and begins
// with half as many requests, so that it comes to a comparison at all.
func recalledHalving(whole, half time.Duration) halving {
	return halving{on: whole > fastEnough, whole: recalled(whole), half: recalled(half)}
}

// recalled is timings of which only the typical one is known. They count as much as faded ones.
func recalled(typical time.Duration) timings {
	if typical == 0 {
		return timings{}
	}
	return timings{math.Sqrt(typical.Seconds()) * enough, enough}
}

// learn takes in an answer, to a request that began beside others, itself included, where as many as size were allowed. Answers of when
// an endpoint did not use what it has say nothing. At the end of a comparison it tells how much longer answers take than with half as
// many requests: 0 where nothing queues, 1 where everything does.
func (h *halving) learn(size, beside int, began time.Time, took time.Duration) (queues float64, judged bool) {
	now := began.Add(took)
	if h.since.IsZero() {
		h.since = began
	}
	half := !began.Before(h.from) && (h.on || began.Before(h.til))
	counts := false
	switch {
	case half && 2*beside >= size/2:
		h.half.add(took)
		counts = true
	case !half && 4*beside > 3*size:
		h.whole.add(took)
		counts = true
	}
	if counts && half == h.on {
		h.got++
	}
	h.rest(now, size)
	if h.on || !h.isDue(now, size) {
		return 0, false
	}
	if judged = size == 1 || min(h.half.n, h.whole.n) >= fewest; judged {
		queues = h.compare(size)
		h.whole.fade()
		h.half.fade()
	}
	h.on, h.from, h.since, h.got = size > 1, now, now, 0
	return queues, judged
}

// rest lets all requests go out again when half of them have been tried for long enough.
func (h *halving) rest(now time.Time, size int) {
	if h.on && (h.got >= max(enough, size/2) || now.Sub(h.since) >= halfTime) {
		h.stop(now)
	}
}

// stop has all requests go out again.
func (h *halving) stop(now time.Time) {
	if h.on {
		h.til = now
	}
	h.on, h.since, h.got = false, now, 0
}

// isDue tells whether it is time to try half as many. What was learned with half as many is judged then and not before: the
// quickest answers are the first that come, and by now the others have come too.
func (h *halving) isDue(now time.Time, size int) bool {
	if h.got < max(fewest, size) {
		return false
	}
	late := now.Sub(h.since) >= wholeTime
	return late || !h.settled && h.got >= wholeFor*max(enough, size/2)
}

// compare is the elasticity of durations with respect to requests at once.
func (h *halving) compare(size int) float64 {
	if size == 1 {
		return 0
	}
	half := max(h.half.typical(), time.Microsecond)
	whole := max(h.whole.typical(), time.Microsecond)
	if whole > half {
		whole = max(whole-jitterAllowed, half)
	}
	return math.Log(float64(whole)/float64(half)) / math.Log(float64(size)/float64(size/2))
}
