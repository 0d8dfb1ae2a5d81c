package webhook

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/db"
)

// answerer is a receiver: what a request gets that comes at a time, in seconds, beside others under way, itself included, and how many
// seconds later.
type answerer func(at float64, atOnce int) (kind, float64)

// length is how many seconds the work for one event takes.
type length func() float64

// anew makes a receiver whose chances are those of r.
type anew func(r *rand.Rand) answerer

func always(seconds float64) func(*rand.Rand) length {
	return func(*rand.Rand) length { return func() float64 { return seconds } }
}

// logNormal is what is measured of most receivers: half of the answers within the median, one in twenty after p95.
func logNormal(median, p95 float64) func(*rand.Rand) length {
	sigma := math.Log(p95/median) / 1.645
	return func(r *rand.Rand) length { return func() float64 { return median * math.Exp(sigma*r.NormFloat64()) } }
}

func mostlyQuick(share, quick, slow float64) func(*rand.Rand) length {
	return func(r *rand.Rand) length {
		return func() float64 {
			if r.Float64() < share {
				return quick
			}
			return slow
		}
	}
}

// unlimited works on everything at once.
func unlimited(work func(*rand.Rand) length) anew {
	return func(r *rand.Rand) answerer {
		next := work(r)
		return func(float64, int) (kind, float64) { return answered, next() }
	}
}

// queueing has so many workers, and one queue for them.
func queueing(workers int, work func(*rand.Rand) length) anew {
	return func(r *rand.Rand) answerer {
		next, free := work(r), make([]float64, workers)
		return func(at float64, _ int) (kind, float64) {
			first := 0
			for i := range free {
				if free[i] < free[first] {
					first = i
				}
			}
			free[first] = max(at, free[first]) + next()
			return answered, free[first] - at
		}
	}
}

// sharing works on everything at once, and beyond so many at once the slower the more there are.
func sharing(atOnce int, work func(*rand.Rand) length) anew {
	return func(r *rand.Rand) answerer {
		next := work(r)
		return func(_ float64, n int) (kind, float64) { return answered, next() * max(1, float64(n)/float64(atOnce)) }
	}
}

// refusing answers 429 to what is more than so many at once.
func refusing(most int, work func(*rand.Rand) length) anew {
	return func(r *rand.Rand) answerer {
		next := work(r)
		return func(_ float64, n int) (kind, float64) {
			if n > most {
				return refuses, 0.002
			}
			return answered, next()
		}
	}
}

// becoming is one receiver until a time, and another from then on.
func becoming(at float64, before, after anew) anew {
	return func(r *rand.Rand) answerer {
		first, second := before(r), after(r)
		return func(t float64, n int) (kind, float64) {
			if t < at {
				return first(t, n)
			}
			return second(t, n)
		}
	}
}

// course is what became of some minutes in which there was always something to send.
type course struct {
	perSecond   float64 // acknowledged
	size        float64 // allowed at once, on average
	least, most float64
	refused     int
}

// coming is an answer that is still to come.
type coming struct {
	at, began float64
	atOnce    int
	kind      kind
}

const requestSeconds = 10

// deliver has drains deliver to a receiver, one after the other, and looks at what happens in the second half of the given time. What a
// drain has learned goes through the endpoint's row. With a fixed size nothing is learned.
func deliver(to anew, seconds float64, seed uint64, fixed int) course {
	receiver := to(rand.New(rand.NewPCG(seed, 7)))
	moment := func(t float64) time.Time { return noon.Add(time.Duration(t * float64(time.Second))) }
	row := db.WebhookEndpoint{Concurrency: startSize, Breaker: BreakerClosed}
	p := learnedPace(row)
	var underWay []coming
	c := course{least: mostSize}
	now, last, from, sliceEnd := 0.0, 0.0, seconds/2, sliceTime.Seconds()
	for now < seconds {
		if now >= sliceEnd && len(underWay) == 0 {
			p = learnedPace(throughRow(p, moment(now)))
			sliceEnd = now + sliceTime.Seconds()
		}
		allowed := p.limit.allowed()
		if fixed > 0 {
			allowed = fixed
		}
		for now < sliceEnd && len(underWay) < allowed && !moment(now).Before(p.limit.restTil) {
			k, took := receiver(now, len(underWay)+1)
			if took > requestSeconds {
				k, took = silent, requestSeconds
			}
			underWay = append(underWay, coming{now + took, now, len(underWay) + 1, k})
		}
		if len(underWay) == 0 {
			now += 0.05
			continue
		}
		one := slices.MinFunc(underWay, func(a, b coming) int { return cmp.Compare(a.at, b.at) })
		underWay = slices.Delete(underWay, slices.Index(underWay, one), slices.Index(underWay, one)+1)
		now = one.at
		p.limit.learn(one.kind, moment(one.began), time.Duration((one.at-one.began)*float64(time.Second)), one.atOnce, 0)
		if now < from {
			last = now
			continue
		}
		switch one.kind {
		case answered:
			c.perSecond++
		case refuses:
			c.refused++
		}
		c.size += p.limit.size * (now - max(last, from))
		c.least, c.most = min(c.least, p.limit.size), max(c.most, p.limit.size)
		last = now
	}
	c.perSecond /= now - from
	c.size /= now - from
	return c
}

