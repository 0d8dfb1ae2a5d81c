package webhook

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/page"
)

// The statuses of a replay.
const (
	ReplayQueued   = "QUEUED"   // no worker has begun
	ReplayRunning  = "RUNNING"  // it makes deliveries, or waits for those it made to be attempted
	ReplayDone     = "DONE"     // every event of its time has its delivery
	ReplayCanceled = "CANCELED" // somebody stopped it; what it has made is sent
)

// maxReplays is how many replays of a merchant can be under way.
const maxReplays = 3

// Replay sends again what was published in a time.
type Replay struct {
	MerchantID int64
	ID         int64
	EndpointID *int64 // nil for all
	Since      time.Time
	Until      time.Time // exclusive
	FailedOnly bool
	EventTypes []string // types, and patterns such as subscription.*
	Status     string
	Matched    int64 // events that were looked at
	Enqueued   int64 // deliveries that were made
	CreatedAt  time.Time
	FinishedAt *time.Time
}

// ReplayStart is what to send again.
type ReplayStart struct {
	EndpointID *int64 // nil for all that are enabled
	Since      time.Time
	Until      *time.Time // exclusive; nil for now
	FailedOnly bool       // only what is dead
	EventTypes []string   // nil for all
}

// StartReplay has a worker send the events of a time again, in their order: each event to each endpoint that wants it now, also to those
// that were registered later, or with FailedOnly where its delivery is dead. Faults: INVALID for a time that is no time or is not kept,
// and for types; NOT_FOUND and CONFLICT on endpoint; CONFLICT where three are under way.
func (w *Webhooks) StartReplay(ctx context.Context, merchantID int64, in ReplayStart) (Replay, error) {
	now := w.Now()
	row, err := w.checkReplay(ctx, merchantID, in, now)
	if err != nil {
		return Replay{}, err
	}
	var started db.WebhookReplay
	err = w.DB.Tenant(merchantID).Tx(ctx, func(tx pgx.Tx) error {
		if err := w.DB.LockMerchantForEndpoint(ctx, tx, merchantID); err != nil {
			return err
		}
		open, err := w.DB.CountOpenReplays(ctx, tx, merchantID)
		if err != nil {
			return err
		}
		if open >= maxReplays {
			return fault.New(fault.CodeConflict, "", "%d replays are under way: wait for one to end, or cancel it", open)
		}
		if started, err = w.DB.InsertReplay(ctx, tx, row); err != nil {
			return err
		}
		_, err = w.Jobs.InsertTx(ctx, tx, ReplayArgs{merchantID, started.ID}, nil)
		return err
	})
	if err != nil {
		return Replay{}, fmt.Errorf("start a replay: %w", err)
	}
	return replay(started), nil
}

func (w *Webhooks) checkReplay(ctx context.Context, merchantID int64, in ReplayStart, now time.Time) (db.InsertReplayParams, error) {
	row := db.InsertReplayParams{
		MerchantID: merchantID, EndpointID: in.EndpointID, Since: in.Since, Until: now, FailedOnly: in.FailedOnly,
		EventTypes: []string{everyType}, LeaseUntil: now.Add(replayLease), CreatedAt: now,
	}
	var check fault.Check
	if in.Until != nil {
		row.Until = *in.Until
	}
	if in.EventTypes != nil {
		row.EventTypes = eventTypes(in.EventTypes, FormatPortal, &check)
	}
	if row.Until.After(now) {
		check.Add(fault.Invalid("until", "must not be in the future"))
	}
	if !row.Since.Before(row.Until) {
		check.Add(fault.Invalid("since", "must be before until, or before now where that is left out"))
	}
	if kept := now.UTC().Truncate(day).Add(-w.EventRetention); w.EventRetention > 0 && row.Since.Before(kept) {
		check.Add(fault.Invalid("since", "must not be before %s: older events are not kept", kept.Format(time.RFC3339)))
	}
	if in.EndpointID != nil {
		endpoint, err := w.Endpoint(ctx, merchantID, *in.EndpointID)
		switch {
		case fault.Is(err, fault.CodeNotFound):
			check.Add(noEndpoint("endpoint"))
		case err != nil:
			return row, err
		case endpoint.Status != EndpointEnabled:
			check.Add(fault.New(fault.CodeConflict, "endpoint", "is not enabled"))
		}
	}
	return row, check.Err()
}

// CancelReplay stops a replay; what it has made is sent. Faults: NOT_FOUND on id; CONFLICT where it has ended.
func (w *Webhooks) CancelReplay(ctx context.Context, merchantID, id int64) (Replay, error) {
	row, err := w.DB.CancelReplay(ctx, w.DB.Tenant(merchantID), db.CancelReplayParams{MerchantID: merchantID, ID: id, Now: w.Now()})
	if err == nil {
		return replay(row), nil
	}
	if !db.IsNoRows(err) {
		return Replay{}, fmt.Errorf("cancel replay %d: %w", id, err)
	}
	known, err := w.ReplaysByID(ctx, merchantID, []int64{id})
	if err != nil {
		return Replay{}, err
	}
	if _, exists := known[id]; !exists {
		return Replay{}, fault.NotFound("id", "replay")
	}
	return Replay{}, fault.New(fault.CodeConflict, "id", "it has ended")
}

// Replays is a page of the merchant's replays, newest first, and whether more follow.
func (w *Webhooks) Replays(ctx context.Context, merchantID int64, p page.Request) ([]Replay, bool, error) {
	rows, err := w.DB.ListReplays(ctx, w.DB.Tenant(merchantID), db.ListReplaysParams{
		MerchantID: merchantID, Before: p.Before(), Most: p.Limit(),
	})
	if err != nil {
		return nil, false, fmt.Errorf("list replays: %w", err)
	}
	replays := make([]Replay, len(rows))
	for i, row := range rows {
		replays[i] = replay(row)
	}
	replays, more := page.Trim(replays, p.Size)
	return replays, more, nil
}

// ReplaysByID is the merchant's replays among the ids.
func (w *Webhooks) ReplaysByID(ctx context.Context, merchantID int64, ids []int64) (map[int64]Replay, error) {
	rows, err := w.DB.ReplaysByID(ctx, w.DB.Tenant(merchantID), db.ReplaysByIDParams{MerchantID: merchantID, Ids: ids})
	if err != nil {
		return nil, fmt.Errorf("read replays by id: %w", err)
	}
	replays := make(map[int64]Replay, len(rows))
	for _, row := range rows {
		replays[row.ID] = replay(row)
	}
	return replays, nil
}

func replay(row db.WebhookReplay) Replay {
	return Replay{
		MerchantID: row.MerchantID, ID: row.ID, EndpointID: row.EndpointID, Since: row.Since, Until: row.Until, FailedOnly: row.FailedOnly,
		EventTypes: row.EventTypes, Status: row.Status, Matched: row.Matched, Enqueued: row.Enqueued, CreatedAt: row.CreatedAt,
		FinishedAt: row.FinishedAt,
	}
}
