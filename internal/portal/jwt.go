package portal

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"portico/internal/account"
	"portico/internal/secret"
)

const (
	// Much longer than any token of ours, and short enough to cost nothing.
	maxTokenLength = 1024
	// That of HS256's output: the library would take an empty key as well.
	minKeyLength = 32
)

// Nothing but the alphabet of base64url: Go's decoder skips line breaks, and a token with one would be the same token.
var compactForm = regexp.MustCompile(`^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$`)

// tokenShaped tells portal tokens from all other credentials, which have no dots.
func tokenShaped(credential secret.Text) bool {
	// The most credentials are none, and a look at one byte after the other is cheaper than the expression.
	return len(credential) <= maxTokenLength && strings.Count(string(credential), ".") == 2 && compactForm.MatchString(string(credential))
}

// claims are the whole payload of a portal token.
type claims struct {
	Customer  int64 // the customer's number
	Shop      string
	Timestamp int64 // when it was issued, in seconds
	ID        string
}

func (c claims) sign(key secret.Text) (secret.Text, error) {
	if len(key) < minKeyLength {
		return "", errors.New("the portal key is too short")
	}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"customerId": c.Customer, "shop": c.Shop, "timestamp": c.Timestamp, "jti": c.ID,
	}).SignedString([]byte(key))
	return secret.Text(signed), err
}

func parser() *jwt.Parser {
	return jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithStrictDecoding(), jwt.WithJSONNumber(),
		// There is no exp: the age of the timestamp is what counts.
		jwt.WithoutClaimsValidation())
}

// unverified reads what a token says of itself: enough to look for the key that must have signed it.
func unverified(token secret.Text) (claims, bool) {
	read, _, err := parser().ParseUnverified(string(token), jwt.MapClaims{})
	if err != nil || read.Method.Alg() != jwt.SigningMethodHS256.Alg() {
		return claims{}, false
	}
	return exactly(read.Claims.(jwt.MapClaims))
}

// verified reads a token that the key has signed.
func verified(token, key secret.Text) (claims, bool) {
	if len(key) < minKeyLength {
		return claims{}, false
	}
	read, err := parser().Parse(string(token), func(*jwt.Token) (any, error) { return []byte(key), nil })
	if err != nil {
		return claims{}, false
	}
	return exactly(read.Claims.(jwt.MapClaims))
}

// exactly wants the four claims with their types and no other.
func exactly(payload jwt.MapClaims) (c claims, ok bool) {
	integer := func(name string) int64 {
		number, is := payload[name].(json.Number)
		value, err := number.Int64()
		ok = ok && is && err == nil
		return value
	}
	text := func(name string) string {
		value, is := payload[name].(string)
		ok = ok && is && account.Storable(value)
		return value
	}
	ok = len(payload) == 4
	c = claims{Customer: integer("customerId"), Shop: text("shop"), Timestamp: integer("timestamp"), ID: text("jti")}
	return c, ok
}
