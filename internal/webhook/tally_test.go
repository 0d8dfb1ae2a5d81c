package webhook

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAPercentileIsAtMostAFifthTooHigh(t *testing.T) {
	t.Parallel()
	for _, took := range []time.Duration{time.Millisecond, 3 * time.Millisecond, 20 * time.Millisecond, 990 * time.Millisecond, 30 * time.Second} {
		var all, hour tally
		for range 94 {
			hour.add(true, time.Microsecond)
		}
		all.merge(hour)
		hour = tally{}
		for range 6 {
			hour.add(false, took)
		}
		all.merge(hour)
		require.Equal(t, int64(100), all.attempts())
		require.GreaterOrEqual(t, all.percentile(0.95), took)
		require.LessOrEqual(t, all.percentile(0.95), took*6/5)
		require.Equal(t, time.Millisecond, all.percentile(0.94))
	}
	var none tally
	require.Zero(t, none.percentile(0.95))
}

func TestTheRingOfHoursGoesRoundInMoreThanADay(t *testing.T) {
	t.Parallel()
	seen := map[int16]bool{}
	for hour := range 25 {
		seen[slotOf(noon.Add(time.Duration(hour)*time.Hour))] = true
	}
	require.Len(t, seen, 25)
	require.Equal(t, slotOf(noon), slotOf(noon.Add(25*time.Hour)))
}
