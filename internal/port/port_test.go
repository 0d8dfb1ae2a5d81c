package port_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/port"
)

func TestAPortIsClaimedOnceAndCanBeListenedOn(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	for range 500 {
		claim, err := port.Take()
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, claim.Release()) })
		require.False(t, seen[claim.Number], "port %d twice", claim.Number)
		seen[claim.Number] = true
		require.Less(t, claim.Number, 32_768, "outgoing connections take ports from here on")
	}
	for number := range seen {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", number))
		require.NoError(t, err)
		require.NoError(t, listener.Close())
	}
}
