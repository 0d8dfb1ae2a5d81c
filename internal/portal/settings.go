package portal

import (
	"context"

	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/settings"
)

// Settings are those of the merchant that the caller acts for or is a customer of. A person is a customer of several: FORBIDDEN.
func (p *Portal) Settings(ctx context.Context, caller account.Caller) (settings.Settings, error) {
	if caller.MerchantID == 0 {
		return settings.Settings{}, fault.New(fault.CodeForbidden, "", "this is for callers who act for one merchant")
	}
	return settings.Of(ctx, p.DB, p.DB.Tenant(caller.MerchantID), caller.MerchantID)
}

// SettingsUpdate changes the settings of the caller's merchant, which hold from the next request on.
func (p *Portal) SettingsUpdate(ctx context.Context, caller account.Caller, in settings.Update) (settings.Settings, error) {
	return settings.Save(ctx, p.DB, caller.MerchantID, in, p.Now())
}

// Look is how the pages of a shop look. A closed portal is FORBIDDEN.
func (p *Portal) Look(ctx context.Context, front account.Storefront) (settings.Settings, error) {
	look, err := settings.Of(ctx, p.DB, p.DB.Tenant(front.MerchantID), front.MerchantID)
	if err == nil && !look.PortalEnabled {
		return settings.Settings{}, errClosed()
	}
	return look, err
}

func errClosed() error {
	return fault.New(fault.CodeForbidden, "", "the portal of this shop is closed")
}
