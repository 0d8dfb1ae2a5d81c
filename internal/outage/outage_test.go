package outage_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"portico/internal/outage"
)

func TestADatabaseThatIsAwayIsToldFromWhatIsWrong(t *testing.T) {
	t.Parallel()
	_, unreachable := pgx.Connect(t.Context(), "postgres://portico@/portico?host=/nonexistent")
	state := func(code string) error { return &pgconn.PgError{Code: code} }
	for name, c := range map[string]struct {
		err  error
		away bool
	}{
		"nothing":                      {nil, false},
		"no socket":                    {unreachable, true},
		"it is stopping":               {state("57P01"), true},
		"it is starting":               {state("57P03"), true},
		"it is full":                   {state("53300"), true},
		"the connection is lost":       {state("08006"), true},
		"the connection is cut":        {io.ErrUnexpectedEOF, true},
		"the connection is reset":      {&net.OpError{Op: "read", Err: syscall.ECONNRESET}, true},
		"a statement that is canceled": {state("57014"), false},
		"a table that is missing":      {state("42P01"), false},
		"it is too slow":               {fmt.Errorf("timeout: %w", context.DeadlineExceeded), false},
		"who asked has gone":           {&net.OpError{Op: "read", Err: context.Canceled}, false},
		"an error of ours":             {errors.New("broken"), false},
	} {
		require.Equal(t, c.away, outage.Is(fmt.Errorf("ask: %w", c.err)), name)
	}
}
