// Package jobs is the door for the clock: it registers every worker, and says what runs in which queue and how often.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"portico/internal/access"
	"portico/internal/account"
	"portico/internal/audit"
	"portico/internal/billing"
	"portico/internal/idempotency"
	"portico/internal/mail"
	"portico/internal/portal"
	"portico/internal/rate"
	"portico/internal/redact"
	"portico/internal/vault"
	"portico/internal/webhook"
)

const (
	jobTimeout = 30 * time.Second
	// River has no heartbeat: a job that runs for longer than this has lost its process. Well above every job's timeout.
	rescueAfter = 2 * time.Minute
	keepDone    = 2 * time.Hour
	// How long a rotation waits for a worker that has its key.
	otherKeyPause = 5 * time.Second
	// Bounds how many jobs a second a queue can start, as River fetches at most MaxWorkers of them each time, and how soon a
	// worker hears of a new one.
	cooldown = 10 * time.Millisecond
)

// Domain is what the workers call.
type Domain struct {
	Access   *access.Access
	Accounts *account.Accounts
	Billing  *billing.Billing
	Webhooks *webhook.Webhooks
	Mail     *mail.Outbox
	Portal   *portal.Portal
	Vault    *vault.Vault
	Audit    *audit.Log
	Rates    *rate.Limiter

	Idempotency *idempotency.Keys
}

// queues are all queues with the number of jobs one process works at once.
func queues() map[string]river.QueueConfig {
	return map[string]river.QueueConfig{
		billing.QueueRenewals:    {MaxWorkers: 8, FetchCooldown: cooldown},
		billing.QueueExpiries:    {MaxWorkers: 2},
		billing.QueueMaintenance: {MaxWorkers: 4, FetchCooldown: cooldown},
		// Drains mostly wait for receivers. Those of the second queue may all hang, and take nobody's worker but each other's.
		webhook.Queue:     {MaxWorkers: 200 + webhook.MostResting, FetchCooldown: cooldown},
		webhook.QueueSlow: {MaxWorkers: 100 + webhook.MostRestingSlow, FetchCooldown: cooldown},
		// Each is a connection to a server that allows one client only so many. Somebody waits for the mail.
		mail.Queue: {MaxWorkers: 4, FetchCooldown: cooldown},
	}
}

// schedule are the jobs that recur. Each is level-triggered: it looks at what is due, so a missed run is made up by the next.
func schedule() []*river.PeriodicJob {
	return []*river.PeriodicJob{
		every(2*time.Second, RenewalSweep{}),
		every(2*time.Second, ExpirySweep{}),
		every(5*time.Second, OverrideSweep{}),
		every(time.Second, WebhookWake{}),
		every(10*time.Second, ChargeResume{}),
		every(5*time.Second, ClockResume{}),
		every(time.Minute, MerchantClose{}),
		every(time.Hour, AccountTidy{}),
		every(10*time.Second, ReplayResume{}),
		every(time.Minute, WebhookJudge{}),
		every(time.Hour, WebhookPartition{}),
		every(time.Hour, MailRetire{}),
		every(5*time.Minute, PortalRetire{}),
		every(5*time.Second, ClaimExpiry{}),
		every(time.Hour, SigningKeyRotate{}),
		every(5*time.Second, ReminderSweep{}),
		every(5*time.Second, TokenCount{}),
		every(time.Hour, AuditRetire{}),
		every(10*time.Minute, RateRetire{}),
		every(10*time.Minute, IdempotencyRetire{}),
		every(10*time.Minute, UsageRetire{}),
	}
}

// every makes a recurring job, unique within its period only: a killed run never blocks the next.
func every(period time.Duration, args river.JobArgs) *river.PeriodicJob {
	return river.NewPeriodicJob(river.PeriodicInterval(period), func() (river.JobArgs, *river.InsertOpts) {
		return args, &river.InsertOpts{MaxAttempts: 1, UniqueOpts: river.UniqueOpts{ByPeriod: period}}
	}, &river.PeriodicJobOpts{ID: args.Kind(), RunOnStart: true})
}

