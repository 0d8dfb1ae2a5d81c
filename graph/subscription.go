package graph

import (
	"context"

	"portico/internal/billing"
	"portico/internal/catalog"
)

// Subscription is billing.Subscription as the schema shows it.
type Subscription struct {
	*billing.Subscription
	siblings *siblings[Subscription]
}

func showSubscription(row *billing.Subscription, s *siblings[Subscription]) *Subscription {
	return &Subscription{row, s}
}

// IsNode implements Node.
func (*Subscription) IsNode() {}

// ID is the global id.
func (s *Subscription) ID() string { return gid("CustomerSubscription", s.rowID()) }

func (s *Subscription) rowID() int64 { return s.Subscription.ID }

// Price is what a period costs per seat.
func (s *Subscription) Price() *Price {
	return &Price{catalog.Price{ID: s.PriceID, Interval: catalog.Interval(s.Interval), Money: s.Unit}}
}

type subscriptionFields struct{ *Resolver }

// CustomerSubscription implements ResolverRoot.
func (r *Resolver) CustomerSubscription() CustomerSubscriptionResolver { return subscriptionFields{r} }

// Subscriptions are the merchant's, narrowed by the arguments.
func (r query) Subscriptions(
	ctx context.Context, customer *CustomerRef, product *ProductRef, status []string, first *int32, after *string,
) (*Connection[Subscription], error) {
	request, err := pageOf(first, after)
	if err != nil {
		return nil, err
	}
	filter, err := r.filter(ctx, customer, product)
	if err != nil {
		return nil, err
	}
	filter.Statuses = status
	subs, err := r.Billing.List(ctx, callerOf(ctx), filter, request)
	return connect(subs, err, request.Size, showSubscription, (*Subscription).rowID)
}

// filter finds what a list of subscriptions is narrowed to.
func (r query) filter(ctx context.Context, customer *CustomerRef, product *ProductRef) (billing.Filter, error) {
	var filter billing.Filter
	if customer != nil {
		ref, err := customerRef("customer", *customer)
		if err != nil {
			return filter, err
		}
		found, err := r.Accounts.Customer(ctx, callerOf(ctx), ref)
		if err != nil {
			return filter, err
		}
		filter.CustomerID = &found.ID
	}
	productID, err := r.productFilter(ctx, product)
	filter.ProductID = productID
	return filter, err
}

// Subscription is the one with the id.
func (r query) Subscription(ctx context.Context, id string) (*Subscription, error) {
	row, err := rowID("id", "CustomerSubscription", id)
	if err != nil {
		return nil, err
	}
	sub, err := r.Billing.Get(ctx, callerOf(ctx), row)
	return orNull(alone(sub, showSubscription), err)
}

// SubscriptionChanged streams subscriptions that the caller sees, as they change.
func (r live) SubscriptionChanged(ctx context.Context, id *string, customer *CustomerRef) (<-chan *Subscription, error) {
	caller := callerOf(ctx)
	only, err := optional("subscription", "CustomerSubscription", id)
	if err != nil {
		return nil, err
	}
	if only != nil {
		if _, err := r.Billing.Get(ctx, caller, *only); err != nil {
			return nil, err
		}
	}
	filter, err := query(r).filter(ctx, customer, nil)
	if err != nil {
		return nil, err
	}
	merchantIDs := []int64{caller.MerchantID}
	if caller.InPortal() {
		merchantIDs, _ = caller.Columns()
	}
	changes, err := r.Webhooks.Changes(ctx, merchantIDs)
	if err != nil {
		return nil, err
	}
	return feed(ctx, func(send func(*Subscription) bool) error {
		for ids, err := range changes {
			if err != nil {
				return err
			}
			found, err := r.subscriptions(ctx, ids)
			if err != nil {
				return err
			}
			for _, id := range ids {
				sub, seen := found[id]
				if !seen || (only != nil && id != *only) || (filter.CustomerID != nil && sub.CustomerID != *filter.CustomerID) {
					continue
				}
				if !send(sub) {
					return nil
				}
			}
		}
		return nil
	}), nil
}

