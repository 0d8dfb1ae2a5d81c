package access

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/secret"
)

// verify reads a token as a product does with a stock library: nothing but the secret as a string, and the two names it knows.
func verify(token string, at time.Time) (jwt.MapClaims, error) {
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return []byte(launchSecret), nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithIssuer("https://portal.example"), jwt.WithAudience("payroll"),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithTimeFunc(func() time.Time { return at }))
	return claims, err
}

func TestALaunchTokenSaysWhoTheUserIsAndWhatTheSubscriptionAllows(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	customer, personal := s.person()
	id := s.subscribe(subscription{company: personal, customer: customer, status: "ACTIVE"})

	launch, err := s.a.LaunchTokenCreate(t.Context(), s.caller, ada, payroll)
	require.NoError(t, err)
	claims, err := verify(string(launch.Token), piDay)
	require.NoError(t, err)
	require.Len(t, claims["jti"], 26)
	delete(claims, "jti")
	payload, err := json.Marshal(claims)
	require.NoError(t, err)
	issued := time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC).Unix()
	require.JSONEq(t, `{
		"iss": "https://portal.example", "aud": "payroll", "sub": "12345",
		"iat": `+strconv.FormatInt(issued, 10)+`, "exp": `+strconv.FormatInt(issued+120, 10)+`,
		"userId": 12345, "email": "Ada@Example.com", "name": "Ada Lovelace", "role": "admin",
		"companyId": `+strconv.FormatInt(personal, 10)+`, "companyName": "Ada Lovelace",
		"subscription": {
			"id": `+strconv.FormatInt(id, 10)+`, "tier": "pro", "status": "active", "seats": 10, "expiresAt": "2026-03-14T16:09:26Z",
			"features": {"advancedReporting": true, "maxEmployees": 50, "maxProjects": 9007199254740991, "region": "eu"}
		}
	}`, string(payload))
	require.Equal(t, time.Unix(issued+120, 0).UTC(), launch.ExpiresAt)
	require.Equal(t, "https://payroll.example/launch?token="+string(launch.Token), string(launch.URL))
}

func TestALaunchTokenIsNotAcceptedOnceItHasExpiredOrChanged(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	customer, personal := s.person()
	s.subscribe(subscription{company: personal, customer: customer, status: "ACTIVE"})
	launch, err := s.a.LaunchTokenCreate(t.Context(), s.caller, ada, payroll)
	require.NoError(t, err)
	_, err = verify(string(launch.Token), launch.ExpiresAt.Add(-time.Second))
	require.NoError(t, err)
	_, err = verify(string(launch.Token), launch.ExpiresAt)
	require.ErrorIs(t, err, jwt.ErrTokenExpired)

	parts := strings.Split(string(launch.Token), ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(payload), `"maxEmployees":50`, `"maxEmployees":51`, 1)))
	_, err = verify(strings.Join(parts, "."), piDay)
	require.ErrorIs(t, err, jwt.ErrTokenSignatureInvalid)
}

func TestEveryLaunchTokenHasItsOwnId(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	customer, personal := s.person()
	s.subscribe(subscription{company: personal, customer: customer, status: "ACTIVE"})
	seen := map[any]bool{}
	for range 3 {
		launch, err := s.a.LaunchTokenCreate(t.Context(), s.caller, ada, payroll)
		require.NoError(t, err)
		claims, err := verify(string(launch.Token), piDay)
		require.NoError(t, err)
		seen[claims["jti"]] = true
	}
	require.Len(t, seen, 3)
}

func TestNodeVerifiesALaunchTokenByHandWithTheSecretAsAString(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	customer, personal := s.person()
	s.subscribe(subscription{company: personal, customer: customer, status: "PAST_DUE"})
	launch, err := s.a.LaunchTokenCreate(t.Context(), s.caller, ada, payroll)
	require.NoError(t, err)

	out, err := exec.CommandContext(t.Context(), "node", "-e", `
		const [token, secret] = process.argv.slice(1);
		const [header, payload, signature] = token.split('.');
		const expected = require('crypto').createHmac('sha256', secret).update(header + '.' + payload).digest('base64url');
		if (signature !== expected) throw new Error('the signature does not match');
		const { alg, typ } = JSON.parse(Buffer.from(header, 'base64url'));
		const { userId, companyId, subscription } = JSON.parse(Buffer.from(payload, 'base64url'));
		const { status, features } = subscription;
		console.log(JSON.stringify([alg, typ, typeof userId, typeof companyId, status, features.missing === true,
			50 >= features.maxEmployees, 9007199254740990 >= features.maxProjects, features.maxProjects === Number.MAX_SAFE_INTEGER,
			new Date(subscription.expiresAt).toISOString()]));
	`, string(launch.Token), launchSecret).CombinedOutput()
	require.NoError(t, err, string(out))
	require.JSONEq(t, `["HS256", "JWT", "number", "number", "past_due", false, true, false, true, "2026-03-14T16:09:26.000Z"]`, string(out))
}

