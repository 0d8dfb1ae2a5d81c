package billing

import (
	"context"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/account"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/settings"
	"portico/internal/webhook"
)

const (
	reasonOverridden    = "features_overridden"
	reasonOverrideEnded = "feature_override_ended"
)

// FeatureOverrides changes what a subscription has in place of what its plan says.
type FeatureOverrides struct {
	SubscriptionID int64
	Set            []catalog.OverrideInput
	Unset          []string
}

// OverrideFeatures gives a live subscription values of its own for features of its plan, or takes such values away again.
func (b *Billing) OverrideFeatures(ctx context.Context, caller account.Caller, in FeatureOverrides) (*Subscription, error) {
	return b.update(ctx, caller, in.SubscriptionID, settings.OverrideFeatures, func(c *change, s *Subscription, _ *settings.Settings) error {
		if !s.Live() {
			return fault.New(fault.CodeConflict, "subscription", "has already ended")
		}
		overrides, err := catalog.Override(s.features, s.FeatureOverrides, in.Set, in.Unset, s.now(c.now))
		if err != nil {
			return err
		}
		s.FeatureOverrides = overrides
		c.override(s)
		return c.emit(s, webhook.SubscriptionUpdated, reasonOverridden, nil)
	})
}

// EndDueOverrides takes away every override that has ended, as EndDue ends subscriptions, so that webhooks tell of it. Access does not wait
// for that.
func (b *Billing) EndDueOverrides(ctx context.Context) (int, error) {
	return b.sweep(ctx, b.Now(), (*change).endOverrides, func(ctx context.Context, tx pgx.Tx) ([]dueRow, error) {
		rows, err := b.DB.LockDueOverrides(ctx, tx, db.LockDueOverridesParams{Now: b.Now(), Batch: sweepBatch})
		due := make([]dueRow, len(rows))
		for i, row := range rows {
			due[i] = dueRow(row)
		}
		return due, err
	})
}

// endOverrides takes away the overrides that have ended. Nobody is told of those of a subscription that has ended itself.
func (c *change) endOverrides(s *Subscription) error {
	now := s.now(c.now)
	if s.OverrideEndAt == nil || s.OverrideEndAt.After(now) {
		return nil
	}
	left, err := catalog.WithoutEnded(s.FeatureOverrides, now)
	if err != nil {
		return err
	}
	s.FeatureOverrides = left
	c.override(s)
	if !s.Live() {
		return nil
	}
	return c.emit(s, webhook.SubscriptionUpdated, reasonOverrideEnded, nil)
}

// override marks the subscription's overrides as changed.
func (c *change) override(s *Subscription) { c.overridden = append(c.overridden, s) }

func (c *change) writeOverrides(ctx context.Context) error {
	if len(c.overridden) == 0 {
		return nil
	}
	var p db.SaveFeatureOverridesParams
	for _, s := range c.overridden {
		p.MerchantIds = append(p.MerchantIds, s.MerchantID)
		p.Ids = append(p.Ids, s.ID)
		p.Overrides = append(p.Overrides, string(s.FeatureOverrides))
	}
	return c.b.DB.SaveFeatureOverrides(ctx, c.tx, p)
}
