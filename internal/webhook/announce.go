package webhook

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
)

// Announcement is something that happened to no subscription.
type Announcement struct {
	MerchantID int64
	ProductID  int64
	Type       Type
	OccurredAt time.Time // zero stands for now
	Data       Object
}

// Announce publishes them in tx. Their sequences count up within each merchant; the merchants' rows are locked until tx ends, so that
// the order of the sequences is that of the commits.
func (w *Webhooks) Announce(ctx context.Context, tx pgx.Tx, all ...Announcement) error {
	if len(all) == 0 {
		return nil
	}
	var take db.TakeEventSequencesParams
	place := map[int64]int{}
	for _, a := range all {
		i, known := place[a.MerchantID]
		if !known {
			i = len(take.Ids)
			place[a.MerchantID] = i
			take.Ids, take.Events = append(take.Ids, a.MerchantID), append(take.Events, 0)
		}
		take.Events[i]++
	}
	rows, err := w.DB.TakeEventSequences(ctx, tx, take)
	if err != nil {
		return fmt.Errorf("take sequences for %s: %w", all[0].Type, err)
	}
	next := make(map[int64]int64, len(rows))
	for _, row := range rows {
		next[row.ID] = row.EventSequence - take.Events[place[row.ID]]
	}
	events := make([]Event, len(all))
	for i, a := range all {
		if a.OccurredAt.IsZero() {
			a.OccurredAt = w.Now()
		}
		next[a.MerchantID]++
		events[i] = Event{
			MerchantID: a.MerchantID, ProductID: a.ProductID, Type: a.Type, Sequence: next[a.MerchantID], OccurredAt: a.OccurredAt, Data: a.Data,
		}
	}
	return w.Publish(ctx, tx, events)
}
