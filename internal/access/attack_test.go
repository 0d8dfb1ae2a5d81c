package access

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/catalog"
	"portico/internal/secret"
)

// forger has a genuine token, all that is public, and in cases that say so the key itself.
type forger struct {
	t       *testing.T
	s       *shop
	genuine Token
	key     SigningKey
}

func newForger(t *testing.T, algorithm string) *forger {
	t.Helper()
	s := newShop(t, newAccess(t), "acme")
	s.person()
	s.exec(`update product set access_token_algorithm = $1`, algorithm)
	f := &forger{t: t, s: s, genuine: s.mint()}
	for _, key := range s.keys() {
		if key.Algorithm == algorithm {
			f.key = key
		}
	}
	return f
}

// sign makes a token with the genuine payload, changed.
func (f *forger) sign(method jwt.SigningMethod, key any, header map[string]any, change func(jwt.MapClaims)) secret.Text {
	f.t.Helper()
	payload := jwt.MapClaims{}
	decoder := json.NewDecoder(strings.NewReader(payloadOf(f.t, f.genuine.Token)))
	decoder.UseNumber()
	require.NoError(f.t, decoder.Decode(&payload))
	if change != nil {
		change(payload)
	}
	token := jwt.NewWithClaims(method, payload)
	token.Header["kid"] = f.key.KID
	for name, value := range header {
		token.Header[name] = value
	}
	signed, err := token.SignedString(key)
	require.NoError(f.t, err)
	return secret.Text(signed)
}

func (f *forger) check(token secret.Text) TokenCheck {
	f.t.Helper()
	check, err := f.s.a.AccessTokenVerify(f.t.Context(), f.s.caller, token, &payroll)
	require.NoError(f.t, err)
	return check
}

func set(name string, value any) func(jwt.MapClaims) {
	return func(payload jwt.MapClaims) { payload[name] = value }
}

func without(name string) func(jwt.MapClaims) {
	return func(payload jwt.MapClaims) { delete(payload, name) }
}

