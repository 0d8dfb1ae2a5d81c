package webhook

import (
	"context"
	"fmt"
	"slices"
	"time"

	"portico/db"
)

const (
	// markEvery is how far marks are apart, and with it how many days an id may be of.
	markEvery = 6 * time.Hour
	// readDays is how much of the time a page is looked for in at first, and readMore how many times as much whenever that is too little.
	readDays, readMore = 2 * day, 8
	// wholeSchedule is longer than all attempts of a delivery take that nobody asks for again and whose endpoint is not held.
	wholeSchedule = 4 * day
)

// stretch is from when until when rows were created. It keeps a plan to the partitions of these days.
type stretch struct{ since, until time.Time }

// everything is where a row is looked for that is not where the marks say: a clock was wrong, or it does not exist.
func everything() stretch {
	return stretch{time.Unix(0, 0).UTC(), time.Date(9999, time.January, 1, 0, 0, 0, 0, time.UTC)}
}

// wider adds what clocks may be apart.
func (s stretch) wider(by time.Duration) stretch { return stretch{s.since.Add(-by), s.until.Add(by)} }

// mark notes how far ids and transactions have come.
func (w *Webhooks) mark(ctx context.Context) error {
	now := w.Now()
	forget := db.ForgetMarksParams{After: now.Add(clockSkew)}
	if kept := max(w.EventRetention, w.AttemptRetention); kept > 0 {
		forget.Before = now.Add(-kept - 2*day)
	}
	if err := w.DB.ForgetMarks(ctx, w.DB.System(), forget); err != nil {
		return fmt.Errorf("forget old marks: %w", err)
	}
	if err := w.DB.Mark(ctx, w.DB.System(), db.MarkParams{At: now, Lately: now.Add(-markEvery)}); err != nil {
		return fmt.Errorf("mark how far ids have come: %w", err)
	}
	return nil
}

// daysOfEvents is when the events with the ids were created.
func (w *Webhooks) daysOfEvents(ctx context.Context, q db.DBTX, ids []int64) (stretch, error) {
	if len(ids) == 0 {
		return stretch{}, nil
	}
	row, err := w.DB.EventsCreated(ctx, q, db.EventsCreatedParams{First: slices.Min(ids), Last: slices.Max(ids), Now: w.Now()})
	if err != nil {
		return stretch{}, fmt.Errorf("find the days of events: %w", err)
	}
	return stretch{row.Since, row.Until}.wider(clockSkew), nil
}

// daysOfDeliveries is when the deliveries with the ids were created.
func (w *Webhooks) daysOfDeliveries(ctx context.Context, q db.DBTX, ids []int64) (stretch, error) {
	if len(ids) == 0 {
		return stretch{}, nil
	}
	row, err := w.DB.DeliveriesCreated(ctx, q, db.DeliveriesCreatedParams{First: slices.Min(ids), Last: slices.Max(ids), Now: w.Now()})
	if err != nil {
		return stretch{}, fmt.Errorf("find the days of deliveries: %w", err)
	}
	return stretch{row.Since, row.Until}.wider(clockSkew), nil
}

// within reads rows where they should be and, if fewer are there than wanted, wherever they are.
func within[R any](s stretch, wanted int, read func(stretch) ([]R, error)) ([]R, error) {
	rows, err := read(s)
	if err == nil && len(rows) < wanted {
		rows, err = read(everything())
	}
	return rows, err
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
