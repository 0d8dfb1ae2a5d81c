package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

//go:embed peers.sql
var peersSQL string

const (
	peerRole = "bench_peer" // of the whole cluster; it only reads
	// Portico refuses to add the money of the prices: that could be 1,121 objects, and 1,000 are allowed.
	productsQuery = `query($n: Int!) { products(first: $n) { nodes { identifier name status plans { number name tier prices { interval } } } } }`
	productsAsked = 20
)

// The same questions in the words of PostGraphile's schema, in which merchants have numbers.
const (
	postgraphileAccess   = `query($m: BigInt!, $c: BigInt!, $p: String!) { accessList(ofMerchant: $m, customerNumber: $c, productIdentifier: $p) { allowed reason tier status seats expiresAt upgradeUrl features } }`
	postgraphileProducts = `query($m: BigInt!, $n: Int!) { allProducts(condition: {merchantId: $m}, orderBy: [ROW_ID_DESC], first: $n) { nodes { identifier name status plans(orderBy: [ROW_ID_ASC]) { nodes { number name tier prices(orderBy: [ROW_ID_ASC]) { nodes { interval } } } } } } }`
)

// peer is one server and what it is asked.
type peer struct {
	label   string
	process *process
	address string
	access  [][]byte
	catalog [][]byte // 20 products with their plans and prices
}

// peers asks the same questions of Portico, of PostGraphile and of Mercurius, in turn and on one database, each of them one process with as
// many connections to Postgres. What the peers are spared: they believe a header that names the merchant, count nothing, and record nothing.
func peers(ctx context.Context, l *lab) ([]figure, error) {
	folder, err := l.installPeers(ctx)
	if err != nil {
		return nil, err
	}
	d, err := l.clone(ctx, l.small)
	if err != nil {
		return nil, err
	}
	defer d.drop(ctx)
	if err := d.preparePeers(ctx); err != nil {
		return nil, err
	}
	all, err := d.startPeers(ctx, folder)
	defer func() {
		for _, p := range all {
			p.process.stop()
		}
	}()
	if err != nil {
		return nil, err
	}
	var figures []figure
	questions := []struct {
		name, expect string
		requests     func(peer) [][]byte
	}{
		{"access", allowed, func(p peer) [][]byte { return p.access }},
		{"20 products", `"` + productIdentifier + `"`, func(p peer) [][]byte { return p.catalog }},
	}
	for _, q := range questions {
		if err := agree(ctx, all, q.requests); err != nil {
			return nil, fmt.Errorf("%s: %w", q.name, err)
		}
		var sides []func() (answered, error)
		for _, p := range all {
			t, err := l.newTarget(p.address, q.expect, accessConnections, q.requests(p))
			if err != nil {
				return nil, err
			}
			side := accessSide{target: t, meter: l.meter(p.process)}
			sides = append(sides, func() (answered, error) { return l.answered(ctx, side, pick(l, 3*time.Second, 300*time.Millisecond)) })
		}
		results, err := alternate(pick(l, 5, 1), sides...)
		if err != nil {
			return nil, err
		}
		figures = append(figures, peerFigures(q.name, all, results)...)
	}
	return figures, nil
}

func peerFigures(question string, all []peer, results [][]answered) []figure {
	var figures []figure
	named := func(format string, args ...any) string { return question + ", " + fmt.Sprintf(format, args...) }
	group := func(label string) func(answered) float64 { return func(a answered) float64 { return a.by[label] } }
	cpu := func(a answered) float64 { return a.cpu }
	for i, p := range all {
		figures = append(figures,
			of(named("%s", p.label), "requests/s", column(results[i], perSecond)...).because("p50 %s ms, p99 %s ms", number(results[i][0].P50), number(results[i][0].P99)),
			of(named("CPU of %s", p.label), "us/request", column(results[i], group(p.label))...),
			of(named("CPU of Postgres for %s", p.label), "us/request", column(results[i], group("postgres"))...))
	}
	const serve, postgraphile, mercurius = 0, 1, 2
	rates, costs := column(results[serve], perSecond), column(results[serve], cpu)
	return append(figures,
		of(named("PostGraphile's CPU against Portico's"), "times", ratios(column(results[postgraphile], cpu), costs)...).atLeast(3),
		of(named("Portico's rate against PostGraphile's"), "times the requests/s", ratios(rates, column(results[postgraphile], perSecond))...).atLeast(3),
		of(named("Portico's CPU against Mercurius'"), "times", ratios(costs, column(results[mercurius], cpu))...).atMost(1),
		of(named("server alone, Portico's CPU against Mercurius'"), "times",
			ratios(column(results[serve], group("serve")), column(results[mercurius], group("mercurius")))...),
		of(named("Portico's rate against Mercurius'"), "times the requests/s", ratios(rates, column(results[mercurius], perSecond))...))
}