func TestForgedAccessTokensAreRefused(t *testing.T) {
	t.Parallel()
	for _, algorithm := range catalog.AccessTokenAlgorithms() {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			f := newForger(t, algorithm)
			own := jwt.GetSigningMethod(algorithm)
			private, err := f.s.a.privateKey(f.key)
			require.NoError(t, err)
			require.Equal(t, TokenValid, f.check(f.sign(own, private, nil, nil)).Reason, "what is signed like that is valid without a change")

			der, err := x509.MarshalPKIXPublicKey(f.key.public)
			require.NoError(t, err)
			public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
			jwk, err := f.key.jwk()
			require.NoError(t, err)
			jwkText, err := json.Marshal(jwk)
			require.NoError(t, err)
			strangers := map[string]any{}
			strangers[catalog.ES256], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			require.NoError(t, err)
			_, strangers[catalog.EdDSA], err = ed25519.GenerateKey(rand.Reader)
			require.NoError(t, err)
			otherAlgorithm := map[string]string{catalog.ES256: catalog.EdDSA, catalog.EdDSA: catalog.ES256}[algorithm]
			var otherKey SigningKey
			for _, key := range f.s.keys() {
				if key.Algorithm == otherAlgorithm {
					otherKey = key
				}
			}
			otherPrivate, err := f.s.a.privateKey(otherKey)
			require.NoError(t, err)
			parts := strings.Split(string(f.genuine.Token), ".")
			soon := piDay.Add(time.Hour).Unix()

			for name, c := range map[string]struct {
				token secret.Text
				want  TokenReason
			}{
				"alg none":                              {f.sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, nil) + "AA", TokenAlgorithm},
				"alg none without a signature":          {f.sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, nil), TokenMalformed},
				"alg NONE, with the genuine signature":  {secret.Text(strings.Join([]string{encoded(`{"alg":"NONE","kid":"` + f.key.KID + `"}`), parts[1], parts[2]}, ".")), TokenAlgorithm},
				"HMAC with the public key as PEM":       {f.sign(jwt.SigningMethodHS256, public, nil, nil), TokenAlgorithm},
				"HMAC with the public key as DER":       {f.sign(jwt.SigningMethodHS256, der, nil, nil), TokenAlgorithm},
				"HMAC with the public key as JWK":       {f.sign(jwt.SigningMethodHS512, jwkText, nil, nil), TokenAlgorithm},
				"HMAC that says it is the algorithm":    {f.sign(jwt.SigningMethodHS256, public, map[string]any{"alg": algorithm}, nil), TokenBadSignature},
				"HMAC with an empty secret":             {f.sign(jwt.SigningMethodHS256, []byte{}, nil, nil), TokenAlgorithm},
				"HMAC with the product's launch secret": {f.sign(jwt.SigningMethodHS256, []byte(launchSecret), nil, nil), TokenAlgorithm},
				"a key of one's own":                    {f.sign(own, strangers[algorithm], nil, nil), TokenBadSignature},
				"a key of one's own, in the header":     {f.sign(own, strangers[algorithm], map[string]any{"jwk": jwk, "jku": "https://evil.example/jwks.json", "x5u": "https://evil.example"}, nil), TokenBadSignature},
				"a key of one's own with its own kid":   {f.sign(own, strangers[algorithm], map[string]any{"kid": "mine"}, nil), TokenUnknownKey},
				"a kid that is a path":                  {f.sign(own, private, map[string]any{"kid": "../../dev/null"}, nil), TokenUnknownKey},
				"a kid that is a query":                 {f.sign(own, private, map[string]any{"kid": "' or 1=1 --"}, nil), TokenUnknownKey},
				"a kid that is no text":                 {f.sign(own, private, map[string]any{"kid": "a\x00"}, nil), TokenMalformed},
				"a kid that is a number":                {f.sign(own, private, map[string]any{"kid": 1}, nil), TokenMalformed},
				"the other algorithm's key":             {f.sign(jwt.GetSigningMethod(otherAlgorithm), otherPrivate, nil, nil), TokenAlgorithm},
				"the other algorithm":                   {f.sign(jwt.GetSigningMethod(otherAlgorithm), strangers[otherAlgorithm], nil, nil), TokenAlgorithm},
				"another's payload":                     {secret.Text(parts[0] + "." + encoded(strings.Replace(payloadOf(t, f.genuine.Token), "12345", "12346", 1)) + "." + parts[2]), TokenBadSignature},
				"no exp":                                {f.sign(own, private, nil, without("exp")), TokenMalformed},
				"exp of text":                           {f.sign(own, private, nil, set("exp", "tomorrow")), TokenMalformed},
				"exp that is null":                      {f.sign(own, private, nil, set("exp", nil)), TokenMalformed},
				"no iat":                                {f.sign(own, private, nil, without("iat")), TokenMalformed},
				"no sub":                                {f.sign(own, private, nil, without("sub")), TokenMalformed},
				"another customer":                      {f.sign(own, private, nil, set("sub", "54321")), TokenCustomerNotFound},
				"no aud":                                {f.sign(own, private, nil, without("aud")), TokenOtherProduct},
				"another product":                       {f.sign(own, private, nil, set("aud", "planner")), TokenOtherProduct},
				"several products":                      {f.sign(own, private, nil, set("aud", []string{"payroll", "planner"})), TokenMalformed},
				"no iss":                                {f.sign(own, private, nil, without("iss")), TokenOtherIssuer},
				"another shop":                          {f.sign(own, private, nil, set("iss", "https://portal.example/shops/birch")), TokenOtherIssuer},
				"the installation":                      {f.sign(own, private, nil, set("iss", "https://portal.example")), TokenOtherIssuer},
				"another installation":                  {f.sign(own, private, nil, set("iss", "https://evil.example/shops/acme")), TokenOtherIssuer},
				"issued in the future":                  {f.sign(own, private, nil, set("iat", soon)), TokenNotYetValid},
				"expired":                               {f.sign(own, private, nil, set("exp", piDay.Unix())), TokenExpired},
				"nothing":                               {"", TokenMalformed},
				"dots":                                  {"..", TokenMalformed},
				"no object":                             {secret.Text(parts[0] + "." + encoded("[]") + "." + parts[2]), TokenBadSignature},
				"five parts":                            {f.genuine.Token + ".a.b", TokenMalformed},
				"padding":                               {f.genuine.Token + "==", TokenMalformed},
				"a line break":                          {f.genuine.Token + "\n", TokenMalformed},
				"a very long one":                       {secret.Text(strings.Repeat("A", 100_000) + "." + parts[1] + "." + parts[2]), TokenMalformed},
			} {
				require.Equal(t, TokenCheck{Reason: c.want}, f.check(c.token), name)
			}
		})
	}
}

