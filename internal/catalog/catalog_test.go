package catalog

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/db/dbtest"
	"portico/internal/account"
	"portico/internal/page"
	"portico/internal/secret"
)

var piDay = time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)

// newCatalog makes a catalog on a fresh database and the callers of two of its merchants, with the shops smart-portal and acme.
func newCatalog(t *testing.T) (c *Catalog, caller, other account.Caller) {
	t.Helper()
	keys, err := secret.NewKeyring("1:"+secret.NewKey(), secret.NewKey())
	require.NoError(t, err)
	c = &Catalog{
		DB: dbtest.New(t), Keys: keys, Now: func() time.Time { return piDay }, PublicURL: "https://portal.example/",
	}
	return c, newMerchant(t, c, "smart-portal"), newMerchant(t, c, "acme")
}

func newMerchant(t *testing.T, c *Catalog, shop string) account.Caller {
	t.Helper()
	caller := account.Caller{Kind: account.KindAPIKey}
	err := c.DB.System().QueryRow(t.Context(), `
		insert into merchant (shop, name, email, portal_fee_bps, created_at)
		values ($1, $1, 'owner@example.com', 0, $2)
		returning id`, shop, piDay).Scan(&caller.MerchantID)
	require.NoError(t, err)
	return caller
}

func newProduct(t *testing.T, c *Catalog, caller account.Caller, identifier string) Product {
	t.Helper()
	made, _, err := c.ProductCreate(t.Context(), caller, ProductCreate{
		Identifier: &identifier, Name: "Payroll", LaunchURL: "https://payroll.example/launch", LaunchTTLSeconds: 300,
	})
	require.NoError(t, err)
	return made
}

func of(p Product) ProductRef { return ProductRef{ID: &p.ID} }

// all asks for a page that is large enough for every test.
var all = page.Request{Size: page.MaxSize}
