package db_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/db"
)

// admitted gives the row of merchant 1's API key as it is, in a database with one connection.
func admitted(t *testing.T) (*db.DB, db.APIKeyByHashRow) {
	t.Helper()
	d := oneConnection(t)
	_, err := d.System().Exec(t.Context(), `insert into api_key (merchant_id, name, hint, key_hash, scopes, created_at)
		values (1, 'Server', '', 'hash', '{ACCESS_READ}', $1)`, newYear)
	require.NoError(t, err)
	key, err := d.APIKeyByHash(t.Context(), d.System(), []byte("hash"))
	require.NoError(t, err)
	return d, key
}

const rename = `update company set name = name || '!'`

// ways are all that a scope can be used for.
func ways(scope db.Scope) map[string]func(ctx context.Context) error {
	inTx := func(tx pgx.Tx) error {
		_, err := tx.Exec(context.Background(), rename)
		return err
	}
	return map[string]func(ctx context.Context) error{
		"Exec": func(ctx context.Context) error {
			_, err := scope.Exec(ctx, rename)
			return err
		},
		"Query": func(ctx context.Context) error { return queryError(ctx, scope, rename+" returning name") },
		"QueryRow": func(ctx context.Context) error {
			return scope.QueryRow(ctx, rename+" returning name").Scan(new(string))
		},
		"Tx":       func(ctx context.Context) error { return scope.Tx(ctx, inTx) },
		"Snapshot": func(ctx context.Context) error { return scope.Snapshot(ctx, func(pgx.Tx) error { return nil }) },
	}
}

func TestNothingRunsForACredentialThatHasChanged(t *testing.T) {
	t.Parallel()
	d, key := admitted(t)
	other := d.Tenant(2)
	_, err := d.System().Exec(t.Context(), `update api_key set scopes = '{}'`)
	require.NoError(t, err)
	for _, scope := range []db.Scope{d.Tenant(1), other, d.System()} {
		for name, use := range ways(scope) {
			ctx := key.Admission().In(t.Context())
			require.ErrorIs(t, use(ctx), db.ErrChanged, name)
			require.ErrorIs(t, d.Confirm(ctx), db.ErrChanged, name)
			require.ErrorIs(t, ways(scope)["Exec"](ctx), db.ErrChanged, "what has fallen stays so, after %s", name)
			require.Equal(t, []string{"One", "Two"}, names(t, d.System()), "the connection comes back after %s", name)
		}
	}
	require.ErrorIs(t, d.Confirm(key.Admission().In(t.Context())), db.ErrChanged, "without a statement")
	_, err = d.System().Exec(t.Context(), `delete from api_key`)
	require.NoError(t, err)
	require.ErrorIs(t, d.Confirm(key.Admission().In(t.Context())), db.ErrChanged, "a row that is gone")
	require.Equal(t, []string{"One", "Two"}, names(t, d.System()))
}

func TestAnAdmissionThatStandsIsConfirmedByTheFirstStatement(t *testing.T) {
	t.Parallel()
	d, key := admitted(t)
	for name, use := range ways(d.Tenant(1)) {
		ctx := key.Admission().In(t.Context())
		before := d.Pool().Stat().AcquireCount()
		require.NoError(t, use(ctx), name)
		require.NoError(t, d.Confirm(ctx), name)
		require.EqualValues(t, 1, d.Pool().Stat().AcquireCount()-before, "%s takes no round trip more", name)
	}
	require.Equal(t, []string{"One!!!!", "Two"}, names(t, d.System()), "in the tenant's scope")

	ctx := key.Admission().In(t.Context())
	require.NoError(t, d.Confirm(ctx))
	_, err := d.System().Exec(t.Context(), `update api_key set revoked_at = now()`)
	require.NoError(t, err)
	require.NoError(t, d.Confirm(ctx), "what has begun is finished")
	require.NoError(t, d.Confirm(t.Context()), "without an admission there is nothing to confirm")
}

func TestAStatementThatFailsForAnotherReasonSaysSo(t *testing.T) {
	t.Parallel()
	d, key := admitted(t)
	ctx := key.Admission().In(t.Context())
	_, err := d.Tenant(1).Exec(ctx, `select 1/0`)
	requireCode(t, err, divisionByZero)
	require.NoError(t, d.Confirm(ctx))
}
