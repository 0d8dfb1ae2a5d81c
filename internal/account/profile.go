package account

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"portico/db"
	"portico/internal/fault"
)

const (
	maxDescription = 2000
	maxURL         = 2000
	maxGraceDays   = 21
	maxDunningDay  = 30
	maxDunnings    = 10
)

// MerchantUpdate is what to change of a merchant; nil stays as it is. An empty description, logo or phone is none.
type MerchantUpdate struct {
	Name        *string
	Shop        *string
	Email       *string
	Description *string
	LogoURL     *string
	Phone       *string
	GraceDays   *int32
	// DunningDays are the days after a declined renewal on which it is tried, the first of them 0.
	DunningDays []int32
}

// MerchantUpdate changes the caller's merchant. A handle that is in use is TAKEN; an old one is free for anybody at once, and nothing
// leads from it to the new one.
func (a *Accounts) MerchantUpdate(ctx context.Context, caller Caller, in MerchantUpdate) (Merchant, error) {
	var check fault.Check
	changes := in.checked(&check)
	if err := check.Err(); err != nil {
		return Merchant{}, err
	}
	changes.MerchantID = caller.MerchantID
	row, err := a.DB.UpdateMerchant(ctx, a.DB.Tenant(caller.MerchantID), changes)
	switch {
	case violates(err, "merchant_shop_key"):
		return Merchant{}, fault.Taken("shop", "is in use")
	case db.IsNoRows(err):
		return Merchant{}, fault.NotFound("", "merchant")
	case err != nil:
		return Merchant{}, fmt.Errorf("update merchant %d: %w", caller.MerchantID, err)
	}
	return merchantOf(row), nil
}

func (in MerchantUpdate) checked(check *fault.Check) db.UpdateMerchantParams {
	each := func(value *string, checked func(string) string) *string {
		if value == nil {
			return nil
		}
		text := checked(*value)
		return &text
	}
	if in.GraceDays != nil && (*in.GraceDays < 0 || *in.GraceDays > maxGraceDays) {
		check.Add(fault.Invalid("graceDays", "must be between 0 and %d", maxGraceDays))
	}
	if in.DunningDays != nil && !isDunning(in.DunningDays) {
		check.Add(fault.Invalid("dunningDays", "must be up to %d days, ascending from 0, the last at most %d", maxDunnings, maxDunningDay))
	}
	return db.UpdateMerchantParams{
		Name:        each(in.Name, func(text string) string { return line(check, "name", text, maxName) }),
		Shop:        each(in.Shop, func(text string) string { return shopHandle(check, "shop", text) }),
		Email:       each(in.Email, func(text string) string { return emailAddress(check, "email", text) }),
		Description: each(in.Description, func(text string) string { return paragraphs(check, "description", text, maxDescription) }),
		LogoUrl:     each(in.LogoURL, func(text string) string { return webAddress(check, "logoUrl", text) }),
		Phone:       each(in.Phone, func(text string) string { return phoneNumber(check, "phone", text) }),
		GraceDays:   in.GraceDays, DunningDays: in.DunningDays,
	}
}

func isDunning(days []int32) bool {
	if len(days) == 0 || len(days) > maxDunnings || days[0] != 0 || days[len(days)-1] > maxDunningDay {
		return false
	}
	for i := 1; i < len(days); i++ {
		if days[i] <= days[i-1] {
			return false
		}
	}
	return true
}

// paragraphs checks a text that may have several lines, or none.
func paragraphs(check *fault.Check, field, value string, longest int) string {
	value = strings.TrimSpace(strings.ReplaceAll(value, "\r\n", "\n"))
	switch {
	case !utf8.ValidString(value):
		check.Add(fault.Invalid(field, "is not valid UTF-8"))
	case strings.ContainsFunc(value, func(r rune) bool { return r != '\n' && r != '\t' && unicode.IsControl(r) }):
		check.Add(fault.Invalid(field, "must not contain control characters"))
	case utf8.RuneCountInString(value) > longest:
		check.Add(fault.Invalid(field, "must have at most %d characters", longest))
	}
	return value
}

// webAddress checks an absolute http or https address without a user, or none. It is only kept: whoever fetches it has to guard that.
func webAddress(check *fault.Check, field, value string) string {
	value = strings.TrimSpace(value)
	if value == "" {
		return value
	}
	parsed, err := url.Parse(value)
	if err != nil || (parsed.Scheme != "https" && parsed.Scheme != "http") || parsed.Hostname() == "" || parsed.User != nil ||
		!utf8.ValidString(value) || len(value) > maxURL || strings.ContainsFunc(value, unicode.IsSpace) {
		check.Add(fault.Invalid(field, "must be an http or https address of at most %d bytes", maxURL))
	}
	return value
}

var phonePattern = regexp.MustCompile(`^\+?[0-9][0-9 ()./-]{3,38}[0-9]$`)

func phoneNumber(check *fault.Check, field, value string) string {
	value = strings.TrimSpace(value)
	if value != "" && !phonePattern.MatchString(value) {
		check.Add(fault.Invalid(field, "must be a phone number, such as +44 20 7946 0000"))
	}
	return value
}

// Confirm compares a handle that a person typed before something that cannot be taken back: INVALID for another than the merchant's.
func (m Merchant) Confirm(shop string) error {
	if strings.TrimSpace(shop) != m.Shop {
		return fault.Invalid("shop", "must be the merchant's own handle, to be sure that it is this one")
	}
	return nil
}
