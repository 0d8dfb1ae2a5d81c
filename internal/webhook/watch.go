package webhook

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"portico/db"
)

const (
	// watchBeat is how late a follower may hear of an event.
	watchBeat = 250 * time.Millisecond
	// lookTime is how long Postgres may take to tell whether there is anything new.
	lookTime = 5 * time.Second
	// recent is longer than any transaction lives that publishes.
	recent = 24 * time.Hour
)

// watchers are those who follow merchants in this process. One question of one statement, each beat, asks for all of them whether
// there is anything to read, and none is asked while nobody follows.
type watchers struct {
	mu      sync.Mutex
	of      map[int64]map[*watch]struct{}
	newest  map[int64]int64 // of the merchants that are followed
	since   int64
	looking bool
}

// watch wakes one follower.
type watch struct{ news chan struct{} }

// watch begins to wake a follower when there is something new of the merchants. Whoever reads after it has begun misses nothing.
func (w *Webhooks) watch(ctx context.Context, merchantIDs []int64) (one *watch, end func()) {
	one = &watch{news: make(chan struct{}, 1)}
	all := &w.watchers
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.of == nil {
		all.of, all.newest = map[int64]map[*watch]struct{}{}, map[int64]int64{}
	}
	for _, id := range merchantIDs {
		if all.of[id] == nil {
			all.of[id] = map[*watch]struct{}{}
		}
		all.of[id][one] = struct{}{}
	}
	if !all.looking && len(merchantIDs) > 0 {
		all.looking = true
		go w.lookOut(context.WithoutCancel(ctx))
	}
	return one, func() { all.leave(one, merchantIDs) }
}

func (all *watchers) leave(one *watch, merchantIDs []int64) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, id := range merchantIDs {
		delete(all.of[id], one)
		if len(all.of[id]) == 0 {
			delete(all.of, id)
			delete(all.newest, id)
		}
	}
}

// lookOut wakes followers until there are none.
func (w *Webhooks) lookOut(ctx context.Context) {
	beat := time.NewTicker(watchBeat)
	defer beat.Stop()
	failing := false
	for range beat.C {
		ids, since, someone := w.watchers.followed()
		if !someone {
			return
		}
		err := w.look(ctx, ids, since)
		if err != nil && !failing {
			w.Log.WarnContext(ctx, "cannot look for new events: trying again", "error", err)
		}
		failing = err != nil
	}
}

// followed are the merchants that somebody follows.
func (all *watchers) followed() (merchantIDs []int64, since int64, someone bool) {
	all.mu.Lock()
	defer all.mu.Unlock()
	all.looking = len(all.of) > 0
	return slices.Sorted(maps.Keys(all.of)), all.since, all.looking
}

// look wakes those who follow a merchant that has something new.
func (w *Webhooks) look(ctx context.Context, merchantIDs []int64, since int64) error {
	looking, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	rows, err := w.DB.NewestEvents(looking, w.DB.Tenant(merchantIDs...), db.NewestEventsParams{
		MerchantIds: merchantIDs, Since: since, Recent: w.Now().Add(-recent),
	})
	if err != nil {
		return fmt.Errorf("look for new events: %w", err)
	}
	all := &w.watchers
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, row := range rows {
		all.since = row.Position
		if known, seen := all.newest[row.MerchantID]; seen && known == row.Newest {
			continue
		}
		for one := range all.of[row.MerchantID] {
			select {
			case one.news <- struct{}{}:
			default: // has not heard of the last yet
			}
		}
		if len(all.of[row.MerchantID]) > 0 {
			all.newest[row.MerchantID] = row.Newest
		}
	}
	return nil
}
