package webhook

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"

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
// readable, until ctx ends or an error ends it. With types, only those; INVALID on types for one that does not exist. Events wait in
// the database for as long as the follower takes.
func (w *Webhooks) Follow(ctx context.Context, merchantID int64, after Position, types []string) (iter.Seq2[StoredEvent, error], error) {
	if types != nil && len(types) == 0 {
		return nil, fault.Invalid("types", "must name at least one type of event, or be left out")
	}
	for i, one := range types {
		if !slices.Contains(Types(), Type(one)) {
			return nil, fault.Invalid("types."+strconv.Itoa(i), "must be one of %s", strings.Join(typeNames(Types()), ", "))
		}
	}
	return func(yield func(StoredEvent, error) bool) {
		for events, err := range w.follow(ctx, map[int64]Position{merchantID: after}) {
			if err != nil {
				yield(StoredEvent{}, err)
				return
			}
			for _, event := range events {
				if (len(types) == 0 || slices.Contains(types, string(event.Type))) && !yield(event, nil) {
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

// follow reads page by page behind the merchants' positions, which it moves, and waits where there is nothing.
func (w *Webhooks) follow(ctx context.Context, after map[int64]Position) iter.Seq2[[]StoredEvent, error] {
	merchantIDs := make([]int64, 0, len(after))
	for id := range after {
		merchantIDs = append(merchantIDs, id)
	}
	return func(yield func([]StoredEvent, error) bool) {
		watch, end := w.watch(ctx, merchantIDs)
		defer end()
		for {
			for _, id := range merchantIDs {
				for more := true; more; {
					events, err := w.Events(ctx, id, after[id].XID, after[id].ID, followPage)
					if ctx.Err() != nil {
						return
					}
					if err != nil {
						yield(nil, err)
						return
					}
					if more = len(events) == followPage; len(events) > 0 {
						last := events[len(events)-1]
						after[id] = Position{last.XID, last.ID}
						if !yield(events, nil) {
							return
						}
					}
				}
			}
			select {
			case <-watch.news:
			case <-ctx.Done():
				return
			}
		}
	}
}
