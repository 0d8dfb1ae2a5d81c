package rest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"portico/internal/account"
	"portico/internal/audit"
	"portico/internal/billing"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/money"
	"portico/internal/portal"
	"portico/internal/secret"
)

func orderRoutes() []route {
	return []route{{
		pattern: "POST /order/product", action: "order/product", points: costOfWrite,
		summary: "Report a subscription that a customer connects",
		detail: "The customer's subscription with the merchant is now renewed by Portico. Sent again after a change on the merchant's side it " +
			"changes the same subscription; the same body twice changes nothing. Values may be strings or numbers.",
		security: []string{tokenKeyScheme}, refusals: []int{http.StatusNotFound, http.StatusConflict},
		in: orderRequest{}, out: orderAnswer{}, handle: (*call).order,
	}}
}

// value is a JSON string or number, as its text.
type value string

// UnmarshalJSON implements json.Unmarshaler.
func (v *value) UnmarshalJSON(text []byte) error {
	var given string
	if len(text) > 0 && text[0] == '"' {
		if err := json.Unmarshal(text, &given); err != nil {
			return err
		}
	} else {
		var number json.Number
		if err := json.Unmarshal(text, &number); err != nil {
			return err
		}
		given = number.String()
	}
	*v = value(strings.TrimSpace(given))
	return nil
}

type orderRequest struct {
	AccessToken value `json:"access_token" required:"true" description:"The merchant's own name for the subscription. It goes back with payment notifications."`
	UserToken   value `json:"user_token" required:"true" description:"As it came to the integration page."`
	Product     value `json:"product_identifier" required:"true"`
	PlanID      value `json:"plan_id" required:"true" description:"The plan's number, an integer."`
	PlanType    value `json:"plan_type" required:"true" enum:"monthly,yearly"`
	Price       value `json:"price" required:"true" description:"A decimal number of US dollars."`
	Status      value `json:"status" required:"true" enum:"active,inactive"`
	StartedAt   value `json:"started_at" required:"true" description:"YYYY-MM-DD HH:MM:SS in UTC."`
	ExpireAt    value `json:"expire_at" required:"true" description:"YYYY-MM-DD HH:MM:SS in UTC: until when has been paid with the merchant."`
}

type orderAnswer struct {
	Message        string `json:"message" required:"true"`
	SubscriptionID int64  `json:"subscription_id" required:"true"`
	Status         string `json:"status" required:"true"`
}

func (c *call) order() (any, error) {
	caller, err := c.merchant(account.ScopeSubscriptionsWrite)
	if err != nil {
		return nil, err
	}
	return c.once(caller, func() (any, error) { return c.report(caller) })
}

func (c *call) report(caller account.Caller) (any, error) {
	var sub *billing.Subscription
	err := c.record(caller, func() (audit.Result, error) {
		var body orderRequest
		if err := c.read(&body); err != nil {
			return audit.Result{}, err
		}
		in, err := body.report()
		if err != nil {
			return audit.Result{}, err
		}
		if sub, err = c.Portal.ReportConnected(c.r.Context(), caller, in); err != nil {
			return audit.Result{}, err
		}
		return audit.Result{Object: "gid://portico/CustomerSubscription/" + strconv.FormatInt(sub.ID, 10)}, nil
	})
	if err != nil {
		return nil, renamed(err, map[string]string{
			"accessToken": "access_token", "userToken": "user_token", "product": "product_identifier", "plan": "plan_id", "interval": "plan_type",
			"startedAt": "started_at", "expireAt": "expire_at",
		})
	}
	message := "The subscription is connected."
	if !sub.Live() {
		message = "The subscription has ended."
	}
	return orderAnswer{message, sub.ID, strings.ToLower(sub.Status)}, nil
}

func (body orderRequest) report() (portal.Connected, error) {
	var check fault.Check
	identifier := string(body.Product)
	in := portal.Connected{
		AccessToken: secret.Text(body.AccessToken), UserToken: secret.Text(body.UserToken),
		Product: catalog.ProductRef{Identifier: &identifier}, Active: body.Status == "active",
	}
	for _, given := range []struct {
		field string
		value value
	}{
		{"access_token", body.AccessToken}, {"user_token", body.UserToken}, {"product_identifier", body.Product}, {"plan_id", body.PlanID},
		{"plan_type", body.PlanType}, {"price", body.Price}, {"status", body.Status}, {"started_at", body.StartedAt}, {"expire_at", body.ExpireAt},
	} {
		if given.value == "" {
			check.Add(fault.Required(given.field))
		}
	}
	// The rest is about what is there.
	if err := check.Err(); err != nil {
		return in, err
	}
	var err error
	if in.PlanNumber, err = strconv.ParseInt(string(body.PlanID), 10, 64); err != nil {
		check.Add(fault.Invalid("plan_id", "must be an integer"))
	}
	switch body.PlanType {
	case "monthly":
		in.Interval = catalog.Month
	case "yearly":
		in.Interval = catalog.Year
	default:
		check.Add(fault.Invalid("plan_type", "must be monthly or yearly"))
	}
	price, err := money.Parse(string(body.Price), "USD")
	if in.AmountMinor = price.Minor; err != nil {
		check.Add(fault.Invalid("price", "must be a decimal number of US dollars with two decimals at most"))
	}
	if body.Status != "active" && body.Status != "inactive" {
		check.Add(fault.Invalid("status", "must be active or inactive"))
	}
	in.StartedAt, in.ExpireAt = instant(&check, "started_at", body.StartedAt), instant(&check, "expire_at", body.ExpireAt)
	return in, check.Err()
}

// instant reads a time of UTC.
func instant(check *fault.Check, field string, text value) time.Time {
	t, err := time.Parse(time.DateTime, string(text))
	if err != nil {
		check.Add(fault.Invalid(field, "must be a time such as 2026-01-31 09:30:00, in UTC"))
	}
	return t
}
