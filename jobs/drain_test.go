package jobs

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/webhook"
)

func TestADrainMayLastForItsSliceAndTheLongestRequestAndIsNotRescuedBefore(t *testing.T) {
	t.Parallel()
	require.GreaterOrEqual(t, drains{}.Timeout(nil), 10*time.Second+30*time.Second)
	require.Greater(t, rescueAfter, drains{}.Timeout(nil)+30*time.Second)
}

func TestSlowEndpointsHaveWorkersOfTheirOwn(t *testing.T) {
	t.Parallel()
	require.Contains(t, QueueNames(), "webhooks_slow")
	require.NotEqual(t, webhook.DrainArgs{}.InsertOpts().Queue, webhook.DrainArgs{Slow: true}.InsertOpts().Queue)
	for _, slow := range []bool{false, true} {
		require.GreaterOrEqual(t, queues()[webhook.DrainArgs{Slow: slow}.InsertOpts().Queue].MaxWorkers, 100)
	}
}
