package main

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// TestPorticoSurvivesBeingKilledAndANaiveOrderOfStepsDoesNot makes three runs at the same time, which mostly wait.
func TestPorticoSurvivesBeingKilledAndANaiveOrderOfStepsDoesNot(t *testing.T) {
	t.Parallel()
	cases := []struct {
		sentence string
		options  options
		violated []string
	}{
		{"nothing is lost or doubled when workers are killed", options{mode: modeWorkers, kills: 8}, nil},
		{"nothing is lost or doubled when Postgres is killed", options{mode: modePostgres, kills: 5}, nil},
		{"a naive order of steps is found out", options{mode: modeWorkers, kills: 8, naive: true}, []string{
			"every paid invoice was charged exactly once, and no other at all",
			"portico verify is clean",
			"what the gateway took is what is booked",
		}},
	}
	var (
		group   errgroup.Group
		outputs = make([]bytes.Buffer, len(cases))
		reports = make([]*report, len(cases))
	)
	for i, c := range cases {
		folder, err := os.MkdirTemp("", "portico-crash-") //nolint:usetesting // the path of t.TempDir is too long for a socket
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, os.RemoveAll(folder)) })
		o := c.options
		o.seed, o.lasting, o.patience, o.merchants, o.customers = 7, 15*time.Second, 4*time.Minute, 3, 20
		o.folder, o.out = folder, &outputs[i]
		group.Go(func() (err error) {
			reports[i], err = run(t.Context(), o)
			return err
		})
	}
	require.NoError(t, group.Wait())
	for i, c := range cases {
		t.Run(c.sentence, func(t *testing.T) {
			reports[i].write(&outputs[i])
			t.Log(outputs[i].String())
			require.ElementsMatch(t, c.violated, reports[i].violated())
		})
	}
}
