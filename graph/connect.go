package graph

import (
	"context"

	"portico/internal/account"
	"portico/internal/billing"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/money"
	"portico/internal/portal"
	"portico/internal/secret"
)

// ConnectStart gives the address of the merchant's page.
func (r mutation) ConnectStart(ctx context.Context, in ConnectStartInput) (*ConnectStartPayload, error) {
	consent, err := r.startConnecting(ctx, in)
	if err != nil {
		refused, err := userErrors(err)
		return &ConnectStartPayload{UserErrors: refused}, err
	}
	return &ConnectStartPayload{URL: reveal(consent.URL), UserToken: reveal(consent.UserToken), ExpiresAt: &consent.ExpiresAt}, nil
}

func (r mutation) startConnecting(ctx context.Context, in ConnectStartInput) (portal.Consent, error) {
	product, err := productRef("product", *in.Product)
	if err != nil {
		return portal.Consent{}, err
	}
	caller := callerOf(ctx)
	customer := account.CustomerRef{ID: &caller.CustomerID}
	if in.Customer != nil {
		if customer, err = customerRef("customer", *in.Customer); err != nil {
			return portal.Consent{}, err
		}
	} else if caller.CustomerID == 0 {
		return portal.Consent{}, fault.Required("customer")
	}
	return r.Portal.ConnectStart(ctx, caller, customer, product)
}

// SubscriptionReportConnected follows a merchant's report.
func (r mutation) SubscriptionReportConnected(ctx context.Context, in SubscriptionReportConnectedInput) (*SubscriptionReportConnectedPayload, error) {
	sub, err := r.reportConnected(ctx, in)
	if err != nil {
		refused, err := userErrors(err)
		return &SubscriptionReportConnectedPayload{UserErrors: refused}, err
	}
	return &SubscriptionReportConnectedPayload{Subscription: alone(sub, showSubscription)}, nil
}

func (r mutation) reportConnected(ctx context.Context, in SubscriptionReportConnectedInput) (*billing.Subscription, error) {
	product, err := productRef("product", *in.Product)
	if err != nil {
		return nil, err
	}
	price, err := money.Parse(in.Price, "USD")
	if err != nil {
		return nil, fault.Invalid("price", "must be an amount of dollars such as 19.99")
	}
	return r.Portal.ReportConnected(ctx, callerOf(ctx), portal.Connected{
		AccessToken: secret.Text(in.AccessToken), UserToken: secret.Text(in.UserToken), Product: product, PlanNumber: in.PlanNumber,
		Interval: catalog.Interval(in.Interval), AmountMinor: price.Minor, Active: in.Active, StartedAt: in.StartedAt, ExpireAt: in.ExpireAt,
	})
}
