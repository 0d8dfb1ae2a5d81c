package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"portico/internal/mail"
	"portico/internal/webhook"
	"portico/jobs"
)

const (
	// Jobs get this long to finish; then they are cancelled, which they survive: everything they do can be taken up again. Drains take up
	// nothing more and wait for the answers to what they have sent, so that nobody is sent it again.
	finishWithin = 5 * time.Second
	cancelWithin = webhook.LongestFinish + 5*time.Second
)

type workCommand struct {
	Queues []string `help:"Queues to work, separated by commas; all when left out. At least one process must work maintenance, which keeps the schedule." placeholder:"QUEUE,..."`
}

// Run works until the context ends.
func (w *workCommand) Run(ctx context.Context) error {
	return withApp(ctx, func(a *app) error {
		if a.mail.Transport == nil && (len(w.Queues) == 0 || slices.Contains(w.Queues, mail.Queue)) {
			a.log.Warn("PORTICO_SMTP_URL is not set: mails stay queued, and are given up after a day")
		}
		worker, err := startWorker(ctx, a, w.Queues)
		if err != nil {
			return err
		}
		a.log.Info("working", "queues", w.Queues)
		<-ctx.Done()
		return stopWorker(ctx, a, worker)
	})
}

func startWorker(ctx context.Context, a *app, queues []string) (*river.Client[pgx.Tx], error) {
	worker, err := jobs.NewWorker(a.db.Pool(), jobs.Domain{
		Accounts: a.accounts, Access: a.access, Billing: a.billing, Webhooks: a.webhooks, Mail: a.mail, Portal: a.portal, Vault: a.vault,
		Audit: a.audit, Rates: a.rates, Idempotency: a.repeats,
	}, queues, a.log)
	if err != nil {
		return nil, err
	}
	// Work ends by Stop, which lets jobs finish; the context's end would cancel them.
	if err := worker.Start(context.WithoutCancel(ctx)); err != nil {
		return nil, fmt.Errorf("start working: %w", err)
	}
	return worker, nil
}

func stopWorker(ctx context.Context, a *app, worker *river.Client[pgx.Tx]) error {
	a.webhooks.EndRests()
	finishing, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishWithin)
	defer cancel()
	err := worker.Stop(finishing)
	if errors.Is(err, context.DeadlineExceeded) {
		cancelling, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelWithin)
		defer cancel()
		err = worker.StopAndCancel(cancelling)
	}
	if err != nil {
		return fmt.Errorf("stop working: %w", err)
	}
	return nil
}
