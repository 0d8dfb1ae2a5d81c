package main

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestASeedDrawsTheSameKillsWithinTheTime(t *testing.T) {
	t.Parallel()
	draw := func(seed uint64, mode string) []kill {
		return schedule(rand.New(rand.NewPCG(seed, 0)), mode, 50, time.Minute)
	}
	plan := draw(7, modeWorkers)
	require.Equal(t, plan, draw(7, modeWorkers))
	require.NotEqual(t, plan, draw(8, modeWorkers))
	var sum time.Duration
	hit := map[string]int{}
	for _, k := range plan {
		require.GreaterOrEqual(t, k.after, time.Duration(0))
		sum += k.after
		for _, victim := range k.victims {
			hit[victim]++
		}
	}
	require.InDelta(t, time.Minute, sum, float64(time.Millisecond))
	for _, victim := range []string{victimServe, victimWorker1, victimWorker2} {
		require.Positive(t, hit[victim], victim)
	}
	require.Zero(t, hit[victimPostgres])
	require.False(t, slices.ContainsFunc(draw(7, modePostgres), func(k kill) bool { return !slices.Equal(k.victims, []string{victimPostgres}) }))
}
