package main

import (
	"context"
	"fmt"
	"strconv"
	"syscall"
	"time"

	"portico/internal/webhook"
)

// among is what a run beside failing endpoints gives.
type among struct {
	perSecond float64         // events that healthy endpoints received, in a flood
	late      []time.Duration // from commit to receipt at healthy endpoints, sorted, at a steady pace
	cpu       float64         // microseconds for an event, at that pace
	split     string
}

// failures publishes to many endpoints of which three in ten fail, each in its own way, and looks at those that do not. The CPU counts
// what is spent on the failing ones as well.
func failures(ctx context.Context, l *lab) ([]figure, error) {
	endpoints, events, lasting := pick(l, 100, 50), pick(l, 5000, 200), pick(l, 40*time.Second, time.Second)
	flood, err := l.floodAmong(ctx, someFail, events, endpoints)
	if err != nil {
		return nil, err
	}
	results, err := alternate(1,
		func() (among, error) { return l.steadyAmong(ctx, someFail, lasting, endpoints) },
		func() (among, error) { return l.steadyAmong(ctx, noneFail, lasting, endpoints) },
	)
	if err != nil {
		return nil, err
	}
	steady, well := results[0][0], results[1][0]
	beside := fmt.Sprintf("%d endpoints of which %d fail", endpoints, endpoints*3/10)
	return []figure{
		of(count(events)+" events to "+beside, "events/s", flood.perSecond).atLeast(1500).because("those to healthy ones, until the last is received"),
		of("CPU, "+count(events)+" events to "+beside, "us/event", flood.cpu).atMost(600).because("%s", flood.split),
		of("60 events/s to "+beside+", p50", "ms", milliseconds(percentile(steady.late, 50))).
			because("commit to receipt, %d events to healthy ones", len(steady.late)),
		of("60 events/s to "+beside+", p99", "ms", milliseconds(percentile(steady.late, 99))).atMost(50).
			because("worst %s, where none fails p99 %s", number(milliseconds(steady.late[len(steady.late)-1])), number(milliseconds(percentile(well.late, 99)))),
		of("CPU, 60 events/s to "+beside, "us/event", steady.cpu).because("idle work included: %s", steady.split),
		of("CPU, 60 events/s, against none failing", "times", steady.cpu/well.cpu).because("those: %s", well.split),
	}, nil
}

// health is the path of a merchant's endpoint, or "" for one that fails.
type health func(merchant int) string

func noneFail(merchant int) string { return "/" + strconv.Itoa(merchant) }

// someFail lets three endpoints of every ten fail, each in its own way.
func someFail(merchant int) string {
	if merchant%10 < 3 {
		return ""
	}
	return noneFail(merchant)
}

// furnish gives each of the first merchants an endpoint. Of those that fail one never answers, one answers 500 and one refuses
// connections.
func (s *stage) furnish(ctx context.Context, healthy health, merchants int) (closed func(), err error) {
	refusing, closed, err := refusingAddress()
	if err != nil {
		return nil, err
	}
	for merchant := 1; merchant <= merchants && err == nil; merchant++ {
		url := "http://" + s.address + healthy(merchant)
		if healthy(merchant) == "" {
			url = []string{url + stuck, url + broken, "http://" + refusing}[merchant%10]
		}
		_, _, err = s.webhooks.EndpointCreate(ctx, int64(merchant), webhook.EndpointCreate{URL: url})
	}
	if err != nil {
		closed()
	}
	return closed, err
}

// refusingAddress is a port that is taken by a socket which does not listen: it refuses connections, and nobody else can take it.
func refusingAddress() (address string, closed func(), err error) {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return "", nil, fmt.Errorf("make a socket: %w", err)
	}
	closed = func() { _ = syscall.Close(socket) }
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		closed()
		return "", nil, fmt.Errorf("bind a socket: %w", err)
	}
	name, err := syscall.Getsockname(socket)
	if err != nil {
		closed()
		return "", nil, fmt.Errorf("ask for a socket's port: %w", err)
	}
	return fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port), closed, nil
}

// among opens a stage with that many endpoints and meters what work does there.
func (l *lab) among(ctx context.Context, healthy health, endpoints int, work func(*stage) error) (usage, error) {
	s, err := l.newStage(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close(ctx)
	closed, err := s.furnish(ctx, healthy, endpoints)
	if err != nil {
		return nil, err
	}
	defer closed()
	return l.meter(s.processes...).withSelf().during(func() error { return work(s) })
}

func (l *lab) floodAmong(ctx context.Context, healthy health, events, endpoints int) (among, error) {
	wanted := 0
	for turn := range events {
		if healthy(turn%endpoints+1) != "" {
			wanted++
		}
	}
	var perSecond float64
	used, err := l.among(ctx, healthy, endpoints, func(s *stage) error {
		const batch = 50 // what a few charge jobs book at a time
		started := time.Now()
		for first := 0; first < events; first += batch {
			if err := s.publish(ctx, first, min(batch, events-first), endpoints); err != nil {
				return err
			}
		}
		var seen taken
		err := waitFor(ctx, 5*time.Minute, poll, func() (bool, error) {
			err := ask(ctx, s.address, "/taken", &seen)
			return seen.Events >= wanted, err
		})
		if err != nil {
			return fmt.Errorf("%d of %d events were received: %w", seen.Events, wanted, err)
		}
		perSecond = float64(wanted) / seen.Last.Sub(started).Seconds()
		return nil
	})
	if err != nil {
		return among{}, err
	}
	return among{perSecond: perSecond, cpu: used.perUnit(events), split: used.split(events)}, nil
}

// steadyAmong lasts for longer than requests may hang, several times over: what failing endpoints cost the others shows when many of
// their requests hang at once.
func (l *lab) steadyAmong(ctx context.Context, healthy health, lasting time.Duration, endpoints int) (among, error) {
	var (
		committed []time.Time
		late      []time.Duration
	)
	used, err := l.among(ctx, healthy, endpoints, func(s *stage) (err error) {
		if committed, err = s.steadily(ctx, lasting, time.Second/60, endpoints); err != nil {
			return err
		}
		late, err = s.lateness(ctx, committed, func(event int) string { return healthy(event%endpoints + 1) })
		return err
	})
	if err != nil {
		return among{}, err
	}
	return among{late: late, cpu: used.perUnit(len(committed)), split: used.split(len(committed))}, nil
}
