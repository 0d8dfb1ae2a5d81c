package webhook

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var noon = time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)

// simulate lets a limit deal with a receiver for a number of rounds, in each of which everything it allows is sent at once (or as much
// as there is). It returns how many requests might run at once in each round.
func simulate(l *limit, rounds, backlog int, receiver func(nth, atOnce int) (kind, time.Duration)) []int {
	var sizes []int
	now := noon
	for range rounds {
		now = now.Add(rest(l, now))
		n := min(l.allowed(), backlog)
		sizes = append(sizes, min(l.whole(), backlog))
		var longest time.Duration
		for nth := range n {
			k, took := receiver(nth+1, n)
			l.learn(k, now, took, n, 0)
			longest = max(longest, took)
		}
		now = now.Add(longest)
	}
	return sizes
}

func TestConcurrencyAdaptsToTheReceiver(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		receiver    func(nth, atOnce int) (kind, time.Duration)
		backlog     int
		least, most int // of requests at once, once it has settled
	}{
		{"a fast receiver gets as much as there may be", func(int, int) (kind, time.Duration) { return answered, 5 * time.Millisecond }, 1000, 50, 50},
		{"what an endpoint does not use is not extended", func(int, int) (kind, time.Duration) { return answered, 5 * time.Millisecond }, 4, 4, 4},
		{"one that takes seconds gets no more", func(int, int) (kind, time.Duration) { return answered, 2 * time.Second }, 1000, 10, 10},
		{"one that fails says nothing about how much it takes", func(int, int) (kind, time.Duration) { return complains, time.Millisecond }, 1000, 10, 10},
		{"one that is silent gets a single request", func(int, int) (kind, time.Duration) { return silent, 10 * time.Second }, 1000, 1, 1},
		{"one that refuses more than four gets four at most", func(nth, _ int) (kind, time.Duration) {
			if nth > 4 {
				return refuses, time.Millisecond
			}
			return answered, 50 * time.Millisecond
		}, 1000, 3, 4},
		{"one that refuses more than one gets one", func(nth, _ int) (kind, time.Duration) {
			if nth > 1 {
				return refuses, time.Millisecond
			}
			return answered, 50 * time.Millisecond
		}, 1000, 1, 1},
		{"one that works on eight at a time has few waiting", func(_, atOnce int) (kind, time.Duration) {
			return answered, 100 * time.Millisecond * time.Duration(max(8, atOnce)) / 8
		}, 1000, 8, 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := &limit{size: startSize}
			sizes := simulate(l, 400, c.backlog, c.receiver)
			for _, size := range sizes[100:] {
				require.GreaterOrEqual(t, size, c.least)
				require.LessOrEqual(t, size, c.most)
			}
		})
	}
}

func TestRefusalsOfRequestsThatWereSentTogetherCutOnce(t *testing.T) {
	t.Parallel()
	for _, k := range []kind{refuses, silent} {
		l := &limit{size: 40}
		for range 10 {
			l.learn(k, noon, time.Second, 40, 0)
		}
		require.Equal(t, 28, l.allowed())
		l.learn(k, noon.Add(time.Second), time.Second, 28, 0)
		require.Equal(t, 19, l.allowed())
	}
}

func TestASizeThatWasRefusedIsTriedAgainAfterAWhile(t *testing.T) {
	t.Parallel()
	l := &limit{size: 5}
	l.learn(refuses, noon, time.Millisecond, 5, 0)
	answer := func(at time.Duration) int {
		began := noon.Add(at)
		for range 100 {
			l.learn(answered, began, time.Millisecond, l.whole(), 0)
			began = began.Add(time.Millisecond)
		}
		return l.whole()
	}
	require.Equal(t, 4, answer(10*time.Second))
	require.Equal(t, 4, answer(29*time.Second))
	require.Equal(t, 5, answer(31*time.Second))
	require.Equal(t, 5, answer(60*time.Second), "one more each time")
	require.Equal(t, 6, answer(62*time.Second))
	l.restart()
	require.Equal(t, 10, l.whole())
	for at := 70 * time.Second; at < 2*time.Minute; at += time.Second {
		answer(at)
	}
	require.Equal(t, 50, l.whole(), "one that was down is a new one")
}

func rest(l *limit, now time.Time) time.Duration { return max(0, l.restTil.Sub(now)) }

func TestAReceiverThatRefusesSingleRequestsGetsPauses(t *testing.T) {
	t.Parallel()
	l := &limit{size: 1}
	now := noon
	var pauses []time.Duration
	for range 6 {
		l.learn(refuses, now, 0, 1, 0)
		pauses = append(pauses, rest(l, now))
		now = now.Add(rest(l, now))
	}
	require.Equal(t, []time.Duration{1 * time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second, 10 * time.Second}, pauses)
	l.learn(answered, now, time.Millisecond, 1, 0)
	l.learn(refuses, now.Add(time.Second), 0, 1, 3*time.Second)
	require.Equal(t, 3*time.Second, rest(l, now.Add(time.Second)), "as long as it asks for")
	l.learn(answered, now.Add(4*time.Second), time.Millisecond, 1, 0)
	l.learn(refuses, now.Add(5*time.Second), 0, 1, time.Hour)
	require.Equal(t, 10*time.Second, rest(l, now.Add(5*time.Second)), "its Retry-After is for the delivery that it refused")
}
