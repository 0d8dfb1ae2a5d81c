// Package rest owns the door for existing integrations: the compatible routes, and the plain pages that portal links lead to.
package rest

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"portico/internal/audit"
	"portico/internal/fault"
	"portico/internal/idempotency"
	"portico/internal/outage"
	"portico/internal/peer"
	"portico/internal/portal"
	"portico/internal/rate"
)

const (
	// requestTime bounds every request.
	requestTime = 5 * time.Second
	// unavailableFor is when to try again after the database was away.
	unavailableFor = 5 * time.Second
)

// Options are how the door is set up.
type Options struct {
	Portal    *portal.Portal
	Audit     *audit.Log
	Repeats   *idempotency.Keys
	Limiter   *rate.Limiter
	Rates     rate.Rates
	PublicURL string // where people reach this installation, without a slash at its end
	Secure    bool   // they reach it over https
	Proxies   peer.Proxies
	Log       *slog.Logger
}

// door answers everything below /api/ and /portal, and publishes the keys that access tokens are verified with.
type door struct {
	Options
	origins *http.CrossOriginProtection
}

// NewHandler makes the handler of the paths below /api/, /order/ and /shops/, of /portal and of the published keys. Addresses of requests may
// hold keys and tokens: nothing here logs them.
func NewHandler(o Options) http.Handler {
	d := &door{Options: o, origins: http.NewCrossOriginProtection()}
	mux := http.NewServeMux()
	routes := d.routes()
	for _, one := range routes {
		mux.HandleFunc(one.pattern, d.guarded(one.answer(d), one.refuse))
	}
	for path, methods := range methodsOf(routes) {
		mux.HandleFunc(path, d.guarded(func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Allow", strings.Join(methods.names, ", "))
			return fault.New(codeMethod, "", "this address takes %s", strings.Join(methods.names, " and "))
		}, methods.refuse))
	}
	document := documentOf(routes, o.PublicURL, o.Secure)
	mux.HandleFunc("GET /api/openapi.json", d.guarded(func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Cache-Control", "public, max-age=300")
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = w.Write(document) // who asked has gone
		return nil
	}, route{}.refuse))
	for _, path := range []string{"/api/", "/order/"} {
		mux.HandleFunc(path, d.guarded(func(http.ResponseWriter, *http.Request) error {
			return fault.New(fault.CodeNotFound, "", "there is no such address")
		}, route{}.refuse))
	}
	d.keyRoutes(mux)
	d.pageRoutes(mux)
	return mux
}

type handle func(http.ResponseWriter, *http.Request) error

// guarded makes a route that nothing of another request can hold up or see.
func (d *door) guarded(h handle, refuse func(http.ResponseWriter, *http.Request, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := rand.Text()
		w.Header().Set("X-Request-Id", id)
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		ctx, cancel := context.WithTimeout(r.Context(), requestTime)
		defer cancel()
		defer func() {
			if recovered := recover(); recovered != nil {
				d.Log.ErrorContext(ctx, "request broke", "request_id", id, "panic", recovered, "stack", string(debug.Stack()))
				refuse(w, r, fault.New(codeInternal, "", internalPublic))
			}
		}()
		if err := h(w, r.WithContext(ctx)); err != nil {
			if fault.List(err) == nil {
				err = d.broke(ctx, id, err)
			}
			refuse(w, r, err)
		}
	}
}

// broke logs what is nobody's to mend and says as much of it as concerns the caller.
func (d *door) broke(ctx context.Context, id string, err error) error {
	level, message, shown := slog.LevelError, "request broke", fault.New(codeInternal, "", internalPublic)
	switch {
	case outage.Is(err):
		level, message, shown = slog.LevelWarn, "the database is away", fault.New(codeUnavailable, "", outage.Public)
		shown.RetryAfter = unavailableFor
	case errors.Is(err, context.DeadlineExceeded):
		level, message, shown = slog.LevelWarn, "request took too long", fault.New(codeTimeout, "", timeoutPublic)
	}
	d.Log.Log(ctx, level, message, "request_id", id, "error", err)
	return shown
}
