package webhook

import (
	"sync"
	"time"
)

// trafficTime is how far back a process looks at its requests.
const trafficTime = 5 * time.Second

// traffic tells whether this process makes so many requests that its drains should rest. The zero value is ready.
type traffic struct {
	mu         sync.Mutex
	since      time.Time
	now, last  int // requests since then, and in the time before
	wasDenseAt time.Time
}

// add counts a request.
func (t *traffic) add(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn(now)
	t.now++
}

// turn begins a new count when the time of the present one is over.
func (t *traffic) turn(now time.Time) {
	passed := now.Sub(t.since)
	if passed < trafficTime {
		return
	}
	t.last = t.now
	if passed >= 2*trafficTime {
		t.last = 0
	}
	t.now, t.since = 0, now
}

// isDense is from so many requests on within the time; once it is, half of them keep it so.
func (t *traffic) isDense(now time.Time, from int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn(now)
	if now.Sub(t.wasDenseAt) < 2*trafficTime {
		from /= 2
	}
	dense := max(t.now, t.last) >= from
	if dense {
		t.wasDenseAt = now
	}
	return dense
}
