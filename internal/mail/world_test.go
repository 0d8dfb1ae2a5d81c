package mail_test

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	"portico/db"
	"portico/db/dbtest"
	"portico/internal/mail"
	"portico/internal/mail/mailtest"
	"portico/internal/secret"
)

var newYear = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

const (
	sender = `"Portico Ünïted" <portico@example.com>`
	ada    = "ada@example.test"
	token  = "https://portal.example.com/verify?token=8Qm2hTzP5rXw&next=%2Fhome"
)

// log is a buffer that several goroutines write to.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// world is a database, an outbox at a time of its own, and a server that receives.
type world struct {
	*mail.Outbox
	t      *testing.T
	now    time.Time
	server *mailtest.Server
	log    *log
}

func open(t *testing.T) *world {
	t.Helper()
	d := dbtest.New(t)
	keys, err := secret.NewKeyring("1:"+secret.NewKey(), secret.NewKey())
	require.NoError(t, err)
	jobs, err := river.NewClient(riverpgxv5.New(d.Pool()), &river.Config{})
	require.NoError(t, err)
	w := &world{t: t, now: newYear, server: mailtest.NewServer(t), log: &log{}}
	smtp, err := mail.NewSMTP(w.server.URL(), sender)
	require.NoError(t, err)
	w.Outbox = &mail.Outbox{
		DB: d, Keys: keys, Jobs: jobs, Transport: smtp, Now: func() time.Time { return w.now },
		Log: slog.New(slog.NewTextHandler(w.log, nil)),
	}
	return w
}

func (w *world) merchant() int64 {
	w.t.Helper()
	var id int64
	require.NoError(w.t, w.DB.System().QueryRow(w.t.Context(), `insert into merchant (shop, name, email, portal_fee_bps, created_at)
		select 'shop-' || n, 'Shop', 'shop@example.com', 0, $1 from nextval('ledger_transaction_id_seq') n returning id`, newYear).Scan(&id))
	return id
}

// verification is a mail without a merchant.
func verification(cause string) mail.Message {
	return mail.Message{Recipient: ada, Cause: cause, Content: mail.VerifyEmail{Link: token, ExpiresAt: newYear.Add(time.Hour)}}
}

func (w *world) enqueue(m mail.Message) {
	w.t.Helper()
	require.NoError(w.t, w.enqueueIn(w.DB.System(), m))
}

func (w *world) enqueueIn(scope db.Scope, m mail.Message) error {
	return scope.Tx(w.t.Context(), func(tx pgx.Tx) error { return w.Enqueue(w.t.Context(), tx, m) })
}

// jobs are the mails that jobs wait to send, oldest first.
func (w *world) jobs() []int64 {
	w.t.Helper()
	rows, err := w.DB.Pool().Query(w.t.Context(), `select (args->>'id')::bigint from river_job where kind = 'mail.send' and queue = 'mail' order by id`)
	require.NoError(w.t, err)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	require.NoError(w.t, err)
	return ids
}

// enqueued enqueues a mail and gives its id.
func (w *world) enqueued(m mail.Message) int64 {
	w.t.Helper()
	w.enqueue(m)
	ids := w.jobs()
	require.NotEmpty(w.t, ids)
	return ids[len(ids)-1]
}

func (w *world) send(id int64) error {
	w.t.Helper()
	return w.Send(w.t.Context(), id)
}

// state is what a row says of a mail.
type state struct {
	Status    string
	Attempts  int
	Recipient *string
	Sealed    bool
	LastError *string
}

func (w *world) state(id int64) state {
	w.t.Helper()
	var s state
	require.NoError(w.t, w.DB.System().QueryRow(w.t.Context(), `select status, attempts, recipient, content_cipher is not null, last_error
		from mail where id = $1`, id).Scan(&s.Status, &s.Attempts, &s.Recipient, &s.Sealed, &s.LastError))
	return s
}

func to[T any](value T) *T { return &value }

// transport is a function as a mail.Transport.
type transport func(context.Context, mail.Envelope) error

func (f transport) Deliver(ctx context.Context, e mail.Envelope) error { return f(ctx, e) }
