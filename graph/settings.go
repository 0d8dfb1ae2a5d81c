package graph

import (
	"context"
	"encoding/json"
	"fmt"

	"portico/internal/settings"
)

// PortalSettings is settings.Settings as the schema shows it.
type PortalSettings struct{ settings.Settings }

// RedirectUrls are addresses by their names.
func (s *PortalSettings) RedirectUrls() json.RawMessage {
	text, _ := json.Marshal(s.RedirectURLs) // of strings
	return text
}

// PortalSettings are those of the merchant that the caller acts for or is a customer of.
func (r query) PortalSettings(ctx context.Context) (*PortalSettings, error) {
	s, err := r.Portal.Settings(ctx, callerOf(ctx))
	return &PortalSettings{s}, err
}

// PortalSettingsUpdate changes what is given.
func (r mutation) PortalSettingsUpdate(ctx context.Context, in PortalSettingsUpdateInput) (*PortalSettingsUpdatePayload, error) {
	changes, err := json.Marshal(in.Settings)
	if err != nil {
		return nil, fmt.Errorf("read the changes: %w", err)
	}
	update := settings.Update{Changes: changes}
	if in.Preset != nil {
		preset := settings.Preset(*in.Preset)
		update.Preset = &preset
	}
	s, err := r.Portal.SettingsUpdate(ctx, callerOf(ctx), update)
	if err != nil {
		refused, err := userErrors(err)
		return &PortalSettingsUpdatePayload{UserErrors: refused}, err
	}
	return &PortalSettingsUpdatePayload{PortalSettings: &PortalSettings{s}}, nil
}