// installPeers returns the folder of the npm project, whose packages are installed when the lock file is newer than they are.
func (l *lab) installPeers(ctx context.Context) (string, error) {
	home, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "portico/bench").Output()
	if err != nil {
		return "", fmt.Errorf("find the peers: %w", err)
	}
	folder := filepath.Join(strings.TrimSpace(string(home)), "peers")
	lock, err := os.Stat(filepath.Join(folder, "package-lock.json"))
	if err != nil {
		return "", err
	}
	mark := filepath.Join(folder, "node_modules", ".installed")
	if made, err := os.Stat(mark); err == nil && made.ModTime().After(lock.ModTime()) {
		return folder, nil
	}
	l.say("install the peers' packages")
	if output, err := exec.CommandContext(ctx, "npm", "ci", "--prefix", folder, "--no-audit", "--no-fund").CombinedOutput(); err != nil {
		return "", fmt.Errorf("install the peers' packages: %w: %s", err, output)
	}
	return folder, os.WriteFile(mark, nil, 0o600)
}

// preparePeers makes the role, its views and more products.
func (d *database) preparePeers(ctx context.Context) error {
	return connected(ctx, d.lab.address(superuser, d.name), func(conn *pgx.Conn) error {
		var made bool
		if err := conn.QueryRow(ctx, `select exists (select from pg_roles where rolname = $1)`, peerRole).Scan(&made); err != nil {
			return err
		}
		if !made {
			if _, err := conn.Exec(ctx, "create role "+peerRole+" login"); err != nil {
				return err
			}
		}
		// Triggers check foreign keys as the owner of the tables, who is held by their policies.
		script := "set portico.tenant = 'system';\n" + peersSQL
		if err := conn.PgConn().Exec(ctx, script).Close(); err != nil {
			return fmt.Errorf("prepare the peers' views: %w", err)
		}
		return nil
	})
}

// startPeers starts Portico first, then the others. Callers stop what has started, also after an error.
func (d *database) startPeers(ctx context.Context, folder string) (all []peer, err error) {
	requests, err := d.peerRequests(ctx)
	if err != nil {
		return nil, err
	}
	env := append(os.Environ(), "DATABASE_URL="+d.lab.address(peerRole, d.name), "CONNECTIONS="+strconv.Itoa(connections),
		"NODE_ENV=production", "GRAPHILE_ENV=production")
	for _, p := range requests {
		if p.label == "serve" {
			// It counts as always, but answers of 200 objects would soon use up what a key may spend.
			p.process, err = d.lab.porticoWith(ctx, d, []string{freely}, "serve", "--addr", "127.0.0.1:0")
		} else {
			p.process, err = spawn(ctx, p.label, env, "node", filepath.Join(folder, p.label+".js"))
		}
		if err != nil {
			return all, err
		}
		all = append(all, p)
		if all[len(all)-1].address, err = p.process.address(ctx); err != nil {
			return all, err
		}
	}
	return all, nil
}

// peerRequests are the servers to be with the same questions in the same order, neighbours for different merchants.
func (d *database) peerRequests(ctx context.Context) ([]peer, error) {
	inside, err := d.domain(ctx, realTime)
	if err != nil {
		return nil, err
	}
	defer inside.db.Close()
	keys, err := inside.apiKeys(ctx, leastMerchant)
	if err != nil {
		return nil, err
	}
	serve, postgraphile, mercurius := peer{label: "serve"}, peer{label: "postgraphile"}, peer{label: "mercurius"}
	add := func(requests *[][]byte, header map[string]string, query string, variables map[string]any) {
		if err == nil {
			var request []byte
			request, err = post("/graphql", header, map[string]any{"query": query, "variables": variables})
			*requests = append(*requests, request)
		}
	}
	for customer := 1; customer <= min(400, d.subscriptions/leastMerchant); customer++ {
		for merchant := int64(1); merchant <= leastMerchant; merchant++ {
			key, header := credential(keys[merchant]), map[string]string{"Merchant": strconv.FormatInt(merchant, 10)}
			variables := map[string]any{"c": map[string]any{"number": customer}, "p": map[string]any{"identifier": productIdentifier}}
			add(&serve.access, key, accessQuery, variables)
			add(&mercurius.access, header, accessQuery, variables)
			numbers := map[string]any{"m": header["Merchant"], "c": strconv.Itoa(customer), "p": productIdentifier}
			add(&postgraphile.access, header, postgraphileAccess, numbers)
			if customer == 1 {
				add(&serve.catalog, key, productsQuery, map[string]any{"n": productsAsked})
				add(&mercurius.catalog, header, productsQuery, map[string]any{"n": productsAsked})
				add(&postgraphile.catalog, header, postgraphileProducts, map[string]any{"m": header["Merchant"], "n": productsAsked})
			}
		}
	}
	return []peer{serve, postgraphile, mercurius}, err
}
