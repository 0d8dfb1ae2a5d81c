package rest

import (
	"encoding/json"
	"net/http"
	"strconv"

	"portico/internal/account"
	"portico/internal/audit"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/portal"
)

func paywallRoutes() []route {
	return []route{{
		pattern: "POST /api/v1/paywall/{paywallId}/get-customer-portal", action: "get-customer-portal", bare: true, points: costOfWrite,
		summary: "The address of a product's purchase page, signed in as a customer",
		detail: "Finds or creates the customer with the e-mail address, keeps userMeta, links the customer to the product, and makes an " +
			"address that is valid for two hours. 409 when the customer has the product already, also through its company; what was " +
			"found, created and kept stays then too.",
		security: []string{apiKeyScheme}, refusals: []int{http.StatusConflict}, reveals: true,
		in: paywallRequest{}, out: paywallAnswer{}, handle: (*call).customerPortal,
	}}
}

// paywallRequest is the body of a request for an address of the portal.
type paywallRequest struct {
	PaywallID string          `json:"-" path:"paywallId" description:"The product's numeric id or its identifier."`
	Email     string          `json:"email" required:"true" format:"email"`
	UserMeta  json.RawMessage `json:"userMeta" required:"false" description:"A JSON object of at most 16 KiB that takes the place of the customer's, and is in every webhook about it."`
}

type paywallAnswer struct {
	URL string `json:"url" required:"true" format:"uri"`
}

// customerPortal does its work in the published order: what is malformed is so whoever calls.
func (c *call) customerPortal() (any, error) {
	var body paywallRequest
	if err := c.read(&body); err != nil {
		return nil, err
	}
	in := portal.URLCreate{Email: body.Email, UserMeta: body.UserMeta, Product: paywall(c.r.PathValue("paywallId")), Intent: portal.Buy}
	if err := in.Check(); err != nil {
		return nil, err
	}
	caller, err := c.server(account.ScopeTokensWrite)
	if err != nil {
		return nil, err
	}
	var minted portal.Minted
	err = c.Audit.RecordToken(c.r.Context(), caller, c.act(c.w, c.r, c.route.action), audit.PortalToken, func() (audit.Result, error) {
		minted, err = c.Portal.URLCreate(c.r.Context(), caller, in)
		return audit.Result{CustomerID: minted.Customer.ID, Object: customerObject(minted.Customer)}, err
	})
	if fault.Is(err, fault.CodeNotFound) {
		return nil, fault.Invalid("paywallId", "is not the id or the identifier of a product")
	}
	return paywallAnswer{string(minted.URL)}, err
}

// paywall names a product by its id, or else by its identifier, which begins with a letter.
func paywall(text string) catalog.ProductRef {
	if id, err := strconv.ParseInt(text, 10, 64); err == nil {
		return catalog.ProductRef{ID: &id}
	}
	return catalog.ProductRef{Identifier: &text}
}
