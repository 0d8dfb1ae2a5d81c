package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"portico/db"
)

const (
	// sliceTime is how long a drain takes up new deliveries without a rest before it hands over, so that others get its slot.
	sliceTime = 10 * time.Second
	// stayTime is the same with all its rests: to River, a job that lasts for much longer has lost its process.
	stayTime = 45 * time.Second
	// mostAhead is how many deliveries a drain takes up beyond those, so that a fast receiver need not wait for the next look.
	mostAhead = 90
	// keepReady is how long it believes that these are still to be sent.
	keepReady = time.Second
	// lookEvery is how soon a drain notices what was published meanwhile: publishers rely on a drain that is there.
	lookEvery = 25 * time.Millisecond
	// lookAt is how many due deliveries of the first priority a look judges.
	lookAt = 100
	// mostQuiet is how many looks in vain make a drain end that has had much to do.
	mostQuiet = 20
	// laneHold is how long a failing delivery keeps the later ones of its subscription waiting, from its first attempt or from when
	// events that were held began to flow again.
	laneHold = 10 * time.Minute
	// pulseEvery is how soon a drain whose requests all hang notices that its slice has ended or its lease needs to be renewed.
	pulseEvery = 100 * time.Millisecond
	// bookTimeout bounds a statement, also those that follow a shutdown.
	bookTimeout = 5 * time.Second
)

const (
	// LongestFinish is how long a drain may take once it is told to stop: for requests that have just begun, and to record them.
	LongestFinish = maxTimeoutSeconds*time.Second + 2*bookTimeout
	// LongestDrain is how long a drain may take in all.
	LongestDrain = stayTime + LongestFinish
)

// Drain delivers what an endpoint has due, for a slice of time at most, and hands over to a new job when more is left; at once where
// the endpoint turns out to belong into the slow queue. Where nothing is left it rests for Linger and goes on when more comes. The owner names this run and no other. Only one drain works on an
// endpoint: where another one's lease is alive, or where its breaker is open, Drain returns at once.
//
// Deliveries of one subscription go out one after the other, in the order of their events; a failing one lets the later ones
// overtake after ten minutes. When an endpoint answers again after its events were held, what has failed meanwhile is tried at once and
// has ten minutes anew. First attempts go before retries, and both before replays; each has a share that the others leave it.
// A delivery is recorded after its request, never before, and no connection to the database is
// held meanwhile: a drain that dies leaves its deliveries due, and they are sent again. When ctx ends, Drain takes up nothing more
// and records the requests that are under way.
func (w *Webhooks) Drain(ctx context.Context, args DrainArgs, owner int64) error {
	lastAt := w.Now().Add(stayTime)
	for {
		again, err := w.drainOnce(ctx, args, owner, lastAt)
		if err != nil || !again {
			return err
		}
	}
}

// drainOnce tells whether there is more to do. Who publishes while a drain ends may have seen its lease and relied on it, and commit
// after its last look: so it looks again when such a transaction has had its time.
func (w *Webhooks) drainOnce(ctx context.Context, args DrainArgs, owner int64, lastAt time.Time) (bool, error) {
	d := &drain{
		w: w, scope: w.DB.Tenant(args.MerchantID), merchantID: args.MerchantID, endpointID: args.EndpointID, owner: owner, inSlow: args.Slow,
		round: int(owner % rounds), sending: map[int64]struct{}{}, replies: make(chan reply, mostSize),
		looked: make(chan look, 1), booked: make(chan booked, 1), more: true, lastAt: lastAt,
	}
	held, err := d.lease(ctx)
	if err != nil || !held {
		return false, err
	}
	if err = d.run(ctx); err != nil {
		err = fmt.Errorf("drain endpoint %d: %w", args.EndpointID, err)
	}
	if err = errors.Join(err, d.free(ctx, err == nil)); err != nil || !d.isQuiet() {
		return false, err
	}
	select {
	case <-ctx.Done():
		return false, nil
	case <-time.After(2 * lookEvery):
	}
	return d.isWaiting(ctx)
}

// drain is one run. Everything but requests and statements happens in one goroutine.
type drain struct {
	w                             *Webhooks
	scope                         db.Scope
	merchantID, endpointID, owner int64
	inSlow                        bool // its job is one of the slow queue
	endpoint                      db.WebhookEndpoint
	pace                          pace
	tally                         tally // of what is not saved yet
	changed                       bool  // there is something to save at once
	resumed                       bool  // the endpoint answers again after its events were held
	endAt, lastAt, renewAt        time.Time
	over                          bool // the lease has gone to another owner, the receiver wants no more, or its settings have changed

	sending  map[int64]struct{} // the deliveries that were taken up and are not yet recorded
	ready    []message          // those of them that wait for a request to end
	readyTil time.Time
	round    int              // the turn of the next that is taken up
	turn     <-chan time.Time // the first of them may go
	requests int              // under way
	replies  chan reply       // has room for all of them, so that a request never waits for us
	done     []reply          // to be recorded
	sent     int              // requests that have ended, in all
	answered int              // those since the last look

	// One statement at a time: a look that overlaps with a record could park a follower that has just been called up.
	asking bool
	looked chan look
	booked chan booked
	more   bool // there may be something to take up already
	held   bool // the last look has passed on held ones
	quiet  int  // looks in a row that found nothing while nothing was under way

	idler *idler      // among those of the process; nil while it looks itself
	wakes <-chan look // its end
}

