package webhook

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"portico/db"
)

const (
	// watchBeat is how late a follower may hear of something.
	watchBeat = 250 * time.Millisecond
	// lookTime is how long Postgres may take to tell whether there is anything new.
	lookTime = 5 * time.Second
	// recent is longer than any transaction lives that publishes or records.
	recent = 24 * time.Hour
)

// watchers are those who follow merchants in this process. One question of one statement, each beat, asks for all of them whether
// there is anything to read, and none is asked while nobody follows. The zero value is ready.
type watchers struct {
	mu      sync.Mutex
	of      map[int64]map[*watch]struct{}
	newest  map[int64]int64 // of the merchants that are followed
	since   int64
	looking bool
}

// watch wakes one follower.
type watch struct{ news chan struct{} }

// head is how far a merchant's rows can be read.
type head struct{ merchantID, position, newest int64 }

// heads asks for those of merchants; none where no transaction has ended since the given position.
type heads func(ctx context.Context, merchantIDs []int64, since int64) ([]head, error)

// watch begins to wake a follower when there is something new of the merchants. Whoever reads after it has begun misses nothing.
func (all *watchers) watch(ctx context.Context, merchantIDs []int64, ask heads, log *slog.Logger) (one *watch, end func()) {
	one = &watch{news: make(chan struct{}, 1)}
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
		go all.lookOut(context.WithoutCancel(ctx), ask, log)
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
func (all *watchers) lookOut(ctx context.Context, ask heads, log *slog.Logger) {
	beat := time.NewTicker(watchBeat)
	defer beat.Stop()
	failing := false
	for range beat.C {
		ids, since, someone := all.followed()
		if !someone {
			return
		}
		looking, cancel := context.WithTimeout(ctx, lookTime)
		found, err := ask(looking, ids, since)
		cancel()
		if err != nil && !failing {
			log.WarnContext(ctx, "cannot look for what followers wait for: trying again", "error", err)
		}
		failing = err != nil
		all.wake(found)
	}
}

// followed are the merchants that somebody follows.
func (all *watchers) followed() (merchantIDs []int64, since int64, someone bool) {
	all.mu.Lock()
	defer all.mu.Unlock()
	all.looking = len(all.of) > 0
	return slices.Sorted(maps.Keys(all.of)), all.since, all.looking
}

// wake wakes those who follow a merchant that has something new.
func (all *watchers) wake(found []head) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, h := range found {
		all.since = h.position
		followers := all.of[h.merchantID]
		if known, seen := all.newest[h.merchantID]; len(followers) == 0 || (seen && known == h.newest) {
			continue
		}
		all.newest[h.merchantID] = h.newest
		for one := range followers {
			select {
			case one.news <- struct{}{}:
			default: // has not heard of the last yet
			}
		}
	}
}

func (w *Webhooks) newestEvents(ctx context.Context, merchantIDs []int64, since int64) ([]head, error) {
	rows, err := w.DB.NewestEvents(ctx, w.DB.Tenant(merchantIDs...), db.NewestEventsParams{
		MerchantIds: merchantIDs, Since: since, Recent: w.Now().Add(-recent),
	})
	if err != nil {
		return nil, fmt.Errorf("look for new events: %w", err)
	}
	found := make([]head, len(rows))
	for i, row := range rows {
		found[i] = head{row.MerchantID, row.Position, row.Newest}
	}
	return found, nil
}

func (w *Webhooks) newestAttempts(ctx context.Context, merchantIDs []int64, since int64) ([]head, error) {
	rows, err := w.DB.NewestAttempts(ctx, w.DB.Tenant(merchantIDs...), db.NewestAttemptsParams{
		MerchantIds: merchantIDs, Since: since, Recent: w.Now().Add(-recent),
	})
	if err != nil {
		return nil, fmt.Errorf("look for new attempts: %w", err)
	}
	found := make([]head, len(rows))
	for i, row := range rows {
		found[i] = head{row.MerchantID, row.Position, row.Newest}
	}
	return found, nil
}
