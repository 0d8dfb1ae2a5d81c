package rest

import (
	"fmt"
	"net/http"

	"portico/internal/account"
	"portico/internal/audit"
	"portico/internal/portal"
)

// act is what a route sets out to do, by its permanent name: the last part of a published route's path, or the mutation of GraphQL that
// does the same.
func (d *door) act(w http.ResponseWriter, r *http.Request, action string) audit.Act {
	return audit.Act{
		Action: action, RequestID: w.Header().Get("X-Request-Id"),
		Origin: account.Origin{Address: d.proxies.Address(r), UserAgent: r.UserAgent()},
	}
}

// record performs an act of a caller with its entry in the audit log.
func (d *door) record(w http.ResponseWriter, r *http.Request, caller account.Caller, action string, do func() error) error {
	return d.audit.Record(r.Context(), caller, d.act(w, r, action), func() (audit.Result, error) { return audit.Result{}, do() })
}

// mint mints a portal token for a server, with its entry in the audit log.
func (d *door) mint(w http.ResponseWriter, r *http.Request, action string, emails ...string) (portal.Minted, error) {
	caller, err := d.server(w, r, account.ScopeTokensWrite, action)
	if err != nil {
		return portal.Minted{}, err
	}
	ctx := r.Context()
	var minted portal.Minted
	err = d.audit.Mint(ctx, caller, d.act(w, r, action), audit.PortalToken, func() (audit.Result, error) {
		ref, err := customerOf(r, emails...)
		if err != nil {
			return audit.Result{}, err
		}
		minted, err = d.portal.TokenCreate(ctx, caller, ref)
		return audit.Result{CustomerID: minted.Customer.ID, Object: fmt.Sprintf("gid://portico/Customer/%d", minted.Customer.ID)}, err
	})
	if err != nil {
		return portal.Minted{}, err
	}
	return minted, nil
}
