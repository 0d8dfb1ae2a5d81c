package webhook

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/fault"
)

const (
	minTimeoutSeconds     = 5
	maxTimeoutSeconds     = 30
	defaultTimeoutSeconds = 10
	maxRateLimit          = 1000
	maxDescription        = 500
	everyType             = "*"
)

// settings is what a merchant says about an endpoint.
type settings struct {
	productID      *int64
	url            string
	description    string
	format         string
	eventTypes     []string
	timeoutSeconds int32
	rateLimit      *int32
	headers        []Header
}

func (w *Webhooks) checkURL(url *string) *fault.Error {
	*url = strings.TrimSpace(*url)
	if *url == "" {
		return fault.Required("url")
	}
	if err := w.Guard.CheckURL(*url); err != nil {
		return fault.Invalid("url", "%s", err)
	}
	return nil
}

func checkDescription(text *string) *fault.Error {
	*text = strings.TrimSpace(*text)
	switch {
	case !utf8.ValidString(*text):
		return fault.Invalid("description", "must be UTF-8 text")
	case utf8.RuneCountInString(*text) > maxDescription:
		return fault.Invalid("description", "must be at most %d characters long", maxDescription)
	case strings.ContainsFunc(*text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }):
		return fault.Invalid("description", "must not contain control characters")
	}
	return nil
}

func checkTimeout(seconds int32) *fault.Error {
	if seconds < minTimeoutSeconds || seconds > maxTimeoutSeconds {
		return fault.Invalid("timeoutSeconds", "must be between %d and %d", minTimeoutSeconds, maxTimeoutSeconds)
	}
	return nil
}

func checkRateLimit(perSecond *int32) *fault.Error {
	if perSecond != nil && (*perSecond < 1 || *perSecond > maxRateLimit) {
		return fault.Invalid("rateLimit", "must be between 1 and %d requests a second, or null for no limit", maxRateLimit)
	}
	return nil
}

// eventTypes is the types and patterns asked for, each once.
func eventTypes(asked []string, format string, check *fault.Check) []string {
	if format == FormatPaymentNotification {
		payments := []string{string(PaymentSucceeded)}
		if asked != nil && !slices.Equal(asked, payments) {
			check.Add(fault.Invalid("eventTypes", "must be left out, or be %s alone: payment notifications tell of nothing else", PaymentSucceeded))
		}
		return payments
	}
	if asked == nil {
		return typeNames(DefaultTypes())
	}
	return typesAmong(asked, "eventTypes", check)
}

// typesAmong is the types and patterns that a field asks for, each once.
func typesAmong(asked []string, field string, check *fault.Check) []string {
	if len(asked) == 0 {
		check.Add(fault.Invalid(field, "must name at least one type of event, or be left out"))
	}
	known := typeNames(Types())
	var types []string
	for i, t := range asked {
		t = strings.TrimSpace(t)
		switch {
		case !slices.Contains(known, t) && !isPattern(t, known):
			check.Add(fault.Invalid(field+"."+strconv.Itoa(i), "must be one of %s, all of a kind such as subscription.*, or *", strings.Join(known, ", ")))
		case !slices.Contains(types, t):
			types = append(types, t)
		}
	}
	return types
}

// isPattern is for * and, for each first word of a type, such as subscription.*: all types of the kind, also those that are yet to come.
func isPattern(text string, known []string) bool {
	kind, isKind := strings.CutSuffix(text, "*")
	return text == everyType || isKind && strings.Count(kind, ".") == 1 && strings.HasSuffix(kind, ".") &&
		slices.ContainsFunc(known, func(t string) bool { return strings.HasPrefix(t, kind) })
}

// isWanted tells whether a type is among types and patterns.
func isWanted(t Type, among []string) bool {
	return slices.ContainsFunc(among, func(one string) bool {
		kind, isKind := strings.CutSuffix(one, "*")
		return one == string(t) || isKind && strings.HasPrefix(string(t), kind)
	})
}

func typeNames(types []Type) []string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = string(t)
	}
	return names
}

func (w *Webhooks) checkProduct(ctx context.Context, tx pgx.Tx, merchantID int64, productID *int64, check *fault.Check) error {
	if productID == nil {
		return nil
	}
	exists, err := w.DB.EndpointProductExists(ctx, tx, db.EndpointProductExistsParams{MerchantID: merchantID, ID: *productID})
	if err != nil {
		return fmt.Errorf("look up product %d: %w", *productID, err)
	}
	if !exists {
		check.Add(fault.NotFound("product", "product"))
	}
	return nil
}
