package rest

import (
	"fmt"
	"net/http"

	"portico/internal/account"
	"portico/internal/audit"
	"portico/internal/portal"
)

// act is what a request sets out to do, by its permanent name.
func (d *door) act(w http.ResponseWriter, r *http.Request, action string) audit.Act {
	return audit.Act{
		Action: action, RequestID: w.Header().Get("X-Request-Id"),
		Origin: account.Origin{Address: d.Proxies.Address(r), UserAgent: r.UserAgent()},
	}
}

// record performs an act of a page's visitor with its entry in the audit log.
func (d *door) record(w http.ResponseWriter, r *http.Request, caller account.Caller, action string, do func() error) error {
	return d.Audit.Record(r.Context(), caller, d.act(w, r, action), func() (audit.Result, error) { return audit.Result{}, do() })
}

// mint mints a portal token for a server, with its entry in the audit log.
func (c *call) mint(emails ...string) (portal.Minted, error) {
	caller, err := c.server(account.ScopeTokensWrite)
	if err != nil {
		return portal.Minted{}, err
	}
	ctx := c.r.Context()
	var minted portal.Minted
	err = c.Audit.Mint(ctx, caller, c.act(c.w, c.r, c.route.action), audit.PortalToken, func() (audit.Result, error) {
		ref, err := customerOf(c.r, emails...)
		if err != nil {
			return audit.Result{}, err
		}
		minted, err = c.Portal.TokenCreate(ctx, caller, ref)
		return audit.Result{CustomerID: minted.Customer.ID, Object: customerObject(minted.Customer)}, err
	})
	if err != nil {
		return portal.Minted{}, err
	}
	return minted, nil
}

// customerObject is a customer's global id, empty for none.
func customerObject(customer account.Customer) string {
	if customer.ID == 0 {
		return ""
	}
	return fmt.Sprintf("gid://portico/Customer/%d", customer.ID)
}
