package main_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"portico/db/dbtest"
	"portico/internal/proctest"
	"portico/internal/secret"
)

// TestTheLibrariesOfAppsVerifyTokens mints tokens with a real process and has jose, jsonwebtoken, golang-jwt and plain Python make of them
// what the documentation says, with the published keys, also after these were rolled and revoked.
func TestTheLibrariesOfAppsVerifyTokens(t *testing.T) {
	t.Parallel()
	port := proctest.FreePort(t)
	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	env := []string{
		"DATABASE_URL=" + dbtest.Empty(t), "PORTICO_KEYS=1:" + string(secret.NewKey()), "PORTICO_PEPPER=" + string(secret.NewKey()),
		fmt.Sprintf("PORTICO_ADDR=127.0.0.1:%d", port), "PORTICO_PUBLIC_URL=" + base,
	}
	proctest.Portico(t, env, "migrate").Wait()
	proctest.Portico(t, env, "serve").Line(`"msg":"serving"`)
	public := proctest.API{T: t, URL: base + "/graphql"}
	signedUp := public.Do(`mutation { merchantSignUp(input: {name: "Acorn", email: "owner@acorn.test", password: "correct horse battery"}) {
		sessionToken userErrors { message } } }`, nil)
	member := public.With("Authorization", "Bearer "+signedUp.Text("merchantSignUp.sessionToken"))
	shop := member.Do(`mutation { sandboxCreate(input: {name: "Acorn test"}) { merchant { shop } userErrors { message } } }`, nil).Text("sandboxCreate.merchant.shop")
	merchant := member.With("Portico-Merchant", shop)
	product := func(identifier, algorithm string) string {
		return merchant.Do(`mutation($identifier: String!, $algorithm: AccessTokenAlgorithm!) { productCreate(input: {identifier: $identifier, name: "App",
			launchUrl: "https://app.test/launch", accessTokenAlgorithm: $algorithm}) { launchSecret userErrors { message } } }`,
			proctest.Object{"identifier": identifier, "algorithm": algorithm}).Text("productCreate.launchSecret")
	}
	launchSecret := product("rosterly", "ES256")
	product("planner", "EDDSA")
	plan := merchant.Do(`mutation { planCreate(input: {product: {identifier: "rosterly"}, name: "Free", tier: "basic",
		prices: [{interval: MONTH, money: {amountMinor: 0, currency: "USD"}}]}) { plan { id } userErrors { message } } }`, nil)
	merchant.Do(`mutation { claimsSet(input: {customer: {email: "ada@example.test"}, product: {identifier: "rosterly"},
		claims: {role: "admin", seats: "5", beta: true}}) { claims { version } userErrors { message } } }`, nil)
	merchant.Do(`mutation($plan: ID!) { subscriptionCreate(input: {customer: {email: "ada@example.test"}, plan: $plan, interval: MONTH}) {
		subscription { status } userErrors { message } } }`, proctest.Object{"plan": plan.Text("planCreate.plan.id")})
	mint := func(identifier string) string {
		return merchant.Do(`mutation($identifier: String!) { accessTokenCreate(input: {customer: {email: "ada@example.test"}, product: {identifier: $identifier}}) {
			token userErrors { message } } }`, proctest.Object{"identifier": identifier}).Text("accessTokenCreate.token")
	}
	launch := merchant.Do(`mutation { launchTokenCreate(input: {customer: {email: "ada@example.test"}, product: {identifier: "rosterly"}}) {
		token userErrors { message } } }`, nil).Text("launchTokenCreate.token")
	token, eddsa := mint("rosterly"), mint("planner")

	// The published keys are public halves, to be kept for a while, and the shop's issuer leads to them.
	var keys struct{ Keys []map[string]string }
	header := read(t, base+"/.well-known/jwks.json", &keys)
	require.Equal(t, "public, max-age=300", header.Get("Cache-Control"))
	require.Equal(t, "*", header.Get("Access-Control-Allow-Origin"))
	require.Len(t, keys.Keys, 2)
	for _, key := range keys.Keys {
		require.NotContains(t, key, "d")
		require.Equal(t, "sig", key["use"])
	}
	issuer := base + "/shops/" + shop
	var metadata proctest.Object
	read(t, issuer+"/.well-known/openid-configuration", &metadata)
	require.Equal(t, []any{issuer, base + "/.well-known/jwks.json"}, []any{metadata["issuer"], metadata["jwks_uri"]})

	parts := strings.Split(token, ".")
	es256 := publicKey(t, keys.Keys, token)
	der, err := x509.MarshalPKIXPublicKey(es256)
	require.NoError(t, err)
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	hmac := func(secret []byte) string {
		forged := jwt.NewWithClaims(jwt.SigningMethodHS256, payloadOf(t, token))
		forged.Header["kid"] = kidOf(t, token)
		signed, err := forged.SignedString(secret)
		require.NoError(t, err)
		return signed
	}
	none, err := jwt.NewWithClaims(jwt.SigningMethodNone, payloadOf(t, token)).SignedString(jwt.UnsafeAllowNoneSignatureType)
	require.NoError(t, err)
	nodes := func(token string, forged map[string]string) proctest.Object {
		t.Helper()
		return program(t, proctest.Object{
			"jwks": base + "/.well-known/jwks.json", "issuer": issuer, "audience": "rosterly", "launchSecret": launchSecret,
			"access": proctest.Object{"token": token}, "forged": forged, "launch": proctest.Object{"genuine": launch, "changed": changed(launch, len(launch)-9), "access": token, "none": none},
		}, "node", filepath.Join("testdata", "tokens", "verify.mjs"))
	}
	made := nodes(token, map[string]string{
		"alg none": none, "HMAC with the public key": hmac(asPEM), "HMAC with an empty secret": hmac(nil), "another product's": eddsa, "a launch token": launch,
		"a changed payload": parts[0] + "." + strings.Replace(parts[1], "a", "b", 1) + "." + parts[2],
		"a changed header":  strings.Replace(parts[0], "J", "K", 1) + "." + parts[1] + "." + parts[2],
	})
	for _, library := range []string{"jose", "jsonwebtoken"} {
		payload := made.Object(library + ".token")
		require.Equal(t, proctest.Object{"role": "admin", "seats": "5", "beta": true, "plan": "basic", "status": "active"}, payload.Object("claims"), library)
		require.Equal(t, true, payload.At("access.allowed"))
	}
	for _, library := range []string{"forgedByJose", "forgedByJsonwebtoken"} {
		require.Len(t, made.Object(library), 7)
		for name, outcome := range made.Object(library) {
			require.Equal(t, false, outcome, "%s: %s", library, name)
		}
	}
	require.Equal(t, "basic", made.At("launch.genuine.subscription.tier"))
	for _, name := range []string{"changed", "access", "none"} {
		require.Equal(t, false, made.At("launch."+name), name)
	}

	// Go and Python.
	_, err = jwt.Parse(token, func(*jwt.Token) (any, error) { return es256, nil }, jwt.WithValidMethods([]string{"ES256"}),
		jwt.WithIssuer(issuer), jwt.WithAudience("rosterly"), jwt.WithExpirationRequired())
	require.NoError(t, err)
	inPython := func(secret string) any {
		var out any
		output(t, proctest.Object{"token": launch, "secret": secret, "audience": "rosterly"}, &out, "python3", filepath.Join("testdata", "tokens", "verify.py"))
		return out
	}
	require.Equal(t, "ada@example.test", proctest.Object(inPython(launchSecret).(map[string]any)).Text("email"))
	require.Equal(t, false, inPython("another secret"))

	// The keys are rolled: what is out stays valid, and every library finds the new key.
	require.Contains(t, said(t, env, "key", "signing", "list"), kidOf(t, token))
	require.Contains(t, said(t, env, "key", "signing", "roll", "--now"), "published for the tokens that it has signed")
	rolled := token
	require.Eventually(t, func() bool {
		rolled = mint("rosterly")
		return kidOf(t, rolled) != kidOf(t, token)
	}, proctest.Patience, 500*time.Millisecond, "serve notices")
	for _, valid := range []string{token, rolled} {
		made = nodes(valid, map[string]string{})
		require.Equal(t, "admin", made.At("jose.token.claims.role"))
		require.Equal(t, "admin", made.At("jsonwebtoken.token.claims.role"))
	}

	// A key is revoked: its tokens end.
	require.Contains(t, said(t, env, "key", "signing", "revoke", kidOf(t, token)), "revoked at")
	require.Contains(t, refused(t, env, "key", "signing", "revoke", "unknown"), "there is no such signing key")
	check := func(token string) string {
		return merchant.Do(`query($token: String!) { accessTokenVerify(token: $token) { reason } }`, proctest.Object{"token": token}).Text("accessTokenVerify.reason")
	}
	require.Equal(t, "KEY_REVOKED", check(token))
	require.Equal(t, "VALID", check(rolled))
	require.Eventually(t, func() bool {
		made = nodes(token, map[string]string{})
		return made.At("jose.token") == false && made.At("jsonwebtoken.token") == false
	}, proctest.Patience, 500*time.Millisecond, "it is published no more")
	require.Equal(t, "admin", nodes(rolled, map[string]string{}).At("jose.token.claims.role"))
}

