package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portico/db"
)

const (
	// slice is how many rows one statement takes on.
	slice = 5000
	// Longer than the week that the rule for unusual rates looks at.
	keepCounts = 35 * 24 * time.Hour
)

// Retire deletes entries and flags that are older than Retention, and old counts. It goes on until none is left or its time is over;
// the next run takes up the rest.
func (l *Log) Retire(ctx context.Context) error {
	now := l.Now()
	before := now.Add(-l.Retention)
	return errors.Join(
		inSlices("delete old audit entries", func() (int64, error) {
			return l.DB.DeleteAuditEntries(ctx, l.DB.System(), db.DeleteAuditEntriesParams{Before: before, Most: slice})
		}),
		inSlices("delete old flags of tokens", func() (int64, error) {
			return l.DB.DeleteTokenFlags(ctx, l.DB.System(), db.DeleteTokenFlagsParams{Before: before, Most: slice})
		}),
		inSlices("delete old counts of tokens", func() (int64, error) {
			return l.DB.DeleteTokenCounts(ctx, l.DB.System(), db.DeleteTokenCountsParams{Before: now.Add(-keepCounts), Most: slice})
		}),
	)
}

// inSlices goes on until there is nothing left.
func inSlices(what string, some func() (int64, error)) error {
	for n := int64(1); n > 0; {
		var err error
		if n, err = some(); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}
