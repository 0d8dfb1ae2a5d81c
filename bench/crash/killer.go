package main

import (
	"context"
	"math/rand/v2"
	"strings"
	"time"
)

// The victims of a kill.
const (
	victimServe    = "serve"
	victimWorker1  = "worker 1"
	victimWorker2  = "worker 2"
	victimPostgres = "postgres"
)

// kill is one planned moment.
type kill struct {
	after   time.Duration // since the kill before
	victims []string
}

// schedule draws the kills. The moments are those of a Poisson process: some in a burst, which finds what has only just been
// started, some after a lull, in which leaders are elected and the sweeps run.
func schedule(random *rand.Rand, mode string, kills int, lasting time.Duration) []kill {
	gaps, sum := make([]float64, kills), 0.0
	for i := range gaps {
		gaps[i] = random.ExpFloat64()
		sum += gaps[i]
	}
	plan := make([]kill, kills)
	for i := range plan {
		plan[i] = kill{after: time.Duration(gaps[i] / sum * float64(lasting)), victims: victims(random, mode)}
	}
	return plan
}

func victims(random *rand.Rand, mode string) []string {
	switch mode {
	case modePostgres:
		return []string{victimPostgres}
	case modeDeliveries:
		return deliveryVictims(random)
	}
	switch dice := random.IntN(10); {
	case dice < 3:
		return []string{victimWorker1}
	case dice < 6:
		return []string{victimWorker2}
	case dice < 8:
		return []string{victimWorker1, victimWorker2}
	}
	return []string{victimServe}
}

const (
	// Most of the time no mutation is under way: the API is killed when one is, or after this time.
	aimFor = time.Second
	// A mutation that charges takes tens of milliseconds.
	mutationTime = 40 * time.Millisecond
)

// killer carries out a schedule.
type killer struct {
	o        options
	random   *rand.Rand
	house    *house
	postgres *postgres
	market   *market
}

// run returns how many times it has killed.
func (k *killer) run(ctx context.Context) (int, error) {
	started := time.Now()
	for i, next := range schedule(k.random, k.o.mode, k.o.kills, k.o.lasting) {
		select {
		case <-ctx.Done():
			return i, ctx.Err()
		case <-time.After(next.after):
		}
		k.o.say("  %5.1fs  kill %d of %d: %s", time.Since(started).Seconds(), i+1, k.o.kills, strings.Join(next.victims, " and "))
		for _, victim := range next.victims {
			if err := k.kill(ctx, victim); err != nil {
				return i, err
			}
		}
	}
	return k.o.kills, nil
}

func (k *killer) kill(ctx context.Context, victim string) error {
	if victim == victimPostgres {
		return k.postgres.kill(ctx)
	}
	if victim == victimServe {
		k.aim()
	}
	return k.house.program(victim).kill(ctx)
}

// aim waits until the API is in the middle of something.
func (k *killer) aim() {
	for until := time.Now().Add(aimFor); k.market.busy.Load() == 0 && time.Now().Before(until); {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(time.Duration(k.random.Int64N(int64(mutationTime))))
}
