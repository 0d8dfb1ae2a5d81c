package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"portico/db"
	"portico/internal/port"
	"portico/internal/secret"
)

const (
	modeWorkers  = "workers"
	modePostgres = "postgres"
	modeBoth     = "both"

	// gatewayLoss is the share of its answers that the test gateway loses.
	gatewayLoss = "0.2"
	startWithin = 30 * time.Second
)

// options say what to do to Portico.
type options struct {
	mode      string
	naive     bool
	seed      uint64
	kills     int
	lasting   time.Duration // of the killing
	patience  time.Duration // with the settling
	merchants int
	customers int // of each merchant
	events    int // to be published, about; where deliveries are what is looked at
	folder    string
	keep      bool // the folder, whatever comes out
	out       io.Writer
}

func (o options) say(format string, args ...any) { _, _ = fmt.Fprintf(o.out, format+"\n", args...) }

// random is a source of its own for each part of the run, so that the parts do not shift each other's numbers.
func (o options) random(part uint64) *rand.Rand {
	return rand.New(rand.NewPCG(o.seed, part)) //nolint:gosec // repeatable is what it must be
}

// run starts everything, kills, waits and judges. An error means that the run itself could not be done; what Portico did wrong is
// in the report.
func run(ctx context.Context, o options) (r *report, err error) {
	if o.mode == modeDeliveries {
		return runSoak(ctx, o)
	}
	if o.mode != modeWorkers && o.mode != modePostgres {
		return nil, fmt.Errorf("there is no mode %q: choose %s, %s, %s or %s", o.mode, modeWorkers, modePostgres, modeDeliveries, modeBoth)
	}
	build := "as it is"
	if o.naive {
		build = "with its steps in a naive order"
	}
	o.say("\nseed %d: kill %s %d times in %s, Portico %s", o.seed, o.mode, o.kills, o.lasting, build)
	s, err := openSite(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close(context.WithoutCancel(ctx))) }()
	inbox, err := openReceiver(ctx, o.seed)
	if err != nil {
		return nil, err
	}
	defer inbox.close()

	market := openMarket(ctx, o, s.api, inbox, s.db)
	killed, killErr := (&killer{o: o, random: o.random(0), house: s.house, postgres: s.postgres, market: market}).run(ctx)
	if err := errors.Join(killErr, market.close(ctx)); err != nil {
		return nil, err
	}
	r = &report{killed: killed}
	if err := settle(ctx, o, s.db, r); err != nil {
		return nil, err
	}
	s.house.close()
	return r, judge(ctx, o, s.db, r, s.house, market, inbox)
}

// site is an installation: its database, its processes, and what opens its secrets.
type site struct {
	postgres *postgres
	db       *db.DB
	house    *house
	keys     *secret.Keyring
	claims   []*port.Claim
	api      string // the URL of GraphQL
}

// openSite starts everything. Callers close it.
func openSite(ctx context.Context, o options) (s *site, err error) {
	s = &site{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(context.WithoutCancel(ctx)))
		}
	}()
	binary, err := buildPortico(ctx, o)
	if err != nil {
		return s, err
	}
	if s.postgres, err = startPostgres(ctx, filepath.Join(o.folder, "postgres")); err != nil {
		return s, err
	}
	address, err := s.address()
	if err != nil {
		return s, err
	}
	keys, pepper := "1:"+secret.NewKey(), secret.NewKey()
	if s.keys, err = secret.NewKeyring(keys, pepper); err != nil {
		return s, err
	}
	h := &house{folder: o.folder, binary: binary, environment: []string{
		"DATABASE_URL=" + s.postgres.url, "PORTICO_ADDR=" + address,
		"PORTICO_KEYS=" + string(keys), "PORTICO_PEPPER=" + string(pepper),
		"PORTICO_WEBHOOK_ALLOW_LOOPBACK=true", "PORTICO_WEBHOOK_ALLOW_HTTP=true",
		"PORTICO_TEST_GATEWAY_LOSS=" + gatewayLoss, "PORTICO_LOG_LEVEL=warn",
	}}
	if err := h.migrate(ctx); err != nil {
		return s, err
	}
	if s.db, err = db.Open(ctx, s.postgres.url); err != nil {
		return s, err
	}
	if err := h.open(ctx); err != nil {
		return s, err
	}
	s.house, s.api = h, "http://"+address+"/graphql"
	return s, awaitReady(ctx, "http://"+address)
}

// address is one that a process of the site can listen on.
func (s *site) address() (string, error) {
	claim, err := port.Take()
	if err != nil {
		return "", err
	}
	s.claims = append(s.claims, claim)
	return fmt.Sprintf("127.0.0.1:%d", claim.Number), nil
}

func (s *site) close(ctx context.Context) error {
	defer func() {
		for _, claim := range s.claims {
			_ = claim.Release()
		}
	}()
	if s.house != nil {
		s.house.close()
	}
	if s.db != nil {
		s.db.Close()
	}
	if s.postgres != nil {
		return s.postgres.stop(ctx)
	}
	return nil
}

func buildPortico(ctx context.Context, o options) (string, error) {
	path := filepath.Join(o.folder, "portico")
	args := []string{"build", "-o", path}
	if o.naive {
		args = append(args, "-tags", "naive")
	}
	output, err := exec.CommandContext(ctx, "go", append(args, "portico/cmd/portico")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build portico: %w: %s", err, output)
	}
	return path, nil
}

func awaitReady(ctx context.Context, api string) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, api+"/readyz", nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the API does not become ready: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// house is the processes of Portico.
type house struct {
	folder, binary string
	environment    []string
	programs       []*program
	leave          context.CancelFunc
}

func (h *house) command(ctx context.Context, log io.Writer, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, h.binary, args...)
	cmd.Env = append(os.Environ(), h.environment...)
	cmd.Stdout, cmd.Stderr = log, log
	return cmd
}

func (h *house) migrate(ctx context.Context) error {
	log, err := os.Create(filepath.Join(h.folder, "migrate.log"))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	if err := h.command(ctx, log, "migrate").Run(); err != nil {
		return fmt.Errorf("portico migrate: %w; see %s", err, log.Name())
	}
	return nil
}

// open starts the API and two workers, and keeps them running.
func (h *house) open(ctx context.Context) error {
	return h.keep(ctx, map[string][]string{victimServe: {"serve"}, victimWorker1: {"work"}, victimWorker2: {"work"}})
}

// keep starts programs by their names, and keeps them running.
func (h *house) keep(ctx context.Context, programs map[string][]string) error {
	ctx, h.leave = context.WithCancel(ctx)
	for name, args := range programs {
		p, err := keep(ctx, h, name, args...)
		if err != nil {
			h.close()
			return err
		}
		h.programs = append(h.programs, p)
	}
	return nil
}

// program is the one with the name.
func (h *house) program(name string) *program {
	for _, p := range h.programs {
		if p.name == name {
			return p
		}
	}
	return nil
}

// close asks all processes to stop and waits for them.
func (h *house) close() {
	h.leave()
	for _, p := range h.programs {
		<-p.done
	}
}
