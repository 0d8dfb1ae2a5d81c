package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"portico/db"
)

const (
	// replayLease is how long a replay stays with a worker that has died.
	replayLease = 30 * time.Second
	// replaySlice is how long a worker goes on before it hands over.
	replaySlice = 15 * time.Second
	// replayBatch is how many events a transaction looks at.
	replayBatch = 100
	// replayAhead is how many of its deliveries may wait to be attempted before a replay makes more: one that is canceled stops soon, and the
	// table of what is to be sent stays small.
	replayAhead = 200
	// replayPause is how soon it looks again.
	replayPause = 500 * time.Millisecond
	// clockSkew is how much earlier than its event an attempt may seem to be.
	clockSkew = time.Hour
	// replaysAtOnce bounds what one ResumeReplays inserts; the next one goes on.
	replaysAtOnce = 1000
)

// errNotOurs ends a run whose replay was canceled or has gone to another worker.
var errNotOurs = errors.New("the replay is not this worker's any more")

// ReplayArgs is the job that makes the deliveries of a replay: its worker calls RunReplay.
type ReplayArgs struct {
	MerchantID int64 `json:"merchant_id"`
	ReplayID   int64 `json:"replay_id"`
}

// Kind implements river.JobArgs.
func (ReplayArgs) Kind() string { return "webhook.replay" }

// InsertOpts implements river.JobArgsWithInsertOpts. One try: ResumeReplays is the retry. Not in the queue of the drains, which have to go
// on beside it.
func (ReplayArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: "maintenance", MaxAttempts: 1}
}

// RunReplay makes deliveries for a slice of time and tells how long to wait before doing it again; 0 when there is nothing left to do.
// Each batch is a transaction that also moves the checkpoint: killed at any time, a replay goes on where it was and makes no delivery
// twice. Where another worker has the replay it does nothing.
func (w *Webhooks) RunReplay(ctx context.Context, merchantID, id int64) (time.Duration, error) {
	now := w.Now()
	endAt := now.Add(replaySlice)
	scope := w.DB.Tenant(merchantID)
	row, err := w.DB.TakeReplay(ctx, scope, db.TakeReplayParams{MerchantID: merchantID, ID: id, Now: now, Until: now.Add(replayLease)})
	if db.IsNoRows(err) {
		return 0, nil
	}
	wait := time.Duration(0)
	for err == nil && wait == 0 && row.FinishedAt == nil {
		err = scope.Tx(ctx, func(tx pgx.Tx) (err error) {
			row, wait, err = w.replayMore(ctx, tx, row, endAt)
			return err
		})
	}
	if errors.Is(err, errNotOurs) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("run replay %d: %w", id, err)
	}
	return wait, nil
}

// replayMore makes the deliveries of the next events, or gives the replay back until the wait is over.
func (w *Webhooks) replayMore(ctx context.Context, tx pgx.Tx, row db.WebhookReplay, endAt time.Time) (db.WebhookReplay, time.Duration, error) {
	row, err := w.DB.LockReplay(ctx, tx, db.LockReplayParams{MerchantID: row.MerchantID, ID: row.ID, LeaseUntil: row.LeaseUntil})
	if db.IsNoRows(err) {
		return row, 0, errNotOurs
	}
	if err != nil {
		return row, 0, err
	}
	ahead, err := w.DB.CountReplayAhead(ctx, tx, db.CountReplayAheadParams{MerchantID: row.MerchantID, ReplayID: row.ID, Most: replayAhead})
	if err != nil {
		return row, 0, err
	}
	now := w.Now()
	wait := time.Duration(0)
	switch {
	case ahead >= replayAhead:
		wait = replayPause
	case !now.Before(endAt):
		wait = time.Millisecond
	default:
		err = w.replayBatch(ctx, tx, &row, now)
	}
	if err != nil {
		return row, 0, err
	}
	row.LeaseUntil = now.Add(replayLease).Truncate(time.Microsecond)
	if wait > 0 {
		row.LeaseUntil = now.Add(wait).Truncate(time.Microsecond)
	}
	return row, wait, w.DB.SaveReplay(ctx, tx, db.SaveReplayParams{
		MerchantID: row.MerchantID, ID: row.ID, Status: row.Status, Position: row.Position, Matched: row.Matched, Enqueued: row.Enqueued,
		LeaseUntil: row.LeaseUntil, FinishedAt: row.FinishedAt,
	})
}

// replayBatch makes the deliveries of the next events. Wake has them sent, as far as their endpoints are not held.
func (w *Webhooks) replayBatch(ctx context.Context, tx pgx.Tx, row *db.WebhookReplay, now time.Time) error {
	ids, err := w.DB.ReplayEvents(ctx, tx, db.ReplayEventsParams{
		MerchantID: row.MerchantID, Since: row.Since, Until: row.Until, Position: row.Position,
		AllTypes: slices.Contains(row.EventTypes, everyType), Types: row.EventTypes, Most: replayBatch,
	})
	if err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	if len(ids) == 0 {
		row.Status, row.FinishedAt = ReplayDone, &now
		return nil
	}
	endpoints, err := w.DB.ReplayFinished(ctx, tx, db.ReplayFinishedParams{
		MerchantID: row.MerchantID, EventIds: ids, TriedSince: row.Since.Add(-clockSkew), EndpointID: row.EndpointID,
		FailedOnly: row.FailedOnly, ReplayID: row.ID, Now: now,
	})
	if err != nil {
		return fmt.Errorf("ask for finished deliveries: %w", err)
	}
	if !row.FailedOnly {
		made, err := w.DB.ReplayUnsent(ctx, tx, db.ReplayUnsentParams{
			MerchantID: row.MerchantID, EventIds: ids, Since: row.Since, Until: row.Until, TriedSince: row.Since.Add(-clockSkew),
			EndpointID: row.EndpointID, ReplayID: row.ID, Now: now,
		})
		if err != nil {
			return fmt.Errorf("make deliveries: %w", err)
		}
		endpoints = append(endpoints, made...)
	}
	row.Position = ids[len(ids)-1]
	row.Matched += int64(len(ids))
	row.Enqueued += int64(len(endpoints))
	return nil
}

// ResumeReplays hands replays that nobody is working at to new jobs, and tells how many: their worker was killed.
func (w *Webhooks) ResumeReplays(ctx context.Context) (int, error) {
	// Those that pause have their job.
	rows, err := w.DB.ReplaysToResume(ctx, w.DB.System(), db.ReplaysToResumeParams{Now: w.Now().Add(-replayLease), Most: replaysAtOnce})
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	jobs := make([]river.InsertManyParams, len(rows))
	for i, row := range rows {
		jobs[i] = river.InsertManyParams{Args: ReplayArgs{row.MerchantID, row.ID}}
	}
	if _, err := w.Jobs.InsertMany(ctx, jobs); err != nil {
		return 0, fmt.Errorf("insert replay jobs: %w", err)
	}
	return len(rows), nil
}
