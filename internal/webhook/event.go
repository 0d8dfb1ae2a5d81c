package webhook

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"portico/db"
)

// Type says what happened. Receivers read it as the body's member event.
type Type string

// The types of event. Integrations that know nothing else live on the first four: every loss of access is a
// subscription.canceled and every regain a subscription.renewed, whatever finer event goes beside it.
const (
	SubscriptionCreated  Type = "subscription.created"
	SubscriptionUpdated  Type = "subscription.updated"
	SubscriptionCanceled Type = "subscription.canceled"
	SubscriptionRenewed  Type = "subscription.renewed"
	// SubscriptionTrialEnding is told three days before a trial ends, and one day before the end of a trial of up to three.
	SubscriptionTrialEnding Type = "subscription.trial_ending"
	SubscriptionPastDue     Type = "subscription.past_due"
	SubscriptionExpired     Type = "subscription.expired"
	InvoiceCreated          Type = "invoice.created"
	PaymentSucceeded        Type = "payment.succeeded"
	PaymentFailed           Type = "payment.failed"
	ProductApproved         Type = "product.approved"
	ProductRejected         Type = "product.rejected"
	ClaimsUpdated           Type = "claims.updated"
	CustomerCreated         Type = "customer.created"
	EndpointIsDisabled      Type = "endpoint.disabled"
)

// Types is every type of event.
func Types() []Type {
	return append(DefaultTypes(), SubscriptionTrialEnding, SubscriptionPastDue, SubscriptionExpired, InvoiceCreated, PaymentSucceeded,
		PaymentFailed, ProductApproved, ProductRejected, ClaimsUpdated, CustomerCreated, EndpointIsDisabled)
}

// DefaultTypes is what an endpoint receives that names no types.
func DefaultTypes() []Type {
	return []Type{SubscriptionCreated, SubscriptionUpdated, SubscriptionCanceled, SubscriptionRenewed}
}

// Event is something that happened, mostly to a subscription.
type Event struct {
	MerchantID     int64
	SubscriptionID int64 // 0 for an event about none
	ProductID      int64
	Type           Type
	Sequence       int64     // consecutive within the subscription, from 1; within the merchant for events about none
	OccurredAt     time.Time // in the subscription's own time, which may be a test clock's
	Data           Object
}

// body is the bytes that are signed and sent, the same for every endpoint and every attempt. The number that Postgres gives the event goes
// between head and tail.
func (e Event) body() (head, tail []byte, err error) {
	whole, err := StableJSON(Object{
		{Key: "event", Value: e.Type},
		{Key: "id", Value: messagePrefix},
		{Key: "sequence", Value: e.Sequence},
		{Key: "createdAt", Value: e.OccurredAt},
		{Key: "data", Value: e.Data},
	})
	if err != nil {
		return nil, nil, err
	}
	// Types have no quotation marks, so that the first that looks like the id is the id.
	_, tail, _ = bytes.Cut(whole, []byte(`"id":"`+messagePrefix))
	return whole[:len(whole)-len(tail)], tail, nil
}

// messageID is how receivers know an event, whichever endpoint and attempt it comes by.
func messageID(eventID int64) string { return messagePrefix + strconv.FormatInt(eventID, 10) }

const messagePrefix = "evt_"

// StoredEvent is a published event.
type StoredEvent struct {
	MerchantID     int64
	ID             int64
	XID            int64 // with ID, the position in Events
	Type           Type
	SubscriptionID int64 // 0 for an event about none
	Sequence       int64
	Body           []byte // exactly as endpoints receive it
	OccurredAt     time.Time
}

// ExpiredCursorError is returned for a position before events that were dropped: its reader has missed some.
type ExpiredCursorError struct {
	KeptSince time.Time // events from then on are there
}

func (e *ExpiredCursorError) Error() string {
	return "after: events behind this cursor are no longer kept: read from the beginning, which is " + e.KeptSince.Format(time.RFC3339) +
		", and compare what you have with its source"
}

// Events is what follows the position (afterXID, afterID), oldest first; 0, 0 is the beginning. The order is that of the
// transactions that published, and none is shown while an older one is still open: an event that commits late is never behind
// the position of a reader. A position before events that are no longer kept is an ExpiredCursorError.
func (w *Webhooks) Events(ctx context.Context, merchantID, afterXID, afterID int64, limit int32) ([]StoredEvent, error) {
	rows, err := w.following(ctx, merchantID, afterXID, afterID, limit)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	if afterXID > 0 {
		// Asked afterwards, as events may be dropped meanwhile.
		floor, err := w.DB.EventFloor(ctx, w.DB.Tenant(merchantID), merchantID)
		switch {
		case db.IsNoRows(err):
		case err != nil:
			return nil, fmt.Errorf("find the first event that is kept: %w", err)
		case afterXID < floor.Position || (afterXID == floor.Position && afterID < floor.ID):
			return nil, &ExpiredCursorError{floor.Since}
		}
	}
	events := make([]StoredEvent, len(rows))
	for i, row := range rows {
		events[i] = storedEvent(db.EventsByIDRow(row))
	}
	return events, nil
}

// following reads the days that come next, and more of them where they have too little.
func (w *Webhooks) following(ctx context.Context, merchantID, afterXID, afterID int64, limit int32) ([]db.EventsAfterRow, error) {
	scope := w.DB.Tenant(merchantID)
	for ahead := readDays; ; ahead *= readMore {
		now := w.Now()
		days, err := w.DB.FollowingCreated(ctx, scope, db.FollowingCreatedParams{AfterXid: afterXID, Ahead: ahead.Seconds(), Now: now})
		if err != nil {
			return nil, fmt.Errorf("find their days: %w", err)
		}
		// An event that is not shown is passed over for ever, so clocks may be as far apart as they are for followers.
		s := stretch{earlier(days.Since, now), days.Until}.wider(recent)
		rows, err := w.DB.EventsAfter(ctx, scope, db.EventsAfterParams{
			MerchantID: merchantID, AfterXid: afterXID, AfterID: afterID, BeforeXid: days.BeforeXid, Since: s.since, Until: s.until, Most: limit,
		})
		if err != nil || len(rows) == int(limit) || days.BeforeXid == math.MaxInt64 {
			return rows, err
		}
	}
}

// EventsByID is the merchant's events among the ids.
func (w *Webhooks) EventsByID(ctx context.Context, merchantID int64, ids []int64) (map[int64]StoredEvent, error) {
	scope := w.DB.Tenant(merchantID)
	created, err := w.daysOfEvents(ctx, scope, ids)
	if err != nil {
		return nil, err
	}
	rows, err := within(created, len(ids), func(s stretch) ([]db.EventsByIDRow, error) {
		return w.DB.EventsByID(ctx, scope, db.EventsByIDParams{MerchantID: merchantID, Ids: ids, Since: s.since, Until: s.until})
	})
	if err != nil {
		return nil, fmt.Errorf("read events by id: %w", err)
	}
	events := make(map[int64]StoredEvent, len(rows))
	for _, row := range rows {
		events[row.ID] = storedEvent(row)
	}
	return events, nil
}

func storedEvent(row db.EventsByIDRow) StoredEvent {
	return StoredEvent{
		MerchantID: row.MerchantID, ID: row.ID, XID: row.Position, Type: Type(row.Type), SubscriptionID: row.SubscriptionID,
		Sequence: row.Sequence, Body: row.Body, OccurredAt: row.OccurredAt,
	}
}
