package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"portico/internal/billing"
)

// A slice is well below a job's timeout also where a row takes a millisecond.
const (
	batchRows    = 500
	sliceBatches = 20
)

// RotateArgs is the job that brings every sealed column to one key, a slice at a time: its worker calls Rotate.
type RotateArgs struct {
	To     byte    `json:"to"`               // the version of the key
	Column string  `json:"column,omitempty"` // where to go on; empty for the start
	After  []int64 `json:"after,omitempty"`  // the last row of that column that has been looked at
}

// Kind implements river.JobArgs.
func (RotateArgs) Kind() string { return "key.rotate" }

// InsertOpts implements river.JobArgsWithInsertOpts. One that waits or works stands for another that says the same; one that is done
// does not, as rows may have been sealed with an older key since.
func (RotateArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: billing.QueueMaintenance, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: unfinished()}}
}

func unfinished() []rivertype.JobState {
	return []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateRunning,
		rivertype.JobStateScheduled,
	}
}

// ErrOtherKey is returned to a worker that does not seal with the key that a rotation is to. Another one may.
var ErrOtherKey = errors.New("the first of PORTICO_KEYS is not the key of this rotation")

// RotationStart has the workers seal everything with the first key.
func (v *Vault) RotationStart(ctx context.Context) error {
	if _, err := v.Jobs.Insert(ctx, RotateArgs{To: v.Keys.First()}, nil); err != nil {
		return fmt.Errorf("insert the rotation: %w", err)
	}
	return nil
}

// Rotating tells whether a rotation is under way.
func (v *Vault) Rotating(ctx context.Context) (bool, error) {
	jobs, err := v.Jobs.JobList(ctx, river.NewJobListParams().Kinds(RotateArgs{}.Kind()).States(unfinished()...).First(1))
	if err != nil {
		return false, fmt.Errorf("look for rotations: %w", err)
	}
	return len(jobs.Jobs) > 0, nil
}

// Rotate does a slice of a rotation and hands over to a new job, or finishes the rotation: then the keys that have nothing left to
// open are no longer asked of a process. It may be done again, and by several at once. Rows that no key opens are logged and left.
func (v *Vault) Rotate(ctx context.Context, args RotateArgs) error {
	if v.Keys.First() != args.To {
		return ErrOtherKey
	}
	columns := Columns()
	at := max(0, slices.IndexFunc(columns, func(c Column) bool { return c.String() == args.Column }))
	after := args.After
	for range sliceBatches {
		if at == len(columns) {
			return v.forget(ctx)
		}
		next, err := v.rotateBatch(ctx, columns[at], after)
		if err != nil {
			return fmt.Errorf("rotate %s: %w", columns[at], err)
		}
		if after = next; next == nil {
			at++
		}
	}
	if at == len(columns) {
		return v.forget(ctx)
	}
	_, err := v.Jobs.Insert(ctx, RotateArgs{To: args.To, Column: columns[at].String(), After: after}, nil)
	if err != nil {
		return fmt.Errorf("hand the rotation over: %w", err)
	}
	return nil
}

// outdated is a value that another key than the first has sealed.
type outdated struct {
	key    []int64
	sealed []byte
}

// How many rows pass the tenant policy and the first byte is a guess to the planner. A wrong one must not make it sort what is left of
// a table for each batch, or read all of it for each row.
const byPrimaryKey = `set local enable_seqscan = off; set local enable_bitmapscan = off; set local enable_sort = off`

// rotateBatch seals some rows of a column and gives the key of the last one, or nil when there are no more.
func (v *Vault) rotateBatch(ctx context.Context, c Column, after []int64) (next []int64, err error) {
	err = v.DB.System().Tx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, byPrimaryKey); err != nil {
			return err
		}
		rows, err := v.readOutdated(ctx, tx, c, after)
		if err != nil || len(rows) == 0 {
			return err
		}
		if len(rows) == batchRows {
			next = rows[len(rows)-1].key
		}
		return v.resealRows(ctx, tx, c, rows)
	})
	return next, err
}

func (v *Vault) readOutdated(ctx context.Context, tx pgx.Tx, c Column, after []int64) ([]outdated, error) {
	if len(after) != len(c.Key) {
		after = make([]int64, len(c.Key))
	}
	arguments := []any{[]byte{v.Keys.First()}, batchRows}
	for _, part := range after {
		arguments = append(arguments, part)
	}
	answer, err := tx.Query(ctx, c.outdated(), arguments...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(answer, func(row pgx.CollectableRow) (o outdated, err error) {
		err = row.Scan(&o.key, &o.sealed)
		return o, err
	})
}

func (v *Vault) resealRows(ctx context.Context, tx pgx.Tx, c Column, rows []outdated) error {
	batch, replaced := &pgx.Batch{}, int64(0)
	for _, row := range rows {
		fresh, err := reseal(v.Keys, c.Identity(row.key), row.sealed)
		if err != nil {
			v.Log.ErrorContext(ctx, "a stored secret cannot be rotated", "column", c.String(), "row", row.key, "error", err)
			continue
		}
		arguments := []any{row.sealed, fresh}
		for _, part := range row.key {
			arguments = append(arguments, part)
		}
		batch.Queue(c.replace(), arguments...).Exec(func(tag pgconn.CommandTag) error {
			replaced += tag.RowsAffected()
			return nil
		})
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return err
	}
	v.Log.InfoContext(ctx, "stored secrets rotated", "column", c.String(), "rows", replaced, "key", v.Keys.First())
	return nil
}

// forget drops the canaries of keys that seal nothing any more.
func (v *Vault) forget(ctx context.Context) error {
	counts, err := v.Census(ctx)
	if err != nil {
		return err
	}
	known, err := v.DB.EncryptionKeys(ctx, v.DB.Pool())
	if err != nil {
		return fmt.Errorf("list the encryption keys: %w", err)
	}
	var idle []int16
	for _, key := range known {
		inUse := slices.ContainsFunc(counts, func(c Count) bool { return int16(c.Version) == key.Version })
		if key.Version != int16(v.Keys.First()) && !inUse {
			idle = append(idle, key.Version)
		}
	}
	if err := v.DB.DeleteEncryptionKeys(ctx, v.DB.Pool(), idle); err != nil {
		return fmt.Errorf("forget idle encryption keys: %w", err)
	}
	v.Log.InfoContext(ctx, "rotation finished", "key", v.Keys.First(), "idle", idle)
	return nil
}
