package webhook

import (
	"math"
	"time"
)

const (
	// hoursKept is how far back health looks; the ring has one hour more, because the present one has only begun.
	hoursKept = 24
	ringSize  = hoursKept + 1
	// A histogram has four buckets for each doubling of the duration, from 1 ms to 65 s: a percentile is at most a fifth too high.
	perDoubling = 4
	buckets     = 16*perDoubling + 1
)

// tally counts attempts and how long they took.
type tally struct {
	succeeded, failed int64
	durations         []int64 // by bucket
}

func (t *tally) add(ok bool, took time.Duration) {
	if t.durations == nil {
		t.durations = make([]int64, buckets)
	}
	if ok {
		t.succeeded++
	} else {
		t.failed++
	}
	t.durations[bucketOf(took)]++
}

// bucketOf is the first bucket whose upper bound the duration does not exceed; the last one takes what is longer than all.
func bucketOf(took time.Duration) int {
	ms := float64(took) / float64(time.Millisecond)
	if ms <= 1 {
		return 0
	}
	return min(buckets-1, int(math.Ceil(math.Log2(ms)*perDoubling)))
}

// boundOf is a bucket's upper bound.
func boundOf(bucket int) time.Duration {
	return time.Duration(math.Exp2(float64(bucket)/perDoubling) * float64(time.Millisecond))
}

// merge adds what another tally has counted.
func (t *tally) merge(other tally) {
	if t.durations == nil {
		t.durations = make([]int64, buckets)
	}
	t.succeeded += other.succeeded
	t.failed += other.failed
	for i, n := range other.durations[:min(buckets, len(other.durations))] {
		t.durations[i] += n
	}
}

func (t *tally) attempts() int64 { return t.succeeded + t.failed }

// percentile is the time within which a share of the attempts, 0 to 1, had ended; 0 when there were none.
func (t *tally) percentile(share float64) time.Duration {
	rank := int64(math.Ceil(share * float64(t.attempts())))
	for bucket, n := range t.durations {
		if rank -= n; n > 0 && rank <= 0 {
			return boundOf(bucket)
		}
	}
	return 0
}

// slotOf is an hour's place in the ring.
func slotOf(hour time.Time) int16 { return int16((hour.Unix() / 3600) % ringSize) }