// throughRow saves what was learned as a drain does that ends.
func throughRow(p pace, now time.Time) db.WebhookEndpoint {
	s := (&drain{pace: p}).lesson(now)
	return db.WebhookEndpoint{
		Concurrency: s.Concurrency, RefusedSize: s.RefusedSize, RefusedAt: s.RefusedAt, QuickestUs: s.QuickestUs, SmoothedUs: s.SmoothedUs,
		LatencyUs: s.LatencyUs, Breaker: s.Breaker, HeldUntil: s.HeldUntil,
	}
}

func TestConcurrencyIsWhatAReceiverCanUse(t *testing.T) {
	t.Parallel()
	ordinary, mixed := logNormal(0.06, 0.4), mostlyQuick(0.9, 0.03, 0.5)
	for _, c := range []struct {
		name        string
		receiver    anew
		least, most float64 // at once on average, once it has settled
		share       float64 // of what the best fixed size would deliver
	}{
		{"20 ms always", unlimited(always(0.02)), 49, 50, 0.95},
		{"100 ms always", unlimited(always(0.1)), 49, 50, 0.95},
		{"log-normal, median 60 ms and p95 400 ms", unlimited(ordinary), 45, 50, 0.85},
		{"log-normal, median 20 ms and p95 300 ms", unlimited(logNormal(0.02, 0.3)), 45, 50, 0.75},
		{"30 ms, one in ten 500 ms", unlimited(mixed), 45, 50, 0.9},
		{"30 ms, every second 500 ms", unlimited(mostlyQuick(0.5, 0.03, 0.5)), 45, 50, 0.85},
		{"20 ms, one in a hundred 3 s", unlimited(mostlyQuick(0.99, 0.02, 3)), 45, 50, 0.85},
		{"50 ms, one in two hundred never", unlimited(mostlyQuick(0.995, 0.05, 60)), 35, 50, 0.9},
		{"2 s always", unlimited(always(2)), 10, 10, 0},
		{"log-normal, median 1.5 s and p95 4 s", unlimited(logNormal(1.5, 4)), 8, 11, 0},
		{"50 ms, one worker", queueing(1, always(0.05)), 1, 3, 0.95},
		{"300 ms, one worker", queueing(1, always(0.3)), 1, 3, 0.95},
		{"100 ms, four workers", queueing(4, always(0.1)), 4, 7, 0.9},
		{"100 ms, eight workers", queueing(8, always(0.1)), 8, 13, 0.9},
		{"100 ms, sixteen workers", queueing(16, always(0.1)), 16, 25, 0.9},
		{"log-normal, four workers", queueing(4, ordinary), 4, 8, 0.75},
		{"log-normal, eight workers", queueing(8, ordinary), 8, 14, 0.75},
		{"log-normal, sixteen workers", queueing(16, ordinary), 16, 26, 0.75},
		{"30 ms, one in ten 500 ms, eight workers", queueing(8, mixed), 8, 15, 0.75},
		{"100 ms, slower beyond eight", sharing(8, always(0.1)), 8, 13, 0.9},
		{"log-normal, slower beyond eight", sharing(8, ordinary), 8, 18, 0.7},
		{"log-normal, refuses more than four", refusing(4, ordinary), 3, 4.5, 0.75},
		{"log-normal, refuses more than twelve", refusing(12, ordinary), 10, 12.5, 0.75},
		{"50 ms, refuses more than thirty", refusing(30, always(0.05)), 26, 31, 0.9},
		{"100 ms, and later 400 ms", becoming(20, unlimited(always(0.1)), unlimited(always(0.4))), 45, 50, 0.9},
		{"log-normal, later with four workers only", becoming(20, unlimited(ordinary), queueing(4, ordinary)), 4, 10, 0.75},
		{"log-normal, no longer with four workers only", becoming(20, queueing(4, ordinary), unlimited(ordinary)), 40, 50, 0.8},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			const seconds, seed = 120, 1
			best := 0.0
			for _, size := range []int{1, 2, 4, 8, 12, 16, 30, 50} {
				best = max(best, deliver(c.receiver, seconds, seed, size).perSecond)
			}
			got := deliver(c.receiver, seconds, seed, 0)
			t.Logf("%.1f at once (%.0f to %.0f), %.0f%% of the best %.0f/s, %d refused", got.size, got.least, got.most,
				100*got.perSecond/best, best, got.refused)
			require.GreaterOrEqual(t, got.size, c.least)
			require.LessOrEqual(t, got.size, c.most+1e-6)
			require.GreaterOrEqual(t, got.perSecond, c.share*best)
		})
	}
}
