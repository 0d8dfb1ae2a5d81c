package portal_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/billing"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/portal"
	"portico/internal/secret"
	"portico/internal/settings"
)

// key is what signs a shop's tokens, as only the server knows it.
func (s *shop) key() []byte {
	s.w.t.Helper()
	var sealed []byte
	require.NoError(s.w.t, s.w.db.System().QueryRow(s.w.t.Context(),
		`select key_cipher from portal_key where merchant_id = $1`, s.owner.MerchantID).Scan(&sealed))
	key, err := s.w.portal.Keys.Open(fmt.Sprintf("merchant/%d/portal_key", s.owner.MerchantID), sealed)
	require.NoError(s.w.t, err)
	require.GreaterOrEqual(s.w.t, len(key), 32)
	return []byte(key)
}

// payload reads a token's payload as it is written.
func payload(t *testing.T, token secret.Text) map[string]any {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(string(token), ".")[1])
	require.NoError(t, err)
	var read map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.UseNumber()
	require.NoError(t, decoder.Decode(&read))
	return read
}

func (w *world) refused(token, shop string) {
	w.t.Helper()
	caller, err := w.portal.Authenticate(w.t.Context(), secret.Text(token), shop)
	require.ErrorIs(w.t, err, account.ErrUnauthenticated)
	require.Equal(w.t, account.Caller{}, caller)
}

func TestAPortalTokenSaysWhoseItIsAndWhenItWasIssued(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.shop("acorn")
	ada := s.customer("ada@example.com", nil)
	w.setTime(newYear.Add(999 * time.Millisecond))
	minted := s.mint(ada)

	said := payload(t, minted.JWT)
	require.Len(t, said, 4)
	require.Equal(t, json.Number(fmt.Sprint(ada.Number)), said["customerId"])
	require.Equal(t, "acorn", said["shop"])
	require.Equal(t, json.Number(fmt.Sprint(newYear.Unix())), said["timestamp"])
	require.NotEmpty(t, said["jti"])
	require.NotEqual(t, said["jti"], payload(t, s.mint(ada).JWT)["jti"])
	require.Equal(t, newYear, minted.CreatedAt)
	require.Equal(t, newYear.Add(2*time.Hour), minted.ExpiresAt)
	require.Equal(t, "https://portico.test/portal/acorn?token="+string(minted.JWT), string(minted.URL))

	read, err := jwt.Parse(string(minted.JWT), func(*jwt.Token) (any, error) { return s.key(), nil }, jwt.WithValidMethods([]string{"HS256"}))
	require.NoError(t, err, "any JWT library can verify it")
	require.Equal(t, "HS256", read.Header["alg"])

	caller, err := w.portal.Authenticate(t.Context(), minted.JWT, "acorn")
	require.NoError(t, err)
	require.Equal(t, account.Caller{
		Kind: account.KindCustomer, MerchantID: s.owner.MerchantID, CustomerID: ada.ID, PortalTokenID: minted.ID,
	}, caller)
	w.refused(string(minted.JWT), "another")
}

func TestAPortalTokenIsValidForTwoHoursToTheSecond(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.shop("acorn")
	token := s.mint(s.customer("ada@example.com", nil)).JWT
	for age, valid := range map[time.Duration]bool{
		-6 * time.Second:                    false,
		-5*time.Second - time.Microsecond:   false,
		-5 * time.Second:                    true,
		0:                                   true,
		7199 * time.Second:                  true,
		7200*time.Second - time.Microsecond: true,
		7200 * time.Second:                  false,
		7201 * time.Second:                  false,
		365 * 24 * time.Hour:                false,
	} {
		w.setTime(newYear.Add(age))
		_, err := w.portal.Authenticate(t.Context(), token, "")
		if valid {
			require.NoError(t, err, age)
		} else {
			require.ErrorIs(t, err, account.ErrUnauthenticated, age)
		}
	}
}

