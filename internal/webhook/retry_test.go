package webhook

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRetryDelaysAreSpreadAndAlwaysTheSame(t *testing.T) {
	t.Parallel()
	for number, want := range map[int32]time.Duration{1: 5 * time.Second, 2: 5 * time.Minute, 3: 30 * time.Minute, 9: 24 * time.Hour} {
		shortest, longest := want, want
		for id := range int64(1000) {
			delay, again := retryDelay(id, number)
			require.True(t, again)
			shortest, longest = min(shortest, delay), max(longest, delay)
			repeated, _ := retryDelay(id, number)
			require.Equal(t, delay, repeated)
		}
		require.InEpsilon(t, 0.8*want.Seconds(), shortest.Seconds(), 0.01)
		require.InEpsilon(t, 1.2*want.Seconds(), longest.Seconds(), 0.01)
		require.GreaterOrEqual(t, shortest, want*8/10)
		require.LessOrEqual(t, longest, want*12/10)
	}
	_, again := retryDelay(1, 10)
	require.False(t, again)
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, time.March, 2, 9, 30, 0, 0, time.UTC)
	delay, _ := retryDelay(7, 1)
	cases := []struct {
		name       string
		number     int32
		code       int
		retryAfter string
		status     string
		wait       time.Duration // from the end of the request
	}{
		{"any 2xx acknowledges", 1, 204, "", DeliveryDelivered, 0},
		{"an acknowledgement is one whatever else it says", 1, 200, "60", DeliveryDelivered, 0},
		{"a redirect is a failure", 1, 301, "", DeliveryPending, delay},
		{"so is an error", 1, 500, "", DeliveryPending, delay},
		{"Retry-After in seconds puts the retry off", 1, 429, "120", DeliveryPending, 2 * time.Minute},
		{"Retry-After as a date does, too", 1, 503, "Mon, 02 Mar 2026 10:30:02 GMT", DeliveryPending, time.Hour},
		{"Retry-After does not bring the retry forward", 1, 503, "1", DeliveryPending, delay},
		{"nor does a date in the past", 1, 503, "Mon, 02 Mar 2026 08:30:00 GMT", DeliveryPending, delay},
		{"Retry-After counts up to a day", 1, 503, "9999999", DeliveryPending, 24 * time.Hour},
		{"however long the number is", 1, 503, "99999999999999999999", DeliveryPending, 24 * time.Hour},
		{"also as a date", 1, 503, "Wed, 02 Mar 2050 10:30:00 GMT", DeliveryPending, 24 * time.Hour},
		{"a Retry-After that means nothing means nothing", 1, 503, "-5", DeliveryPending, delay},
		{"a receiver that is gone keeps its delivery", 1, 410, "", DeliveryPending, delay},
		{"the tenth failure is the last", 10, 500, "60", DeliveryFailed, 0},
	}
	for _, c := range cases {
		end := at.Add(2 * time.Second)
		r := reply{
			message: message{deliveryID: 7, number: c.number}, startedAt: at, duration: 2 * time.Second,
			statusCode: c.code, retryAfter: retryAfter(http.Header{"Retry-After": {c.retryAfter}}, end),
		}
		r.class, r.failure = statusFailure(c.code)
		status, retryAt := r.outcome()
		require.Equal(t, c.status, status, c.name)
		if status == DeliveryPending {
			require.Equal(t, c.wait, retryAt.Sub(end), c.name)
		}
	}
}
