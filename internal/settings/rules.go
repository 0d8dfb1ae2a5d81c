package settings

import (
	"context"
	"fmt"

	"portico/db"
	"portico/internal/account"
	"portico/internal/fault"
)

// Act is something that customers do for themselves.
type Act string

// The acts, named as a refusal names them.
const (
	UpdatePaymentMethod Act = "change the payment method"
	CancelSubscription  Act = "cancel"
	KeepSubscription    Act = "take a cancellation back"
	OverrideFeatures    Act = "change what a subscription includes" // never
	Connect             Act = "connect a subscription"
	AssignSeats         Act = "assign seats"
)

// Hold holds a caller of the portal to the settings of the merchant whose customer acts, as they are now: NOT_ALLOWED_BY_SETTINGS. Other
// callers may do what they may do, and get no settings. The scope must cover the merchant.
//
// Customers of a suspended merchant may cancel, whatever the settings say, since there is nobody to ask for it. Everything else is FORBIDDEN.
func Hold(ctx context.Context, d *db.DB, scope db.DBTX, caller account.Caller, merchantID, customerID int64, act Act) (*Settings, error) {
	if !caller.InPortal() {
		return nil, nil //nolint:nilnil // nothing holds them
	}
	s, err := Of(ctx, d, scope, merchantID)
	if err != nil {
		return nil, err
	}
	if !s.PortalEnabled {
		return nil, refuse("", "the portal of this shop is closed")
	}
	if s.Suspended {
		if act != CancelSubscription {
			return nil, fault.New(fault.CodeForbidden, "", "this shop is closed for now: subscriptions can be seen and canceled, and nothing else changes")
		}
		s.AllowCancellation, s.RequireCancellationReason, s.MinimumSubscriptionCycles = true, false, 0
	}
	if !s.allows(act) {
		return nil, refuse("", "customers of this shop cannot %s themselves", act)
	}
	if s.Authentication.RequireEmailVerification && caller.Kind != account.KindPerson {
		proved, err := d.CustomerIsVerified(ctx, scope, db.CustomerIsVerifiedParams{MerchantID: merchantID, CustomerID: customerID})
		if err != nil {
			return nil, fmt.Errorf("ask whether customer %d is verified: %w", customerID, err)
		}
		if !proved {
			return nil, refuse("", "confirm your e-mail address first: ask for a link to the portal by mail and open it")
		}
	}
	return &s, nil
}

func (p *Portal) allows(act Act) bool {
	switch act {
	case UpdatePaymentMethod:
		return p.AllowPaymentMethodUpdate
	case CancelSubscription:
		return p.AllowCancellation
	case OverrideFeatures:
		return false
	default:
		return true
	}
}

// CheckCancellation holds a customer's cancellation to the reason and to the number of paid periods that the merchant asks for.
func (p *Portal) CheckCancellation(reason *string, paidCycles int64) error {
	if p.RequireCancellationReason && (reason == nil || *reason == "") {
		return fault.Required("reason")
	}
	if paidCycles < int64(p.MinimumSubscriptionCycles) {
		return refuse("subscription", "it can be canceled after %d paid periods; %d are paid", p.MinimumSubscriptionCycles, paidCycles)
	}
	return nil
}

func refuse(field, format string, args ...any) *fault.Error {
	return fault.New(fault.CodeNotAllowedBySettings, field, format, args...)
}