func encoded(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func TestAnyChangedByteInvalidatesAnAccessToken(t *testing.T) {
	t.Parallel()
	f := newForger(t, catalog.ES256)
	token := string(f.genuine.Token)
	for i := range token {
		for _, flip := range []byte{1, 2, 4, 32} {
			changed := []byte(token)
			changed[i] ^= flip
			require.False(t, f.check(secret.Text(changed)).Valid, "byte %d", i)
		}
		require.False(t, f.check(secret.Text(token[:i]+token[i+1:])).Valid, "without byte %d", i)
	}
}

// The three sorts of token have keys of their own: none is accepted where another is wanted.
func TestALaunchTokenIsNoAccessToken(t *testing.T) {
	t.Parallel()
	f := newForger(t, catalog.ES256)
	customer := f.s.insert(`select id from customer`)
	f.s.subscribe(subscription{company: f.s.insert(`select company_id from customer`), customer: customer, status: "ACTIVE"})
	launch, err := f.s.a.LaunchTokenCreate(t.Context(), f.s.caller, account.CustomerRef{ID: &customer}, payroll)
	require.NoError(t, err)
	require.Equal(t, TokenAlgorithm, f.check(launch.Token).Reason)
	_, err = verify(string(f.genuine.Token), piDay)
	require.ErrorContains(t, err, "signing method ES256 is invalid", "nor the other way round")
}

func TestForgedLaunchTokensAreRefusedByAStockLibrary(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	customer, personal := s.person()
	s.subscribe(subscription{company: personal, customer: customer, status: "ACTIVE"})
	launch, err := s.a.LaunchTokenCreate(t.Context(), s.caller, ada, payroll)
	require.NoError(t, err)
	sign := func(method jwt.SigningMethod, key any, change func(jwt.MapClaims)) string {
		payload := jwt.MapClaims{}
		require.NoError(t, json.Unmarshal([]byte(payloadOf(t, launch.Token)), &payload))
		if change != nil {
			change(payload)
		}
		signed, err := jwt.NewWithClaims(method, payload).SignedString(key)
		require.NoError(t, err)
		return signed
	}
	genuine := []byte(launchSecret)
	_, err = verify(sign(jwt.SigningMethodHS256, genuine, nil), piDay)
	require.NoError(t, err)
	for name, forged := range map[string]string{
		"alg none":          sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil),
		"HS384":             sign(jwt.SigningMethodHS384, genuine, nil),
		"an empty secret":   sign(jwt.SigningMethodHS256, []byte{}, nil),
		"another secret":    sign(jwt.SigningMethodHS256, []byte("another-secret-of-at-least-32-bytes"), nil),
		"no exp":            sign(jwt.SigningMethodHS256, genuine, without("exp")),
		"another product":   sign(jwt.SigningMethodHS256, genuine, set("aud", "planner")),
		"another issuer":    sign(jwt.SigningMethodHS256, genuine, set("iss", "https://evil.example")),
		"expired":           sign(jwt.SigningMethodHS256, genuine, set("exp", piDay.Unix())),
		"in the far future": sign(jwt.SigningMethodHS256, genuine, set("iat", piDay.Add(time.Hour).Unix())),
	} {
		_, err := verify(forged, piDay)
		require.Error(t, err, name)
	}
	for i := range string(launch.Token) {
		changed := []byte(launch.Token)
		changed[i] ^= 4
		_, err := verify(string(changed), piDay)
		last := i == len(changed)-1
		require.True(t, err != nil || last, "byte %d", i) // of the last character libraries ignore the bits that stand for nothing
	}
}
