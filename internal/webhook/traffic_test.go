package webhook

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTrafficIsDenseFromSoManyRequestsOnUntilItIsHalfOfThat(t *testing.T) {
	t.Parallel()
	const from = 10
	now := time.Date(2026, time.March, 2, 9, 30, 0, 0, time.UTC)
	var one traffic
	requests := func(n int) {
		for range n {
			one.add(now)
		}
	}
	for _, step := range []struct {
		name     string
		later    time.Duration
		requests int
		want     bool
	}{
		{"nothing yet", 0, 0, false},
		{"too few", time.Second, 9, false},
		{"enough", time.Second, 1, true},
		{"the time before counts", 4 * time.Second, 0, true},
		{"half of it keeps on", 4 * time.Second, 5, true},
		{"still", 5 * time.Second, 4, true},
		{"less does not", 5 * time.Second, 4, false},
		{"nor does half begin anew", 20 * time.Second, 5, false},
		{"nor what was long ago", 10 * time.Second, 4, false},
	} {
		now = now.Add(step.later)
		requests(step.requests)
		require.Equal(t, step.want, one.isDense(now, from), step.name)
	}
}
