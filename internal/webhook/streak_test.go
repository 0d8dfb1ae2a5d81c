package webhook

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAStreakOfFailuresLastsUntilASuccessOrALongSilence(t *testing.T) {
	t.Parallel()
	type answer struct {
		after time.Duration
		ok    bool
	}
	for _, c := range []struct {
		name    string
		answers []answer
		since   time.Duration // from noon to the streak's beginning, -1 for none
		atOnce  bool          // the last answer is worth saving at once
	}{
		{"it begins with a failure", []answer{{time.Hour, false}}, time.Hour, false},
		{"it goes on with failures", []answer{{0, false}, {time.Hour, false}, {longestSilence, false}}, 0, false},
		{"a silence begins another", []answer{{0, false}, {time.Hour, false}, {longestSilence + 1, false}}, longestSilence + time.Hour + 1, false},
		{"a success ends it", []answer{{0, false}, {time.Minute, true}}, -1, false},
		{"which is not forgotten if the drain dies, where it was long", []answer{{0, false}, {longStreak + 1, true}}, -1, true},
		{"and another one begins", []answer{{0, false}, {time.Minute, true}, {time.Minute, false}}, 2 * time.Minute, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := &pace{limit: limit{size: startSize}, breaker: breaker{state: BreakerClosed}}
			now, atOnce := noon, false
			for _, a := range c.answers {
				now = now.Add(a.after)
				r := reply{startedAt: now, failure: "no", class: ErrorStatus, statusCode: 500}
				if a.ok {
					r.failure, r.class, r.statusCode = "", "", 200
				}
				atOnce = p.learn(r)
			}
			if c.since < 0 {
				require.Zero(t, p.failingSince)
			} else {
				require.Equal(t, noon.Add(c.since), p.failingSince)
			}
			require.Equal(t, c.atOnce, atOnce)
		})
	}
}