func workers(d Domain) *river.Workers {
	all := river.NewWorkers()
	work(all, func(ctx context.Context, _ *river.Job[RenewalSweep]) error {
		_, err := d.Billing.BillDue(ctx)
		return err
	})
	work(all, func(ctx context.Context, _ *river.Job[ExpirySweep]) error {
		_, err := d.Billing.EndDue(ctx)
		return err
	})
	work(all, func(ctx context.Context, _ *river.Job[OverrideSweep]) error {
		_, err := d.Billing.EndDueOverrides(ctx)
		return err
	})
	work(all, func(ctx context.Context, job *river.Job[billing.ChargeArgs]) error {
		return d.Billing.Charge(ctx, job.Args.Attempts)
	})
	work(all, func(ctx context.Context, _ *river.Job[ChargeResume]) error {
		_, err := d.Billing.ResumeCharges(ctx)
		return err
	})
	work(all, func(ctx context.Context, job *river.Job[billing.AdvanceClockArgs]) error {
		return d.Billing.AdvanceClock(ctx, job.Args)
	})
	work(all, func(ctx context.Context, _ *river.Job[ClockResume]) error {
		_, err := d.Billing.ResumeClocks(ctx)
		return err
	})
	work(all, func(ctx context.Context, job *river.Job[webhook.CancelArgs]) error {
		wait, err := d.Webhooks.CancelDeliveries(ctx, job.Args.MerchantID, job.Args.EndpointID)
		if err == nil && wait > 0 {
			return river.JobSnooze(wait)
		}
		return err
	})
	river.AddWorker(all, drains{redacted(func(ctx context.Context, job *river.Job[webhook.DrainArgs]) error {
		return d.Webhooks.Drain(ctx, job.Args, job.ID)
	})})
	work(all, func(ctx context.Context, _ *river.Job[WebhookWake]) error {
		_, err := d.Webhooks.Wake(ctx)
		return err
	})
	work(all, func(ctx context.Context, job *river.Job[webhook.ReplayArgs]) error {
		wait, err := d.Webhooks.RunReplay(ctx, job.Args.MerchantID, job.Args.ReplayID)
		if err == nil && wait > 0 {
			return river.JobSnooze(wait)
		}
		return err
	})
	work(all, func(ctx context.Context, _ *river.Job[ReplayResume]) error {
		_, err := d.Webhooks.ResumeReplays(ctx)
		return err
	})
	work(all, func(ctx context.Context, _ *river.Job[WebhookJudge]) error {
		_, err := d.Webhooks.JudgeFailing(ctx)
		return err
	})
	work(all, func(ctx context.Context, _ *river.Job[WebhookPartition]) error {
		return d.Webhooks.Partition(ctx)
	})
	work(all, func(ctx context.Context, _ *river.Job[MerchantClose]) error {
		_, err := d.Billing.CloseDue(ctx)
		return err
	})
	work(all, func(ctx context.Context, job *river.Job[account.PasswordResetArgs]) error {
		return d.Accounts.SendReset(ctx, job.Args.RequestID)
	})
	work(all, func(ctx context.Context, _ *river.Job[AccountTidy]) error {
		return d.Accounts.Tidy(ctx)
	})
	work(all, func(ctx context.Context, job *river.Job[mail.SendArgs]) error {
		return d.Mail.Send(ctx, job.Args.ID)
	})
	work(all, func(ctx context.Context, job *river.Job[portal.LinkArgs]) error {
		return d.Portal.MailLink(ctx, job.Args.ID)
	})
	work(all, func(ctx context.Context, _ *river.Job[PortalRetire]) error {
		return d.Portal.Retire(ctx)
	})
	work(all, func(ctx context.Context, _ *river.Job[ReminderSweep]) error {
		_, err := d.Billing.RemindDue(ctx)
		return err
	})
	work(all, func(ctx context.Context, _ *river.Job[ClaimExpiry]) error {
		_, err := d.Access.ClaimsExpire(ctx)
		return err
	})
	work(all, func(ctx context.Context, _ *river.Job[SigningKeyRotate]) error {
		return d.Access.SigningKeysRotate(ctx)
	})
	work(all, func(ctx context.Context, _ *river.Job[MailRetire]) error {
		return d.Mail.Retire(ctx)
	})
	work(all, func(ctx context.Context, _ *river.Job[TokenCount]) error {
		return d.Audit.Count(ctx)
	})
	work(all, func(ctx context.Context, _ *river.Job[AuditRetire]) error {
		return d.Audit.Retire(ctx)
	})
	work(all, func(ctx context.Context, job *river.Job[vault.RotateArgs]) error {
		err := d.Vault.Rotate(ctx, job.Args)
		if errors.Is(err, vault.ErrOtherKey) {
			return river.JobSnooze(otherKeyPause)
		}
		return err
	})
	work(all, func(ctx context.Context, _ *river.Job[RateRetire]) error {
		return d.Rates.Retire(ctx)
	})
	work(all, func(ctx context.Context, _ *river.Job[IdempotencyRetire]) error {
		return d.Idempotency.Retire(ctx)
	})
	work(all, func(ctx context.Context, _ *river.Job[UsageRetire]) error {
		return d.Access.RetireUsage(ctx)
	})
	return all
}