// program runs one that reads JSON and prints JSON.
func program(t *testing.T, input proctest.Object, name string, args ...string) proctest.Object {
	t.Helper()
	var out proctest.Object
	output(t, input, &out, name, args...)
	return out
}

func output(t *testing.T, input proctest.Object, out any, name string, args ...string) {
	t.Helper()
	given, err := json.Marshal(input)
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), name, args...)
	command.Stdin = bytes.NewReader(given)
	printed, err := command.Output()
	if exit, is := err.(*exec.ExitError); is { //nolint:errorlint // exec returns it as it is
		require.NoError(t, err, string(exit.Stderr))
	}
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(printed, out), string(printed))
}

// read reads JSON and gives the headers that came along.
func read(t *testing.T, url string, into any) http.Header {
	t.Helper()
	response, err := http.Get(url)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.NoError(t, json.NewDecoder(response.Body).Decode(into))
	return response.Header
}

func decodedPart(t *testing.T, token string, part int, into any) {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[part])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, into))
}

func kidOf(t *testing.T, token string) string {
	t.Helper()
	var header struct{ KID string }
	decodedPart(t, token, 0, &header)
	return header.KID
}

// changed is the token with another character at the position.
func changed(token string, position int) string {
	other := "A"
	if token[position] == 'A' {
		other = "B"
	}
	return token[:position] + other + token[position+1:]
}

func payloadOf(t *testing.T, token string) jwt.MapClaims {
	t.Helper()
	payload := jwt.MapClaims{}
	decodedPart(t, token, 1, &payload)
	return payload
}

// publicKey is the one that a token names, as a Go program reads it.
func publicKey(t *testing.T, published []map[string]string, token string) *ecdsa.PublicKey {
	t.Helper()
	for _, jwk := range published {
		if jwk["kid"] != kidOf(t, token) {
			continue
		}
		point := []byte{4}
		for _, name := range []string{"x", "y"} {
			coordinate, err := base64.RawURLEncoding.DecodeString(jwk[name])
			require.NoError(t, err)
			require.Len(t, coordinate, 32)
			point = append(point, coordinate...)
		}
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
		require.NoError(t, err)
		return key
	}
	require.Fail(t, "the key is not published")
	return nil
}
