package billing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"golang.org/x/sync/errgroup"

	"portico/db"
	"portico/internal/gateway"
	"portico/internal/money"
)

// The queues that billing's jobs go to.
const (
	QueueRenewals    = "renewals"
	QueueExpiries    = "expiries"
	QueueMaintenance = "maintenance"
)

const (
	attemptsPerJob = 50 // all of them at once, so that no charge waits for another's

	// What a charge may take in all stays below the timeout of its job: to prepare, to store, to confirm, to ask, to book. Only the
	// steps that may go unanswered end with the caller's context; what is known by then is still written down.
	prepareTimeout = 5 * time.Second
	confirmTimeout = 10 * time.Second
	askTimeout     = 4 * time.Second
	writeTimeout   = 4 * time.Second

	// A provider that answers with an error is asked again at once, one that hangs by the next job.
	gatewayTries = 3
	gatewayPause = 100 * time.Millisecond

	// A caller who waits for a charge makes it; should that process die, the job takes over after this time.
	callerChargesFor = 30 * time.Second
	// Longer than any job, so that its charge is over or its process gone.
	forgottenAfter = 45 * time.Second
	forgottenBatch = 500
	chargeTries    = 3 // ResumeCharges goes on from there, at an even pace

	// Behind the sweeps, which are in the same queue and must not wait for a backlog of charges.
	chargePriority = 2
)

// AttemptRef names a payment attempt among all merchants.
type AttemptRef struct {
	MerchantID int64 `json:"merchant_id"`
	ID         int64 `json:"id"`
}

// ChargeArgs is the job that takes and books what attempts are for.
type ChargeArgs struct {
	Attempts []AttemptRef `json:"attempts"`
}

// Kind implements river.JobArgs.
func (ChargeArgs) Kind() string { return "payment.charge" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (ChargeArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueRenewals, Priority: chargePriority, MaxAttempts: chargeTries}
}

// Charge takes the money for open attempts and books what the gateway says. It may run twice or in two processes at once: the
// gateway knows an attempt by its key, and only an attempt that is still open is booked. Attempts whose outcome stays unknown
// are left open and reported as an error, so that the job asks again; nothing is ever charged a second time.
func (b *Billing) Charge(ctx context.Context, refs []AttemptRef) error {
	open, err := b.openAttempts(ctx, b.DB.System(), refs)
	if err != nil || len(open) == 0 {
		return err
	}
	outcomes := &outcomes{of: make(map[AttemptRef]gateway.Outcome, len(open))}
	prepared, prepareErr := b.prepare(ctx, open, outcomes)
	confirmErr := b.confirm(ctx, prepared, outcomes)
	bookErr := b.book(ctx, open, outcomes.of)
	return errors.Join(prepareErr, confirmErr, bookErr)
}

func (b *Billing) openAttempts(ctx context.Context, tx db.DBTX, refs []AttemptRef) ([]db.OpenAttemptsRow, error) {
	var p db.OpenAttemptsParams
	for _, r := range refs {
		p.MerchantIds = append(p.MerchantIds, r.MerchantID)
		p.Ids = append(p.Ids, r.ID)
	}
	open, err := b.DB.OpenAttempts(ctx, tx, p)
	if err != nil {
		return nil, fmt.Errorf("read open attempts: %w", err)
	}
	return open, nil
}

// outcomes are what is known of charges so far.
type outcomes struct {
	mu sync.Mutex
	of map[AttemptRef]gateway.Outcome
}

func (o *outcomes) add(a *db.OpenAttemptsRow, outcome gateway.Outcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.of[AttemptRef{a.MerchantID, a.ID}] = outcome
}

