package access

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"portico/internal/account"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/secret"
	"portico/internal/webhook"
)

// How long access tokens are valid.
const (
	MinAccessTTL = time.Minute
	MaxAccessTTL = time.Hour
)

// Token tells an app who somebody is and what is said of them.
type Token struct {
	CustomerID int64
	Token      secret.Text // an ES256 or EdDSA JWT
	ExpiresAt  time.Time
	Decision   Decision // what it says of access
}

// AccessTokenCreate mints a token that apps verify with the installation's published keys. It needs no subscription: its member access
// says whether there is one. Its payload, besides iss (Issuer of the shop), aud (the product's identifier), sub (the customer's number as
// text), iat, exp and jti:
//
//	claims         the claims of the customer in the product, those of the subscription too
//	claimsVersion  their version
//	access         { allowed, reason, tier, status, expiresAt }
//
// Its times are real, but for access.expiresAt of a customer on a test clock. An unknown customer or product is NOT_FOUND.
func (a *Access) AccessTokenCreate(
	ctx context.Context, caller account.Caller, customer account.CustomerRef, product catalog.ProductRef, ttl time.Duration,
) (Token, error) {
	if ttl < MinAccessTTL || ttl > MaxAccessTTL {
		return Token{}, fault.Invalid("ttlSeconds", "must be between %d and %d", int(MinAccessTTL.Seconds()), int(MaxAccessTTL.Seconds()))
	}
	decision, err := a.Check(ctx, caller, customer, product)
	if err != nil {
		return Token{}, err
	}
	if decision.Reason == CustomerNotFound {
		return Token{}, fault.NotFound("customer", "customer")
	}
	of := claimantRef{caller.MerchantID, *decision.row.CustomerID, decision.row.ProductID}
	found, err := a.claimant(ctx, a.DB.Tenant(of.merchantID), of)
	if err != nil {
		return Token{}, err
	}
	// JWT counts whole seconds.
	issuedAt := a.Now().UTC().Truncate(time.Second)
	expiresAt := issuedAt.Add(ttl)
	claims := found.claims()
	token, err := a.signAccess(ctx, found.row.AccessTokenAlgorithm, webhook.Object{
		{Key: "iss", Value: a.IssuerOf(found.row.Shop)},
		{Key: "aud", Value: claims.ProductIdentifier},
		{Key: "sub", Value: strconv.FormatInt(claims.CustomerNumber, 10)},
		{Key: "iat", Value: issuedAt.Unix()},
		{Key: "exp", Value: expiresAt.Unix()},
		{Key: "jti", Value: rand.Text()},
		{Key: "claims", Value: claims.Object()},
		{Key: "claimsVersion", Value: claims.Version},
		{Key: "access", Value: decision.object()},
	})
	if err != nil {
		return Token{}, fmt.Errorf("mint an access token: %w", err)
	}
	return Token{CustomerID: of.customerID, Token: token, ExpiresAt: expiresAt, Decision: decision}, nil
}

// object is the decision as tokens say it.
func (d Decision) object() webhook.Object {
	var status, tier, expires any
	if d.Status != nil {
		status = strings.ToLower(*d.Status)
	}
	if d.Tier != nil {
		tier = *d.Tier
	}
	if d.ExpiresAt != nil {
		expires = d.ExpiresAt.Format(time.RFC3339)
	}
	return webhook.Object{
		{Key: "allowed", Value: d.Allowed}, {Key: "reason", Value: string(d.Reason)}, {Key: "tier", Value: tier},
		{Key: "status", Value: status}, {Key: "expiresAt", Value: expires},
	}
}

// IssuerOf is the iss of a shop's access tokens. Identifiers of products are unique within their shop only, so that aud alone does not say
// whose product a token is for.
func (a *Access) IssuerOf(shop string) string {
	return strings.TrimRight(a.Issuer, "/") + "/shops/" + shop
}

// signAccess writes a token itself: the library would write < as \u003c, six times as long.
func (a *Access) signAccess(ctx context.Context, algorithm string, payload webhook.Object) (secret.Text, error) {
	key, private, err := a.signer(ctx, algorithm)
	if err != nil {
		return "", err
	}
	var parts []string
	for _, part := range []webhook.Object{
		{{Key: "alg", Value: algorithm}, {Key: "typ", Value: "JWT"}, {Key: "kid", Value: key.KID}}, payload,
	} {
		text, err := webhook.StableJSON(part)
		if err != nil {
			return "", err
		}
		parts = append(parts, base64.RawURLEncoding.EncodeToString(text))
	}
	signed := strings.Join(parts, ".")
	signature, err := jwt.GetSigningMethod(algorithm).Sign(signed, private)
	if err != nil {
		return "", err
	}
	return secret.Text(signed + "." + base64.RawURLEncoding.EncodeToString(signature)), nil
}
