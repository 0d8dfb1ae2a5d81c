package jobs_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/db/dbtest"
	"portico/internal/access"
	"portico/internal/account"
	"portico/internal/audit"
	"portico/internal/billing"
	"portico/internal/idempotency"
	"portico/internal/mail"
	"portico/internal/mail/mailtest"
	"portico/internal/portal"
	"portico/internal/rate"
	"portico/internal/redact"
	"portico/internal/secret"
	"portico/internal/webhook"
	"portico/jobs"
)

func TestAnUnknownQueueIsRefusedByName(t *testing.T) {
	t.Parallel()
	_, err := jobs.NewWorker(dbtest.New(t).Pool(), jobs.Domain{}, []string{"renewals", "renewal"}, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, `there is no queue "renewal"`)
	require.ErrorContains(t, err, "maintenance")
}

func TestEveryQueueCanBeWorkedAlone(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t).Pool()
	for _, name := range jobs.QueueNames() {
		worker, err := jobs.NewWorker(pool, jobs.Domain{}, []string{name}, slog.New(slog.DiscardHandler))
		require.NoError(t, err, name)
		require.NotNil(t, worker)
	}
}

func TestTheScheduleRunsEverySweep(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	log := slog.New(slog.DiscardHandler)
	inserter, err := jobs.NewInserter(d.Pool(), log)
	require.NoError(t, err)
	keys, err := secret.NewKeyring("1:"+secret.NewKey(), secret.NewKey())
	require.NoError(t, err)
	now := func() time.Time { return time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC) }
	hooks := &webhook.Webhooks{DB: d, Keys: keys, Jobs: inserter, Guard: webhook.NewGuard(webhook.GuardOptions{}), Now: now, Log: log}
	worker, err := jobs.NewWorker(d.Pool(), jobs.Domain{
		Accounts: &account.Accounts{DB: d, Keys: keys, Now: now}, Access: &access.Access{DB: d, Keys: keys, Now: now},
		Rates: &rate.Limiter{DB: d, Now: now}, Idempotency: &idempotency.Keys{DB: d, Now: now, Log: log},
		Mail:     &mail.Outbox{DB: d, Keys: keys, Jobs: inserter, Now: now, Log: log},
		Portal:   &portal.Portal{DB: d, Keys: keys, Jobs: inserter, Now: now, Log: log},
		Audit:    &audit.Log{DB: d, Now: now, Retention: 24 * time.Hour, Log: log},
		Webhooks: hooks, Billing: &billing.Billing{DB: d, Webhooks: hooks, Jobs: inserter, Now: now, Log: log},
	}, nil, log)
	require.NoError(t, err)
	require.NoError(t, worker.Start(t.Context()))
	defer func() { require.NoError(t, worker.Stop(t.Context())) }()
	require.Eventually(t, func() bool {
		var done int
		err := d.Pool().QueryRow(t.Context(), `select count(distinct kind) from river_job where state = 'completed' and kind in
			('renewal.sweep', 'expiry.sweep', 'charge.resume', 'test_clock.resume', 'webhook.wake', 'webhook.judge', 'webhook.partition', 'mail.retire', 'portal.retire',
			'webhook.replay_resume', 'merchant.close', 'claim.expire', 'reminder.sweep', 'signing_key.rotate', 'account.tidy', 'token.count', 'audit.retire', 'rate.retire', 'idempotency.retire')`).Scan(&done)
		return err == nil && done == 19
	}, 30*time.Second, 50*time.Millisecond)
}

func TestAMailIsSentByAWorkerOfItsQueue(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	log := slog.New(slog.DiscardHandler)
	inserter, err := jobs.NewInserter(d.Pool(), log)
	require.NoError(t, err)
	keys, err := secret.NewKeyring("1:"+secret.NewKey(), secret.NewKey())
	require.NoError(t, err)
	server := mailtest.NewServer(t)
	smtp, err := mail.NewSMTP(server.URL(), "portico@example.com")
	require.NoError(t, err)
	outbox := &mail.Outbox{
		DB: d, Keys: keys, Jobs: inserter, Transport: smtp, Now: func() time.Time { return time.Now().UTC() }, Log: log,
	}
	worker, err := jobs.NewWorker(d.Pool(), jobs.Domain{Mail: outbox}, []string{"mail"}, log)
	require.NoError(t, err)
	require.NoError(t, worker.Start(t.Context()))
	defer func() { require.NoError(t, worker.Stop(t.Context())) }()

	server.Refuse(450)
	for range 2 {
		require.NoError(t, d.System().Tx(t.Context(), func(tx pgx.Tx) error {
			return outbox.Enqueue(t.Context(), tx, mail.Message{
				Recipient: "ada@example.test", Cause: "member/1", Content: mail.MemberExists{Link: "https://portal.example.com/reset"},
			})
		}))
	}
	require.Equal(t, "https://portal.example.com/reset", server.Wait("ada@example.test", 1)[0].Link(), "tried again after a refusal")
	require.Eventually(t, func() bool {
		var done int
		err := d.Pool().QueryRow(t.Context(), `select count(*) from river_job where kind = 'mail.send' and state = 'completed'`).Scan(&done)
		return err == nil && done == 1
	}, 30*time.Second, 20*time.Millisecond)
	require.Len(t, server.Mails(), 1)
}

// talkative is a mail server that repeats to whom a mail goes: as its error, or if it panics in its panic.
type talkative struct{ panics bool }

func (t talkative) Deliver(_ context.Context, e mail.Envelope) error {
	if t.panics {
		panic("cannot reach " + e.Recipient)
	}
	return errors.New("550 no such user: " + e.Recipient)
}

// output is a buffer that several goroutines write to.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func TestWhatGoesWrongWithAJobIsKeptWithoutValues(t *testing.T) {
	t.Parallel()
	for _, panics := range []bool{false, true} {
		d := dbtest.New(t)
		logged := &output{}
		log := slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: redact.Attr}))
		inserter, err := jobs.NewInserter(d.Pool(), log)
		require.NoError(t, err)
		keys, err := secret.NewKeyring("1:"+secret.NewKey(), secret.NewKey())
		require.NoError(t, err)
		outbox := &mail.Outbox{
			DB: d, Keys: keys, Jobs: inserter, Transport: talkative{panics}, Now: func() time.Time { return time.Now().UTC() }, Log: log,
		}
		worker, err := jobs.NewWorker(d.Pool(), jobs.Domain{Mail: outbox}, []string{"mail"}, log)
		require.NoError(t, err)
		require.NoError(t, worker.Start(t.Context()))
		require.NoError(t, d.System().Tx(t.Context(), func(tx pgx.Tx) error {
			return outbox.Enqueue(t.Context(), tx, mail.Message{
				Recipient: "ada@example.test", Cause: "member/1", Content: mail.MemberExists{Link: "https://portal.example.com/reset"},
			})
		}))
		var kept string
		require.Eventually(t, func() bool {
			err := d.Pool().QueryRow(t.Context(), `select errors::text from river_job where kind = 'mail.send' and errors is not null`).Scan(&kept)
			return err == nil
		}, 30*time.Second, 20*time.Millisecond)
		require.NoError(t, worker.Stop(t.Context()))
		require.Contains(t, kept, "[redacted]")
		for _, text := range []string{kept, logged.String()} {
			require.NotContains(t, text, "ada@example.test")
		}
		if panics {
			require.Contains(t, kept, "talkative", "the trace leads to what panicked")
		}
	}
}
