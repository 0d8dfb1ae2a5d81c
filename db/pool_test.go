package db_test

import (
	"encoding/json"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"portico/db/dbtest"
)

func TestJSONIsReadAsPostgresWritesIt(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	for _, format := range []pgx.QueryResultFormats{{pgx.TextFormatCode}, {pgx.BinaryFormatCode}} {
		for given, want := range map[string]string{
			`{"b": 12345678901234567890.5, "a": ["ü\n", null]}`: `{"a": ["ü\n", null], "b": 12345678901234567890.5}`, `null`: `null`, ` 7 `: `7`,
		} {
			var raw json.RawMessage
			require.NoError(t, d.Pool().QueryRow(t.Context(), `select $1::text::jsonb`, format, given).Scan(&raw))
			require.Equal(t, want, string(raw))
			var parsed any
			require.NoError(t, d.Pool().QueryRow(t.Context(), `select $1::text::jsonb`, format, given).Scan(&parsed))
			require.NotEqual(t, want, parsed)
		}
		raw := json.RawMessage("before")
		require.NoError(t, d.Pool().QueryRow(t.Context(), `select null::jsonb`, format).Scan(&raw))
		require.Nil(t, raw)
	}
}
