package graph

import (
	"context"

	"portico/internal/access"
	"portico/internal/billing"
	"portico/internal/catalog"
)

// SubscriptionFeature is a feature that a subscription includes.
type SubscriptionFeature struct {
	Feature
	of *Subscription
}

// Origin says where the value comes from.
func (f *SubscriptionFeature) Origin() string {
	if f.Overridden {
		return "OVERRIDE"
	}
	return "PLAN"
}

type subscriptionFeatureFields struct{ *Resolver }

// SubscriptionFeature implements ResolverRoot.
func (r *Resolver) SubscriptionFeature() SubscriptionFeatureResolver {
	return subscriptionFeatureFields{r}
}

// Features are what the subscription includes.
func (r subscriptionFields) Features(_ context.Context, sub *Subscription) ([]*SubscriptionFeature, error) {
	features, err := sub.Includes(r.Billing.Now())
	shown := make([]*SubscriptionFeature, len(features))
	for i, feature := range features {
		shown[i] = &SubscriptionFeature{Feature{feature}, sub}
	}
	return shown, err
}

// Used is the stored usage, read for all subscriptions of the level at once.
func (r subscriptionFeatureFields) Used(ctx context.Context, f *SubscriptionFeature) (*int64, error) {
	used, err := together(f.of.siblings, "usage", func(all []*Subscription) (map[int64]map[string]int64, error) {
		features := make(map[access.SubscriptionRef]catalog.Features, len(all))
		for _, sub := range all {
			included, err := sub.Includes(r.Billing.Now())
			if err != nil {
				return nil, err
			}
			features[access.SubscriptionRef{MerchantID: sub.MerchantID, ID: sub.rowID()}] = included
		}
		return r.Access.UsageOf(ctx, features)
	})
	return valueFor(f.Counts(), used[f.of.rowID()][f.Name]), err
}

// SubscriptionFeaturesOverride gives a subscription values of its own.
func (r mutation) SubscriptionFeaturesOverride(
	ctx context.Context, in SubscriptionFeaturesOverrideInput,
) (*SubscriptionFeaturesOverridePayload, error) {
	sub, err := r.override(ctx, in)
	if err != nil {
		refused, err := userErrors(err)
		return &SubscriptionFeaturesOverridePayload{UserErrors: refused}, err
	}
	return &SubscriptionFeaturesOverridePayload{Subscription: alone(sub, showSubscription)}, nil
}

func (r mutation) override(ctx context.Context, in SubscriptionFeaturesOverrideInput) (*billing.Subscription, error) {
	id, err := rowID("subscription", "CustomerSubscription", in.Subscription)
	if err != nil {
		return nil, err
	}
	return r.Billing.OverrideFeatures(ctx, callerOf(ctx), billing.FeatureOverrides{
		SubscriptionID: id, Set: values(in.Set), Unset: in.Unset,
	})
}
