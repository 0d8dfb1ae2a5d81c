// Package mail owns the mails that Portico writes to people: what they say, that one cause makes one mail, and how they are sent.
package mail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"portico/db"
	"portico/internal/secret"
)

// Queue is River's queue of mails.
const Queue = "mail"

// Kind is what a mail is about. Kinds are stored, so their names are permanent.
type Kind string

// The kinds of mail, each with the content of its name.
const (
	KindVerifyEmail          Kind = "VERIFY_EMAIL"
	KindPasswordReset        Kind = "PASSWORD_RESET"
	KindPasswordChanged      Kind = "PASSWORD_CHANGED"
	KindSecondFactorChanged  Kind = "SECOND_FACTOR_CHANGED"
	KindOperatorReset        Kind = "OPERATOR_RESET"
	KindInvitation           Kind = "INVITATION"
	KindMagicLink            Kind = "MAGIC_LINK"
	KindMemberExists         Kind = "MEMBER_EXISTS"
	KindEndpointFailing      Kind = "ENDPOINT_FAILING"
	KindEndpointDisabled     Kind = "ENDPOINT_DISABLED"
	KindSubscriptionCanceled Kind = "SUBSCRIPTION_CANCELED"
	KindPaymentMethodNeeded  Kind = "PAYMENT_METHOD_NEEDED"
)

// Message is a mail to one person.
type Message struct {
	// MerchantID is whom the mail belongs to, nil for what belongs to no merchant. Only a transaction of the system may enqueue the
	// latter.
	MerchantID *int64
	// Recipient is a bare address. One that no mail can be sent to is found when sending and fails that mail only.
	Recipient string
	// Cause names what led to the mail, by ids and never by addresses or tokens, such as "member/12/verification/3": it is kept for
	// good. Of all messages with the same merchant, kind and cause the first is sent.
	Cause   string
	Content Content
}

// Outbox stores mails with the changes that cause them, and sends them.
type Outbox struct {
	DB   *db.DB
	Keys *secret.Keyring
	Jobs *river.Client[pgx.Tx] // inserts only
	// Transport takes mails to their recipients. Without one, sending fails and the mails stay queued.
	Transport Transport
	// Keep keeps mails readable in the database instead of sending them.
	Keep bool
	Now  func() time.Time
	Log  *slog.Logger
}

// SendArgs is the job that sends a mail: its worker calls Send.
type SendArgs struct {
	ID int64 `json:"id"`
}

// Kind implements river.JobArgs.
func (SendArgs) Kind() string { return "mail.send" }

// InsertOpts implements river.JobArgsWithInsertOpts. River's pauses between these attempts add up to weeks: what ends the attempts
// is the mail's age.
func (SendArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: Queue, MaxAttempts: river.MaxAttemptsDefault}
}

// Enqueue writes the mail in tx, which is the transaction of its cause and covers its merchant, so that it is sent if and only if
// that commits. A cause that has its mail already gets no other, which is no error. The mail is written out at once: what cannot be
// written is the caller's mistake and fails here, and a worker of another release need not know the kind.
func (o *Outbox) Enqueue(ctx context.Context, tx pgx.Tx, m Message) error {
	if m.Cause == "" || m.Recipient == "" || m.Content == nil {
		return errors.New("enqueue a mail: a recipient, a cause and a content are needed")
	}
	l := m.Content.letter()
	text, err := l.write()
	if err != nil {
		return fmt.Errorf("write %s for %s: %w", l.kind, m.Cause, err)
	}
	plain, err := json.Marshal(text)
	if err != nil {
		return fmt.Errorf("write %s for %s: %w", l.kind, m.Cause, err)
	}
	id, err := o.DB.ReserveMailID(ctx, tx)
	if err != nil {
		return fmt.Errorf("reserve a mail's id: %w", err)
	}
	inserted, err := o.DB.InsertMail(ctx, tx, db.InsertMailParams{
		MerchantID: m.MerchantID, ID: id, Kind: string(l.kind), Cause: m.Cause, Recipient: &m.Recipient,
		ContentCipher: o.Keys.Seal(ContentIdentity(id), secret.Text(plain)), CreatedAt: o.Now(),
	})
	if err != nil {
		return fmt.Errorf("insert %s for %s: %w", l.kind, m.Cause, err)
	}
	if inserted == 0 {
		return nil
	}
	if _, err := o.Jobs.InsertTx(ctx, tx, SendArgs{ID: id}, nil); err != nil {
		return fmt.Errorf("insert the job of mail %d: %w", id, err)
	}
	return nil
}

// ContentIdentity names the column that holds a content, as Keyring.Seal and Keyring.Open want it.
func ContentIdentity(id int64) string { return fmt.Sprintf("mail/%d/content", id) }

// open reads what Enqueue has written.
func (o *Outbox) open(id int64, sealed []byte) (text, error) {
	plain, err := o.Keys.Open(ContentIdentity(id), sealed)
	if err != nil {
		return text{}, fmt.Errorf("read mail %d: %w", id, err)
	}
	var t text
	if err := json.Unmarshal([]byte(plain), &t); err != nil {
		return text{}, fmt.Errorf("read mail %d: its content is no JSON", id)
	}
	return t, nil
}
