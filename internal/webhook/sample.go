package webhook

import (
	"strings"
	"time"
)

const sampleEmail = "sample@customer.example"

// sample is an event that could have happened to a product, of everything that such an event tells: a person of this name buys at no
// shop, and test says what it is.
func sample(kind Type, id, productIdentifier string, at time.Time) ([]byte, error) {
	return StableJSON(Object{
		{"event", kind}, {"id", id}, {"sequence", 1}, {"createdAt", at}, {"test", true}, {"data", sampleData(kind, productIdentifier, at)},
	})
}

func sampleData(kind Type, productIdentifier string, at time.Time) Object {
	if strings.HasPrefix(string(kind), "product.") {
		status, reason := "approved", any(nil)
		if kind == ProductRejected {
			status, reason = "rejected", "This is a test: no product was rejected."
		}
		return Object{{"productId", 1}, {"productIdentifier", productIdentifier}, {"status", status}, {"reason", reason}}
	}
	if kind == ClaimsUpdated {
		return Object{
			{"customerId", 1}, {"email", sampleEmail}, {"productIdentifier", productIdentifier}, {"version", 1},
			{"changed", []string{"plan"}}, {"claims", Object{{"plan", "pro"}}}, {"userMeta", Object{{"sample", true}}},
		}
	}
	if kind == EndpointIsDisabled {
		return Object{
			{"endpointId", 1}, {"url", "https://sample.customer.example/hooks"}, {"productIdentifier", productIdentifier},
			{"reason", "failing"}, {"failingSince", at.Add(-disableAfter)}, {"disabledAt", at},
		}
	}
	if kind == CustomerCreated {
		return Object{
			{"customerId", 1}, {"companyId", 1}, {"email", sampleEmail}, {"name", "Sample"}, {"role", "user"}, {"userMeta", Object{{"sample", true}}},
		}
	}
	told := circumstances(kind, at)
	data := Object{
		{"subscriptionId", 1}, {"customerId", 1}, {"companyId", 1}, {"productIdentifier", productIdentifier},
		{"status", told.status}, {"reason", told.reason}, {"currentPeriodStart", told.start}, {"currentPeriodEnd", told.end},
		{"accessUntil", told.accessUntil}, {"cancelAtPeriodEnd", false}, {"seats", 1},
		{"tier", Object{{"name", "pro"}, {"features", Object{{"advancedReporting", true}, {"maxEmployees", 50}}}}},
		{"customer", Object{{"id", 1}, {"email", sampleEmail}}}, {"userMeta", Object{{"sample", true}}},
	}
	if told.invoice != "" {
		data = append(data, Member{"invoice", Object{
			{"id", 1}, {"number", 1}, {"status", told.invoice}, {"amountMinor", 1999}, {"currency", "USD"},
			{"periodStart", at}, {"periodEnd", at.Add(samplePeriod)},
		}})
	}
	if kind == PaymentSucceeded {
		data = append(data, Member{"payment", Object{{"id", 1}, {"amountMinor", 1999}, {"currency", "USD"}, {"paidAt", at}}})
	}
	return data
}

const (
	samplePeriod, sampleTrial = 30 * day, 14 * day
	sampleNotice, sampleGrace = 3 * day, 7 * day
)

// circumstance is how a subscription stands when an event happens to it.
type circumstance struct {
	status                  string
	reason                  any
	start, end, accessUntil time.Time
	invoice                 string // its status; "" for events that tell of none
}

// circumstances are such as billing has them, so that a receiver that works with samples works with events: whoever has lost access has
// none any more, and what could not be paid is the period that begins.
func circumstances(kind Type, at time.Time) circumstance {
	since := at.Add(-samplePeriod)
	switch kind {
	case SubscriptionCanceled:
		return circumstance{"canceled", "canceled", since.Add(sampleGrace), at.Add(sampleGrace), at, ""}
	case SubscriptionExpired:
		return circumstance{"expired", "payment_failed", since.Add(-sampleGrace), at.Add(-sampleGrace), at, ""}
	case SubscriptionTrialEnding:
		end := at.Add(sampleNotice)
		return circumstance{"trialing", nil, end.Add(-sampleTrial), end, end, ""}
	case SubscriptionPastDue, PaymentFailed:
		return circumstance{"past_due", "payment_failed", since, at, at.Add(sampleGrace), "open"}
	case InvoiceCreated:
		return circumstance{"active", nil, since, at, at.Add(sampleGrace), "open"}
	case SubscriptionUpdated:
		return circumstance{"active", nil, at, at.Add(samplePeriod), at.Add(samplePeriod + sampleGrace), ""}
	default:
		return circumstance{"active", nil, at, at.Add(samplePeriod), at.Add(samplePeriod + sampleGrace), "paid"}
	}
}
