package webhook

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"portico/db"
)

// River's queues of drain jobs: one is for endpoints that are slow, fail, or wait for their turns. Workers are what drains compete for,
// and those of healthy endpoints have theirs to themselves.
const (
	Queue     = "webhooks"
	QueueSlow = "webhooks_slow"
)

// wakesAtOnce bounds what one Wake inserts; the next one goes on.
const wakesAtOnce = 1000

// DrainArgs is the job that delivers what an endpoint has due: its worker calls Drain. There may be several for an endpoint, because
// all but one end at once.
//
// The jobs of Publish are not unique in River's sense. Every publisher would insert the same key or, where it is taken, lock the row
// that has it until the business transaction ends: transactions with the same endpoint would wait for one another and could
// deadlock, and a job whose row always has some publisher's lock is never fetched. A drain could not hand over either, because
// its own running job has the key. PublishEvents keeps the jobs few instead.
type DrainArgs struct {
	MerchantID int64 `json:"merchant_id"`
	EndpointID int64 `json:"endpoint_id"`
	Slow       bool  `json:"slow,omitempty"` // for QueueSlow
}

// Kind implements river.JobArgs.
func (DrainArgs) Kind() string { return "webhook.drain" }

// InsertOpts implements river.JobArgsWithInsertOpts. One attempt is enough: Wake finds again what a failed drain has left.
func (a DrainArgs) InsertOpts() river.InsertOpts {
	opts := river.InsertOpts{Queue: Queue, MaxAttempts: 1}
	if a.Slow {
		opts.Queue = QueueSlow
	}
	return opts
}

// Wake inserts drain jobs for endpoints with due deliveries that nobody is draining, and tells how many. It is for retries whose time
// has come, for drains that died, and for events whose drain ended before they were committed. It judges by the state of
// things alone: a missed run is harmless, and so is one too many.
func (w *Webhooks) Wake(ctx context.Context) (int, error) {
	rows, err := w.DB.EndpointsToWake(ctx, w.DB.System().ByIndex(), db.EndpointsToWakeParams{Now: w.Now(), Most: wakesAtOnce})
	if err != nil {
		return 0, fmt.Errorf("look for endpoints to wake: %w", err)
	}
	if len(rows) == 0 {
		return 0, nil
	}
	drains := make([]DrainArgs, len(rows))
	for i, row := range rows {
		drains[i] = DrainArgs(row)
	}
	// Two sweeps that insert in the same order cannot deadlock over a unique key.
	slices.SortFunc(drains, func(a, b DrainArgs) int {
		return cmp.Or(cmp.Compare(a.MerchantID, b.MerchantID), cmp.Compare(a.EndpointID, b.EndpointID))
	})
	var inserted int
	err = w.DB.System().Tx(ctx, func(tx pgx.Tx) error {
		inserted, err = w.insertDrains(ctx, tx, drains, &river.InsertOpts{UniqueOpts: oncePerLease()})
		return err
	})
	return inserted, err
}

// oncePerLease keeps sweeps from piling up jobs that nobody works. The period is there for a job whose process died: River takes it
// for running for minutes, the endpoint is free after a lease.
func oncePerLease() river.UniqueOpts {
	return river.UniqueOpts{ByArgs: true, ByPeriod: leaseTime, ByState: []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
		rivertype.JobStateRetryable, rivertype.JobStateScheduled,
	}}
}

// insertDrains tells how many were inserted: those of the others are there already.
func (w *Webhooks) insertDrains(ctx context.Context, tx pgx.Tx, drains []DrainArgs, opts *river.InsertOpts) (int, error) {
	if len(drains) == 0 {
		return 0, nil
	}
	params := make([]river.InsertManyParams, len(drains))
	for i, args := range drains {
		params[i] = river.InsertManyParams{Args: args, InsertOpts: opts}
	}
	// Not InsertManyFastTx: it fails the transaction on a taken key, and COPY is slower for the few jobs that there are.
	results, err := w.Jobs.InsertManyTx(ctx, tx, params)
	if err != nil {
		return 0, fmt.Errorf("insert drain jobs: %w", err)
	}
	inserted := 0
	for _, result := range results {
		if !result.UniqueSkippedAsDuplicate {
			inserted++
		}
	}
	return inserted, nil
}
