package settings

import "encoding/json"

// Preset names a set of settings to begin with.
type Preset string

// The presets, as in the schema's PortalSettingsPreset.
const (
	Standard    Preset = "STANDARD"     // what a merchant has who has chosen nothing
	LockedDown  Preset = "LOCKED_DOWN"  // customers see everything and change their payment method only
	FullService Preset = "FULL_SERVICE" // customers do everything themselves
)

func standard() Portal {
	return Portal{
		PortalEnabled: true, AllowPause: true, MaxPauseDuration: 90, AllowSkip: true, MaxConsecutiveSkips: 2, AllowFrequencyChange: true,
		AllowQuantityChange: true, AllowAddressEdit: true, AllowPaymentMethodUpdate: true, AllowCancellation: true,
		Theme:          Theme{PrimaryColor: "#1b1b1b", SecondaryColor: "#f6f6f4", AccentColor: "#0b5cad", FontFamily: "system-ui, sans-serif"},
		Authentication: Authentication{Method: MagicLink, SessionDuration: maxSession},
		Notifications: Notifications{
			SendSkipConfirmation: true, SendPauseConfirmation: true, SendFrequencyChangeConfirmation: true, SendCancellationConfirmation: true,
		},
		Layout: "LIST", RedirectURLs: map[string]string{}, Analytics: json.RawMessage(`{}`),
	}
}

// apply changes what customers may do. How the portal looks, whom customers ask and how they get in stays.
func (preset Preset) apply(p *Portal) {
	from := standard()
	switch preset {
	case LockedDown:
		from.AllowPause, from.AllowSkip, from.AllowFrequencyChange, from.AllowQuantityChange = false, false, false, false
		from.AllowAddressEdit, from.AllowCancellation, from.RequireCancellationReason = false, false, true
	case FullService:
		from.MaxPauseDuration, from.MaxConsecutiveSkips, from.AllowProductSwap, from.EnableOneTimeProducts = 365, 12, true, true
	}
	p.PortalEnabled = true
	p.AllowPause, p.MaxPauseDuration = from.AllowPause, from.MaxPauseDuration
	p.AllowSkip, p.MaxConsecutiveSkips = from.AllowSkip, from.MaxConsecutiveSkips
	p.AllowFrequencyChange, p.AllowQuantityChange, p.AllowProductSwap = from.AllowFrequencyChange, from.AllowQuantityChange, from.AllowProductSwap
	p.AllowAddressEdit, p.AllowPaymentMethodUpdate = from.AllowAddressEdit, from.AllowPaymentMethodUpdate
	p.AllowCancellation, p.RequireCancellationReason, p.MinimumSubscriptionCycles = from.AllowCancellation, from.RequireCancellationReason, from.MinimumSubscriptionCycles
	p.EnableOneTimeProducts = from.EnableOneTimeProducts
}
