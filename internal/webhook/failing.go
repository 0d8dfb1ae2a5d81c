package webhook

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/mail"
	"portico/internal/secret"
)

const (
	// An endpoint that has failed for so long without one success has its merchant told, and is disabled. Both are times between two
	// failures: while nothing is sent nothing happens, however long that is.
	warnAfter    = 3 * day
	disableAfter = 5 * day
	// longestSilence between two failures makes them two streaks: longer than the pause between two attempts of a delivery, so that one
	// failure a week does not add up.
	longestSilence = 36 * time.Hour
	// judgedAtOnce bounds what one JudgeFailing looks at; the next one goes on.
	judgedAtOnce = 500
	// managePath is where endpoints are managed, under the public address.
	managePath = "/graphiql"
)

// Mailer writes mails with the changes that cause them: mail.Outbox.
type Mailer interface {
	Enqueue(ctx context.Context, tx pgx.Tx, m mail.Message) error
}

// JudgeFailing warns the merchants of endpoints that have failed for three days, disables those that have for five, and tells how many
// it has judged. The drains note when a streak began and when the last failure was; this judges by these alone, endpoint by endpoint,
// each in a transaction with its mails and its event: a missed run is harmless, and so is one too many.
func (w *Webhooks) JudgeFailing(ctx context.Context) (int, error) {
	now := w.Now()
	rows, err := w.DB.FailingEndpoints(ctx, w.DB.System(), db.FailingEndpointsParams{
		Now: now, WarnBefore: now.Add(-warnAfter), WarnAfter: warnAfter.Seconds(), DisableAfter: disableAfter.Seconds(), Most: judgedAtOnce,
	})
	if err != nil {
		return 0, fmt.Errorf("look for failing endpoints: %w", err)
	}
	var failed []error
	judged := 0
	for _, row := range rows {
		// The members of a sandbox are those of another merchant.
		err := w.DB.System().Tx(ctx, func(tx pgx.Tx) error { return w.judge(ctx, tx, row.MerchantID, row.ID) })
		if err != nil {
			failed = append(failed, fmt.Errorf("judge endpoint %d: %w", row.ID, err))
			continue
		}
		judged++
	}
	return judged, errors.Join(failed...)
}

