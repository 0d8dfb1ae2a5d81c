package webhook

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/page"
)

// The statuses of a delivery.
const (
	DeliveryPending   = "PENDING"   // waits for its first or next attempt, or for its endpoint to be enabled again
	DeliveryDelivered = "DELIVERED" // the receiver acknowledged with a 2xx
	DeliveryFailed    = "FAILED"    // every attempt failed, or its endpoint was deleted behind a failed one
	DeliveryExpired   = "EXPIRED"   // it was still to be sent when its event was dropped
	DeliverySkipped   = "SKIPPED"   // its endpoint was enabled without what had waited
)

// Delivery is one event on its way to one endpoint. Of one that is finished its last attempt is left, for as long as attempts are
// kept.
type Delivery struct {
	MerchantID     int64
	ID             int64
	EndpointID     int64
	EventID        int64
	EventCreatedAt time.Time // with EventID, where the event is found
	Status         string
	AttemptCount   int32
	NextAttemptAt  *time.Time // while it is pending
	CreatedAt      time.Time
	FinishedAt     *time.Time
}

// Attempt is one request to a receiver.
type Attempt struct {
	Number       int32       // from 1
	StatusCode   *int32      // nil when there was no answer
	ErrorClass   *ErrorClass // nil for a 2xx, and for attempts from before there were classes
	Error        *string     // why there was no answer, or why it does not count
	ResponseBody string      // its first 16 KiB
	DurationMs   int32
	CreatedAt    time.Time // when the request began
}

// DeliveryFilter narrows a list of deliveries by what is given.
type DeliveryFilter struct {
	EndpointID *int64
	EventID    *int64
	Status     *string
	Since      *time.Time // created at this time or later
	Until      *time.Time // exclusive
	EventTypes []string   // types, and patterns such as subscription.*; nil for all
}

// listing is a filter and a page, and which deliveries that page can have.
type listing struct {
	DeliveryFilter
	page.Request
	types         []string // nil for all
	above, before int64    // exclusive
	made          stretch
}

