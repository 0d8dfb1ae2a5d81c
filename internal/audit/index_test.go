package audit_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/db"
)

// asked takes down a statement of sqlc's, runs none, and gives no rows.
type asked struct {
	db.DBTX
	sql  string
	args []any
}

func (a *asked) Query(_ context.Context, sql string, args ...any) (pgx.Rows, error) {
	a.sql, a.args = sql, args
	return nil, pgx.ErrNoRows
}

func TestTheLogOfOperatorsHasItsIndex(t *testing.T) {
	t.Parallel()
	w := open(t)
	_, err := w.DB.System().Exec(t.Context(), `
		insert into audit_entry (begun_at, actor_kind, actor_name, action, outcome, request_id, user_agent)
		select $1::timestamptz - n * interval '1 minute', case when n % 1000 = 1 then 'SHELL' else 'API_KEY' end,
			case when n % 1000 = 1 then 'root' end, 'x', 'DONE', '', '' from generate_series(1, 30000) n`, noon)
	require.NoError(t, err)
	require.NoError(t, w.exec(`analyze audit_entry`))
	var statement asked
	_, err = w.DB.OperatorAuditEntries(t.Context(), &statement, db.OperatorAuditEntriesParams{BeforeAt: noon, RowLimit: 21})
	require.ErrorIs(t, err, pgx.ErrNoRows)
	var plan []byte
	require.NoError(t, w.DB.System().QueryRow(t.Context(), "explain (format json) "+statement.sql, statement.args...).Scan(&plan))
	require.Regexp(t, `"Index Name": "audit_entry_operators"`, string(plan))
}

func TestEachWayToNarrowTheLogHasItsIndex(t *testing.T) {
	t.Parallel()
	w := open(t)
	// One merchant of many, whose log holds much of one kind and little of another.
	_, err := w.DB.System().Exec(t.Context(), `
		insert into audit_entry (merchant_id, begun_at, actor_kind, actor_id, action, object, outcome, request_id, user_agent)
		select n % 5 + $1, $2::timestamptz - n * interval '1 minute', 'API_KEY', n % 1000, 'action' || n % 1000, 'gid://portico/Plan/' || n % 1000, 'DONE', '', ''
		from generate_series(1, 30000) n`, w.key.MerchantID, noon)
	require.NoError(t, err)
	require.NoError(t, w.exec(`analyze audit_entry`))
	kind, id, action, object, since, until := "API_KEY", int64(7), "action7", "gid://portico/Plan/7", noon.Add(-300*time.Hour), noon.Add(-299*time.Hour)
	for name, c := range map[string]struct {
		params db.AuditEntriesParams
		index  string
	}{
		"nothing": {db.AuditEntriesParams{}, "audit_entry_time"},
		"time":    {db.AuditEntriesParams{Since: &since, Until: &until}, "audit_entry_time"},
		"actor":   {db.AuditEntriesParams{ActorKind: &kind, ActorID: &id}, "audit_entry_actor"},
		"action":  {db.AuditEntriesParams{Action: &action}, "audit_entry_action"},
		"object":  {db.AuditEntriesParams{Object: &object}, "audit_entry_object"},
	} {
		t.Run(name, func(t *testing.T) {
			c.params.MerchantID, c.params.BeforeAt, c.params.BeforeID, c.params.RowLimit = w.key.MerchantID+2, noon.Add(time.Hour), 0, 21
			var statement asked
			_, err := w.DB.AuditEntries(t.Context(), &statement, c.params)
			require.ErrorIs(t, err, pgx.ErrNoRows)
			var plan []byte
			require.NoError(t, w.DB.Tenant(w.key.MerchantID+2).Tx(t.Context(), func(tx pgx.Tx) error {
				require.NoError(t, w.DB.PlanForValues(t.Context(), tx))
				return tx.QueryRow(t.Context(), "explain (format json) "+statement.sql, statement.args...).Scan(&plan)
			}))
			require.Regexp(t, `"Index Name": "`+c.index+`"`, string(plan))
			require.NotRegexp(t, `"Seq Scan",[^{}]*"Relation Name": "audit_entry"`, string(plan))
		})
	}
}
