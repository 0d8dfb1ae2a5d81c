package webhook

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"portico/db"
)

// lookMoment is how long a look waits for those of other endpoints.
const lookMoment = time.Millisecond

// missingHold is how long a delivery waits whose event is no longer there.
const missingHold = 24 * time.Hour

// look is what a drain has found.
type look struct {
	view
	slots int
	at    time.Time
	err   error
}

// view is the deliveries that a drain gets to see: those to take up, and held ones.
type view struct {
	rows []dueDelivery
	full bool // others may be hidden behind these
}

// dueDelivery is a delivery that is due, with its body unless it is held.
type dueDelivery struct {
	db.DueDeliveriesRow
	body []byte
}

// lookFor is the question.
type lookFor struct {
	merchantID, endpointID, owner int64
	slots, turn                   int
	sending                       string // as Postgres writes an array
}

// room is how many deliveries can be taken up: those that can be sent at once and, beyond them, as many as were answered since the
// last look, so that a receiver that is slow has nothing waiting in our memory. A breaker lets them out one by one, and where they
// have to wait for their turns there is room for those of the time that they may lie ready.
func (d *drain) room(now time.Time) int {
	if len(d.ready) > mostAhead/3 {
		return 0
	}
	most := d.pace.allowed(now) - d.requests
	if d.pace.breaker.state == BreakerClosed {
		most += min(d.answered, mostAhead)
	}
	return d.pace.spacing.within(now, keepReady, most) - len(d.ready)
}

// look asks for what is due, and tells run.
func (d *drain) look(ctx context.Context, slots int) {
	q := d.question(slots)
	d.asking, d.more, d.answered = true, false, 0
	go func() {
		found := look{slots: slots, at: d.w.Now()}
		found.view, found.err = d.w.looks.ask(ctx, q, lookMoment, d.w.due)
		d.hand(ctx, found)
	}()
}

func (d *drain) question(slots int) lookFor {
	return lookFor{d.merchantID, d.endpointID, d.owner, slots, d.round, numbers(slices.Collect(maps.Keys(d.sending)))}
}

// numbers writes an array as Postgres does, for an array of arrays.
func numbers(all []int64) string {
	text := []byte{'{'}
	for i, n := range all {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendInt(text, n, 10)
	}
	return string(append(text, '}'))
}

// hand gives run what was found.
func (d *drain) hand(ctx context.Context, found look) {
	if found.err == nil {
		found.err = d.park(ctx, found.rows, found.at)
	}
	d.looked <- found
}

// due answers the looks of several drains.
func (w *Webhooks) due(ctx context.Context, asked []lookFor) ([]view, error) {
	now := w.Now()
	p := db.DueDeliveriesParams{Now: now, HoldSeconds: laneHold.Seconds(), Views: viewSizes()}
	for _, q := range asked {
		p.MerchantIds = append(p.MerchantIds, q.merchantID)
		p.EndpointIds = append(p.EndpointIds, q.endpointID)
		p.Owners = append(p.Owners, q.owner)
		p.Slots = append(p.Slots, int32(q.slots)) //nolint:gosec // at most a hundred
		p.Sending = append(p.Sending, q.sending)
	}
	scope := w.DB.Tenant(tenants(p.MerchantIds)...).ByIndex()
	rows, err := w.DB.DueDeliveries(ctx, scope, p)
	if err != nil {
		return nil, fmt.Errorf("look for due deliveries: %w", err)
	}
	views := make([]view, len(asked))
	var chosen []db.DueDeliveriesRow
	for i, q := range asked {
		n := 0
		for n < len(rows) && int(rows[n].Place) == i+1 {
			n++
		}
		var ready []db.DueDeliveriesRow
		views[i], ready = sift(rows[:n], now)
		chosen = append(chosen, choose(ready, q.slots, q.turn)...)
		rows = rows[n:]
	}
	bodies, err := w.bodies(ctx, scope, chosen)
	if err != nil {
		return nil, err
	}
	for _, row := range chosen {
		body, kept := bodies[row.EventID]
		if !kept {
			// Its event has been dropped, and the job that drops events gives it up.
			row.Held, row.HeldUntil = true, now.Add(missingHold)
		}
		v := &views[row.Place-1]
		v.rows = append(v.rows, dueDelivery{row, body})
	}
	return views, nil
}

// bodies is what the deliveries carry, by event. Events lie in daily partitions, and the times of these lead to
// one or two of them.
func (w *Webhooks) bodies(ctx context.Context, scope db.Scope, chosen []db.DueDeliveriesRow) (map[int64][]byte, error) {
	bodies := make(map[int64][]byte, len(chosen))
	p := db.EventBodiesParams{}
	for _, row := range chosen {
		if _, asked := bodies[row.EventID]; asked {
			continue
		}
		bodies[row.EventID] = nil
		p.MerchantIds = append(p.MerchantIds, row.MerchantID)
		p.Ids = append(p.Ids, row.EventID)
		p.CreatedAts = append(p.CreatedAts, row.EventCreatedAt)
	}
	if len(p.Ids) == 0 {
		return bodies, nil
	}
	clear(bodies)
	p.Oldest, p.Newest = slices.MinFunc(p.CreatedAts, time.Time.Compare), slices.MaxFunc(p.CreatedAts, time.Time.Compare)
	rows, err := w.DB.EventBodies(ctx, scope, p)
	if err != nil {
		return nil, fmt.Errorf("read the bodies of events: %w", err)
	}
	for _, row := range rows {
		bodies[row.ID] = row.Body
	}
	return bodies, nil
}

// takeUp makes the deliveries that can be sent ready.
func (d *drain) takeUp(found look) error {
	d.asking = false
	if found.err != nil {
		return found.err
	}
	if len(found.rows) > 0 || len(d.sending) > 0 {
		d.quiet = 0
	} else {
		d.quiet++
	}
	if len(d.ready) == 0 {
		d.readyTil = found.at.Add(keepReady)
	}
	taken := 0
	for _, row := range found.rows {
		if row.SettingsVersion != d.endpoint.SettingsVersion {
			// Its address may be another by now. The next drain reads it anew.
			d.over = true
			return nil
		}
		if row.Held {
			continue
		}
		taken++
		d.sending[row.ID] = struct{}{}
		d.ready = append(d.ready, message{deliveryID: row.ID, eventID: row.EventID, number: row.AttemptCount + 1, before: row.AttemptsBefore, body: row.body})
	}
	d.round += taken
	d.more = taken == found.slots || found.full
	d.held = taken < len(found.rows)
	return nil
}

// park takes held deliveries off the due-list, where they would be found again and again: until their holder is due or has lost its
// hold. Followers of a delivery that is due itself stay, unless they could hide other subscriptions; SettleDeliveries calls them up.
func (d *drain) park(ctx context.Context, rows []dueDelivery, now time.Time) error {
	parked := db.ParkDeliveriesParams{MerchantID: d.merchantID}
	for _, row := range rows {
		if row.Held && row.HeldUntil.After(now) {
			parked.Ids = append(parked.Ids, row.ID)
			parked.Untils = append(parked.Untils, row.HeldUntil)
		}
	}
	if len(parked.Ids) == 0 {
		return nil
	}
	if err := d.w.DB.ParkDeliveries(ctx, d.scope.ByIndex(), parked); err != nil {
		return fmt.Errorf("park deliveries: %w", err)
	}
	return nil
}