func (w *Webhooks) judge(ctx context.Context, tx pgx.Tx, merchantID, id int64) error {
	row, err := w.lockEndpoint(ctx, tx, merchantID, id)
	if fault.Is(err, fault.CodeNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	switch verdictOn(row, w.Now()) {
	case disables:
		return w.giveUp(ctx, tx, row, DisabledFailing)
	case warns:
		return w.warn(ctx, tx, row)
	default:
		return nil
	}
}

// verdict is what becomes of an endpoint.
type verdict int

const (
	waits verdict = iota
	warns
	disables
)

// verdictOn leaves endpoints alone that are being drained: their drain may know of a success that it has not saved yet.
func verdictOn(row db.WebhookEndpoint, now time.Time) verdict {
	if row.Status != EndpointEnabled || row.FailingSince == nil || row.LastFailureAt == nil || instant(row.LeaseUntil).After(now) {
		return waits
	}
	switch streak := row.LastFailureAt.Sub(*row.FailingSince); {
	case streak >= disableAfter:
		return disables
	case streak >= warnAfter && instant(row.WarnedAt).Before(*row.FailingSince):
		return warns
	default:
		return waits
	}
}

func (w *Webhooks) warn(ctx context.Context, tx pgx.Tx, row db.WebhookEndpoint) error {
	if err := w.DB.EndpointIsWarned(ctx, tx, db.EndpointIsWarnedParams{MerchantID: row.MerchantID, ID: row.ID, Now: w.Now()}); err != nil {
		return err
	}
	about, err := w.DB.EndpointAbout(ctx, tx, db.EndpointAboutParams{MerchantID: row.MerchantID, ID: row.ID})
	if err != nil {
		return err
	}
	return w.tellKeepers(ctx, tx, row, fmt.Sprintf("failing/%d", row.FailingSince.Unix()), mail.EndpointFailing{
		Merchant: about.MerchantName, Endpoint: row.Url, Since: *row.FailingSince, DisabledAt: row.FailingSince.Add(disableAfter), Link: w.manageLink(),
	})
}

// giveUp disables an endpoint that its merchant has not disabled, and tells them. What is pending stays so and waits, unsent, for the
// endpoint to be enabled again.
func (w *Webhooks) giveUp(ctx context.Context, tx pgx.Tx, row db.WebhookEndpoint, reason string) error {
	about, err := w.disable(ctx, tx, row, reason)
	if err != nil {
		return err
	}
	content := mail.EndpointDisabled{
		Merchant: about.MerchantName, Endpoint: row.Url, KeptDays: int(w.EventRetention / day), Link: w.manageLink(),
	}
	if reason == DisabledFailing {
		content.FailingSince = row.FailingSince
	}
	if err := w.tellKeepers(ctx, tx, row, fmt.Sprintf("disabled/%d", w.Now().Unix()), content); err != nil {
		return err
	}
	w.Log.InfoContext(ctx, "webhook endpoint was disabled", "merchant_id", row.MerchantID, "endpoint_id", row.ID, "reason", reason)
	return nil
}

// tellKeepers mails the members who can do something about an endpoint.
func (w *Webhooks) tellKeepers(ctx context.Context, tx pgx.Tx, row db.WebhookEndpoint, occasion string, content mail.Content) error {
	keepers, err := w.DB.EndpointKeepers(ctx, tx, row.MerchantID)
	if err != nil {
		return err
	}
	for _, keeper := range keepers {
		err := w.Mail.Enqueue(ctx, tx, mail.Message{
			MerchantID: &row.MerchantID, Recipient: keeper.Email, Content: content,
			Cause: fmt.Sprintf("webhook_endpoint/%d/%s/member/%d", row.ID, occasion, keeper.ID),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *Webhooks) manageLink() secret.Text { return secret.Text(w.PublicURL + managePath) }

// enable has an endpoint go on whose row the caller has locked.
func (w *Webhooks) enable(ctx context.Context, tx pgx.Tx, row db.WebhookEndpoint) error {
	now := w.Now()
	// Requests that were under way when it was disabled may have failed for good since.
	if err := w.revive(ctx, tx, row); err != nil {
		return err
	}
	err := w.DB.RetryAfresh(ctx, tx, db.RetryAfreshParams{MerchantID: row.MerchantID, EndpointID: row.ID, Now: now})
	if err != nil {
		return fmt.Errorf("try again what has failed: %w", err)
	}
	return w.DB.EnableEndpoint(ctx, tx, db.EnableEndpointParams{MerchantID: row.MerchantID, ID: row.ID, Now: now})
}

// revive has what failed for good since the last success wait with the rest, for as long as events are kept and not only attempts.
func (w *Webhooks) revive(ctx context.Context, tx pgx.Tx, row db.WebhookEndpoint) error {
	if row.FailingSince == nil {
		return nil
	}
	err := w.DB.ReviveDeliveries(ctx, tx, db.ReviveDeliveriesParams{
		MerchantID: row.MerchantID, EndpointID: row.ID, Since: *row.FailingSince, TriedSince: row.FailingSince.Add(-clockSkew), Now: w.Now(),
	})
	if err != nil {
		return fmt.Errorf("revive what has failed: %w", err)
	}
	return nil
}

// disable is how every endpoint is disabled whose row the caller has locked. The merchant's other endpoints hear of it, once. Answers what
// is said of the endpoint.
func (w *Webhooks) disable(ctx context.Context, tx pgx.Tx, row db.WebhookEndpoint, reason string) (db.EndpointAboutRow, error) {
	now := w.Now()
	about, err := w.DB.EndpointAbout(ctx, tx, db.EndpointAboutParams{MerchantID: row.MerchantID, ID: row.ID})
	if err != nil {
		return about, err
	}
	err = w.DB.DisableEndpoint(ctx, tx, db.DisableEndpointParams{MerchantID: row.MerchantID, ID: row.ID, Reason: reason, Now: now})
	if err != nil || row.Status == EndpointDisabled {
		return about, err
	}
	if err := w.revive(ctx, tx, row); err != nil {
		return about, err
	}
	a := Announcement{MerchantID: row.MerchantID, Type: EndpointIsDisabled, OccurredAt: now}
	var product, since any
	if row.ProductID != nil {
		a.ProductID, product = *row.ProductID, about.ProductIdentifier
	}
	if row.FailingSince != nil {
		since = *row.FailingSince
	}
	a.Data = Object{
		{"endpointId", row.ID}, {"url", row.Url}, {"productIdentifier", product}, {"reason", strings.ToLower(reason)},
		{"failingSince", since}, {"disabledAt", now},
	}
	return about, w.Announce(ctx, tx, a)
}
