package rest

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"portico/internal/account"
	"portico/internal/audit"
	"portico/internal/fault"
)

const external = "/api/external/v2/"

func tokenRoutes() []route {
	const magicLink = external + "subscription-contracts-email-magic-link"
	keys := []string{apiKeyScheme, apiKeyParameterScheme}
	mail := route{
		pattern: "POST " + magicLink, action: "subscription-contracts-email-magic-link", points: costOfWrite,
		summary: "Mail a link to the portal to a customer", security: keys, refusals: []int{http.StatusNotFound},
		in: emailRequest{}, out: "", handle: (*call).emailMagicLink,
	}
	published := mail // as it was before
	published.pattern, published.hidden = "GET "+magicLink, true
	return []route{{
		pattern: "GET " + external + "customer-portal-token", action: "customer-portal-token", points: costOfWrite,
		summary: "Mint a portal token", detail: "The token is valid for two hours. By address only customers are found who have a subscription.",
		security: keys, refusals: []int{http.StatusNotFound}, in: customerRequest{}, out: tokenAnswer{}, handle: (*call).customerPortalToken,
	}, {
		pattern: "GET " + external + "manage-subscription-link", action: "manage-subscription-link", points: costOfWrite,
		summary: "The address of the portal with a token", security: keys, refusals: []int{http.StatusNotFound},
		in: customerRequest{}, out: linkAnswer{}, handle: (*call).manageSubscriptionLink,
	}, mail, published}
}

// customerRequest is how the routes of the portal name a customer.
type customerRequest struct {
	CustomerID string `query:"customerId" description:"The customer's number, or a global id of any vendor that ends in it, such as gid://shop/Customer/12345. It goes before email."`
	Email      string `query:"email" format:"email" description:"Compared without regard to case."`
}

type emailRequest struct {
	Email string `query:"email" required:"true" format:"email"`
}

type tokenAnswer struct {
	CustomerID int64  `json:"customerId" required:"true"`
	Token      string `json:"token" required:"true" description:"An HS256 JWT with customerId, shop, timestamp and jti."`
}

type linkAnswer struct {
	Link    string    `json:"manageSubscriptionLink" required:"true" format:"uri"`
	Expires time.Time `json:"tokenExpirationTime" required:"true"`
}

func (c *call) customerPortalToken() (any, error) {
	minted, err := c.mint("email")
	return tokenAnswer{minted.Customer.Number, string(minted.JWT)}, err
}

func (c *call) manageSubscriptionLink() (any, error) {
	minted, err := c.mint("email", "emailId")
	return linkAnswer{string(minted.URL), minted.ExpiresAt.UTC()}, err
}

func (c *call) emailMagicLink() (any, error) {
	caller, err := c.server(account.ScopeTokensWrite)
	if err != nil {
		return nil, err
	}
	return c.once(caller, func() (any, error) {
		ctx := c.r.Context()
		return "The link is on its way.", c.Audit.RecordToken(ctx, caller, c.act(c.w, c.r, c.route.action), audit.PortalToken, func() (audit.Result, error) {
			query, err := parameters(c.r, "email")
			if err != nil {
				return audit.Result{}, err
			}
			email, err := account.EmailAddress("email", query["email"])
			if err != nil {
				return audit.Result{}, err
			}
			minted, err := c.Portal.TokenMail(ctx, caller, account.CustomerRef{Email: &email})
			return audit.Result{CustomerID: minted.Customer.ID, Object: customerObject(minted.Customer)}, err
		})
	})
}

// parameters reads the named parameters of a request's address. One that is empty is not given.
func parameters(r *http.Request, names ...string) (map[string]string, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fault.Invalid("", "the address cannot be read: its parameters are not encoded as they should be")
	}
	read := make(map[string]string, len(names))
	for _, name := range names {
		if len(query[name]) > 1 {
			return nil, fault.Invalid(name, "is given more than once")
		}
		read[name] = query.Get(name)
	}
	return read, nil
}

// customerOf reads whom a request is about: customerId, and only without it an e-mail address in the first of the parameters that
// has one.
func customerOf(r *http.Request, emails ...string) (account.CustomerRef, error) {
	query, err := parameters(r, append([]string{"customerId"}, emails...)...)
	if err != nil {
		return account.CustomerRef{}, err
	}
	if id := query["customerId"]; id != "" {
		return customerID(id)
	}
	for _, name := range emails {
		if query[name] == "" {
			continue
		}
		email, err := account.EmailAddress(name, query[name])
		return account.CustomerRef{Email: &email}, err
	}
	return account.CustomerRef{}, fault.Invalid("", "give customerId or email")
}

var globalID = regexp.MustCompile(`^gid://([^/\s]+)/Customer/([0-9]+)$`)

// customerID reads a customer's number, or the global id of any vendor, whose last part is the number. With our own name as the
// vendor it is the id of the row.
func customerID(text string) (account.CustomerRef, error) {
	digits, own := text, false
	if parts := globalID.FindStringSubmatch(text); parts != nil {
		digits, own = parts[2], parts[1] == "portico"
	}
	number, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case err != nil || number < 1 || number > account.MaxNumber || strconv.FormatInt(number, 10) != digits:
		return account.CustomerRef{}, fault.Invalid("customerId", "must be a number or a global id such as gid://shop/Customer/12345")
	case own:
		return account.CustomerRef{ID: &number}, nil
	default:
		return account.CustomerRef{Number: &number}, nil
	}
}
