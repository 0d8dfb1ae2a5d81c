package webhook

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestABreakerOpensAndCloses(t *testing.T) {
	t.Parallel()
	// Each step is an answer: + for an acknowledgement and otherwise the delivery that failed. A dot waits until the next probe is due.
	for _, c := range []struct {
		name    string
		answers string
		state   string
		allowed int
	}{
		{"a healthy endpoint gets everything", "+++", BreakerClosed, mostSize},
		{"nine failures are not yet a breakdown", "abcabcabc", BreakerClosed, mostSize},
		{"ten failures in a row open it", "abcabcabca", BreakerOpen, 0},
		{"one event that cannot be digested does not", "aaaaaaaaaaaaaaaaaaaa", BreakerClosed, mostSize},
		{"nor do two", "ababababababababab", BreakerClosed, mostSize},
		{"nor does one while others succeed", "aaaaaaaaa+aaaaaaaaa+bbbbbbbbb+", BreakerClosed, mostSize},
		{"nor do failures as long as some succeed between them", "abcdefghi+abcdefghi+abcdefghi", BreakerClosed, mostSize},
		{"one probe at a time", "abcabcabca.", BreakerOpen, 1},
		{"a failed probe keeps it open", "abcabcabca.d", BreakerOpen, 0},
		{"an acknowledged one opens it half", "abcabcabca.+", BreakerHalfOpen, 2},
		{"an answer to an earlier request is as good as a probe's", "abcabcabca+", BreakerHalfOpen, 2},
		{"each answer lets one more out", "abcabcabca.++++", BreakerHalfOpen, 5},
		{"a failure that is alone slows it down", "abcabcabca.++++d", BreakerHalfOpen, 1},
		{"two in a row open it again", "abcabcabca.++++dd", BreakerOpen, 0},
		{"failures that are not in a row do not", "abcabcabca.++++d+d+d+", BreakerHalfOpen, 2},
		{"ten answers close it", "abcabcabca.++++++++++", BreakerClosed, mostSize},
		{"a closed one has forgotten the failures", "abcabcabca.++++++++++abcabcabc", BreakerClosed, mostSize},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := &breaker{state: BreakerClosed}
			now := noon
			for _, answer := range c.answers {
				if answer == '.' {
					require.Zero(t, b.allowed(b.probeAt.Add(-time.Microsecond)))
					now = b.probeAt
					continue
				}
				before := b.state
				changed := b.learn(answer == '+', int64(answer), now, now)
				require.Equal(t, before != b.state, changed)
			}
			require.Equal(t, c.state, b.state)
			require.Equal(t, c.allowed, b.allowed(now))
		})
	}
}

func TestProbesAreFurtherAndFurtherApart(t *testing.T) {
	t.Parallel()
	b := &breaker{state: BreakerClosed}
	for _, id := range "abcabcabca" {
		b.learn(false, int64(id), noon, noon)
	}
	now := noon
	for _, seconds := range []float64{2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600} {
		require.InEpsilon(t, seconds, b.probeAt.Sub(now).Seconds(), 0.2)
		now = b.probeAt
		b.learn(false, 1, now, now)
	}
}

func TestAFailureThatBeganBeforeTheProbeWasDueDoesNotPutItOff(t *testing.T) {
	t.Parallel()
	b := &breaker{state: BreakerClosed}
	for _, id := range "abcabcabca" {
		b.learn(false, int64(id), noon, noon)
	}
	due := b.probeAt
	require.False(t, b.learn(false, 1, noon, due.Add(time.Second)))
	require.Equal(t, due, b.probeAt)
}

func TestTheJitterOfProbesDiffers(t *testing.T) {
	t.Parallel()
	seen := map[time.Duration]bool{}
	for id := range int64(50) {
		seen[probeDelay(id, 3)] = true
	}
	require.Len(t, seen, 50)
	again := probeDelay(0, 3)
	require.True(t, seen[again])
}
