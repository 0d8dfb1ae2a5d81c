package graph

import (
	"context"
	"net/http"
	"net/url"

	"portico/internal/account"
	"portico/internal/fault"
)

// What pages of other origins may send and read. Cookies are not among it: there is no Access-Control-Allow-Credentials.
const (
	corsMethods = "GET, POST"
	corsHeaders = "Authorization, Content-Type, Portico-Merchant, X-API-Key"
	corsExposed = "Retry-After, X-Request-Id"
	corsMaxAge  = "600"
)

var errOrigin error = fault.New(fault.CodeForbidden, "", "the merchant has not allowed pages of this origin to call the API")

// admitPage looks at the origin of a request, and answers preflights. False when the request has its answer. Pages of origins that
// some merchant has registered may read why they are refused.
func (x *exchange) admitPage(ctx context.Context, w http.ResponseWriter, r *http.Request) (goOn bool) {
	w.Header().Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	preflight := r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
	if origin == "" || (!preflight && x.handler.isOwn(r, origin)) {
		return true
	}
	asking, cancel := context.WithTimeout(ctx, x.handler.limits.QueryTime)
	defer cancel()
	known, err := x.handler.resolver.Accounts.AllowsOrigin(asking, 0, origin)
	switch {
	case err != nil:
		x.fail(ctx, w, err)
		return false
	case !known && (!preflight || origin != x.handler.origin):
		x.fail(ctx, w, errOrigin)
		return false
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	if preflight {
		w.Header().Set("Access-Control-Allow-Methods", corsMethods)
		w.Header().Set("Access-Control-Allow-Headers", corsHeaders)
		w.Header().Set("Access-Control-Max-Age", corsMaxAge)
		w.WriteHeader(http.StatusNoContent)
		return false
	}
	w.Header().Set("Access-Control-Expose-Headers", corsExposed)
	x.page = origin
	return true
}

// isOwn tells whether a page that calls is ours.
func (h *handler) isOwn(r *http.Request, origin string) bool {
	if origin == h.origin || r.Header.Get("Sec-Fetch-Site") == "same-origin" {
		return true
	}
	page, err := url.Parse(origin)
	return err == nil && page.Host != "" && page.Host == r.Host
}

// mayCall refuses a caller who comes from a page of another origin than those of its merchant.
func (x *exchange) mayCall(ctx context.Context, caller account.Caller) error {
	if x.page == "" {
		return nil
	}
	allowed, err := false, error(nil)
	if caller.MerchantID != 0 {
		allowed, err = x.handler.resolver.Accounts.AllowsOrigin(ctx, caller.MerchantID, x.page)
	}
	if err == nil && !allowed {
		return errOrigin
	}
	return err
}

// CorsOrigins are the origins whose pages may call for the merchant.
func (r query) CorsOrigins(ctx context.Context) ([]string, error) {
	return r.Accounts.CorsOrigins(ctx, callerOf(ctx))
}

// CorsOriginsUpdate replaces them.
func (r mutation) CorsOriginsUpdate(ctx context.Context, in CorsOriginsUpdateInput) (*CorsOriginsUpdatePayload, error) {
	origins, err := r.Accounts.CorsOriginsUpdate(ctx, callerOf(ctx), in.Origins)
	if err != nil {
		refused, err := userErrors(err)
		return &CorsOriginsUpdatePayload{UserErrors: refused}, err
	}
	return &CorsOriginsUpdatePayload{Origins: origins}, nil
}
