package webhook

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// MostResting is how many drains of a process rest at most. It has as many more slots for drain jobs, so that they take nobody's.
	MostResting = 200
	// MostRestingSlow is how many of these are jobs of QueueSlow.
	MostRestingSlow = 50
)

// errEnded wakes a drain for good.
var errEnded = errors.New("the process ends")

// idlers are the drains of this process that have sent everything and wait for more. One statement at each beat looks for all of them,
// nobody wakes them for anything else, and so an endpoint that gets an event now and then costs little more than its events. The zero
// value is ready.
type idlers struct {
	mu      sync.Mutex
	of      map[*idler]struct{}
	slow    int // of them
	looking bool
	ended   bool
}

// idler is one of them.
type idler struct {
	ask   lookFor
	slow  bool
	until time.Time // when it has something else to do
	wakes chan look // has room, so that nobody waits for one that has left
}

// wait adds one, and tells whether there was room. It is woken by a look that has found something, by an empty one when its time has come,
// or by an error, and is none of the idlers any more then.
func (all *idlers) wait(ctx context.Context, w *Webhooks, one *idler) bool {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.ended || len(all.of) >= MostResting || one.slow && all.slow >= MostRestingSlow {
		return false
	}
	if all.of == nil {
		all.of = map[*idler]struct{}{}
	}
	all.of[one] = struct{}{}
	if one.slow {
		all.slow++
	}
	if !all.looking {
		all.looking = true
		go all.lookOut(context.WithoutCancel(ctx), w)
	}
	return true
}

// EndRests has the drains of this process that rest hand over, and lets none rest any more: a process that is about to end calls it.
func (w *Webhooks) EndRests() {
	w.idlers.mu.Lock()
	defer w.idlers.mu.Unlock()
	w.idlers.ended = true
	for one := range w.idlers.of {
		w.idlers.remove(one)
		one.wakes <- look{at: w.Now(), err: errEnded}
	}
}

func (all *idlers) leave(one *idler) {
	all.mu.Lock()
	defer all.mu.Unlock()
	all.remove(one)
}

func (all *idlers) remove(one *idler) {
	if _, waits := all.of[one]; !waits {
		return
	}
	delete(all.of, one)
	if one.slow {
		all.slow--
	}
}

// lookOut looks for all who wait, until nobody does.
func (all *idlers) lookOut(ctx context.Context, w *Webhooks) {
	for {
		<-w.beat.after(lookEvery)
		waiting, asked := all.waiting()
		if len(waiting) == 0 {
			return
		}
		at := w.Now()
		looking, cancel := context.WithTimeout(ctx, bookTimeout)
		views, err := w.due(looking, asked)
		cancel()
		if err != nil {
			w.Log.WarnContext(ctx, "cannot look for what idle drains wait for: they look themselves", "error", err)
			views = make([]view, len(asked))
		}
		all.wake(waiting, views, at, w.traffic.isDense(at, w.RestFrom), err)
	}
}

func (all *idlers) waiting() (waiting []*idler, asked []lookFor) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for one := range all.of {
		waiting, asked = append(waiting, one), append(asked, one.ask)
	}
	all.looking = len(waiting) > 0
	return waiting, asked
}

func (all *idlers) wake(waiting []*idler, views []view, at time.Time, dense bool, err error) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for i, one := range waiting {
		if len(views[i].rows) == 0 && at.Before(one.until) && dense && err == nil {
			continue
		}
		all.remove(one)
		one.wakes <- look{view: views[i], slots: one.ask.slots, at: at, err: err}
	}
}

// mayRest is for a drain that has looked and sent everything, and whose endpoint had a request not long ago, in a process that makes many.
func (d *drain) mayRest(now time.Time) bool {
	return d.idler == nil && !d.asking && !d.more && len(d.sending) == 0 && d.room(now) > 0 && now.Before(d.restTil()) &&
		d.w.traffic.isDense(now, d.w.RestFrom)
}

// restTil is when it has waited for long enough.
func (d *drain) restTil() time.Time {
	if d.pace.lastFailure.After(d.pace.lastSuccess) {
		return d.pace.lastFailure.Add(d.w.Linger)
	}
	return d.pace.lastSuccess.Add(d.w.Linger)
}

// rest lets the drain wait for its next look among the idlers, where there is room for it.
func (d *drain) rest(ctx context.Context, now time.Time) bool {
	one := &idler{
		ask: d.question(d.room(now)), slow: d.inSlow, until: earliest(d.restTil(), d.renewAt, d.lastAt), wakes: make(chan look, 1),
	}
	if !d.w.idlers.wait(ctx, d.w, one) {
		return false
	}
	d.idler, d.wakes, d.answered = one, one.wakes, 0
	return true
}

// rise ends the drain's rest.
func (d *drain) rise() {
	if d.idler != nil {
		d.w.idlers.leave(d.idler)
		d.idler, d.wakes = nil, nil
	}
}

// wokenUp is the end of a rest. Who waited in vain for long enough is quiet; for another slice is who has something to do.
func (d *drain) wokenUp(ctx context.Context, found look, now time.Time) {
	d.idler, d.wakes = nil, nil
	switch {
	case errors.Is(found.err, errEnded):
		d.over = true
	case found.err != nil:
		d.more = true
	case len(found.rows) > 0:
		d.endAt = earliest(now.Add(sliceTime), d.lastAt)
		d.asking = true
		go d.hand(ctx, found)
	case !now.Before(d.restTil()):
		d.quiet = mostQuiet
	}
}

func earliest(first time.Time, others ...time.Time) time.Time {
	for _, t := range others {
		if t.Before(first) {
			first = t
		}
	}
	return first
}
