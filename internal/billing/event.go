package billing

import (
	"fmt"
	"strings"
	"time"

	"portico/internal/catalog"
	"portico/internal/webhook"
)

// eventData is what every event about a subscription tells (CONTRACTS A7), with the features that it has at an instant of its own
// time. Ids of customers are the merchant's own numbers.
func (s *Subscription) eventData(reason string, now time.Time) (webhook.Object, error) {
	features, err := catalog.Entitled(s.features, s.FeatureOverrides, now)
	if err != nil {
		return nil, fmt.Errorf("read features of plan %d: %w", s.PlanID, err)
	}
	data := webhook.Object{
		{Key: "subscriptionId", Value: s.ID},
		{Key: "customerId", Value: s.customerNumber},
		{Key: "companyId", Value: s.CompanyID},
		{Key: "productIdentifier", Value: s.productIdentifier},
		{Key: "status", Value: strings.ToLower(s.Status)},
		{Key: "reason", Value: textOrNull(reason)},
		{Key: "currentPeriodStart", Value: timeOrNull(s.CurrentPeriodStart)},
		{Key: "currentPeriodEnd", Value: timeOrNull(s.CurrentPeriodEnd)},
		{Key: "accessUntil", Value: timeOrNull(s.AccessUntil)},
		{Key: "cancelAtPeriodEnd", Value: s.CancelAtPeriodEnd},
		{Key: "seats", Value: s.Quantity},
		{Key: "tier", Value: webhook.Object{{Key: "name", Value: s.tier}, {Key: "features", Value: features.Object()}}},
		{Key: "customer", Value: webhook.Object{{Key: "id", Value: s.customerNumber}, {Key: "email", Value: s.customerEmail}}},
		{Key: "userMeta", Value: s.userMeta},
	}
	if s.CancelReason != nil && *s.CancelReason != "" {
		data = append(data, webhook.Member{Key: "cancelReason", Value: *s.CancelReason})
	}
	return data, nil
}

func (i *Invoice) eventData() webhook.Object {
	return webhook.Object{
		{Key: "id", Value: i.ID}, {Key: "number", Value: i.Number}, {Key: "status", Value: strings.ToLower(i.Status)},
		{Key: "amountMinor", Value: i.AmountMinor}, {Key: "currency", Value: i.Currency},
		{Key: "periodStart", Value: i.PeriodStart}, {Key: "periodEnd", Value: i.PeriodEnd},
	}
}

func (p *payment) eventData() webhook.Object {
	return webhook.Object{
		{Key: "id", Value: p.id}, {Key: "amountMinor", Value: p.amount.Minor}, {Key: "currency", Value: p.amount.Currency},
		{Key: "paidAt", Value: p.paidAt},
	}
}

func textOrNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func timeOrNull(t *time.Time) any {
	if t == nil {
		return nil
	}
	return *t
}
