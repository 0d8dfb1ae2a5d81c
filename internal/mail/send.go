package mail

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"portico/db"
)

const (
	// Longer than this after its cause a mail is not sent: its link has expired, and its recipient has asked again.
	sendWithin = 24 * time.Hour
	keepFor    = 30 * 24 * time.Hour

	// Together below the timeout of the job.
	deliverTimeout = 20 * time.Second
	writeTimeout   = 4 * time.Second

	forgetBatch = 1000
)

// The statuses of a mail.
const (
	statusSent   = "SENT"
	statusKept   = "KEPT"
	statusFailed = "FAILED"
)

// Transport takes a mail to its recipient. A *Refusal tells what a server answered; any other error is that of the way there.
type Transport interface {
	Deliver(context.Context, Envelope) error
}

// Envelope is a mail that is ready to go.
type Envelope struct {
	// ID is the same in every attempt to send this mail and in no other mail, so that receivers can tell a mail that arrives twice.
	ID                  string
	Recipient           string // a bare address
	Date                time.Time
	Subject, Text, HTML string
}

// Refusal is an answer that is no. It never shows what the server wrote, which may hold the recipient's address.
type Refusal struct {
	Sentence  string
	Permanent bool // for this mail: another attempt would get the same answer
}

func (r *Refusal) Error() string { return r.Sentence }

var errNoTransport = errors.New("PORTICO_SMTP_URL is not set: the mail stays queued")

// Send makes an attempt to send the mail. That of a mail which is finished or too old does nothing. An error says that it should be
// tried again; a mail that cannot be sent is logged and fails for good.
//
// SMTP cannot send exactly once: a process that dies between the server's yes and its own note of it will send again. So the
// attempt is noted first, for people to see, and every attempt has the same Message-ID.
func (o *Outbox) Send(ctx context.Context, id int64) error {
	now := o.Now()
	row, err := o.DB.BeginMailAttempt(ctx, o.DB.System(), db.BeginMailAttemptParams{ID: id, Now: now, TooOld: now.Add(-sendWithin)})
	if db.IsNoRows(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("begin to send mail %d: %w", id, err)
	}
	content, err := o.open(id, row.ContentCipher)
	if err != nil {
		return err
	}
	if o.Keep {
		return o.finish(ctx, id, statusKept, nil)
	}
	err = o.deliver(ctx, Envelope{
		ID: messageID(row.MerchantID, row.Kind, row.Cause), Recipient: row.Recipient, Date: row.CreatedAt,
		Subject: content.Subject, Text: content.Text, HTML: content.HTML,
	})
	if err == nil {
		return o.finish(ctx, id, statusSent, nil)
	}
	sentence := err.Error()
	var refused *Refusal
	if errors.As(err, &refused) && refused.Permanent {
		o.Log.WarnContext(ctx, "a mail cannot be sent", "mail", id, "kind", row.Kind, "reason", sentence)
		return o.finish(ctx, id, statusFailed, &sentence)
	}
	writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	noted := o.DB.NoteMailError(writing, o.DB.System(), db.NoteMailErrorParams{ID: id, LastError: sentence})
	return errors.Join(fmt.Errorf("send mail %d: %w", id, err), noted)
}

func (o *Outbox) deliver(ctx context.Context, e Envelope) error {
	if o.Transport == nil {
		return errNoTransport
	}
	ctx, cancel := context.WithTimeout(ctx, deliverTimeout)
	defer cancel()
	return o.Transport.Deliver(ctx, e)
}

// finish writes down how it ended also when the worker is being stopped: what was sent must not be sent again.
func (o *Outbox) finish(ctx context.Context, id int64, status string, failure *string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	err := o.DB.FinishMail(ctx, o.DB.System(), db.FinishMailParams{ID: id, Status: status, Now: o.Now(), LastError: failure})
	if err != nil {
		return fmt.Errorf("note that mail %d is %s: %w", id, status, err)
	}
	return nil
}

// messageID is the part of a Message-ID before the @. The digest says nothing of ids to the recipient.
func messageID(merchantID *int64, kind, cause string) string {
	merchant := int64(0)
	if merchantID != nil {
		merchant = *merchantID
	}
	return fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "portico mail/%d/%s/%s", merchant, kind, cause)))[:40]
}

// Retire gives up mails that could not be sent in time, and forgets the recipients of those that ended 30 days ago, and what was
// kept. Their causes stay known.
func (o *Outbox) Retire(ctx context.Context) error {
	now := o.Now()
	n, err := o.DB.GiveUpMails(ctx, o.DB.System(), db.GiveUpMailsParams{
		Now: now, TooOld: now.Add(-sendWithin), Reason: "no worker tried to send it in time",
	})
	if err != nil {
		return fmt.Errorf("give up mails: %w", err)
	}
	if n > 0 {
		o.Log.WarnContext(ctx, "mails could not be sent within a day", "mails", n)
	}
	for n = forgetBatch; n == forgetBatch; {
		n, err = o.DB.ForgetRecipients(ctx, o.DB.System(), db.ForgetRecipientsParams{Before: now.Add(-keepFor), Most: forgetBatch})
		if err != nil {
			return fmt.Errorf("forget recipients of mails: %w", err)
		}
	}
	return nil
}
