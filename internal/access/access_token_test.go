package access

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/secret"
)

func payloadOf(t *testing.T, token secret.Text) string {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(string(token), ".")[1])
	require.NoError(t, err)
	return string(payload)
}

func TestAnAccessTokenSaysWhoTheCustomerIsAndWhatIsSaidOfIt(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	customer, personal := s.person()
	s.subscribe(subscription{company: personal, customer: customer, status: "ACTIVE"})
	s.mustSet(`{"role": "admin", "seats": "5", "html": "<b>&"}`)
	token, err := s.a.AccessTokenCreate(t.Context(), s.caller, ada, payroll, 10*time.Minute)
	require.NoError(t, err)
	issued := piDay.Unix()
	payload := payloadOf(t, token.Token)
	require.Contains(t, payload, `"<b>&"`, "no longer than it needs to be")
	var jti struct{ JTI string }
	require.NoError(t, json.Unmarshal([]byte(payload), &jti))
	require.JSONEq(t, `{
		"iss": "https://portal.example/shops/acme", "aud": "payroll", "sub": "12345", "jti": "`+jti.JTI+`",
		"iat": `+strconv.FormatInt(issued, 10)+`, "exp": `+strconv.FormatInt(issued+600, 10)+`,
		"claims": {"role": "admin", "seats": "5", "html": "<b>&", "plan": "pro", "status": "active"}, "claimsVersion": 1,
		"access": {"allowed": true, "reason": "ALLOWED", "tier": "pro", "status": "active", "expiresAt": "2026-03-14T16:09:26Z"}
	}`, payload)
	require.Len(t, jti.JTI, 26)
	require.Equal(t, time.Unix(issued+600, 0).UTC(), token.ExpiresAt)
	require.Equal(t, customer, token.CustomerID)

	check, err := s.a.AccessTokenVerify(t.Context(), s.caller, token.Token, &payroll)
	require.NoError(t, err)
	require.Equal(t, []any{true, TokenValid, int64(12345), "payroll", int64(1), true},
		[]any{check.Valid, check.Reason, *check.CustomerNumber, *check.ProductIdentifier, *check.ClaimsVersion, *check.ClaimsCurrent})
	s.mustSet(`{"role": "viewer"}`)
	check, err = s.a.AccessTokenVerify(t.Context(), s.caller, token.Token, nil)
	require.NoError(t, err)
	require.False(t, *check.ClaimsCurrent, "the claims have changed since")
	require.True(t, check.Valid)
}

func TestWithoutASubscriptionAnAccessTokenSaysSo(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	s.person()
	token := s.mint()
	require.Contains(t, payloadOf(t, token.Token), `"claims":{},"claimsVersion":0,"access":{"allowed":false,"reason":"NO_SUBSCRIPTION","tier":null,"status":null,"expiresAt":null}`)
	require.False(t, token.Decision.Allowed)
	require.Equal(t, TokenValid, s.verify(token))
}

func TestClaimsThatHaveExpiredAreInNoToken(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	s.person()
	ends := piDay.Add(time.Hour)
	_, err := s.setClaims(ClaimsSet{Claims: []byte(`{"beta": true}`), ExpiresAt: &ends})
	require.NoError(t, err)
	require.Contains(t, payloadOf(t, s.mint().Token), `"beta":true`)
	s.at(ends)
	require.NotContains(t, payloadOf(t, s.mint().Token), "beta", "the worker has not come")
}

func TestAnAccessTokenLivesAsLongAsIsAskedFor(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	s.person()
	for ttl, ok := range map[time.Duration]bool{59 * time.Second: false, time.Minute: true, time.Hour: true, time.Hour + time.Second: false} {
		_, err := s.a.AccessTokenCreate(t.Context(), s.caller, ada, payroll, ttl)
		require.Equal(t, ok, err == nil, ttl)
		require.Equal(t, !ok, fault.Is(err, fault.CodeInvalid), ttl)
	}
	token := s.mint()
	s.at(token.ExpiresAt.Add(-time.Second))
	require.Equal(t, TokenValid, s.verify(token))
	s.at(token.ExpiresAt)
	require.Equal(t, TokenExpired, s.verify(token))
	s.at(piDay.Truncate(time.Second).Add(-5 * time.Second))
	require.Equal(t, TokenValid, s.verify(token), "the clocks of two servers differ a little")
	s.at(piDay.Truncate(time.Second).Add(-6 * time.Second))
	require.Equal(t, TokenNotYetValid, s.verify(token))
}

func TestNoAccessTokenForUnknownCustomersAndForeignProducts(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	s.person()
	_, err := s.a.AccessTokenCreate(t.Context(), s.caller, account.CustomerRef{Email: ptr("nobody@example.com")}, payroll, time.Hour)
	require.True(t, fault.Is(err, fault.CodeNotFound))
	other := s.insertProduct("planner", "https://planner.example")
	client := account.Caller{Kind: account.KindClient, MerchantID: s.caller.MerchantID, ProductID: other}
	_, err = s.a.AccessTokenCreate(t.Context(), client, ada, payroll, time.Hour)
	require.True(t, fault.Is(err, fault.CodeNotFound))
	_, err = s.a.AccessTokenVerify(t.Context(), client, s.mint().Token, &payroll)
	require.True(t, fault.Is(err, fault.CodeNotFound))
}

func TestAnAccessTokenIsForOneProductOfOneMerchant(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	s, other := newShop(t, a, "acme"), newShop(t, a, "birch")
	s.person()
	other.person()
	token := s.mint()
	require.Equal(t, TokenOtherIssuer, other.verify(token), "a product of the same identifier, a customer of the same number")
	planner := s.insertProduct("planner", "https://planner.example")
	for _, caller := range []account.Caller{s.caller, {Kind: account.KindClient, MerchantID: s.caller.MerchantID, ProductID: planner}} {
		var product *catalog.ProductRef
		if caller.Kind != account.KindClient {
			product = &catalog.ProductRef{ID: &planner}
		}
		check, err := a.AccessTokenVerify(t.Context(), caller, token.Token, product)
		require.NoError(t, err)
		require.Equal(t, TokenCheck{Reason: TokenOtherProduct}, check, "of what is not valid nothing is told")
	}
	s.exec(`update customer set number = 777 where merchant_id = $1`, s.caller.MerchantID)
	require.Equal(t, TokenCustomerNotFound, s.verify(token))
}

func TestAProductChoosesItsAlgorithm(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	s.person()
	s.exec(`update product set access_token_algorithm = 'EdDSA'`)
	token := s.mint()
	require.Equal(t, "EdDSA", s.published()[kid(t, token)].Algorithm)
	require.Equal(t, "OKP", s.published()[kid(t, token)].KeyType)
	require.Equal(t, TokenValid, s.verify(token))
}
