package webhook

import (
	"slices"
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
	status, reason := "active", any(nil)
	switch kind {
	case SubscriptionCanceled:
		status, reason = "canceled", "canceled"
	case SubscriptionExpired:
		status, reason = "expired", "canceled"
	case SubscriptionTrialEnding:
		status = "trialing"
	case SubscriptionPastDue, PaymentFailed:
		status, reason = "past_due", "unpaid"
	}
	end := at.AddDate(0, 0, 30)
	data := Object{
		{"subscriptionId", 1}, {"customerId", 1}, {"companyId", 1}, {"productIdentifier", productIdentifier},
		{"status", status}, {"reason", reason}, {"currentPeriodStart", at}, {"currentPeriodEnd", end},
		{"accessUntil", end.AddDate(0, 0, 7)}, {"cancelAtPeriodEnd", false}, {"seats", 1},
		{"tier", Object{{"name", "pro"}, {"features", Object{{"advancedReporting", true}, {"maxEmployees", 50}}}}},
		{"customer", Object{{"id", 1}, {"email", sampleEmail}}}, {"userMeta", Object{{"sample", true}}},
	}
	if slices.Contains([]Type{
		SubscriptionCreated, SubscriptionRenewed, SubscriptionPastDue, InvoiceCreated, PaymentSucceeded, PaymentFailed,
	}, kind) {
		state := "paid"
		if kind == SubscriptionPastDue || kind == InvoiceCreated || kind == PaymentFailed {
			state = "open"
		}
		data = append(data, Member{"invoice", Object{
			{"id", 1}, {"number", "SAMPLE-1"}, {"status", state}, {"amountMinor", 1999}, {"currency", "USD"},
			{"periodStart", at}, {"periodEnd", end},
		}})
	}
	if kind == PaymentSucceeded {
		data = append(data, Member{"payment", Object{{"id", 1}, {"amountMinor", 1999}, {"currency", "USD"}, {"paidAt", at}}})
	}
	return data
}
