package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"portico/graph"
	"portico/internal/config"
	"portico/internal/landing"
	"portico/internal/rate"
	"portico/internal/rest"
	"portico/web"
)

const (
	stopWithin     = 20 * time.Second
	readinessLimit = 2 * time.Second
)

type serveCommand struct {
	Addr string `help:"Address to listen on, instead of PORTICO_ADDR."`
}

// Run serves until the context ends.
func (s *serveCommand) Run(ctx context.Context) error {
	c, log, err := settings()
	if err != nil {
		return err
	}
	if s.Addr != "" {
		c.Addr = s.Addr
	}
	collectLess()
	a, err := wire(ctx, c, log)
	if err != nil {
		return err
	}
	defer a.close()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	log.Info("serving", "addr", listener.Addr().String())
	return newAPIServer(routes(ctx, a, c), c.PublicURL, listener, log).run(ctx)
}

// collectLess trades memory for time: requests live briefly and leave little behind, so that Go's own 100 percent of a small heap means a
// collection many times a second. A GOGC other than that in the environment is kept. The soft limit is where collections become frequent
// again, long before memory grows without bound; a GOMEMLIMIT is kept.
func collectLess() {
	const usual, percent, limit = 100, 200, 192 << 20
	if before := debug.SetGCPercent(percent); before != usual {
		debug.SetGCPercent(before)
	}
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(limit)
	}
}

// apiServer is an HTTP server that has its address already.
type apiServer struct {
	http     *http.Server
	listener net.Listener
	open     *sync.WaitGroup // requests, also those whose connections the server has given away
}

func newAPIServer(handler http.Handler, publicURL string, listener net.Listener, log *slog.Logger) *apiServer {
	open := &sync.WaitGroup{}
	counted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		open.Add(1)
		defer open.Done()
		handler.ServeHTTP(w, r)
	})
	return &apiServer{listener: listener, open: open, http: &http.Server{
		Handler:           guarded(counted, publicURL),
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      45 * time.Second, // a mutation may wait for a payment provider
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10, // an address of 8 KiB, a token and cookies
	}}
}

// run serves until the context ends, then lets requests in progress finish. What goes on for long ends by itself then: see routes.
func (s *apiServer) run(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(s.listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	if err := s.http.Shutdown(stopping); err != nil {
		return errors.Join(fmt.Errorf("stop serving: %w", err), s.http.Close())
	}
	ended := make(chan struct{})
	go func() {
		s.open.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-stopping.Done():
		return errors.New("stop serving: a WebSocket does not end")
	}
}

// routes are what the server answers. The end of ctx ends streams.
func routes(ctx context.Context, a *app, c config.Config) *http.ServeMux {
	mux := http.NewServeMux()
	rates := rate.Rates{
		Servers: rate.Limit(c.RateLimit), People: rate.Limit(c.RateLimitPeople), Anonymous: rate.Limit(c.RateLimitAnonymous),
	}
	mux.Handle("/graphql", graph.NewHandler(&graph.Resolver{
		Accounts: a.accounts, Catalog: a.catalog, Access: a.access, Billing: a.billing, Webhooks: a.webhooks, Portal: a.portal,
		Audit: a.audit, Rates: a.rates, Idempotency: a.repeats,
	}, graph.Options{
		Origin: c.PublicURL, Secure: strings.HasPrefix(c.PublicURL, "https://"), Proxies: c.TrustedProxies, Log: a.log,
		Stopping: ctx.Done(), Introspection: graph.Introspection(c.Introspection), Rates: rates,
	}))
	existing := rest.NewHandler(rest.Options{
		Portal: a.portal, Audit: a.audit, Repeats: a.repeats, Limiter: a.rates, Rates: rates, PublicURL: c.PublicURL,
		Secure: strings.HasPrefix(c.PublicURL, "https://"), Proxies: c.TrustedProxies, Log: a.log,
	})
	for _, path := range []string{"/api/", "/order/", "/portal", "/portal/", "/shops/", "/.well-known/jwks.json"} {
		mux.Handle(path, existing)
	}
	mux.Handle(landing.Prefix, landing.Handler())
	web.Route(mux)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readinessLimit)
		defer cancel()
		if err := a.db.Ready(ctx); err != nil {
			a.log.WarnContext(ctx, "not ready", "error", err)
			http.Error(w, "the database is not ready", http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, "Portico. The API is at POST /graphql; try it at "+web.Playground+"; schema.graphqls documents it.")
	})
	return mux
}
