package access

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"portico/internal/account"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/secret"
)

// minSecretLength is that of HS256's output: the signing library would take an empty key as well.
const minSecretLength = 32

// LaunchToken sends a user to a product.
type LaunchToken struct {
	CustomerID int64
	Token      secret.Text // an HS256 JWT
	URL        secret.Text // the product's launch URL with the token
	ExpiresAt  time.Time
}

// LaunchTokenCreate mints a token that tells the product who the customer is and what the subscription allows. Products verify it
// with their launch secret as a UTF-8 string. Its payload, besides the registered claims:
//
//	userId        the customer's number
//	email, name, role
//	companyId     the id of the company that holds the subscription: the customer's personal one for a personal subscription
//	companyName   its name; like companyId never null
//	subscription  { id, tier, status, features, seats, expiresAt }
//
// Ids are JSON numbers, except sub, which is the customer's number as JWT wants it: a string. subscription.status is in lower case
// (active, trialing, past_due), as products compare it with "active"; expiresAt is when access ends, grace included, as RFC 3339 in
// UTC. iat and exp are real time, also for customers on a test clock, whose expiresAt is in the clock's time.
//
// An unknown customer is NOT_FOUND; without access it is NO_ACTIVE_SUBSCRIPTION with the upgrade URL.
func (a *Access) LaunchTokenCreate(
	ctx context.Context, caller account.Caller, customer account.CustomerRef, product catalog.ProductRef,
) (LaunchToken, error) {
	decision, err := a.Check(ctx, caller, customer, product)
	if err != nil {
		return LaunchToken{}, err
	}
	if decision.Reason == CustomerNotFound {
		return LaunchToken{}, fault.NotFound("customer", "customer")
	}
	if !decision.Allowed {
		return LaunchToken{}, noAccess(decision)
	}
	// JWT counts whole seconds.
	issuedAt := a.Now().UTC().Truncate(time.Second)
	expiresAt := issuedAt.Add(time.Duration(decision.row.LaunchTtlSeconds) * time.Second)
	token, err := a.sign(decision, issuedAt, expiresAt)
	if err != nil {
		return LaunchToken{}, fmt.Errorf("mint launch token: %w", err)
	}
	launchURL, err := withToken(decision.row.LaunchUrl, token)
	if err != nil {
		return LaunchToken{}, fmt.Errorf("mint launch token: %w", err)
	}
	return LaunchToken{CustomerID: *decision.row.CustomerID, Token: token, URL: launchURL, ExpiresAt: expiresAt}, nil
}

func (a *Access) sign(d Decision, issuedAt, expiresAt time.Time) (secret.Text, error) {
	key, err := a.Keys.Open(catalog.LaunchSecretIdentity(d.row.ProductID), d.row.LaunchSecretCipher)
	if err != nil {
		return "", err
	}
	if len(key) < minSecretLength {
		return "", fmt.Errorf("the launch secret of product %d is shorter than %d bytes", d.row.ProductID, minSecretLength)
	}
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss":         a.Issuer,
		"aud":         d.row.Identifier,
		"sub":         strconv.FormatInt(*d.row.CustomerNumber, 10),
		"iat":         issuedAt.Unix(),
		"exp":         expiresAt.Unix(),
		"jti":         rand.Text(),
		"userId":      d.row.CustomerNumber,
		"email":       d.row.Email,
		"name":        d.row.Name,
		"role":        d.row.Role,
		"companyId":   d.row.CompanyID,
		"companyName": d.row.CompanyName,
		"subscription": map[string]any{
			"id":        d.row.SubscriptionID,
			"tier":      d.Tier,
			"status":    strings.ToLower(*d.Status),
			"features":  d.Features.Object(),
			"seats":     d.Seats,
			"expiresAt": d.ExpiresAt.Format(time.RFC3339),
		},
	})
	signed, err := token.SignedString([]byte(key))
	return secret.Text(signed), err
}

// withToken leaves the parameters that the URL has as they are written, and its fragment at the end.
func withToken(launchURL string, token secret.Text) (secret.Text, error) {
	u, err := url.Parse(launchURL)
	if err != nil {
		return "", err
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += "token=" + string(token)
	return secret.Text(u.String()), nil
}
