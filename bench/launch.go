package main

import (
	"context"
	"crypto/rand"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"portico/db"
	"portico/internal/account"
	"portico/internal/audit"
	"portico/internal/catalog"
)

// launches mints tokens through the domain, beside a loop that does nothing but the same SELECT and the library's signing. It leaves HTTP
// out, because the case access has measured it and it would hide the difference; one figure shows the whole way.
func launches(ctx context.Context, l *lab) ([]figure, error) {
	d, err := l.clone(ctx, l.small)
	if err != nil {
		return nil, err
	}
	defer d.drop(ctx)
	inside, err := d.domain(ctx, realTime)
	if err != nil {
		return nil, err
	}
	defer inside.db.Close()
	return l.mints(ctx, d, inside, minting{
		bare: "SELECT and golang-jwt", mutation: "LaunchTokenCreate", operation: launchOperation, most: 2,
		mintBare: inside.mintBare, mint: inside.mint, record: inside.record,
	})
}

// minting is a kind of token: what is minted bare, by Portico, and by Portico with its audit entry.
type minting struct {
	bare, mutation, operation string
	mintBare, mint, record    func(ctx context.Context, merchant, number int64) error
	most                      float64 // times bare; 0 for no budget
}

// mints measures a kind of token.
func (l *lab) mints(ctx context.Context, d *database, inside *domain, m minting) ([]figure, error) {
	results, err := alternate(pick(l, 7, 1),
		func() (float64, error) { return l.mint(ctx, m.mintBare) },
		func() (float64, error) { return l.mint(ctx, m.mint) },
		func() (float64, error) { return l.mint(ctx, m.record) },
	)
	if err != nil {
		return nil, err
	}
	minted, err := d.mintOverHTTP(ctx, inside, m.operation)
	if err != nil {
		return nil, err
	}
	against := of("against bare", "times", ratios(results[2], results[0])...).because("%s without entry and count", number(median(ratios(results[1], results[0]))))
	if m.most > 0 {
		against = against.atMost(m.most)
	}
	field := strings.ToLower(m.mutation[:1]) + m.mutation[1:]
	return []figure{
		of(m.bare, "us/token", results[0]...).because("one connection, without HTTP"),
		of(m.mutation, "us/token", results[1]...),
		of("the same with its audit entry and count", "us/token", results[2]...),
		against,
		of(field+" over HTTP", "tokens/s", minted.PerSecond).because("p50 %s ms, p99 %s ms", number(minted.P50), number(minted.P99)),
	}, nil
}

func (l *lab) mint(ctx context.Context, one func(context.Context, int64, int64) error) (float64, error) {
	n := pick(l, 5000, 200)
	var started time.Time
	for i := range n + n/10 {
		if i == n/10 {
			started = time.Now() // what came before has warmed up
		}
		if err := one(ctx, int64(i%leastMerchant+1), int64(i/leastMerchant%10+1)); err != nil {
			return 0, err
		}
	}
	return float64(time.Since(started).Microseconds()) / float64(n), nil
}

func (d *domain) mint(ctx context.Context, merchant, number int64) error {
	identifier := productIdentifier
	_, err := d.access.LaunchTokenCreate(ctx, account.Caller{Kind: account.KindAPIKey, MerchantID: merchant},
		account.CustomerRef{Number: &number}, catalog.ProductRef{Identifier: &identifier})
	return err
}

// record mints as the doors do, which record and count every token.
func (d *domain) record(ctx context.Context, merchant, number int64) error {
	identifier := productIdentifier
	return d.recorded(ctx, merchant, "launchTokenCreate", audit.LaunchToken, func(caller account.Caller) (int64, error) {
		launch, err := d.access.LaunchTokenCreate(ctx, caller, account.CustomerRef{Number: &number}, catalog.ProductRef{Identifier: &identifier})
		return launch.CustomerID, err
	})
}

// recorded mints a token for a merchant's API key, and records and counts it.
func (d *domain) recorded(
	ctx context.Context, merchant int64, action string, kind audit.TokenKind, mint func(account.Caller) (customerID int64, err error),
) error {
	caller := account.Caller{Kind: account.KindAPIKey, APIKeyID: 1, MerchantID: merchant}
	act := audit.Act{
		Action: action, Fields: []string{"customer", "product"}, RequestID: rand.Text(),
		Origin: account.Origin{Address: netip.IPv6Loopback(), UserAgent: "bench/1.0"},
	}
	return d.audit.Mint(ctx, caller, act, kind, func() (audit.Result, error) {
		customer, err := mint(caller)
		return audit.Result{Object: "gid://portico/Customer/" + strconv.FormatInt(customer, 10), CustomerID: customer}, err
	})
}

// mintBare signs the same claims with a secret that it has.
func (d *domain) mintBare(ctx context.Context, merchant, number int64) error {
	identifier, now := productIdentifier, time.Now()
	row, err := d.db.AccessOf(ctx, d.db.Tenant(merchant), db.AccessOfParams{
		MerchantID: merchant, CustomerNumber: &number, ProductIdentifier: &identifier, Now: now,
	})
	if err != nil {
		return err
	}
	_, err = jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": d.access.Issuer, "aud": row.Identifier, "sub": strconv.FormatInt(number, 10), "iat": now.Unix(),
		"exp": now.Add(5 * time.Minute).Unix(), "jti": rand.Text(), "userId": number, "email": row.Email, "name": row.Name, "role": row.Role,
		"companyId": row.CompanyID, "companyName": row.CompanyName,
		"subscription": map[string]any{
			"id": row.SubscriptionID, "tier": row.Tier, "status": row.Status, "features": row.Features, "seats": row.Quantity,
			"expiresAt": row.AccessUntil,
		},
	}).SignedString([]byte(launchSecret))
	return err
}

const launchOperation = `mutation($customer: CustomerRef!, $product: ProductRef!) {
	launchTokenCreate(input: {customer: $customer, product: $product}) { token url expiresAt userErrors { code } } }`

// mintOverHTTP has Portico mint tokens, with an operation that shows the token first.
func (d *database) mintOverHTTP(ctx context.Context, inside *domain, operation string) (loaded, error) {
	server, err := d.lab.portico(ctx, d, "serve", "--addr", "127.0.0.1:0")
	if err != nil {
		return loaded{}, err
	}
	defer server.stop()
	address, err := server.address(ctx)
	if err != nil {
		return loaded{}, err
	}
	keys, err := inside.apiKeys(ctx, leastMerchant)
	if err != nil {
		return loaded{}, err
	}
	var requests [][]byte
	for merchant := int64(1); merchant <= leastMerchant; merchant++ {
		for customer := 1; customer <= 10; customer++ {
			request, err := post("/graphql", credential(keys[merchant]), map[string]any{
				"query": operation, "variables": map[string]any{
					"customer": map[string]any{"number": customer}, "product": map[string]any{"identifier": productIdentifier},
				},
			})
			if err != nil {
				return loaded{}, err
			}
			requests = append(requests, request)
		}
	}
	t, err := d.lab.newTarget(address, `"token":"ey`, accessConnections, requests)
	if err != nil {
		return loaded{}, err
	}
	return d.lab.load(ctx, t, pick(d.lab, 3*time.Second, 300*time.Millisecond))
}
