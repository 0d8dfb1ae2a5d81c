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
	// sliceTime is how long a drain takes up new deliveries before it hands over, so that no job lasts longer than a slice and a
	// request.
	sliceTime = 10 * time.Second
	// concurrency is how many requests an endpoint gets at once.
	concurrency = 10
	// lookEvery is how soon a drain notices what was published meanwhile: publishers rely on a drain that is there.
	lookEvery = 25 * time.Millisecond
	// lookAt is how many due deliveries a look judges.
	lookAt = 100
	// laneHold is how long a failing delivery keeps the later ones of its subscription waiting, from its first attempt.
	laneHold = 10 * time.Minute
	// bookTimeout bounds the statements that follow a shutdown.
	bookTimeout = 5 * time.Second
)

// Drain delivers what an endpoint has due, for a slice of time at most, and hands over to a new job when more is left. The owner
// names this run and no other. Only one drain works on an endpoint: where another one's lease is alive, Drain returns at once.
//
// Deliveries of one subscription go out one after the other, in the order of their events; a failing one lets the later ones
// overtake after ten minutes. A delivery is recorded after its request, never before, and no connection to the database is
// held meanwhile: a drain that dies leaves its deliveries due, and they are sent again. When ctx ends, Drain takes up nothing more
// and records the requests that are under way.
func (w *Webhooks) Drain(ctx context.Context, merchantID, endpointID, owner int64) error {
	d := &drain{
		w: w, scope: w.DB.Tenant(merchantID), merchantID: merchantID, endpointID: endpointID, owner: owner,
		sending: map[int64]struct{}{}, replies: make(chan reply, concurrency),
	}
	held, err := d.lease(ctx)
	if err != nil || !held {
		return err
	}
	if err = d.run(ctx); err != nil {
		err = fmt.Errorf("drain endpoint %d: %w", endpointID, err)
	}
	return errors.Join(err, d.free(ctx, err == nil))
}

// drain is one run. Everything but the requests themselves happens in one goroutine.
type drain struct {
	w                             *Webhooks
	scope                         db.Scope
	merchantID, endpointID, owner int64
	endpoint                      db.LeaseEndpointRow
	endAt, renewAt                time.Time

	sending map[int64]struct{} // the deliveries whose requests are under way
	replies chan reply         // has room for all of them, so that a request never waits for us
}

