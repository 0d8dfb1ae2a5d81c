// Package rest owns the door for existing integrations: the compatible routes, and the plain pages that portal links lead to.
package rest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"portico/internal/account"
	"portico/internal/audit"
	"portico/internal/credential"
	"portico/internal/fault"
	"portico/internal/peer"
	"portico/internal/portal"
)

// requestTime bounds every request.
const requestTime = 5 * time.Second

const (
	codeInternal   = "INTERNAL_SERVER_ERROR"
	internalPublic = "Something went wrong on our side. Its request id helps us to find out what."
)

// Options are how the door is set up.
type Options struct {
	Portal  *portal.Portal
	Audit   *audit.Log
	Secure  bool // people reach this installation over https
	Proxies peer.Proxies
	Log     *slog.Logger
}

// door answers everything below /api/ and /portal.
type door struct {
	portal  *portal.Portal
	audit   *audit.Log
	secure  bool
	proxies peer.Proxies
	log     *slog.Logger
	origins *http.CrossOriginProtection
}

// NewHandler makes the handler of the paths below /api/ and of /portal. Addresses of requests may hold keys and tokens: nothing here
// logs them.
func NewHandler(o Options) http.Handler {
	d := &door{
		portal: o.Portal, audit: o.Audit, secure: o.Secure, proxies: o.Proxies, log: o.Log, origins: http.NewCrossOriginProtection(),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/", d.answering(func(http.ResponseWriter, *http.Request) error {
		return fault.New(fault.CodeNotFound, "", "there is no such address")
	}))
	d.tokenRoutes(mux)
	d.pageRoutes(mux)
	return mux
}

type handle func(http.ResponseWriter, *http.Request) error

// answering makes a route whose errors are JSON.
func (d *door) answering(h handle) http.HandlerFunc { return d.guarded(h, d.refuse) }

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
				d.log.ErrorContext(ctx, "request broke", "request_id", id, "panic", recovered, "stack", string(debug.Stack()))
				refuse(w, r, fault.New(codeInternal, "", internalPublic))
			}
		}()
		if err := h(w, r.WithContext(ctx)); err != nil {
			if fault.List(err) == nil {
				d.log.ErrorContext(ctx, "request broke", "request_id", id, "error", err)
				err = fault.New(codeInternal, "", internalPublic)
			}
			refuse(w, r, err)
		}
	}
}

// refuse shows an error as existing integrations know it.
func (d *door) refuse(w http.ResponseWriter, _ *http.Request, err error) {
	first := fault.List(err)[0]
	status := statusOf(first.Code)
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	var body struct {
		Error struct {
			Code    fault.Code `json:"code"`
			Message string     `json:"message"`
		} `json:"error"`
	}
	body.Error.Code, body.Error.Message = first.Code, first.Error()
	respond(w, status, body)
}

func statusOf(code fault.Code) int {
	switch code {
	case fault.CodeUnauthenticated:
		return http.StatusUnauthorized
	case fault.CodeForbidden:
		return http.StatusForbidden
	case fault.CodeNotFound:
		return http.StatusNotFound
	case fault.CodeTaken, fault.CodeConflict, fault.CodeActivePurchaseExists:
		return http.StatusConflict
	case fault.CodeThrottled:
		return http.StatusTooManyRequests
	case codeInternal:
		return http.StatusInternalServerError
	default:
		return http.StatusBadRequest
	}
}

func respond(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(body) // who asked has gone
}

// server is the merchant's server that calls: with an API key that has the scope. A key that has not is recorded as refused.
func (d *door) server(w http.ResponseWriter, r *http.Request, scope, action string) (account.Caller, error) {
	key, given := credential.Read(r, credential.Options{QueryParameter: true})
	if !given {
		return account.Caller{}, fault.New(fault.CodeUnauthenticated, "", "send an API key in the header X-API-Key")
	}
	caller, err := key.Caller(r.Context(), d.portal, "")
	switch {
	case err != nil:
		return account.Caller{}, err
	case caller.Kind != account.KindAPIKey:
		return account.Caller{}, account.ErrUnauthenticated
	case !caller.HasScope(scope):
		refused := fault.New(fault.CodeForbidden, "", "this needs an API key with the scope %s", scope)
		if err := d.audit.Refuse(r.Context(), caller, d.act(w, r, action), refused); err != nil {
			return account.Caller{}, err
		}
		return account.Caller{}, refused
	}
	return caller, nil
}
