package rest

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"portico/internal/account"
	"portico/internal/fault"
)

const external = "/api/external/v2/"

func (d *door) tokenRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET "+external+"customer-portal-token", d.answering(d.customerPortalToken))
	mux.HandleFunc("GET "+external+"manage-subscription-link", d.answering(d.manageSubscriptionLink))
	mux.HandleFunc("POST "+external+"subscription-contracts-email-magic-link", d.answering(d.emailMagicLink))
	// As it was published before.
	mux.HandleFunc("GET "+external+"subscription-contracts-email-magic-link", d.answering(d.emailMagicLink))
}

func (d *door) customerPortalToken(w http.ResponseWriter, r *http.Request) error {
	minted, err := d.mint(w, r, "customer-portal-token", "email")
	if err != nil {
		return err
	}
	respond(w, http.StatusOK, struct {
		CustomerID int64  `json:"customerId"`
		Token      string `json:"token"`
	}{minted.Customer.Number, string(minted.JWT)})
	return nil
}

func (d *door) manageSubscriptionLink(w http.ResponseWriter, r *http.Request) error {
	minted, err := d.mint(w, r, "manage-subscription-link", "email", "emailId")
	if err != nil {
		return err
	}
	respond(w, http.StatusOK, struct {
		Link    string    `json:"manageSubscriptionLink"`
		Expires time.Time `json:"tokenExpirationTime"`
	}{string(minted.URL), minted.ExpiresAt.UTC()})
	return nil
}

func (d *door) emailMagicLink(w http.ResponseWriter, r *http.Request) error {
	const action = "subscription-contracts-email-magic-link"
	caller, err := d.server(w, r, account.ScopeTokensWrite, action)
	if err != nil {
		return err
	}
	err = d.record(w, r, caller, action, func() error {
		query, err := parameters(r, "email")
		if err != nil {
			return err
		}
		email, err := account.EmailAddress("email", query["email"])
		if err != nil {
			return err
		}
		return d.portal.TokenMail(r.Context(), caller, account.CustomerRef{Email: &email})
	})
	if err != nil {
		return err
	}
	respond(w, http.StatusOK, "The link is on its way.")
	return nil
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
