package webhook

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"

	"portico/db"
	"portico/internal/fault"
)

// followPage is how many events a follower has in memory at most.
const followPage = 100

// Position is a place in the order of a merchant's events. The zero value is before all of them.
type Position struct{ XID, ID int64 }

// EventsEnd is the position before whatever is published from now on. Of what was published a moment ago, some may be behind it.
func (w *Webhooks) EventsEnd(ctx context.Context, merchantID int64) (Position, error) {
	xid, err := w.DB.EventsBegin(ctx, w.DB.Tenant(merchantID))
	if err != nil {
		return Position{}, fmt.Errorf("read the position of now: %w", err)
	}
	return Position{XID: xid - 1, ID: math.MaxInt64}, nil
}

// Follow gives the merchant's events behind a position, in the order of Events: those that are stored, then each as it becomes
// readable, until ctx ends or an error ends it. With types, which may be patterns as for an endpoint, only those; INVALID on types for one
// that does not exist. Events wait in the database for as long as the follower takes.
func (w *Webhooks) Follow(ctx context.Context, merchantID int64, after Position, types []string) (iter.Seq2[StoredEvent, error], error) {
	wanted := []string{everyType}
	if types != nil {
		var check fault.Check
		wanted = typesAmong(types, "types", &check)
		if err := check.Err(); err != nil {
			return nil, err
		}
	}
	return func(yield func(StoredEvent, error) bool) {
		for events, err := range w.follow(ctx, map[int64]Position{merchantID: after}) {
			if err != nil {
				yield(StoredEvent{}, err)
				return
			}
			for _, event := range events {
				if isWanted(event.Type, wanted) && !yield(event, nil) {
					return
				}
			}
		}
	}, nil
}

// Changes gives the subscriptions of the merchants that events happen to from now on, as long as Follow does. Those that come together
// come as one, each subscription once.
func (w *Webhooks) Changes(ctx context.Context, merchantIDs []int64) (iter.Seq2[[]int64, error], error) {
	after := make(map[int64]Position, len(merchantIDs))
	for _, id := range merchantIDs {
		end, err := w.EventsEnd(ctx, id)
		if err != nil {
			return nil, err
		}
		after[id] = end
	}
	return func(yield func([]int64, error) bool) {
		for events, err := range w.follow(ctx, after) {
			if err != nil {
				yield(nil, err)
				return
			}
			var changed []int64
			for _, event := range events {
				if id := event.SubscriptionID; id != 0 && !slices.Contains(changed, id) {
					changed = append(changed, id)
				}
			}
			if len(changed) > 0 && !yield(changed, nil) {
				return
			}
		}
	}, nil
}

// follow reads events page by page behind the merchants' positions, which it moves.
func (w *Webhooks) follow(ctx context.Context, after map[int64]Position) iter.Seq2[[]StoredEvent, error] {
	read := func(ctx context.Context, merchantID int64) ([]StoredEvent, error) {
		events, err := w.Events(ctx, merchantID, after[merchantID].XID, after[merchantID].ID, followPage)
		if len(events) > 0 {
			last := events[len(events)-1]
			after[merchantID] = Position{last.XID, last.ID}
		}
		return events, err
	}
	return func(yield func([]StoredEvent, error) bool) {
		merchantIDs := slices.Collect(maps.Keys(after))
		watch, end := w.eventWatchers.watch(ctx, merchantIDs, w.newestEvents, w.Log)
		defer end()
		watch.follow(ctx, merchantIDs, followed[StoredEvent]{read, yield}.next)
	}
}

// Recorded is an attempt whose outcome has been recorded.
type Recorded struct {
	DeliveryID, EndpointID int64
	Attempt
}

// FollowAttempts gives the attempts to deliver the merchant's events that are recorded from now on, in pages, for as long as Follow does.
func (w *Webhooks) FollowAttempts(ctx context.Context, merchantID int64) (iter.Seq2[[]Recorded, error], error) {
	begin, err := w.EventsEnd(ctx, merchantID)
	if err != nil {
		return nil, err
	}
	after := db.AttemptsAfterParams{MerchantID: merchantID, AfterXid: begin.XID, AfterDeliveryID: begin.ID, Most: followPage}
	read := func(ctx context.Context, merchantID int64) ([]Recorded, error) {
		after.Recent = w.Now().Add(-recent)
		rows, err := w.DB.AttemptsAfter(ctx, w.DB.Tenant(merchantID), after)
		if err != nil {
			return nil, fmt.Errorf("read recorded attempts: %w", err)
		}
		recorded := make([]Recorded, len(rows))
		for i, row := range rows {
			recorded[i] = Recorded{row.DeliveryID, row.EndpointID, Attempt{
				Number: row.Number, StatusCode: row.StatusCode, ErrorClass: (*ErrorClass)(row.ErrorClass), Error: row.Error,
				ResponseBody: row.ResponseBody, DurationMs: row.DurationMs, CreatedAt: row.CreatedAt,
			}}
			after.AfterXid, after.AfterDeliveryID, after.AfterNumber = row.Position, row.DeliveryID, row.Number
		}
		return recorded, nil
	}
	return func(yield func([]Recorded, error) bool) {
		watch, end := w.attemptWatchers.watch(ctx, []int64{merchantID}, w.newestAttempts, w.Log)
		defer end()
		watch.follow(ctx, []int64{merchantID}, followed[Recorded]{read, yield}.next)
	}, nil
}

// followed is what a follower reads, and whom it is for.
type followed[T any] struct {
	read  func(ctx context.Context, merchantID int64) ([]T, error)
	yield func([]T, error) bool
}

// next hands over a page of a merchant's. More may be there when the page was full; goOn is false when the follower has enough.
func (f followed[T]) next(ctx context.Context, merchantID int64) (more, goOn bool) {
	page, err := f.read(ctx, merchantID)
	switch {
	case ctx.Err() != nil:
		return false, false
	case err != nil:
		f.yield(nil, err)
		return false, false
	case len(page) == 0:
		return false, true
	}
	return len(page) == followPage, f.yield(page, nil)
}

// follow reads until there is nothing more, and again whenever there is something new, until ctx ends or the reader has enough.
func (one *watch) follow(ctx context.Context, merchantIDs []int64, next func(ctx context.Context, merchantID int64) (more, goOn bool)) {
	for {
		for _, id := range merchantIDs {
			for {
				more, goOn := next(ctx, id)
				if !goOn {
					return
				}
				if !more {
					break
				}
			}
		}
		select {
		case <-one.news:
		case <-ctx.Done():
			return
		}
	}
}
