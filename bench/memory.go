package main

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// memoryPeaks loads everything at once: questions about access, lists of customers, renewals, and an endpoint for their events.
func memoryPeaks(ctx context.Context, l *lab) ([]figure, error) {
	s, err := l.newStage(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close(ctx)
	// Lists of a hundred are answered faster than a key's points come back.
	server, err := l.porticoWith(ctx, s.database, []string{freely}, "serve", "--addr", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer server.stop()
	address, err := server.address(ctx)
	if err != nil {
		return nil, err
	}
	for merchant := int64(1); merchant <= leastMerchant; merchant++ {
		if err := s.endpoint(ctx, merchant, "/events"); err != nil {
			return nil, err
		}
	}
	targets, err := s.memoryTargets(ctx, address)
	if err != nil {
		return nil, err
	}
	var group errgroup.Group
	for _, t := range targets {
		group.Go(func() error {
			_, err := l.load(ctx, t, pick(l, 10*time.Second, 500*time.Millisecond))
			return err
		})
	}
	group.Go(func() error {
		_, err := s.database.renew(ctx, s.db, s.processes[:workProcesses], 0, pick(l, 5000, 200))
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	figures := make([]figure, 2)
	for i, p := range []*process{server, s.processes[0]} {
		bytes, err := peakMemory(p.cmd.Process.Pid)
		if err != nil {
			return nil, err
		}
		figures[i] = of(p.label+", most resident memory", "MB", float64(bytes)/1e6)
	}
	figures[0] = figures[0].atMost(100).because("%d connections ask for access, %d for lists of a hundred", targets[0].connections, targets[1].connections)
	return figures, nil
}

func (s *stage) memoryTargets(ctx context.Context, address string) ([]target, error) {
	graphql, _, err := s.database.accessRequests(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := s.apiKeys(ctx, 1)
	if err != nil {
		return nil, err
	}
	list, err := post("/graphql", credential(keys[1]), map[string]any{"query": `{ customers(first: 100) { nodes { id email name number } } }`})
	if err != nil {
		return nil, err
	}
	questions, err := s.database.lab.newTarget(address, allowed, 2*accessConnections, graphql)
	if err != nil {
		return nil, err
	}
	lists, err := s.database.lab.newTarget(address, "@buyer.example", 8, [][]byte{list})
	return []target{questions, lists}, err
}