// Deliveries is a page of the merchant's deliveries, newest first, and whether more follow. Faults: INVALID on since and eventTypes.
func (w *Webhooks) Deliveries(ctx context.Context, merchantID int64, f DeliveryFilter, p page.Request) ([]Delivery, bool, error) {
	if f.Since != nil && f.Until != nil && !f.Since.Before(*f.Until) {
		return nil, false, fault.Invalid("since", "must be before until")
	}
	types, err := typesIn(f.EventTypes)
	if err != nil {
		return nil, false, err
	}
	var all []Delivery
	// A delivery that is finished between two statements would be in neither.
	err = w.DB.Tenant(merchantID).Snapshot(ctx, func(tx pgx.Tx) error {
		l, err := w.listing(ctx, tx, f, p)
		if err != nil {
			return err
		}
		if l.types = types; types != nil {
			if err := w.DB.PlanForValues(ctx, tx); err != nil {
				return err
			}
		}
		if f.Status == nil || *f.Status == DeliveryPending {
			rows, err := w.pending(ctx, tx, merchantID, l)
			if err != nil {
				return err
			}
			for _, row := range rows {
				all = append(all, pendingDelivery(row))
			}
		}
		if f.Status == nil || *f.Status != DeliveryPending {
			rows, err := w.finished(ctx, tx, merchantID, l)
			if err != nil {
				return err
			}
			for _, row := range rows {
				all = append(all, finishedDelivery(row))
			}
		}
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("list deliveries: %w", err)
	}
	slices.SortFunc(all, func(a, b Delivery) int { return cmp.Compare(b.ID, a.ID) })
	all, more := page.Trim(all, p.Size)
	return all, more, nil
}

// listing finds between which ids the deliveries of the filter's time lie, so that a page of a time long ago is read from there.
func (w *Webhooks) listing(ctx context.Context, tx pgx.Tx, f DeliveryFilter, p page.Request) (listing, error) {
	l := listing{DeliveryFilter: f, Request: p, before: p.Before(), made: everything()}
	if f.Since == nil && f.Until == nil {
		return l, nil
	}
	if f.Since != nil {
		l.made.since = *f.Since
	}
	if f.Until != nil {
		l.made.until = *f.Until
	}
	wide := l.made.wider(clockSkew)
	ids, err := w.DB.DeliveriesBetween(ctx, tx, db.DeliveriesBetweenParams{Since: wide.since, Until: wide.until, Now: w.Now()})
	if err != nil {
		return l, fmt.Errorf("find the ids of a time: %w", err)
	}
	l.above, l.before = ids.Above, min(l.before, ids.Before)
	return l, nil
}

// pending is a page of what is to be sent.
func (w *Webhooks) pending(ctx context.Context, tx pgx.Tx, merchantID int64, l listing) ([]db.PendingDeliveriesRow, error) {
	if l.types != nil {
		return w.pendingOfTypes(ctx, tx, merchantID, l)
	}
	return w.DB.PendingDeliveries(ctx, tx, db.PendingDeliveriesParams{
		MerchantID: merchantID, Above: l.above, Before: l.before, MadeSince: l.made.since, MadeUntil: l.made.until, Most: l.Limit(),
		EndpointID: l.EndpointID, EventID: l.EventID,
	})
}

// finished reads the days in which a page of finished deliveries should be, and more of them where they are too few. What a delivery
// leaves lies in the day of its last attempt, be it long after its creation.
func (w *Webhooks) finished(
	ctx context.Context, tx pgx.Tx, merchantID int64, l listing,
) ([]db.FinishedDeliveriesRow, error) {
	created, err := w.listed(ctx, tx, l)
	if err != nil {
		return nil, err
	}
	for back := readDays; ; back *= readMore {
		tried := stretch{later(created.since, created.until.Add(-back)), w.Now()}.wider(clockSkew)
		rows, err := w.finishedWithin(ctx, tx, merchantID, l, tried)
		if err != nil || !created.until.Add(-back).After(created.since) {
			return rows, err
		}
		// None of those created since then has its last attempt earlier; an older one may have, and would stand between these.
		known := slices.IndexFunc(rows, func(row db.FinishedDeliveriesRow) bool {
			return row.DeliveryCreatedAt.Before(tried.since.Add(3 * clockSkew))
		})
		if known < 0 && len(rows) == int(l.Limit()) {
			return rows, nil
		}
	}
}

// listed is when the deliveries were created that a page may have.
func (w *Webhooks) listed(ctx context.Context, tx pgx.Tx, l listing) (stretch, error) {
	created := stretch{l.made.since, earlier(l.made.until, w.Now())}
	if l.After > 0 {
		days, err := w.daysOfDeliveries(ctx, tx, []int64{l.After})
		if err != nil {
			return created, err
		}
		created.until = earlier(created.until, days.until)
	}
	if l.EventID != nil {
		days, err := w.daysOfEvents(ctx, tx, []int64{*l.EventID})
		if err != nil {
			return created, err
		}
		created.since = later(created.since, days.since)
	}
	return created, nil
}

// finishedWithin asks the question whose index suits the filter best.
func (w *Webhooks) finishedWithin(
	ctx context.Context, tx pgx.Tx, merchantID int64, l listing, tried stretch,
) ([]db.FinishedDeliveriesRow, error) {
	switch {
	case l.types != nil:
		return w.finishedOfTypes(ctx, tx, merchantID, l, tried)
	case l.EventID != nil:
		rows, err := w.DB.FinishedDeliveriesOfEvent(ctx, tx, db.FinishedDeliveriesOfEventParams{
			MerchantID: merchantID, EventID: *l.EventID, EndpointID: l.EndpointID, Outcome: l.Status, Above: l.above, Before: l.before,
			MadeSince: l.made.since, MadeUntil: l.made.until, Since: tried.since, Until: tried.until, Most: l.Limit(),
		})
		return finishedRows(rows), err
	case l.Status != nil && *l.Status != DeliveryDelivered:
		rows, err := w.DB.DeadDeliveries(ctx, tx, db.DeadDeliveriesParams{
			MerchantID: merchantID, Outcome: *l.Status, EndpointID: l.EndpointID, Above: l.above, Before: l.before,
			MadeSince: l.made.since, MadeUntil: l.made.until, Since: tried.since, Until: tried.until, Most: l.Limit(),
		})
		return finishedRows(rows), err
	case l.EndpointID != nil:
		rows, err := w.DB.FinishedDeliveriesToEndpoint(ctx, tx, db.FinishedDeliveriesToEndpointParams{
			MerchantID: merchantID, EndpointID: *l.EndpointID, Outcome: l.Status, Above: l.above, Before: l.before,
			MadeSince: l.made.since, MadeUntil: l.made.until, Since: tried.since, Until: tried.until, Most: l.Limit(),
		})
		return finishedRows(rows), err
	default:
		return w.DB.FinishedDeliveries(ctx, tx, db.FinishedDeliveriesParams{
			MerchantID: merchantID, Outcome: l.Status, Above: l.above, Before: l.before,
			MadeSince: l.made.since, MadeUntil: l.made.until, Since: tried.since, Until: tried.until, Most: l.Limit(),
		})
	}
}

// finishedRow is the answers of the same columns to different questions.
type finishedRow interface {
	db.FinishedDeliveriesOfEventRow | db.DeadDeliveriesRow | db.FinishedDeliveriesToEndpointRow | db.FinishedDeliveriesOfTypesRow | db.FinishedDeliveriesByIDRow
}

func finishedRows[R finishedRow](rows []R) []db.FinishedDeliveriesRow {
	same := make([]db.FinishedDeliveriesRow, len(rows))
	for i, row := range rows {
		same[i] = db.FinishedDeliveriesRow(row)
	}
	return same
}

func pendingDelivery(row db.PendingDeliveriesRow) Delivery {
	return Delivery{
		MerchantID: row.MerchantID, ID: row.ID, EndpointID: row.EndpointID, EventID: row.EventID, EventCreatedAt: row.EventCreatedAt,
		Status: DeliveryPending, AttemptCount: row.AttemptCount, NextAttemptAt: &row.NextAttemptAt, CreatedAt: row.CreatedAt,
	}
}

func finishedDelivery(row db.FinishedDeliveriesRow) Delivery {
	return Delivery{
		MerchantID: row.MerchantID, ID: row.DeliveryID, EndpointID: row.EndpointID, EventID: row.EventID,
		EventCreatedAt: row.EventCreatedAt, Status: *row.Outcome, AttemptCount: row.Number, CreatedAt: row.DeliveryCreatedAt,
		FinishedAt: row.FinishedAt,
	}
}

// DeliveriesByID is the merchant's deliveries among the ids.
func (w *Webhooks) DeliveriesByID(ctx context.Context, merchantID int64, ids []int64) (map[int64]Delivery, error) {
	deliveries := make(map[int64]Delivery, len(ids))
	err := w.DB.Tenant(merchantID).Snapshot(ctx, func(tx pgx.Tx) error {
		pending, err := w.DB.PendingDeliveriesByID(ctx, tx, db.PendingDeliveriesByIDParams{MerchantID: merchantID, Ids: ids})
		if err != nil {
			return err
		}
		for _, row := range pending {
			deliveries[row.ID] = pendingDelivery(db.PendingDeliveriesRow(row))
		}
		if len(deliveries) == len(ids) {
			return nil
		}
		created, err := w.daysOfDeliveries(ctx, tx, ids)
		if err != nil {
			return err
		}
		tried := stretch{created.since, earlier(created.until.Add(wholeSchedule), w.Now().Add(clockSkew))}
		finished, err := within(tried, len(ids)-len(deliveries), func(s stretch) ([]db.FinishedDeliveriesByIDRow, error) {
			return w.DB.FinishedDeliveriesByID(ctx, tx, db.FinishedDeliveriesByIDParams{MerchantID: merchantID, Ids: ids, Since: s.since, Until: s.until})
		})
		if err != nil {
			return err
		}
		for _, row := range finishedRows(finished) {
			deliveries[row.DeliveryID] = finishedDelivery(row)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read deliveries by id: %w", err)
	}
	return deliveries, nil
}

// AttemptsByDelivery is the attempts of each of the merchant's deliveries, oldest first, until they were read.
func (w *Webhooks) AttemptsByDelivery(ctx context.Context, merchantID int64, deliveries []Delivery) (map[int64][]Attempt, error) {
	if len(deliveries) == 0 {
		return nil, nil
	}
	made := stretch{deliveries[0].CreatedAt, deliveries[0].CreatedAt}
	ids := make([]int64, len(deliveries))
	for i, d := range deliveries {
		ids[i] = d.ID
		until := w.Now()
		if d.FinishedAt != nil {
			until = *d.FinishedAt
		}
		made.since = earlier(made.since, d.CreatedAt)
		made.until = later(made.until, until)
	}
	made = made.wider(clockSkew)
	rows, err := w.DB.AttemptsByDelivery(ctx, w.DB.Tenant(merchantID), db.AttemptsByDeliveryParams{
		MerchantID: merchantID, DeliveryIds: ids, Since: made.since, Until: made.until,
	})
	if err != nil {
		return nil, fmt.Errorf("read attempts: %w", err)
	}
	attempts := make(map[int64][]Attempt, len(deliveries))
	for _, row := range rows {
		attempts[row.DeliveryID] = append(attempts[row.DeliveryID], Attempt{
			Number: row.Number, StatusCode: row.StatusCode, ErrorClass: (*ErrorClass)(row.ErrorClass), Error: row.Error, ResponseBody: row.ResponseBody,
			DurationMs: row.DurationMs, CreatedAt: row.CreatedAt,
		})
	}
	return attempts, nil
}