func TestAnyChangedByteInvalidatesAPortalToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.shop("acorn")
	token := string(s.mint(s.customer("ada@example.com", nil)).JWT)
	for i := range token {
		for _, other := range []byte("A-_9.\n=") {
			if token[i] != other {
				w.refused(token[:i]+string(other)+token[i+1:], "")
			}
		}
		w.refused(token[:i], "")
		w.refused(token[:i]+token[i+1:], "")
		w.refused(token[:i]+"\n"+token[i:], "")
	}
	// The last character carries two bits that a lenient decoder overlooks.
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for _, last := range alphabet {
		if changed := token[:len(token)-1] + string(last); changed != token {
			w.refused(changed, "")
		}
	}
	for _, around := range []string{token + "A", token + "=", token + ".", " " + token, token + " ", token + "." + token} {
		w.refused(around, "")
	}
	_, err := w.portal.Authenticate(t.Context(), secret.Text(token), "")
	require.NoError(t, err, "unchanged it is still valid")
}

func TestForgedPortalTokensAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, other := w.shop("acorn"), w.shop("birch")
	ada := s.customer("ada@example.com", nil)
	bob := s.customer("bob@example.com", nil)
	stranger := other.customer("eve@example.com", nil)
	token := s.mint(ada).JWT
	foreign := other.mint(stranger).JWT
	key, foreignKey := s.key(), other.key()

	said := func(change func(jwt.MapClaims)) jwt.MapClaims {
		claims := jwt.MapClaims{}
		for name, value := range payload(t, token) {
			claims[name] = value
		}
		if change != nil {
			change(claims)
		}
		return claims
	}
	sign := func(method jwt.SigningMethod, key any, claims jwt.Claims) string {
		signed, err := jwt.NewWithClaims(method, claims).SignedString(key)
		require.NoError(t, err)
		return signed
	}
	own := func(change func(jwt.MapClaims)) string { return sign(jwt.SigningMethodHS256, key, said(change)) }
	set := func(name string, value any) func(jwt.MapClaims) {
		return func(c jwt.MapClaims) { c[name] = value }
	}
	parts := strings.Split(string(token), ".")

	_, err := w.portal.Authenticate(t.Context(), secret.Text(own(nil)), "")
	require.NoError(t, err, "signed anew with the key and the same claims it is the token")
	for name, forged := range map[string]string{
		"alg none":                          sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, said(nil)) + "AA",
		"alg none, unsigned":                sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, said(nil)),
		"alg None over the signature":       base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"None","typ":"JWT"}`)) + "." + parts[1] + "." + parts[2],
		"no alg":                            base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT"}`)) + "." + parts[1] + "." + parts[2],
		"an empty key":                      sign(jwt.SigningMethodHS256, []byte{}, said(nil)),
		"the shop as key":                   sign(jwt.SigningMethodHS256, []byte("acorn"), said(nil)),
		"the jti as key":                    sign(jwt.SigningMethodHS256, []byte(said(nil)["jti"].(string)), said(nil)),
		"the payload as key":                sign(jwt.SigningMethodHS256, []byte(parts[1]), said(nil)),
		"another shop's key":                sign(jwt.SigningMethodHS256, foreignKey, said(nil)),
		"another shop's token of this shop": sign(jwt.SigningMethodHS256, foreignKey, said(set("shop", "acorn"))),
		"the key with HS384":                sign(jwt.SigningMethodHS384, key, said(nil)),
		"the key with HS512":                sign(jwt.SigningMethodHS512, key, said(nil)),
		"another customer":                  own(set("customerId", bob.Number)),
		"another shop's customer":           own(set("customerId", stranger.Number)),
		"another shop":                      own(set("shop", "birch")),
		"no such shop":                      own(set("shop", "nowhere")),
		"a shop that is no text":            own(set("shop", "a\x00")),
		"another jti":                       own(set("jti", "AAAAAAAAAAAAAAAAAAAAAAAAAA")),
		"another shop's jti":                own(set("jti", payload(t, foreign)["jti"])),
		"a later timestamp":                 own(set("timestamp", newYear.Unix()+1)),
		"an earlier timestamp":              own(set("timestamp", newYear.Unix()-1)),
		"a customerId of text":              own(set("customerId", fmt.Sprint(ada.Number))),
		"a customerId with a fraction":      own(set("customerId", float64(ada.Number)+0.5)),
		"a timestamp of text":               own(set("timestamp", fmt.Sprint(newYear.Unix()))),
		"a timestamp with an exponent":      own(set("timestamp", json.Number("1.7e9"))),
		"a jti that is a number":            own(set("jti", 7)),
		"a shop that is null":               own(set("shop", nil)),
		"one claim more":                    own(set("exp", newYear.Add(time.Hour).Unix())),
		"a role in addition":                own(set("role", "admin")),
		"without customerId":                own(func(c jwt.MapClaims) { delete(c, "customerId") }),
		"without shop":                      own(func(c jwt.MapClaims) { delete(c, "shop") }),
		"without timestamp":                 own(func(c jwt.MapClaims) { delete(c, "timestamp") }),
		"without jti":                       own(func(c jwt.MapClaims) { delete(c, "jti") }),
		"a claim in another case":           own(func(c jwt.MapClaims) { c["customerID"] = c["customerId"]; delete(c, "customerId") }),
		"no claims":                         sign(jwt.SigningMethodHS256, key, jwt.MapClaims{}),
		"claims that are no object":         parts[0] + ".W10." + parts[2],
		"a very long one":                   strings.Repeat("A", 100_000) + "." + parts[1] + "." + parts[2],
		"nothing between the dots":          "..",
	} {
		_, err := w.portal.Authenticate(t.Context(), secret.Text(forged), "")
		require.ErrorIs(t, err, account.ErrUnauthenticated, name)
	}
}

func TestARevokedPortalTokenIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, other := w.shop("acorn"), w.shop("birch")
	ada, bob := s.customer("ada@example.com", nil), s.customer("bob@example.com", nil)
	first, second, third := s.mint(ada), s.mint(ada), s.mint(ada)
	bobs := s.mint(bob)

	_, err := w.portal.TokenRevoke(t.Context(), other.owner, portal.Revoke{ID: &first.ID})
	requireFault(t, err, fault.CodeNotFound, "id")
	_, err = w.portal.TokenRevoke(t.Context(), other.owner, portal.Revoke{Customer: to(byID(ada))})
	requireFault(t, err, fault.CodeNotFound, "customer")
	for _, in := range []portal.Revoke{{}, {ID: &first.ID, Customer: to(byID(ada))}} {
		_, err = w.portal.TokenRevoke(t.Context(), s.owner, in)
		requireFault(t, err, fault.CodeInvalid, "")
	}
	_, err = w.portal.Authenticate(t.Context(), first.JWT, "")
	require.NoError(t, err)

	revoked, err := w.portal.TokenRevoke(t.Context(), s.owner, portal.Revoke{ID: &first.ID})
	require.NoError(t, err)
	require.EqualValues(t, 1, revoked)
	w.refused(string(first.JWT), "")
	_, err = w.portal.Authenticate(t.Context(), second.JWT, "")
	require.NoError(t, err)

	revoked, err = w.portal.TokenRevoke(t.Context(), s.owner, portal.Revoke{Customer: to(byID(ada))})
	require.NoError(t, err)
	require.EqualValues(t, 2, revoked)
	w.refused(string(second.JWT), "")
	w.refused(string(third.JWT), "")
	_, err = w.portal.Authenticate(t.Context(), bobs.JWT, "")
	require.NoError(t, err)
	revoked, err = w.portal.TokenRevoke(t.Context(), s.owner, portal.Revoke{ID: &first.ID})
	require.NoError(t, err, "again changes nothing")
	require.Zero(t, revoked)
}

