package webhook

import (
	"time"

	"portico/db"
)

// The priorities of deliveries, as in webhook_delivery.priority.
const (
	firstAttempts int16 = iota // also what somebody has asked for
	retries                    // what has failed before
	replays                    // what a replay has made due: first attempts and retries
	priorities
)

// rounds is how many turns an endpoint's requests go by.
const rounds = 8

// turnOf is which priority a request is for that has the given turn. Of eight turns two are for retries and one is for replays, so that
// they go on however much is published.
func turnOf(turn int) int16 {
	switch turn % rounds {
	case 2, 6:
		return retries
	case 4:
		return replays
	default:
		return firstAttempts
	}
}

// choose is what goes out next, and in which order, of what could be sent: the first of the priority whose turn it is, or where nothing of
// that is due, of the first priority that has something due.
func choose(ready []db.DueDeliveriesRow, slots, turn int) []db.DueDeliveriesRow {
	var due [priorities][]db.DueDeliveriesRow
	for _, row := range ready {
		due[row.Priority] = append(due[row.Priority], row)
	}
	chosen := make([]db.DueDeliveriesRow, min(slots, len(ready)))
	for i := range chosen {
		next := turnOf(turn + i)
		if len(due[next]) == 0 {
			next = firstAttempts
		}
		for len(due[next]) == 0 {
			next++
		}
		chosen[i], due[next] = due[next][0], due[next][1:]
	}
	return chosen
}

// viewSizes is how many due deliveries of each priority a look judges.
func viewSizes() []int32 { return []int32{lookAt, lookAt / 2, lookAt / 4} }

// sift tells what could be sent from what is held. Held deliveries that could hide others of their priority make room for the time
// of a lease.
func sift(found []db.DueDeliveriesRow, now time.Time) (held view, ready []db.DueDeliveriesRow) {
	left := viewSizes()
	for _, row := range found {
		left[row.Priority]--
	}
	for _, row := range found {
		full := left[row.Priority] == 0
		held.full = held.full || full
		if !row.Held {
			ready = append(ready, row)
			continue
		}
		if full && !row.HeldUntil.After(now) {
			row.HeldUntil = now.Add(leaseTime)
		}
		held.rows = append(held.rows, dueDelivery{DueDeliveriesRow: row})
	}
	return held, ready
}
