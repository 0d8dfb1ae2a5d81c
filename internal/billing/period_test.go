package billing

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestPeriodsFollowTheAnchor(t *testing.T) {
	t.Parallel()
	cases := []struct {
		sentence string
		anchor   string
		interval string
		n        int32
		start    string
		end      string
	}{
		{"the first month starts at the anchor", "2026-01-31T09:30:00Z", Month, 0, "2026-01-31T09:30:00Z", "2026-02-28T09:30:00Z"},
		{"January 31 comes back to the 31st after February", "2026-01-31T09:30:00Z", Month, 1, "2026-02-28T09:30:00Z", "2026-03-31T09:30:00Z"},
		{"a leap year has a February 29", "2028-01-31T00:00:00Z", Month, 0, "2028-01-31T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"a year that began on February 29 ends on February 28", "2028-02-29T12:00:00Z", Year, 0, "2028-02-29T12:00:00Z", "2029-02-28T12:00:00Z"},
		{"and comes back to the 29th", "2028-02-29T12:00:00Z", Year, 3, "2031-02-28T12:00:00Z", "2032-02-29T12:00:00Z"},
		{"months cross years", "2026-11-15T00:00:00Z", Month, 2, "2027-01-15T00:00:00Z", "2027-02-15T00:00:00Z"},
		{"microseconds stay", "2026-05-30T23:59:59.999999Z", Month, 8, "2027-01-30T23:59:59.999999Z", "2027-02-28T23:59:59.999999Z"},
	}
	for _, c := range cases {
		t.Run(c.sentence, func(t *testing.T) {
			t.Parallel()
			start, end := periodBounds(instant(c.anchor), c.interval, c.n)
			require.Equal(t, instant(c.start), start)
			require.Equal(t, instant(c.end), end)
		})
	}
}

func TestPeriodsNeverOverlapAndNeverLeaveAGap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		anchor := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "anchor"), 0).UTC()
		interval := rapid.SampledFrom([]string{Month, Year}).Draw(t, "interval")
		n := rapid.Int32Range(0, 200).Draw(t, "n")
		start, end := periodBounds(anchor, interval, n)
		next, _ := periodBounds(anchor, interval, n+1)
		require.True(t, start.Before(end))
		require.Equal(t, end, next)
		require.LessOrEqual(t, start.Day(), anchor.Day())
	})
}

func instant(text string) time.Time {
	parsed, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return parsed
}