// isQuiet is when a drain ends: after a look in vain, and later the more it has had to do, up to half a second. Publishers that pause for
// a moment need no new job then, and find no drain that is about to end.
func (d *drain) isQuiet() bool { return d.quiet >= min(max(1, d.sent), mostQuiet) }

// run is a dispatcher: requests, the look for what is due, and the record of what has come go on side by side.
func (d *drain) run(ctx context.Context) error {
	s, err := d.w.newSender(ctx, d.endpoint)
	if err != nil {
		return err
	}
	senderTil := d.w.Now().Add(sliceTime)
	// A shutdown does not break off requests; an error of ours does, because their replies could not be booked.
	work, breakOff := context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		d.rise()
		breakOff()
		for range d.requests {
			<-d.replies
		}
		if d.asking {
			select {
			case <-d.looked:
			case <-d.booked:
			}
		}
	}()
	var beat <-chan struct{}  // the one that the next look waits for
	var pulse <-chan struct{} // shared, because waking a process costs more than waking its drains
	shutdown := ctx.Done()
	for {
		now := d.w.Now()
		closing := ctx.Err() != nil || d.over || !now.Before(d.lastAt) || d.idler == nil && !now.Before(d.endAt) ||
			d.pace.isHeld(now) || d.pace.slow && !d.inSlow
		if closing || !now.Before(d.readyTil) {
			d.forget()
		}
		if closing {
			d.rise()
		} else if d.mayRest(now) && d.rest(work, now) {
			beat, pulse = nil, nil
		}
		if len(d.sending) == 0 && d.idler == nil && (closing || d.isQuiet()) {
			return nil
		}
		if len(d.ready) > 0 && !now.Before(senderTil) {
			// The merchant may have rolled the key that payment notifications carry.
			if s, err = d.w.newSender(ctx, d.endpoint); err != nil {
				return err
			}
			senderTil = now.Add(sliceTime)
		}
		d.request(work, s, now)
		switch {
		case d.asking, d.idler != nil:
		case len(d.done) > 0:
			d.book(work)
		case closing || d.room(now) <= 0:
		case d.more:
			d.look(work, d.room(now))
			beat = nil
		case beat == nil:
			beat = d.w.beat.after(lookEvery)
		}
		if pulse == nil && d.idler == nil {
			pulse = d.w.pulse.after(pulseEvery)
		}
		select {
		case r := <-d.replies:
			d.take(r)
		case b := <-d.booked:
			err = d.recorded(work, b)
		case found := <-d.looked:
			err = d.takeUp(found)
		case <-beat:
			d.more, beat = true, nil
		case found := <-d.wakes:
			d.wokenUp(work, found, d.w.Now())
		case <-d.turn:
		case <-pulse:
			pulse = nil
		case <-shutdown:
			shutdown = nil
		}
		if err == nil {
			err = d.renew(work)
		}
		if err != nil {
			return err
		}
	}
}

// request starts as many requests as the endpoint may get now.
func (d *drain) request(ctx context.Context, s *sender, now time.Time) {
	d.turn = nil
	for len(d.ready) > 0 && d.requests < d.pace.allowed(now) {
		if wait := d.pace.spacing.wait(now); wait > 0 {
			d.turn = time.After(wait)
			return
		}
		m := d.ready[0]
		d.ready = d.ready[1:]
		d.pace.spacing.take(now)
		d.requests++
		m.beside = d.requests
		go func() { d.replies <- s.send(ctx, m) }()
	}
}

// take notes a reply.
func (d *drain) take(r reply) {
	d.requests--
	d.sent++
	d.w.traffic.add(d.w.Now())
	d.answered++
	d.done = append(d.done, r)
	d.over = d.over || r.statusCode == http.StatusGone
	// What we could not write or gave up says nothing about the receiver.
	if r.class != ErrorBody && r.class != ErrorGivenUp {
		d.tally.add(r.failure == "", r.duration)
		before := d.pace.resumedAt
		d.changed = d.pace.learn(r) || d.changed
		d.resumed = d.resumed || d.pace.resumedAt != before
	}
}

// forget gives back what was taken up and not sent.
func (d *drain) forget() {
	for _, m := range d.ready {
		delete(d.sending, m.deliveryID)
	}
	d.ready = nil
}
