package billing

import "time"

// The billing intervals, as in the schema's BillingInterval.
const (
	Month = "MONTH"
	Year  = "YEAR"
)

// periodBounds are the start (included) and end (not included) of period n of a subscription, counted from its anchor.
// The anchor, not the last period's end, gives every bound: January 31 must come back to the 31st after February.
func periodBounds(anchor time.Time, interval string, n int32) (start, end time.Time) {
	return addIntervals(anchor, interval, n), addIntervals(anchor, interval, n+1)
}

func addIntervals(anchor time.Time, interval string, n int32) time.Time {
	months := int(n)
	if interval == Year {
		months *= 12
	}
	anchor = anchor.UTC()
	year, month, day := anchor.Date()
	first := time.Date(year, month+time.Month(months), 1, anchor.Hour(), anchor.Minute(), anchor.Second(), anchor.Nanosecond(), time.UTC)
	lastDay := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(day, lastDay)-1)
}
