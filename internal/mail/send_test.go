package mail_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/internal/mail"
)

func TestAMailIsSentIfAndOnlyIfItsCauseCommits(t *testing.T) {
	t.Parallel()
	w := open(t)
	undone := errors.New("undone")
	require.ErrorIs(t, w.DB.System().Tx(t.Context(), func(tx pgx.Tx) error {
		require.NoError(t, w.Enqueue(t.Context(), tx, verification("member/1")))
		return undone
	}), undone)
	require.Empty(t, w.jobs())

	id := w.enqueued(verification("member/1"))
	require.Equal(t, state{"QUEUED", 0, to(ada), true, nil}, w.state(id))
	require.NoError(t, w.send(id))
	require.Equal(t, state{"SENT", 1, to(ada), false, nil}, w.state(id))
	require.Len(t, w.server.Mails(), 1)
}

func TestACauseHasOneMailHoweverOftenAndInHoweverManyTransactions(t *testing.T) {
	t.Parallel()
	w := open(t)
	var together sync.WaitGroup
	for range 4 {
		together.Go(func() {
			for range 3 {
				if err := w.enqueueIn(w.DB.System(), verification("member/1")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	together.Wait()
	require.Len(t, w.jobs(), 1)
	require.NoError(t, w.send(w.jobs()[0]))
	w.enqueue(verification("member/1"))
	require.Len(t, w.jobs(), 1, "also after it was sent")
	require.NoError(t, w.send(w.jobs()[0]))
	require.Len(t, w.server.Mails(), 1)

	// Another cause, another kind, another merchant: each has a mail of its own.
	w.enqueue(verification("member/2"))
	other := verification("member/1")
	other.Content = mail.MemberExists{Link: token}
	w.enqueue(other)
	for _, merchant := range []int64{w.merchant(), w.merchant()} {
		m := verification("member/1")
		m.MerchantID = &merchant
		require.NoError(t, w.enqueueIn(w.DB.Tenant(merchant), m))
		require.NoError(t, w.enqueueIn(w.DB.Tenant(merchant), m))
	}
	require.Len(t, w.jobs(), 5)
	ids := map[string]bool{}
	for _, id := range w.jobs() {
		require.NoError(t, w.send(id))
	}
	for _, m := range w.server.Mails() {
		ids[m.Header.Get("Message-Id")] = true
	}
	require.Len(t, ids, 5)
}

func TestAProcessThatDiesAfterTheServersYesSendsTheSameMailAgainAndNoThird(t *testing.T) {
	t.Parallel()
	w := open(t)
	id := w.enqueued(verification("member/1"))
	smtp := w.Transport
	w.Transport = transport(func(ctx context.Context, e mail.Envelope) error {
		require.NoError(t, smtp.Deliver(ctx, e))
		panic("killed")
	})
	require.Panics(t, func() { _ = w.send(id) })
	require.Equal(t, state{"QUEUED", 1, to(ada), true, nil}, w.state(id), "the attempt is known")

	w.Transport = smtp
	require.NoError(t, w.send(id))
	require.NoError(t, w.send(id))
	requireOneMailTwice(t, w)
}

func TestAnAnswerThatIsLostIsNotTakenForAYes(t *testing.T) {
	t.Parallel()
	w := open(t)
	id := w.enqueued(verification("member/1"))
	w.server.Break(1)
	require.ErrorContains(t, w.send(id), "broke off")
	require.Equal(t, state{"QUEUED", 1, to(ada), true, to("the conversation with the SMTP server broke off")}, w.state(id))
	require.NoError(t, w.send(id))
	require.NoError(t, w.send(id))
	requireOneMailTwice(t, w)
}

func requireOneMailTwice(t *testing.T, w *world) {
	t.Helper()
	mails := w.server.Mails()
	require.Len(t, mails, 2)
	for _, name := range []string{"Message-Id", "Date", "Subject"} {
		require.NotEmpty(t, mails[0].Header.Get(name))
		require.Equal(t, mails[0].Header.Get(name), mails[1].Header.Get(name), name)
	}
}

func TestAWorkerThatIsStoppedStillNotesWhatItHasSent(t *testing.T) {
	t.Parallel()
	w := open(t)
	id := w.enqueued(verification("member/1"))
	ctx, stop := context.WithCancel(t.Context())
	smtp := w.Transport
	w.Transport = transport(func(ctx context.Context, e mail.Envelope) error {
		defer stop()
		return smtp.Deliver(ctx, e)
	})
	require.NoError(t, w.Send(ctx, id))
	require.Equal(t, "SENT", w.state(id).Status)
}

func TestATemporaryRefusalIsTriedAgainAndAPermanentOneIsNot(t *testing.T) {
	t.Parallel()
	w := open(t)
	id := w.enqueued(verification("member/1"))
	w.server.Refuse(450, 421)
	for range 2 {
		require.Error(t, w.send(id))
		require.Equal(t, "QUEUED", w.state(id).Status)
	}
	require.Contains(t, *w.state(id).LastError, "the SMTP server answered 421")
	require.NoError(t, w.send(id))
	require.Equal(t, state{"SENT", 3, to(ada), false, nil}, w.state(id))

	id = w.enqueued(verification("member/2"))
	w.server.Refuse(550)
	require.NoError(t, w.send(id), "there is nothing to try again")
	failed := state{"FAILED", 1, to(ada), false, to("the SMTP server answered 550 5.1.1 to the recipient")}
	require.Equal(t, failed, w.state(id))
	require.NoError(t, w.send(id))
	require.Equal(t, failed, w.state(id))
	require.Len(t, w.server.Mails(), 1)
	require.Contains(t, w.log.text.String(), "a mail cannot be sent")
	require.NotContains(t, w.log.text.String(), ada)
}

func TestWithoutAServerMailsStayQueued(t *testing.T) {
	t.Parallel()
	w := open(t)
	smtp := w.Transport
	id := w.enqueued(verification("member/1"))
	w.Transport = nil
	require.ErrorContains(t, w.send(id), "PORTICO_SMTP_URL is not set")
	require.Equal(t, "QUEUED", w.state(id).Status)
	w.Transport = smtp
	require.NoError(t, w.send(id))
	require.Len(t, w.server.Mails(), 1)
}

func TestAMailThatIsADayOldIsGivenUp(t *testing.T) {
	t.Parallel()
	w := open(t)
	refused, unworked := w.enqueued(verification("member/1")), w.enqueued(verification("member/2"))
	w.server.Refuse(450)
	require.Error(t, w.send(refused))
	w.now = newYear.Add(24*time.Hour - time.Microsecond)
	require.NoError(t, w.Retire(t.Context()))
	require.Equal(t, "QUEUED", w.state(refused).Status, "a moment is left")

	w.now = newYear.Add(24 * time.Hour)
	require.NoError(t, w.send(refused))
	require.Empty(t, w.server.Mails(), "too late")
	require.NoError(t, w.Retire(t.Context()))
	require.Equal(t, state{"FAILED", 1, to(ada), false, to("the SMTP server answered 450 4.1.1 to the recipient")}, w.state(refused))
	require.Equal(t, state{"FAILED", 0, to(ada), false, to("no worker tried to send it in time")}, w.state(unworked))
}

func TestRecipientsAreForgottenAfterThirtyDaysAndCausesAreNot(t *testing.T) {
	t.Parallel()
	w := open(t)
	sent, failed := w.enqueued(verification("member/1")), w.enqueued(verification("member/2"))
	require.NoError(t, w.send(sent))
	w.server.Refuse(550)
	require.NoError(t, w.send(failed))
	w.Keep = true
	kept := w.enqueued(verification("member/3"))
	require.NoError(t, w.send(kept))
	w.Keep = false

	w.now = newYear.Add(30*24*time.Hour - time.Microsecond)
	fresh := w.enqueued(verification("member/4"))
	require.NoError(t, w.send(fresh))
	require.NoError(t, w.Retire(t.Context()))
	for _, id := range []int64{sent, failed, kept} {
		require.Equal(t, ada, *w.state(id).Recipient)
	}
	w.now = newYear.Add(30 * 24 * time.Hour)
	require.NoError(t, w.Retire(t.Context()))
	require.Equal(t, state{"SENT", 1, nil, false, nil}, w.state(sent))
	require.Equal(t, state{"FAILED", 1, nil, false, nil}, w.state(failed))
	require.Equal(t, state{"KEPT", 1, nil, false, nil}, w.state(kept))
	require.Equal(t, ada, *w.state(fresh).Recipient)

	before := len(w.jobs())
	w.enqueue(verification("member/1"))
	require.Len(t, w.jobs(), before, "the cause has had its mail")
}

func TestAKeptMailIsReadableAndNotSent(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.Keep = true
	first, second := w.enqueued(verification("member/1")), w.enqueued(verification("member/2"))
	_, err := w.KeptMail(t.Context(), first)
	require.ErrorIs(t, err, mail.ErrNotKept, "not yet")
	require.NoError(t, w.send(first))
	require.NoError(t, w.send(second))
	kept, err := w.KeptMails(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, kept, 2)
	require.Equal(t, second, kept[0].ID, "the newest first")
	one, err := w.KeptMail(t.Context(), first)
	require.NoError(t, err)
	require.Equal(t, one, kept[1])
	require.Equal(t, mail.KindVerifyEmail, one.Kind)
	require.Equal(t, ada, one.Recipient)
	require.Contains(t, one.Text, token)
	require.Contains(t, one.HTML, "Confirm my address")
	require.Empty(t, w.server.Mails())
}

func TestAMerchantSeesNeitherAnothersMailsNorThoseOfNobody(t *testing.T) {
	t.Parallel()
	w := open(t)
	acorn, birch := w.merchant(), w.merchant()
	mine := verification("member/1")
	mine.MerchantID = &acorn
	require.NoError(t, w.enqueueIn(w.DB.Tenant(acorn), mine))
	w.enqueue(verification("member/1"))
	for scope, want := range map[*int64]int{&acorn: 1, &birch: 0} {
		var seen int
		require.NoError(t, w.DB.Tenant(*scope).QueryRow(t.Context(), `select count(*) from mail`).Scan(&seen))
		require.Equal(t, want, seen)
	}
	require.ErrorContains(t, w.enqueueIn(w.DB.Tenant(acorn), verification("member/2")), "row-level security")
	mine.Cause = "member/3"
	require.ErrorContains(t, w.enqueueIn(w.DB.Tenant(birch), mine), "row-level security")
}

func TestNothingSecretIsReadableInTheDatabaseOrTheLog(t *testing.T) {
	t.Parallel()
	w := open(t)
	refused, queued := w.enqueued(verification("member/1")), w.enqueued(verification("member/2"))
	w.server.Refuse(550, 450)
	require.NoError(t, w.send(refused))
	err := w.send(queued)
	require.Error(t, err)
	require.NotContains(t, err.Error(), ada, "River keeps the error with its job")
	var stored string
	require.NoError(t, w.DB.System().QueryRow(t.Context(), `select (select string_agg(mail::text || encode(content_cipher, 'escape'), ' ') from mail)
		|| (select string_agg(river_job::text, ' ') from river_job)`).Scan(&stored))
	for _, part := range []string{"8Qm2hTzP5rXw", "portal.example.com", "Confirm"} {
		require.NotContains(t, stored, part)
		require.NotContains(t, w.log.text.String(), part)
	}
	require.Contains(t, stored, ada, "the recipient is what a row shows")
	require.NotContains(t, w.log.text.String(), ada)
}