func TestTheCompanyOfALaunchTokenIsTheOneThatHoldsTheSubscription(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	company, personal := s.company("Analytical Engines"), s.company("Ada Lovelace")
	customer := s.employee(company, &personal)
	s.subscribe(subscription{company: company, customer: customer, status: "ACTIVE"})
	holder := func() (any, any) {
		launch, err := s.a.LaunchTokenCreate(t.Context(), s.caller, ada, payroll)
		require.NoError(t, err)
		claims, err := verify(string(launch.Token), piDay)
		require.NoError(t, err)
		return claims["companyId"], claims["companyName"]
	}
	id, name := holder()
	require.InEpsilon(t, float64(company), id, 0)
	require.Equal(t, "Analytical Engines", name)

	s.subscribe(subscription{company: personal, customer: customer, status: "TRIALING"})
	id, name = holder()
	require.InEpsilon(t, float64(personal), id, 0)
	require.Equal(t, "Ada Lovelace", name)
}

func TestTheLaunchURLKeepsItsOwnParts(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"https://app.example":                         "https://app.example?token=a.b-_c",
		"https://app.example/":                        "https://app.example/?token=a.b-_c",
		"https://app.example/l?":                      "https://app.example/l?token=a.b-_c",
		"https://app.example/l?z=1&a=%20x&a=y+z":      "https://app.example/l?z=1&a=%20x&a=y+z&token=a.b-_c",
		"https://app.example:8443/a%2Fb?t=1#/launch":  "https://app.example:8443/a%2Fb?t=1&token=a.b-_c#/launch",
		"http://localhost:3000/launch?redirect=%2Fin": "http://localhost:3000/launch?redirect=%2Fin&token=a.b-_c",
	} {
		got, err := withToken(given, "a.b-_c")
		require.NoError(t, err)
		require.Equal(t, want, string(got))
		parsed, err := url.Parse(string(got))
		require.NoError(t, err)
		require.Equal(t, []string{"a.b-_c"}, parsed.Query()["token"])
	}
}

func TestATokenOfAClockedCustomerIsInRealTime(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	customer, personal := s.person()
	clock := s.clock(piDay.AddDate(0, 0, -30))
	s.subscribe(subscription{company: personal, customer: customer, status: "ACTIVE", ended: true, clock: &clock})
	launch, err := s.a.LaunchTokenCreate(t.Context(), s.caller, ada, payroll)
	require.NoError(t, err)
	claims, err := verify(string(launch.Token), piDay)
	require.NoError(t, err)
	issued, err := claims.GetIssuedAt()
	require.NoError(t, err)
	require.Equal(t, piDay.Unix(), issued.Unix())
}

func TestWithoutAccessThereIsNoTokenButAPageToBuy(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	customer, personal := s.person()
	refused := func() {
		t.Helper()
		launch, err := s.a.LaunchTokenCreate(t.Context(), s.caller, ada, payroll)
		require.Zero(t, launch)
		faults := fault.List(err)
		require.Len(t, faults, 1)
		require.Equal(t, fault.CodeNoActiveSubscription, faults[0].Code)
		require.Equal(t, "https://portal.example/portal/acme/payroll", faults[0].URL)
	}
	refused()
	s.subscribe(subscription{company: personal, customer: customer, status: "PAUSED"})
	refused()
}

func TestNoTokenForUnknownCustomersAndProducts(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	mine, theirs := newShop(t, a, "mine"), newShop(t, a, "theirs")
	customer, personal := theirs.person()
	theirs.subscribe(subscription{company: personal, customer: customer, status: "ACTIVE"})
	for _, test := range []struct {
		sentence string
		customer account.CustomerRef
		product  catalog.ProductRef
		field    string
	}{
		{"an unknown address", account.CustomerRef{Email: ptr("nobody@example.com")}, payroll, "customer"},
		{"another merchant's customer", account.CustomerRef{ID: &customer}, payroll, "customer"},
		{"an unknown product", ada, catalog.ProductRef{Identifier: ptr("planner")}, "product"},
		{"another merchant's product", ada, catalog.ProductRef{ID: &theirs.product}, "product"},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			_, err := a.LaunchTokenCreate(t.Context(), mine.caller, test.customer, test.product)
			require.True(t, fault.Is(err, fault.CodeNotFound))
			require.Equal(t, []string{test.field}, fault.List(err)[0].Field)
		})
	}
}

func TestAProductWithAWeakSecretSignsNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	customer, personal := s.person()
	s.subscribe(subscription{company: personal, customer: customer, status: "ACTIVE"})
	for _, weak := range []secret.Text{"", "only-31-bytes-long-is-too-short"} {
		s.exec(`update product set launch_secret_cipher = $1`, s.a.Keys.Seal(catalog.LaunchSecretIdentity(s.product), weak))
		_, err := s.a.LaunchTokenCreate(t.Context(), s.caller, ada, payroll)
		require.ErrorContains(t, err, "shorter than 32 bytes")
		require.Nil(t, fault.List(err))
	}
}
