package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"portico/internal/secret"
)

const (
	accessConnections = 32
	accessQuery       = `query($c: CustomerRef!, $p: ProductRef!) { access(customer: $c, product: $p) { allowed reason tier status seats expiresAt upgradeUrl features } }`
	allowed           = `"allowed":true`
	productIdentifier = "rosterly" // every merchant's
)

// accessSide is one server on one database.
type accessSide struct {
	target target
	meter  meter
}

// answered is one round.
type answered struct {
	loaded
	cpu   float64 // microseconds for a request, without the load generator
	split string
	by    map[string]float64 // cpu by group of processes
}

// accessChecks asks the same of Portico and of bare handlers, on few and on many subscriptions, all in turn. The question is that of an
// app: one customer, one product, everything about it; the customers are those of fifty merchants.
func accessChecks(ctx context.Context, l *lab) ([]figure, error) {
	var sides []func() (answered, error)
	for _, subscriptions := range []int{l.small, l.large} {
		d, err := l.clone(ctx, subscriptions)
		if err != nil {
			return nil, err
		}
		defer d.drop(ctx)
		servers, these, err := d.accessSides(ctx)
		defer stopAll(servers)
		if err != nil {
			return nil, err
		}
		for _, side := range these {
			sides = append(sides, func() (answered, error) { return l.answered(ctx, side, pick(l, 3*time.Second, 300*time.Millisecond)) })
		}
	}
	results, err := alternate(pick(l, 5, 1), sides...)
	if err != nil {
		return nil, err
	}
	figures := append(accessFigures(l.small, results[:3]), accessFigures(l.large, results[3:])...)
	flat := of(fmt.Sprintf("%s against %s", count(l.large), count(l.small)), "times the requests/s",
		ratios(column(results[3], perSecond), column(results[0], perSecond))...).atLeast(0.9)
	return append(figures, flat), nil
}

func perSecond(a answered) float64 { return a.PerSecond }

func accessFigures(subscriptions int, results [][]answered) []figure {
	name := func(of string) string { return of + ", " + count(subscriptions) }
	cpu := func(a answered) float64 { return a.cpu }
	serve, bare, keyed := results[0], results[1], results[2]
	return []figure{
		of(name("serve"), "requests/s", column(serve, perSecond)...).because("p50 %s ms, p99 %s ms", number(serve[0].P50), number(serve[0].P99)),
		of(name("bare handler"), "requests/s", column(bare, perSecond)...),
		of(name("bare handler that looks the key up"), "requests/s", column(keyed, perSecond)...),
		of(name("serve against bare"), "times the requests/s", ratios(column(serve, perSecond), column(bare, perSecond))...).atLeast(0.8),
		of(name("serve against bare with key"), "times the requests/s", ratios(column(serve, perSecond), column(keyed, perSecond))...),
		of(name("CPU, serve"), "us/request", column(serve, cpu)...).because("%s", serve[0].split),
		of(name("CPU, bare handler"), "us/request", column(bare, cpu)...).because("%s", bare[0].split),
		of(name("CPU, bare handler with key"), "us/request", column(keyed, cpu)...).because("%s", keyed[0].split),
	}
}

// accessSides starts Portico and the two bare handlers. Callers stop the servers, also after an error.
func (d *database) accessSides(ctx context.Context) (servers []*process, sides []accessSide, err error) {
	starts := []func() (*process, error){
		func() (*process, error) { return d.lab.portico(ctx, d, "serve", "--addr", "127.0.0.1:0") },
		func() (*process, error) { return d.lab.helper(ctx, "bare", "-database", d.url) },
		func() (*process, error) { return d.lab.helper(ctx, "bare", "-database", d.url, "-authenticate") },
	}
	graphql, plain, err := d.accessRequests(ctx)
	if err != nil {
		return nil, nil, err
	}
	for i, start := range starts {
		p, err := start()
		if err != nil {
			return servers, nil, err
		}
		servers = append(servers, p)
		address, err := p.address(ctx)
		if err != nil {
			return servers, nil, err
		}
		requests := plain
		if i == 0 {
			requests = graphql
		}
		t, err := d.lab.newTarget(address, allowed, accessConnections, requests)
		if err != nil {
			return servers, nil, err
		}
		sides = append(sides, accessSide{target: t, meter: d.lab.meter(p)})
	}
	return servers, sides, nil
}

// accessRequests are the same questions for Portico and for the bare handlers, neighbours for different merchants.
func (d *database) accessRequests(ctx context.Context) (graphql, plain [][]byte, err error) {
	inside, err := d.domain(ctx, realTime)
	if err != nil {
		return nil, nil, err
	}
	defer inside.db.Close()
	const askers = leastMerchant
	keys, err := inside.apiKeys(ctx, askers)
	if err != nil {
		return nil, nil, err
	}
	for customer := 1; customer <= min(400, d.subscriptions/merchants(d.subscriptions)); customer++ {
		for merchant := int64(1); merchant <= askers; merchant++ {
			header := map[string]string{"X-API-Key": string(keys[merchant])}
			asked, err := post("/graphql", header, accessOperation(customer))
			if err != nil {
				return nil, nil, err
			}
			graphql = append(graphql, asked)
			header["Merchant"] = strconv.FormatInt(merchant, 10)
			if asked, err = post("/access", header, bareQuestion{Customer: int64(customer), Product: productIdentifier}); err != nil {
				return nil, nil, err
			}
			plain = append(plain, asked)
		}
	}
	return graphql, plain, nil
}

func accessOperation(customer int) map[string]any {
	return map[string]any{"query": accessQuery, "variables": map[string]any{
		"c": map[string]any{"number": customer}, "p": map[string]any{"identifier": productIdentifier},
	}}
}

func (l *lab) answered(ctx context.Context, side accessSide, duration time.Duration) (answered, error) {
	var a answered
	used, err := side.meter.during(func() (err error) {
		a.loaded, err = l.load(ctx, side.target, duration)
		return err
	})
	if err != nil {
		return a, err
	}
	// The meter has seen the warm-up, too.
	n := int(a.PerSecond * (duration + warmUp).Seconds())
	a.cpu, a.split, a.by = used.perUnit(n), used.split(n), used.byGroup(n)
	return a, nil
}

func credential(key secret.Text) map[string]string {
	return map[string]string{"X-API-Key": string(key)}
}