func TestPortalTokensAreListedWithTheirUseToTheMinute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, other := w.shop("acorn"), w.shop("birch")
	ada, bob := s.customer("ada@example.com", nil), s.customer("bob@example.com", nil)
	minted := s.mint(ada)
	s.mint(bob)
	used := func(at time.Time) *time.Time {
		w.setTime(at)
		_, err := w.portal.Authenticate(t.Context(), minted.JWT, "")
		require.NoError(t, err)
		tokens, err := w.portal.Tokens(t.Context(), s.owner, to(byID(ada)), firstPage)
		require.NoError(t, err)
		require.Len(t, tokens, 1)
		return tokens[0].LastUsedAt
	}
	require.Equal(t, newYear.Add(time.Second), *used(newYear.Add(time.Second)))
	require.Equal(t, newYear.Add(time.Second), *used(newYear.Add(time.Minute)))
	require.Equal(t, newYear.Add(61*time.Second), *used(newYear.Add(61 * time.Second)))

	all, err := w.portal.Tokens(t.Context(), s.owner, nil, firstPage)
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, bob.ID, all[0].CustomerID, "the newest first")
	none, err := w.portal.Tokens(t.Context(), other.owner, nil, firstPage)
	require.NoError(t, err)
	require.Empty(t, none)
	_, err = w.portal.Tokens(t.Context(), other.owner, to(byID(ada)), firstPage)
	requireFault(t, err, fault.CodeNotFound, "customer")
}

func TestExpiredPortalTokensAreForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.shop("acorn")
	ada := s.customer("ada@example.com", nil)
	old := s.mint(ada)
	w.setTime(newYear.Add(time.Second))
	young := s.mint(ada)
	w.setTime(newYear.Add(portal.Lifetime))
	require.NoError(t, w.portal.Retire(t.Context()))
	require.Zero(t, w.count(`select count(*) from portal_token where id = $1`, old.ID))
	_, err := w.portal.Authenticate(t.Context(), young.JWT, "")
	require.NoError(t, err)
}

func TestByAddressOnlyCustomersWithASubscriptionAreFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.shop("acorn")
	initech := s.company("Initech")
	s.customer("idle@example.com", nil)
	payer := s.customer("Payer@Example.com", &initech.ID)
	s.customer("colleague@example.com", &initech.ID)
	sub := s.sell(payer)
	mint := func(email string) (portal.Minted, error) {
		return w.portal.TokenCreate(t.Context(), s.owner, account.CustomerRef{Email: &email})
	}
	for _, email := range []string{"idle@example.com", "nobody@example.com", "", "a\x00@example.com"} {
		_, err := mint(email)
		requireFault(t, err, fault.CodeNotFound, "customer")
	}
	for _, email := range []string{"payer@example.com", " PAYER@EXAMPLE.COM ", "colleague@example.com"} {
		_, err := mint(email)
		require.NoError(t, err, email)
	}
	w.exec(`update subscription set status = 'CANCELED', ended_at = created_at, bill_at = null, end_at = null where id = $1`, sub.ID)
	minted, err := mint("payer@example.com")
	require.NoError(t, err, "one that has ended is still theirs to look at")
	require.Equal(t, payer.Number, minted.Customer.Number)
}

func TestTokensMintedAtTheSameTimeShareOneKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.shop("acorn")
	ada := s.customer("ada@example.com", nil)
	tokens := make([]secret.Text, 8)
	var group sync.WaitGroup
	for i := range tokens {
		group.Go(func() {
			minted, err := w.portal.TokenCreate(t.Context(), s.owner, byID(ada))
			if err == nil {
				tokens[i] = minted.JWT
			}
		})
	}
	group.Wait()
	for _, token := range tokens {
		_, err := w.portal.Authenticate(t.Context(), token, "")
		require.NoError(t, err)
	}
	require.EqualValues(t, 1, w.count(`select count(*) from portal_key`))
}

func TestACustomerCannotMintItselfMoreTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.shop("acorn")
	ada := s.customer("ada@example.com", nil)
	_, err := w.portal.TokenCreate(t.Context(), s.as(ada), byID(ada))
	requireFault(t, err, fault.CodeNotFound, "")
}

