package webhook

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRequestsAreSpacedEvenly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		rate   int
		step   time.Duration // how often the drain comes round
		in10s  int
		atOnce int
	}{
		{"one a second", 1, time.Millisecond, 10, 1},
		{"fifty a second", 50, time.Millisecond, 505, 6},
		{"a drain that comes round late makes up for a tenth of a second", 50, 90 * time.Millisecond, 505, 6},
		{"and for no more", 50, time.Second, 60, 6},
		{"a thousand a second", 1000, time.Millisecond, 10100, 101},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSpacing(c.rate, time.Time{})
			sent, atOnce := 0, 0
			for now := noon; now.Before(noon.Add(10 * time.Second)); now = now.Add(c.step) {
				n := 0
				foretold := s.within(now, 0, 1000)
				for s.wait(now) == 0 {
					s.take(now)
					n++
				}
				require.Equal(t, foretold, n)
				sent, atOnce = sent+n, max(atOnce, n)
			}
			require.InDelta(t, c.in10s, sent, 1)
			require.Equal(t, c.atOnce, atOnce)
		})
	}
}

func TestTheNextDrainGoesOnWhereTheLastStopped(t *testing.T) {
	t.Parallel()
	first := newSpacing(1, time.Time{})
	first.take(noon)
	second := newSpacing(1, first.next)
	require.Equal(t, first.wait(noon), second.wait(noon))
	require.Greater(t, second.wait(noon), 800*time.Millisecond)
	require.Zero(t, second.within(noon, 500*time.Millisecond, 10))
	require.Equal(t, 3, second.within(noon, 3*time.Second, 10))
}

func TestWithoutALimitNothingWaits(t *testing.T) {
	t.Parallel()
	s := newSpacing(0, noon.Add(time.Hour))
	for range 1000 {
		require.Zero(t, s.wait(noon))
		s.take(noon)
	}
	require.Equal(t, 7, s.within(noon, time.Second, 7))
}
