package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/webhook"
)

const secretOfTests = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// send delivers an event until the receiver accepts it.
func send(t *testing.T, r *receiver, secret string, subscription, sequence int64, more string) {
	t.Helper()
	id := fmt.Sprintf("evt_%d%d", subscription, sequence)
	body := fmt.Appendf(nil, `{"id":%q,"sequence":%d,"data":{"subscriptionId":%d%s}}`, id, sequence, subscription, more)
	at := time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC)
	standard, err := webhook.StandardSignature(secret, id, at, body)
	require.NoError(t, err)
	header := http.Header{}
	header.Set("webhook-id", id)
	header.Set("webhook-timestamp", fmt.Sprint(at.Unix()))
	header.Set("webhook-signature", standard)
	header.Set("x-portal-signature", webhook.PortalSignature(secret, body))
	for range 2 {
		if r.take("/hook", header, body) == accepts {
			return
		}
	}
	require.Fail(t, "failed twice")
}

func TestTheReceiverNotices(t *testing.T) {
	t.Parallel()
	const otherSecret = "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
	cases := []struct {
		sentence   string
		happens    func(*testing.T, *receiver)
		wrong      string
		disordered bool
		repeats    int
		events     int
	}{
		{"nothing wrong with events in order", func(t *testing.T, r *receiver) {
			send(t, r, secretOfTests, 1, 1, "")
			send(t, r, secretOfTests, 2, 1, "")
			send(t, r, secretOfTests, 1, 2, "")
		}, "", false, 0, 3},
		{"nothing wrong with a repetition", func(t *testing.T, r *receiver) {
			send(t, r, secretOfTests, 1, 1, "")
			send(t, r, secretOfTests, 1, 1, "")
		}, "", false, 1, 1},
		{"another body under the same id", func(t *testing.T, r *receiver) {
			send(t, r, secretOfTests, 1, 1, "")
			send(t, r, secretOfTests, 1, 1, `,"more":1`)
		}, "another body", false, 1, 1},
		{"a signature with another secret", func(t *testing.T, r *receiver) { send(t, r, otherSecret, 1, 1, "") }, "signature is wrong", false, 0, 0},
		{"an event before its predecessor", func(t *testing.T, r *receiver) {
			send(t, r, secretOfTests, 1, 2, "")
			send(t, r, secretOfTests, 1, 1, "")
		}, "", true, 0, 2},
		{"an event that is left out", func(t *testing.T, r *receiver) {
			send(t, r, secretOfTests, 1, 1, "")
			send(t, r, secretOfTests, 1, 3, "")
		}, "", true, 0, 2},
	}
	for _, c := range cases {
		t.Run(c.sentence, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(1)
			r.expect("/hook", secretOfTests)
			c.happens(t, r)
			if c.wrong == "" {
				require.Empty(t, r.complaints())
			} else {
				require.Len(t, r.complaints(), 1)
				require.Contains(t, r.complaints()[0], c.wrong)
			}
			require.Equal(t, c.disordered, len(r.disordered()) > 0)
			got := r.all()
			require.Len(t, got, c.events)
			if c.repeats > 0 {
				require.Greater(t, got[delivery{"/hook", "evt_11"}].times, c.repeats)
			}
		})
	}
}

func TestTheReceiverFailsAFewEventsOfEverySubscriptionOnce(t *testing.T) {
	t.Parallel()
	r := newReceiver(1)
	failed := map[fate]int{}
	for subscription := range int64(30) {
		l := lane{"/hook", subscription}
		for sequence := range int64(2 * failEvery) {
			d := delivery{"/hook", fmt.Sprint(subscription, sequence)}
			failed[r.fateOf(d, l, sequence+1)]++
			require.Equal(t, accepts, r.fateOf(d, l, sequence+1))
		}
	}
	require.Equal(t, 30*2, failed[refuses]+failed[dropsRequest]+failed[dropsAnswer])
	for _, f := range []fate{refuses, dropsRequest, dropsAnswer} {
		require.Positive(t, failed[f])
	}
}