// run is a dispatcher: whenever there is a reply, and every so often, it books what has come and takes up what has become
// possible. It ends when two looks in a row have found nothing, because publishers count on a drain that they see.
func (d *drain) run(ctx context.Context) error {
	s, err := d.sender()
	if err != nil {
		return err
	}
	// A shutdown does not break off requests; an error of ours does, because their replies could not be booked.
	work, breakOff := context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		breakOff()
		for range len(d.sending) {
			<-d.replies
		}
	}()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	shutdown := ctx.Done()
	for quiet := 0; ; {
		closing := ctx.Err() != nil || !d.w.Now().Before(d.endAt)
		if !closing && len(d.sending) < concurrency {
			found, err := d.takeUp(ctx, func(m message) { d.replies <- s.send(work, m) })
			if err != nil && ctx.Err() == nil {
				return err
			}
			quiet++
			if found {
				quiet = 0
			}
			look.Reset(lookEvery)
		}
		if len(d.sending) == 0 && (closing || quiet >= 2) {
			return nil
		}
		select {
		case r := <-d.replies:
			quiet = 0
			err = d.book(work, r)
		case <-look.C:
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

func (d *drain) sender() (*sender, error) {
	key, err := d.w.Keys.Open(secretIdentity(d.endpointID), d.endpoint.SecretCipher)
	if err != nil {
		return nil, err
	}
	return &sender{client: d.w.Guard.Client(requestTimeout), url: d.endpoint.Url, secret: key, now: d.w.Now}, nil
}

// takeUp starts send for as many due deliveries as there is room for, and tells whether it found anything due.
func (d *drain) takeUp(ctx context.Context, send func(message)) (bool, error) {
	now := d.w.Now()
	sending := make([]int64, 0, len(d.sending))
	for id := range d.sending {
		sending = append(sending, id)
	}
	rows, err := d.w.DB.DueDeliveries(ctx, d.scope, db.DueDeliveriesParams{
		MerchantID: d.merchantID, EndpointID: d.endpointID, Owner: d.owner, Now: now, Sending: sending,
		HoldSeconds: laneHold.Seconds(), LookAt: lookAt, Slots: int32(concurrency - len(sending)), //nolint:gosec // at most concurrency
	})
	if err != nil {
		return false, fmt.Errorf("look for due deliveries: %w", err)
	}
	for _, row := range rows {
		if row.Held {
			continue
		}
		d.sending[row.ID] = struct{}{}
		go send(message{deliveryID: row.ID, eventID: row.EventID, number: row.AttemptCount + 1, body: row.Body})
	}
	return len(rows) > 0, d.park(ctx, rows, now)
}

// park takes held deliveries off the due-list, where they would be found again and again: until their holder is due or has lost its
// hold. Followers of a delivery that is due itself stay, unless they fill the whole view and could hide other subscriptions;
// SettleDeliveries calls them up.
func (d *drain) park(ctx context.Context, rows []db.DueDeliveriesRow, now time.Time) error {
	parked := db.ParkDeliveriesParams{MerchantID: d.merchantID}
	for _, row := range rows {
		until := row.HeldUntil
		if !until.After(now) && len(rows) == lookAt {
			until = now.Add(leaseTime)
		}
		if row.Held && until.After(now) {
			parked.Ids = append(parked.Ids, row.ID)
			parked.Untils = append(parked.Untils, until)
		}
	}
	if len(parked.Ids) == 0 {
		return nil
	}
	if err := d.w.DB.ParkDeliveries(ctx, d.scope, parked); err != nil {
		return fmt.Errorf("park deliveries: %w", err)
	}
	return nil
}

// book records a reply, and whatever others have come with it, in one statement.
func (d *drain) book(ctx context.Context, r reply) error {
	p := db.SettleDeliveriesParams{MerchantID: d.merchantID, EndpointID: d.endpointID, Owner: d.owner, Now: d.w.Now()}
	gone := false
	for more := true; more; {
		delete(d.sending, r.deliveryID)
		status, retryAt := r.outcome()
		p.Ids = append(p.Ids, r.deliveryID)
		p.Statuses = append(p.Statuses, status)
		p.NextAttemptAts = append(p.NextAttemptAts, retryAt)
		p.StatusCodes = append(p.StatusCodes, int32(r.statusCode)) //nolint:gosec // three digits
		p.Errors = append(p.Errors, r.failure)
		p.ResponseBodies = append(p.ResponseBodies, r.body)
		p.DurationsMs = append(p.DurationsMs, int32(r.duration.Milliseconds())) //nolint:gosec // within requestTimeout
		p.StartedAts = append(p.StartedAts, r.startedAt)
		gone = gone || r.statusCode == http.StatusGone
		select {
		case r = <-d.replies:
		default:
			more = false
		}
	}
	ctx, cancel := context.WithTimeout(ctx, bookTimeout)
	defer cancel()
	if err := d.w.DB.SettleDeliveries(ctx, d.scope, p); err != nil {
		return fmt.Errorf("record attempts: %w", err)
	}
	if gone {
		return d.disable(ctx)
	}
	return nil
}

// disable obeys a 410: the receiver wants no more. What is pending stays so and waits, unsent, for the endpoint to be enabled again.
func (d *drain) disable(ctx context.Context) error {
	err := d.w.DB.DisableEndpoint(ctx, d.scope, db.DisableEndpointParams{MerchantID: d.merchantID, ID: d.endpointID, Owner: d.owner})
	if err != nil {
		return fmt.Errorf("disable endpoint: %w", err)
	}
	d.w.Log.InfoContext(ctx, "webhook endpoint answered 410 and was disabled", "merchant_id", d.merchantID, "endpoint_id", d.endpointID)
	return nil
}