func TestCustomersOfASuspendedMerchantReadAndCancelAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.shop("acorn")
	ada := s.customer("ada@example.com", nil)
	sub := s.sell(ada)
	token := s.mint(ada).JWT
	_, err := w.portal.SettingsUpdate(t.Context(), s.owner, settings.Update{
		Changes: []byte(`{"allowCancellation": false, "minimumSubscriptionCycles": 3, "authentication": {"method": "TOKEN"}}`),
	})
	require.NoError(t, err)
	require.NoError(t, w.ask("ada@example.com", nil, 1))
	require.Empty(t, w.work(), "by token only")
	w.exec(`delete from magic_link`)
	w.exec(`update product set status = 'APPROVED', integration_page_url = 'https://acorn.test/connect'`)
	w.exec(`update merchant set suspended_at = $1, suspension_reason = 'fraud'`, newYear)

	front, err := w.portal.Storefront(t.Context(), "acorn")
	require.NoError(t, err)
	require.True(t, front.Suspended)
	require.NoError(t, w.ask("ada@example.com", to("acorn"), 2))
	session, err := w.portal.PersonSignIn(t.Context(), w.token()) // nobody mints tokens now
	require.NoError(t, err)
	person, err := w.portal.Authenticate(t.Context(), session.Token, "")
	require.NoError(t, err)
	caller, err := w.portal.Authenticate(t.Context(), token, "acorn")
	require.NoError(t, err)
	for name, who := range map[string]account.Caller{"with a token": caller, "with a link": person} {
		seen, err := w.portal.Billing.InSight(t.Context(), who, firstPage)
		require.NoError(t, err, name)
		require.Len(t, seen, 1, name)
		_, err = w.portal.Catalog.PublicProduct(t.Context(), who, "acorn", s.product.Identifier)
		requireFault(t, err, fault.CodeNotFound, "identifier")
		_, err = w.portal.Billing.AttachPaymentMethod(t.Context(), who, byID(ada), "pm_card_visa")
		requireFault(t, err, fault.CodeForbidden, "")
		require.NotContains(t, err.Error(), "fraud", "why is between the merchant and the operators")
		_, err = w.portal.ConnectStart(t.Context(), who, byID(ada), catalog.ProductRef{ID: &s.product.ID})
		requireFault(t, err, fault.CodeForbidden, "")
		_, err = w.portal.Billing.Cancel(t.Context(), who, billing.Cancel{SubscriptionID: sub.ID, AtPeriodEnd: true})
		require.NoError(t, err, name)
		_, err = w.portal.Billing.Uncancel(t.Context(), who, sub.ID)
		requireFault(t, err, fault.CodeForbidden, "")
	}
	_, err = w.portal.Billing.Cancel(t.Context(), caller, billing.Cancel{SubscriptionID: sub.ID})
	require.NoError(t, err)

	w.exec(`update merchant set suspended_at = null, suspension_reason = null`)
	person, err = w.portal.Authenticate(t.Context(), session.Token, "")
	require.NoError(t, err)
	require.Empty(t, person.ActsFor(), "by token only, again")
}

func TestATokenOfAnotherSortOpensNoPortal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.shop("acorn")
	ada := s.customer("ada@example.com", nil)
	s.sell(ada)
	product := catalog.ProductRef{ID: &s.product.ID}
	launch, err := w.portal.Access.LaunchTokenCreate(t.Context(), s.owner, byID(ada), product)
	require.NoError(t, err)
	access, err := w.portal.Access.AccessTokenCreate(t.Context(), s.owner, byID(ada), product, time.Hour)
	require.NoError(t, err)
	w.refused(string(launch.Token), "")
	w.refused(string(access.Token), "")
	check, err := w.portal.Access.AccessTokenVerify(t.Context(), s.owner, s.mint(ada).JWT, nil)
	require.NoError(t, err)
	require.Equal(t, "ALGORITHM_NOT_ALLOWED", string(check.Reason), "nor the other way round")
}
