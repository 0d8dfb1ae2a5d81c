package main

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// TestMain lets the test binary be a receiver, which the soak starts and kills.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == roleReceive {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestEveryEventArrivesThoughWorkersAndReceiversAreKilled makes two runs at the same time, of which one must be found out. It comes before
// the tests that run in parallel: five installations at once are too many for a small machine.
func TestEveryEventArrivesThoughWorkersAndReceiversAreKilled(t *testing.T) { //nolint:paralleltest // see above
	cases := []struct {
		sentence string
		naive    bool
		violated []string
	}{
		{"nothing is lost when workers and receivers are killed", false, nil},
		{"receivers that acknowledge what they have not kept are found out", true, []string{
			"every event reached every endpoint that wants it", "the sequences of every subscription are whole",
		}},
	}
	var (
		group   errgroup.Group
		outputs = make([]bytes.Buffer, len(cases))
		reports = make([]*report, len(cases))
	)
	for i, c := range cases {
		folder, err := os.MkdirTemp("", "portico-soak-") //nolint:usetesting // the path of t.TempDir is too long for a socket
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, os.RemoveAll(folder)) })
		o := options{
			mode: modeDeliveries, naive: c.naive, seed: 7, kills: 8, lasting: 15 * time.Second, patience: 3 * time.Minute,
			customers: 50, events: 700, folder: folder, out: &outputs[i],
		}
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
			if !c.naive {
				require.Empty(t, reports[i].violated())
				return
			}
			require.Subset(t, reports[i].violated(), c.violated)
		})
	}
}

func TestTheSoakNotices(t *testing.T) {
	t.Parallel()
	const body, other = "0a", "0b"
	outbox := []sent{{"evt_1", "subscription.created", 5, 1, body}, {"evt_2", "subscription.renewed", 5, 2, body}, {"evt_3", "payment.failed", 6, 1, body}}
	got := func(i int) entry {
		e := outbox[i]
		return entry{ID: e.ID, Hash: e.Hash, Type: e.Type, Subscription: e.Subscription, Sequence: e.Sequence}
	}
	refused, altered, forged := got(1), got(1), got(1)
	refused.Refused, altered.Hash, forged.Wrong = true, other, "the portal's signature is wrong"
	everything := endpoint{Types: everyType()}
	for _, c := range []struct {
		sentence string
		endpoint endpoint
		log      []entry
		want     verdict
	}{
		{"nothing wrong with events in order and one again", everything, []entry{got(0), got(2), got(1), got(0)}, verdict{repeats: 1}},
		{"nothing wrong with an event that was refused first", everything, []entry{got(0), refused, got(1), got(2)}, verdict{}},
		{"nothing wrong with types that are not wanted", endpoint{Types: []string{"payment.failed"}}, []entry{got(2)}, verdict{}},
		{"an event that never came", everything, []entry{got(0), got(2)}, verdict{
			lost: []string{"evt_2: subscription.renewed of subscription 5"}, gaps: []string{"subscription 5: 1 events of 2"},
		}},
		{"an event that was always refused", everything, []entry{got(0), refused, got(2)}, verdict{
			lost: []string{"evt_2: subscription.renewed of subscription 5"}, gaps: []string{"subscription 5: 1 events of 2"},
		}},
		{"other bytes in a repetition", everything, []entry{got(0), got(1), got(2), altered}, verdict{
			unlike: []string{"evt_2: subscription.renewed of subscription 5"},
		}},
		{"a wrong signature", everything, []entry{got(0), got(1), got(2), forged}, verdict{broken: []string{"evt_2: the portal's signature is wrong"}}},
		{"an event that is not wanted", endpoint{Types: []string{"payment.failed"}}, []entry{got(2), got(0)}, verdict{
			uninvited: []string{"evt_1: subscription.created of subscription 5"},
		}},
		{"an event that does not exist", everything, []entry{got(0), got(1), got(2), {ID: "evt_9", Type: "payment.failed", Subscription: 6}}, verdict{
			uninvited: []string{"evt_9: payment.failed of subscription 6"},
		}},
		{"an event before its predecessor", everything, []entry{got(1), got(0), got(2)}, verdict{
			disordered: []string{"event 1 of subscription 5 came behind 2"},
		}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, judgeEndpoint(c.endpoint, outbox, c.log, true))
		})
	}
}
