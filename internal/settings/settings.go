// Package settings owns what a merchant's portal looks like and what customers may do in it.
package settings

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"portico/db"
)

// Settings are a merchant's. Their JSON is what existing integrations read, and what is stored of Portal.
type Settings struct {
	MerchantID int64  `json:"id" required:"true"`
	Shop       string `json:"shop" required:"true"`
	Portal
	CreatedAt time.Time `json:"createdAt" required:"true"`
	UpdatedAt time.Time `json:"updatedAt" required:"true"`
	// Suspended merchants sell nothing: customers see what they have, and cancel it.
	Suspended bool `json:"-"`
}

// Portal is what the merchant chooses.
type Portal struct {
	PortalEnabled             bool           `json:"portalEnabled" required:"true"`
	CustomDomain              *string        `json:"customDomain" required:"true"`
	AllowPause                bool           `json:"allowPause" required:"true"`
	MaxPauseDuration          int32          `json:"maxPauseDuration" required:"true" description:"In days."`
	AllowSkip                 bool           `json:"allowSkip" required:"true"`
	MaxConsecutiveSkips       int32          `json:"maxConsecutiveSkips" required:"true"`
	AllowFrequencyChange      bool           `json:"allowFrequencyChange" required:"true"`
	AllowQuantityChange       bool           `json:"allowQuantityChange" required:"true"`
	AllowProductSwap          bool           `json:"allowProductSwap" required:"true"`
	AllowAddressEdit          bool           `json:"allowAddressEdit" required:"true"`
	AllowPaymentMethodUpdate  bool           `json:"allowPaymentMethodUpdate" required:"true"`
	AllowCancellation         bool           `json:"allowCancellation" required:"true"`
	RequireCancellationReason bool           `json:"requireCancellationReason" required:"true"`
	EnableOneTimeProducts     bool           `json:"enableOneTimeProducts" required:"true"`
	MinimumSubscriptionCycles int32          `json:"minimumSubscriptionCycles" required:"true"`
	Theme                     Theme          `json:"theme" required:"true"`
	Authentication            Authentication `json:"authentication" required:"true"`
	Notifications             Notifications  `json:"notifications" required:"true"`
	SupportContact            Contact        `json:"supportContact" required:"true"`
	Layout                    string         `json:"layout" required:"true" enum:"LIST,CARDS"`
	HelpText                  *string        `json:"helpText" required:"true"`
	CustomMessage             *string        `json:"customMessage" required:"true"`
	// RedirectURLs and Analytics are for the merchant's own pages; nothing here acts on them.
	RedirectURLs map[string]string `json:"redirectUrls" required:"true"`
	Analytics    json.RawMessage   `json:"analytics" required:"true"`
}

// Theme is how pages look. Colors are #rrggbb.
type Theme struct {
	PrimaryColor   string  `json:"primaryColor" required:"true"`
	SecondaryColor string  `json:"secondaryColor" required:"true"`
	AccentColor    string  `json:"accentColor" required:"true"`
	FontFamily     string  `json:"fontFamily" required:"true"`
	LogoURL        *string `json:"logoUrl" required:"true"`
	CustomCSS      *string `json:"customCss" required:"true"`
}

// Authentication is how customers get into the portal.
type Authentication struct {
	// Method is MagicLink or Token.
	Method string `json:"method" required:"true" enum:"MAGIC_LINK,TOKEN"`
	// SessionDuration is in seconds: how long a browser stays signed in, at most, and never longer than what it signed in with.
	SessionDuration int32 `json:"sessionDuration" required:"true"`
	// RequireEmailVerification keeps customers from changing anything whose address nobody has proved with a mailed link.
	RequireEmailVerification bool `json:"requireEmailVerification" required:"true"`
}

// The methods of authentication.
const (
	MagicLink = "MAGIC_LINK" // customers ask for a link by mail; the merchant's tokens work as well
	Token     = "TOKEN"      // only with tokens that the merchant mints
)

// Notifications are the mails that confirm to customers what they have done.
type Notifications struct {
	SendSkipConfirmation            bool `json:"sendSkipConfirmation" required:"true"`
	SendPauseConfirmation           bool `json:"sendPauseConfirmation" required:"true"`
	SendFrequencyChangeConfirmation bool `json:"sendFrequencyChangeConfirmation" required:"true"`
	SendCancellationConfirmation    bool `json:"sendCancellationConfirmation" required:"true"`
}

// Contact is whom customers ask.
type Contact struct {
	Email       *string `json:"email" required:"true"`
	Phone       *string `json:"phone" required:"true"`
	ChatEnabled bool    `json:"chatEnabled" required:"true"`
}

// Of reads a merchant's settings as they are in force now. The scope must cover the merchant.
func Of(ctx context.Context, d *db.DB, scope db.DBTX, merchantID int64) (Settings, error) {
	row, err := d.PortalSettings(ctx, scope, merchantID)
	if err != nil {
		return Settings{}, fmt.Errorf("read the portal settings of merchant %d: %w", merchantID, err)
	}
	s := Settings{MerchantID: merchantID, Shop: row.Shop, Portal: standard(), CreatedAt: row.CreatedAt.UTC(), UpdatedAt: row.UpdatedAt.UTC(), Suspended: row.Suspended}
	if row.Document != nil {
		// What a release before this one did not know keeps its standard.
		if err := json.Unmarshal(row.Document, &s.Portal); err != nil {
			return Settings{}, fmt.Errorf("read the portal settings of merchant %d: %w", merchantID, err)
		}
	}
	return s, nil
}
