package rest

import (
	"encoding/json"
	"net/http"
	"time"

	"portico/internal/access"
	"portico/internal/account"
	"portico/internal/audit"
	"portico/internal/catalog"
	"portico/internal/credential"
	"portico/internal/fault"
	"portico/internal/secret"
	"portico/internal/webhook"
)

func claimsRoutes() []route {
	const path = "/api/platform/claims"
	ways := []string{clientScheme, sessionScheme}
	return []route{{
		pattern: "POST " + path, action: "platform/claims", bare: true, points: costOfWrite,
		summary: "Set the claims of an end user of a product",
		detail: "Merges by key; null deletes a key. The user is created if there is none with the address. A product's server proves itself " +
			"with client_id and client_secret in the body or with HTTP Basic, the dashboard with the session's cookie, and then names the product.",
		security: ways, refusals: []int{http.StatusNotFound, http.StatusConflict}, in: claimsRequest{}, out: claimsAnswer{}, handle: (*call).setClaims,
	}, {
		pattern: "GET " + path, action: "platform/claims", id: "platform/claims/read", bare: true, points: costOfRead,
		summary: "The claims of an end user of a product", security: ways, refusals: []int{http.StatusNotFound},
		in: claimsQuery{}, out: claimsAnswer{}, handle: (*call).claims,
	}}
}

type claimsRequest struct {
	ClientID     string          `json:"client_id" required:"false"`
	ClientSecret secret.Text     `json:"client_secret" required:"false"`
	Email        string          `json:"email" required:"true" format:"email"`
	Claims       json.RawMessage `json:"claims" required:"true" description:"A JSON object of strings, numbers, booleans and nulls."`
	Product      string          `json:"product_identifier" required:"false" description:"For the dashboard; a client has one product."`
	ExpiresAt    *string         `json:"expires_at" required:"false" format:"date-time" description:"When the claims that are set end; never when left out."`
	IfVersion    *int64          `json:"if_version" required:"false" description:"Set nothing unless the claims are of this version: 409."`
}

type claimsQuery struct {
	Email   string `query:"email" required:"true" format:"email"`
	Product string `query:"product_identifier" description:"For the dashboard; a client has one product."`
}

type claimsAnswer struct {
	Email   string          `json:"email" required:"true"`
	Claims  json.RawMessage `json:"claims" required:"true" description:"As tokens have them: those of the subscription as well."`
	Version int64           `json:"version" required:"true" description:"Counts the changes to what was set; 0 before the first."`
}

func (c *call) setClaims() (any, error) {
	var body claimsRequest
	if err := c.read(&body); err != nil {
		return nil, err
	}
	email, err := account.EmailAddress("email", body.Email)
	if err != nil {
		return nil, err
	}
	expires, err := body.expires()
	if err != nil {
		return nil, err
	}
	caller, product, err := c.platform(credential.Credential{ClientID: body.ClientID, Secret: body.ClientSecret}, body.Product, account.RoleAdmin)
	if err != nil {
		return nil, err
	}
	return c.once(caller, func() (any, error) {
		var claims access.CustomerClaims
		err := c.record(caller, func() (_ audit.Result, err error) {
			claims, err = c.Portal.Access.ClaimsSet(c.r.Context(), caller, access.ClaimsSet{
				Customer: account.CustomerRef{Email: &email}, Product: product, Claims: body.Claims, ExpiresAt: expires, IfVersion: body.IfVersion,
			})
			return audit.Result{Object: customerObject(account.Customer{ID: claims.CustomerID})}, err
		})
		if err != nil {
			return nil, renamed(err, claimsNames())
		}
		return showClaims(email, claims)
	})
}

func (body claimsRequest) expires() (*time.Time, error) {
	if body.ExpiresAt == nil {
		return nil, nil //nolint:nilnil // never
	}
	at, err := time.Parse(time.RFC3339, *body.ExpiresAt)
	if err != nil {
		return nil, fault.Invalid("expires_at", "must be a time such as 2026-01-31T09:30:00Z")
	}
	return &at, nil
}

// claimsNames are those of the routes for the fields of the domain.
func claimsNames() map[string]string {
	return map[string]string{"customer": "email", "product": "product_identifier", "ifVersion": "if_version"}
}

func (c *call) claims() (any, error) {
	query, err := parameters(c.r, "email", "product_identifier")
	if err != nil {
		return nil, err
	}
	caller, product, err := c.platform(credential.Credential{}, query["product_identifier"], account.RoleViewer)
	if err != nil {
		return nil, err
	}
	email, err := account.EmailAddress("email", query["email"])
	if err != nil {
		return nil, err
	}
	claims, err := c.Portal.Access.Claims(c.r.Context(), caller, account.CustomerRef{Email: &email}, product)
	if err != nil {
		return nil, renamed(err, claimsNames())
	}
	return showClaims(email, claims)
}

func showClaims(email string, claims access.CustomerClaims) (any, error) {
	object, err := webhook.StableJSON(claims.Object())
	return claimsAnswer{Email: email, Claims: object, Version: claims.Version}, err
}

// platform is who may see or set claims, and of which product: a client, whose product it is, or a member in the dashboard who names one.
// A body's credentials go before those of the headers, and those before a cookie, which browsers send unasked.
func (c *call) platform(inBody credential.Credential, identifier string, role account.Role) (account.Caller, catalog.ProductRef, error) {
	found, given := inBody, inBody != credential.Credential{}
	if !given {
		found, given = credential.Read(c.r, credential.Options{})
	}
	cookie, err := c.r.Cookie(credential.SessionCookie(c.Secure))
	if !given && err == nil {
		if err := c.origins.Check(c.r); err != nil {
			return account.Caller{}, catalog.ProductRef{}, fault.New(fault.CodeForbidden, "", "this request comes from a page of another origin")
		}
		found, given = credential.Credential{Secret: secret.Text(cookie.Value)}, true
	}
	if !given {
		return account.Caller{}, catalog.ProductRef{}, fault.New(fault.CodeUnauthenticated, "", "send client_id and client_secret, in the body or with HTTP Basic")
	}
	caller, err := found.Caller(c.r.Context(), c.Portal, c.r.Header.Get("Portico-Merchant"))
	switch {
	case err != nil:
		return account.Caller{}, catalog.ProductRef{}, err
	case caller.Kind == account.KindClient:
		if identifier == "" {
			return caller, catalog.ProductRef{ID: &caller.ProductID}, c.pay(caller)
		}
	case caller.Kind != account.KindMember || caller.MerchantID == 0:
		return account.Caller{}, catalog.ProductRef{}, account.ErrUnauthenticated
	case !caller.Role.Includes(role):
		return account.Caller{}, catalog.ProductRef{}, c.forbid(caller, fault.New(fault.CodeForbidden, "", "this needs a member with the role %s", role))
	case identifier == "":
		return account.Caller{}, catalog.ProductRef{}, fault.Required("product_identifier")
	}
	return caller, catalog.ProductRef{Identifier: &identifier}, c.pay(caller)
}