// Product is what is subscribed to.
func (r subscriptionFields) Product(ctx context.Context, sub *Subscription) (*Product, error) {
	return child(ctx, sub, sub.siblings, "product", func(s *Subscription) int64 { return s.ProductID }, r.products)
}

// Plan is what was bought.
func (r subscriptionFields) Plan(ctx context.Context, sub *Subscription) (*Plan, error) {
	return child(ctx, sub, sub.siblings, withParts("plan", planParts(ctx)), func(s *Subscription) int64 { return s.PlanID }, r.plans)
}

// Customer is who pays.
func (r subscriptionFields) Customer(ctx context.Context, sub *Subscription) (*Customer, error) {
	return child(ctx, sub, sub.siblings, "customer", func(s *Subscription) int64 { return s.CustomerID }, r.customers)
}

// Company is the holder.
func (r subscriptionFields) Company(ctx context.Context, sub *Subscription) (*Company, error) {
	return child(ctx, sub, sub.siblings, "company", func(s *Subscription) int64 { return s.CompanyID }, r.companies)
}

func (r *Resolver) subscriptions(ctx context.Context, ids []int64) (map[int64]*Subscription, error) {
	return readByID(ctx, "CustomerSubscription", ids, r.Billing.ByID, showSubscription)
}

// SubscriptionCreate sells a plan. A subscription whose first payment failed is in the payload beside the error.
func (r mutation) SubscriptionCreate(ctx context.Context, in SubscriptionCreateInput) (*SubscriptionCreatePayload, error) {
	sub, err := r.sell(ctx, in)
	payload := &SubscriptionCreatePayload{}
	if sub != nil {
		payload.Subscription = alone(sub, showSubscription)
	}
	if err != nil {
		payload.UserErrors, err = userErrors(err)
	}
	return payload, err
}

func (r mutation) sell(ctx context.Context, in SubscriptionCreateInput) (*billing.Subscription, error) {
	customer, err := customerRef("customer", *in.Customer)
	if err != nil {
		return nil, err
	}
	plan, err := rowID("plan", "Plan", in.Plan)
	if err != nil {
		return nil, err
	}
	return r.Billing.Create(ctx, callerOf(ctx), billing.Create{
		Customer: customer, PlanID: plan, Interval: in.Interval, Currency: in.Currency, Quantity: in.Quantity, Holder: in.Holder,
	})
}

// SubscriptionCancel cancels a subscription.
func (r mutation) SubscriptionCancel(ctx context.Context, in SubscriptionCancelInput) (*SubscriptionCancelPayload, error) {
	sub, err := r.cancel(ctx, in)
	if err != nil {
		refused, err := userErrors(err)
		return &SubscriptionCancelPayload{UserErrors: refused}, err
	}
	return &SubscriptionCancelPayload{Subscription: alone(sub, showSubscription)}, nil
}

func (r mutation) cancel(ctx context.Context, in SubscriptionCancelInput) (*billing.Subscription, error) {
	id, err := rowID("subscription", "CustomerSubscription", in.Subscription)
	if err != nil {
		return nil, err
	}
	return r.Billing.Cancel(ctx, callerOf(ctx), billing.Cancel{SubscriptionID: id, AtPeriodEnd: in.AtPeriodEnd, Reason: in.Reason})
}

// SubscriptionUncancel takes a cancellation back.
func (r mutation) SubscriptionUncancel(ctx context.Context, in SubscriptionUncancelInput) (*SubscriptionUncancelPayload, error) {
	sub, err := r.uncancel(ctx, in)
	if err != nil {
		refused, err := userErrors(err)
		return &SubscriptionUncancelPayload{UserErrors: refused}, err
	}
	return &SubscriptionUncancelPayload{Subscription: alone(sub, showSubscription)}, nil
}

func (r mutation) uncancel(ctx context.Context, in SubscriptionUncancelInput) (*billing.Subscription, error) {
	id, err := rowID("subscription", "CustomerSubscription", in.Subscription)
	if err != nil {
		return nil, err
	}
	return r.Billing.Uncancel(ctx, callerOf(ctx), id)
}
