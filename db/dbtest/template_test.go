package dbtest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"portico/internal/devpg"
)

func TestProcessesThatStartTogetherMakeOneTemplate(t *testing.T) {
	t.Parallel()
	server, err := devpg.Start(t.Context(), devpg.Options{Ephemeral: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })

	var together errgroup.Group
	names := make([]string, 5)
	for i := range names {
		together.Go(func() (err error) {
			names[i], err = makeTemplate(t.Context(), server.AdminURL())
			return err
		})
	}
	require.NoError(t, together.Wait())

	conn, err := pgx.Connect(t.Context(), server.AdminURL())
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	rows, err := conn.Query(t.Context(), `select datname::text from pg_database where datname like 'template\_%'`)
	require.NoError(t, err)
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Len(t, found, 1)
	for _, name := range names {
		require.Equal(t, found[0], name)
	}
}
