package access

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"portico/db"
	"portico/internal/account"
	"portico/internal/catalog"
	"portico/internal/secret"
)

const (
	// Longer than any token of ours: 8 KiB of claims, and what the subscription says.
	maxAccessTokenLength = 32 << 10
	// How far the clock of the server that minted a token may be ahead of the one that reads it.
	clockSkew = 5 * time.Second
)

// Nothing but the alphabet of base64url: Go's decoder skips line breaks, and a token with one would be the same token.
var compactForm = regexp.MustCompile(`^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$`)

// TokenReason says why an access token is valid or not.
type TokenReason string

// The reasons, as in the schema's AccessTokenReason.
const (
	TokenValid            TokenReason = "VALID"
	TokenMalformed        TokenReason = "MALFORMED"
	TokenAlgorithm        TokenReason = "ALGORITHM_NOT_ALLOWED" //nolint:gosec // a reason, and no credential
	TokenUnknownKey       TokenReason = "UNKNOWN_KEY"
	TokenKeyRevoked       TokenReason = "KEY_REVOKED"
	TokenBadSignature     TokenReason = "BAD_SIGNATURE"
	TokenOtherIssuer      TokenReason = "OTHER_ISSUER"
	TokenOtherProduct     TokenReason = "OTHER_PRODUCT"
	TokenNotYetValid      TokenReason = "NOT_YET_VALID"
	TokenExpired          TokenReason = "EXPIRED"
	TokenCustomerNotFound TokenReason = "CUSTOMER_NOT_FOUND"
)

// TokenCheck is what an access token says, if it is valid, and otherwise only why it is not.
type TokenCheck struct {
	Valid             bool
	Reason            TokenReason
	CustomerNumber    *int64
	ProductIdentifier *string
	Claims            json.RawMessage // nil unless valid
	ClaimsVersion     *int64
	// ClaimsCurrent tells whether the merchant's claims are still of that version.
	ClaimsCurrent *bool
	IssuedAt      *time.Time
	ExpiresAt     *time.Time
}

// errToken is a token that is not valid.
type errToken struct{ reason TokenReason }

func (e errToken) Error() string { return "the access token is not valid: " + string(e.reason) }

// AccessTokenVerify checks a token of the caller's merchant, and sees what a check offline cannot: keys that are revoked, customers that
// are gone, claims that have changed. A client's is for its product; for other callers it is for the product that is given, or for any of
// the merchant. What is wrong with the token is an answer, an unknown product is NOT_FOUND.
func (a *Access) AccessTokenVerify(
	ctx context.Context, caller account.Caller, token secret.Text, product *catalog.ProductRef,
) (TokenCheck, error) {
	if product == nil && caller.Kind == account.KindClient {
		product = &catalog.ProductRef{ID: &caller.ProductID}
	}
	wanted := ""
	if product != nil {
		row, err := a.product(ctx, caller, *product)
		if err != nil {
			return TokenCheck{}, err
		}
		wanted = row.Product.Identifier
	}
	check, err := a.verifyAccess(ctx, caller.MerchantID, string(token), wanted)
	var invalid errToken
	switch {
	case errors.As(err, &invalid):
		return TokenCheck{Reason: invalid.reason}, nil
	case err != nil:
		return TokenCheck{}, fmt.Errorf("verify an access token: %w", err)
	}
	return check, nil
}

// accessPayload is what verification looks at.
type accessPayload struct {
	Issuer        string          `json:"iss"`
	Audience      string          `json:"aud"`
	Subject       string          `json:"sub"`
	IssuedAt      *int64          `json:"iat"`
	ExpiresAt     *int64          `json:"exp"`
	Claims        json.RawMessage `json:"claims"`
	ClaimsVersion *int64          `json:"claimsVersion"`
}

func (a *Access) verifyAccess(ctx context.Context, merchantID int64, token, wanted string) (TokenCheck, error) {
	payload, err := a.signedPayload(ctx, token)
	if err != nil {
		return TokenCheck{}, err
	}
	number, err := strconv.ParseInt(payload.Subject, 10, 64)
	if err != nil || payload.IssuedAt == nil || payload.ExpiresAt == nil || payload.ClaimsVersion == nil || !account.Storable(payload.Audience) {
		return TokenCheck{}, errToken{TokenMalformed}
	}
	subject, err := a.DB.AccessTokenSubject(ctx, a.DB.Tenant(merchantID), db.AccessTokenSubjectParams{
		MerchantID: merchantID, Number: number, Identifier: payload.Audience,
	})
	if err != nil {
		return TokenCheck{}, err
	}
	now, issued, expires := a.Now(), time.Unix(*payload.IssuedAt, 0).UTC(), time.Unix(*payload.ExpiresAt, 0).UTC()
	switch {
	case payload.Issuer != a.IssuerOf(subject.Shop):
		return TokenCheck{}, errToken{TokenOtherIssuer}
	case subject.ProductID == nil, wanted != "" && payload.Audience != wanted:
		return TokenCheck{}, errToken{TokenOtherProduct}
	case now.Before(issued.Add(-clockSkew)):
		return TokenCheck{}, errToken{TokenNotYetValid}
	case !now.Before(expires):
		return TokenCheck{}, errToken{TokenExpired}
	case subject.CustomerID == nil:
		return TokenCheck{}, errToken{TokenCustomerNotFound}
	}
	current := orZero(subject.ClaimsVersion) == *payload.ClaimsVersion
	return TokenCheck{
		Valid: true, Reason: TokenValid, CustomerNumber: &number, ProductIdentifier: &payload.Audience, Claims: payload.Claims,
		ClaimsVersion: payload.ClaimsVersion, ClaimsCurrent: &current, IssuedAt: &issued, ExpiresAt: &expires,
	}, nil
}

// signedPayload is the payload of a token that one of our keys has signed with its own algorithm, and that is not revoked.
func (a *Access) signedPayload(ctx context.Context, token string) (accessPayload, error) {
	if len(token) > maxAccessTokenLength || !compactForm.MatchString(token) {
		return accessPayload{}, errToken{TokenMalformed}
	}
	parts := strings.Split(token, ".")
	var header struct {
		Algorithm string `json:"alg"`
		KID       string `json:"kid"`
	}
	if err := decodePart(parts[0], &header); err != nil || !account.Storable(header.KID) {
		return accessPayload{}, errToken{TokenMalformed}
	}
	if header.Algorithm != catalog.ES256 && header.Algorithm != catalog.EdDSA {
		return accessPayload{}, errToken{TokenAlgorithm}
	}
	row, err := a.DB.SigningKeyByKID(ctx, a.DB.System(), header.KID)
	switch {
	case db.IsNoRows(err):
		return accessPayload{}, errToken{TokenUnknownKey}
	case err != nil:
		return accessPayload{}, err
	case row.RevokedAt != nil:
		return accessPayload{}, errToken{TokenKeyRevoked}
	case row.Algorithm != header.Algorithm:
		return accessPayload{}, errToken{TokenAlgorithm}
	}
	key, err := signingKeyOf(row)
	if err != nil {
		return accessPayload{}, err
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{row.Algorithm}), jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation())
	if _, err := parser.Parse(token, func(*jwt.Token) (any, error) { return key.public, nil }); err != nil {
		return accessPayload{}, errToken{TokenBadSignature}
	}
	var payload accessPayload
	if err := decodePart(parts[1], &payload); err != nil {
		return accessPayload{}, errToken{TokenMalformed}
	}
	return payload, nil
}

func decodePart(part string, into any) error {
	text, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