// work registers what does the jobs of a kind. River keeps what went wrong with a job in its table, where no value of anybody's belongs.
func work[T river.JobArgs](all *river.Workers, do func(context.Context, *river.Job[T]) error) {
	river.AddWorker(all, redacted(do))
}

func redacted[T river.JobArgs](do func(context.Context, *river.Job[T]) error) river.Worker[T] {
	return river.WorkFunc(func(ctx context.Context, job *river.Job[T]) error {
		defer func() { redact.Panic(recover()) }()
		return redact.Error(do(ctx, job))
	})
}

// drains are worked for a slice and for as long as the requests take that are under way when it ends.
type drains struct {
	river.Worker[webhook.DrainArgs]
}

// Timeout implements river.Worker.
func (drains) Timeout(*river.Job[webhook.DrainArgs]) time.Duration { return webhook.LongestDrain }

// NewInserter makes the client that API processes and the domain insert jobs with. It works none.
func NewInserter(pool *pgxpool.Pool, log *slog.Logger) (*river.Client[pgx.Tx], error) {
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{FetchCooldown: cooldown, Logger: slog.New(quiet{log.Handler()})})
	if err != nil {
		return nil, fmt.Errorf("make River client: %w", err)
	}
	return client, nil
}

// NewWorker makes the client that works the named queues; none names all. Every process registers every kind, so that any
// worker can take any job of its queues; a process without the maintenance queue leaves the schedule to others.
func NewWorker(pool *pgxpool.Pool, domain Domain, names []string, log *slog.Logger) (*river.Client[pgx.Tx], error) {
	chosen := queues()
	for _, name := range names {
		if _, known := chosen[name]; !known {
			return nil, fmt.Errorf("there is no queue %q: choose among %v", name, QueueNames())
		}
	}
	if len(names) > 0 {
		for name := range chosen {
			if !slices.Contains(names, name) {
				delete(chosen, name)
			}
		}
	}
	config := &river.Config{
		Queues:                      chosen,
		Workers:                     workers(domain),
		JobTimeout:                  jobTimeout,
		RescueStuckJobsAfter:        rescueAfter,
		CompletedJobRetentionPeriod: keepDone,
		Logger:                      slog.New(quiet{log.Handler()}),
	}
	if _, leads := chosen[billing.QueueMaintenance]; leads {
		config.PeriodicJobs = schedule()
	} else {
		config.LeaderElectionDisabled = true
	}
	client, err := river.NewClient(riverpgxv5.New(pool), config)
	if err != nil {
		return nil, fmt.Errorf("make River client: %w", err)
	}
	return client, nil
}

// QueueNames are the names of all queues, sorted.
func QueueNames() []string {
	var names []string
	for name := range queues() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