// prepare announces the charges that have no reference yet and stores the references before any money moves. A charge that the
// provider will not even prepare is declined.
func (b *Billing) prepare(ctx context.Context, open []db.OpenAttemptsRow, known *outcomes) (prepared []db.OpenAttemptsRow, err error) {
	failures := b.each(ctx, open, func(ctx context.Context, a *db.OpenAttemptsRow, g gateway.Gateway) error {
		key, needed := announcement(a)
		if !needed {
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, prepareTimeout)
		defer cancel()
		ref, err := g.Prepare(ctx, gateway.Charge{
			Key: key, Method: a.PaymentMethodRef,
			Amount: money.Money{Minor: a.AmountMinor, Currency: a.Currency},
		})
		var decline *gateway.Decline
		if errors.As(err, &decline) {
			known.add(a, gateway.Outcome{State: gateway.Declined, DeclineCode: decline.Code, Hard: true})
			return nil
		}
		if err != nil {
			return fmt.Errorf("prepare attempt %d: %w", a.ID, err)
		}
		a.GatewayRef = &ref
		return nil
	})
	var p db.StoreGatewayRefsParams
	for _, a := range open {
		if a.GatewayRef == nil {
			continue
		}
		prepared = append(prepared, a)
		p.MerchantIds = append(p.MerchantIds, a.MerchantID)
		p.Ids = append(p.Ids, a.ID)
		p.Refs = append(p.Refs, *a.GatewayRef)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	if err := b.DB.StoreGatewayRefs(ctx, b.DB.System(), p); err != nil {
		return nil, errors.Join(failures, fmt.Errorf("store gateway references: %w", err))
	}
	return prepared, failures
}

// confirm takes the money, or finds out what became of it when the answer is lost.
func (b *Billing) confirm(ctx context.Context, prepared []db.OpenAttemptsRow, known *outcomes) error {
	return b.each(ctx, prepared, func(ctx context.Context, a *db.OpenAttemptsRow, g gateway.Gateway) error {
		confirming, cancel := context.WithTimeout(ctx, confirmTimeout)
		defer cancel()
		outcome, err := g.Confirm(confirming, *a.GatewayRef)
		if err != nil {
			asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
			defer cancel()
			outcome, err = g.Get(asking, *a.GatewayRef)
		}
		if err != nil {
			return fmt.Errorf("outcome of attempt %d is unknown: %w", a.ID, err)
		}
		if outcome.State == gateway.Prepared {
			return fmt.Errorf("attempt %d is not confirmed yet", a.ID)
		}
		known.add(a, outcome)
		return nil
	})
}

// each calls the gateways of the attempts, all at once. One failure does not keep the others from going on.
func (b *Billing) each(ctx context.Context, attempts []db.OpenAttemptsRow,
	call func(context.Context, *db.OpenAttemptsRow, gateway.Gateway) error,
) error {
	failures := make([]error, len(attempts))
	var group errgroup.Group
	group.SetLimit(attemptsPerJob)
	for i := range attempts {
		group.Go(func() error {
			a := &attempts[i]
			g := b.Gateways[a.Gateway]
			if g == nil {
				failures[i] = fmt.Errorf("attempt %d: the gateway %q is not configured", a.ID, a.Gateway)
				return nil
			}
			failures[i] = insist(ctx, func() error { return call(ctx, a, g) })
			return nil
		})
	}
	_ = group.Wait() // failures are collected one by one
	return errors.Join(failures...)
}

// insist repeats a call to a gateway whose answer got lost. It gives up on one that hangs: the time of the job is needed to write
// down what the other calls have brought.
func insist(ctx context.Context, call func() error) error {
	err := call()
	for try := 1; try < gatewayTries && err != nil && !errors.Is(err, context.DeadlineExceeded); try++ {
		select {
		case <-ctx.Done():
			return err
		case <-time.After(gatewayPause):
		}
		err = call()
	}
	return err
}

// ResumeCharges finds attempts that have been open for so long that whoever was to finish them must be gone, and hands them to new
// charge jobs, each attempt once in a while until its outcome is known.
func (b *Billing) ResumeCharges(ctx context.Context) (int, error) {
	resumed := 0
	err := b.DB.System().Tx(ctx, func(tx pgx.Tx) error {
		now := b.Now()
		rows, err := b.DB.ResumeAttempts(ctx, tx, db.ResumeAttemptsParams{
			Now: now, Before: now.Add(-forgottenAfter), Lim: forgottenBatch,
		})
		if err != nil {
			return fmt.Errorf("look for forgotten attempts: %w", err)
		}
		var params []river.InsertManyParams
		for chunk := range slices.Chunk(rows, attemptsPerJob) {
			refs := make([]AttemptRef, len(chunk))
			for i, row := range chunk {
				refs[i] = AttemptRef(row)
			}
			// One try: the next look is the retry.
			params = append(params, river.InsertManyParams{Args: ChargeArgs{Attempts: refs}, InsertOpts: &river.InsertOpts{MaxAttempts: 1}})
		}
		if resumed = len(rows); resumed == 0 {
			return nil
		}
		_, err = b.Jobs.InsertManyFastTx(ctx, tx, params)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("resume charges: %w", err)
	}
	return resumed, nil
}
