package settings

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/fault"
)

// Update changes settings.
type Update struct {
	// Preset, when given, comes before Changes. It leaves alone how the portal looks and how customers get in.
	Preset *Preset
	// Changes is a JSON object with members of Portal: what is missing stays, and so does what is null, except for texts and addresses that
	// may be missing, which null removes.
	Changes json.RawMessage
}

// Save changes a merchant's settings, all or nothing. INVALID names the member that cannot be.
func Save(ctx context.Context, d *db.DB, merchantID int64, in Update, now time.Time) (Settings, error) {
	var saved Settings
	err := d.Tenant(merchantID).Tx(ctx, func(tx pgx.Tx) error {
		if err := d.LockMerchantForSettings(ctx, tx, merchantID); err != nil {
			return err
		}
		s, err := Of(ctx, d, tx, merchantID)
		if err != nil {
			return err
		}
		if err := in.apply(&s.Portal); err != nil {
			return err
		}
		document, err := json.Marshal(s.Portal)
		if err != nil {
			return err
		}
		if err := d.SavePortalSettings(ctx, tx, db.SavePortalSettingsParams{MerchantID: merchantID, Document: document, Now: now}); err != nil {
			return err
		}
		saved, err = Of(ctx, d, tx, merchantID)
		return err
	})
	if err != nil {
		return Settings{}, fmt.Errorf("save the portal settings of merchant %d: %w", merchantID, err)
	}
	return saved, nil
}

func (in Update) apply(p *Portal) error {
	if in.Preset != nil {
		in.Preset.apply(p)
	}
	err := in.change(p)
	if err == nil {
		err = p.check()
	}
	for _, found := range fault.List(err) {
		found.Field = append([]string{"settings"}, found.Field...)
	}
	return err
}

func (in Update) change(p *Portal) error {
	if len(in.Changes) > 0 {
		if bytes.Contains(in.Changes, []byte(`"redirectUrls"`)) {
			p.RedirectURLs = nil // its members are replaced together
		}
		var wrong *json.UnmarshalTypeError
		err := json.Unmarshal(in.Changes, p)
		if errors.As(err, &wrong) {
			return fault.WrongKind(wrong.Field, wrong.Type)
		}
		if err != nil {
			return fault.Invalid("", "must be a JSON object")
		}
	}
	return nil
}
