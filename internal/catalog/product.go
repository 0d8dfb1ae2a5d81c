package catalog

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/page"
	"portico/internal/secret"
)

const (
	minLaunchTTL         = 60 // seconds
	maxLaunchTTL         = 900
	maxNameLength        = 200
	maxDescriptionLength = 5_000
	launchSecretBytes    = 32
)

// Product is something a merchant sells: an app that receives launch tokens and asks for access.
type Product struct {
	ID               int64
	MerchantID       int64
	Identifier       string // the aud of its tokens, unique within the merchant
	Name             string
	Description      string
	LaunchURL        string
	UpgradeURL       string // the merchant's own page, or the portal's when the merchant gave none
	LaunchTTLSeconds int32
	Status           string // DRAFT, IN_REVIEW, APPROVED, REJECTED or ARCHIVED
	CreatedAt        time.Time
}

// ProductRef names a product by exactly one of its id and its identifier.
type ProductRef struct {
	ID         *int64
	Identifier *string
}

// Check finds what is wrong with the reference itself. An identifier that no product can have is NOT_FOUND.
func (r ProductRef) Check(field string) *fault.Error {
	switch {
	case (r.ID == nil) == (r.Identifier == nil):
		return fault.Invalid(field, "give either an id or an identifier")
	case r.Identifier != nil && !identifier.MatchString(*r.Identifier):
		return fault.NotFound(field, "product")
	}
	return nil
}

// ProductCreate is the input of Catalog.ProductCreate.
type ProductCreate struct {
	Identifier       *string // suggested when nil
	Name             string
	Description      string
	LaunchURL        string
	UpgradeURL       *string
	LaunchTTLSeconds int32
}

func (in *ProductCreate) check() error {
	var check fault.Check
	if in.Identifier != nil && !identifier.MatchString(*in.Identifier) {
		check.Add(fault.Invalid("identifier", "must be 3 to 32 lower-case letters and digits, starting with a letter"))
	}
	in.Name = strings.TrimSpace(in.Name)
	check.Add(checkLine("name", in.Name, maxNameLength))
	check.Add(checkText("description", in.Description, maxDescriptionLength))
	in.LaunchURL = strings.TrimSpace(in.LaunchURL)
	check.Add(checkLaunchURL("launchUrl", in.LaunchURL))
	if in.UpgradeURL != nil {
		trimmed := strings.TrimSpace(*in.UpgradeURL)
		in.UpgradeURL = &trimmed
		check.Add(checkURL("upgradeUrl", trimmed))
	}
	if in.LaunchTTLSeconds < minLaunchTTL || in.LaunchTTLSeconds > maxLaunchTTL {
		check.Add(fault.Invalid("launchTtlSeconds", "must be between %d and %d", minLaunchTTL, maxLaunchTTL))
	}
	return check.Err()
}

// ProductCreate plugs a product in as a DRAFT and returns it with the secret that verifies its launch tokens, which is not shown
// again. A DRAFT can be sold by its merchant through the API at once; only the portal waits for the review.
func (c *Catalog) ProductCreate(ctx context.Context, caller account.Caller, in ProductCreate) (Product, secret.Text, error) {
	if err := in.check(); err != nil {
		return Product{}, "", err
	}
	launchSecret := newLaunchSecret()
	var made Product
	err := c.DB.Tenant(caller.MerchantID).Tx(ctx, func(tx pgx.Tx) error {
		shop, err := c.DB.ShopOfMerchant(ctx, tx, caller.MerchantID)
		if err != nil {
			return err
		}
		id, err := c.DB.NextProductID(ctx, tx)
		if err != nil {
			return err
		}
		row, err := c.insertProduct(ctx, tx, shop, in.Identifier, db.InsertProductParams{
			MerchantID: caller.MerchantID, ID: id, Name: in.Name, Description: in.Description, LaunchUrl: in.LaunchURL,
			UpgradeUrl: in.UpgradeURL, LaunchSecretCipher: c.Keys.Seal(LaunchSecretIdentity(id), launchSecret),
			LaunchTtlSeconds: in.LaunchTTLSeconds, CreatedAt: c.Now(),
		})
		made = c.productOf(row, shop)
		return err
	})
	if err != nil {
		return Product{}, "", fmt.Errorf("create product: %w", err)
	}
	return made, launchSecret, nil
}

// insertProduct saves the product under the identifier that is given, or else under the first suggestion that is free. Another
// product that takes the suggestion meanwhile is waited for and then seen, so that every round has a new suggestion.
func (c *Catalog) insertProduct(
	ctx context.Context, tx pgx.Tx, shop string, given *string, row db.InsertProductParams,
) (db.Product, error) {
	if given != nil {
		row.Identifier = *given
		made, err := c.DB.InsertProduct(ctx, tx, row)
		if db.IsNoRows(err) {
			return made, fault.Taken("identifier", "is the identifier of another product")
		}
		return made, err
	}
	base := suggestion(shop, row.Name, c.Now())
	for {
		taken, err := c.DB.IdentifiersWithPrefix(ctx, tx, db.IdentifiersWithPrefixParams{MerchantID: row.MerchantID, Prefix: base})
		if err != nil {
			return db.Product{}, err
		}
		row.Identifier = firstFree(base, taken)
		made, err := c.DB.InsertProduct(ctx, tx, row)
		if !db.IsNoRows(err) {
			return made, err
		}
	}
}

// Products lists the merchant's products, newest first: up to a row more than the page, which tells whether there is another.
func (c *Catalog) Products(ctx context.Context, caller account.Caller, r page.Request) ([]Product, error) {
	rows, err := c.DB.Products(ctx, c.DB.Tenant(caller.MerchantID), db.ProductsParams{
		MerchantID: caller.MerchantID, Before: r.Before(), Size: r.Limit(),
	})
	if err != nil {
		return nil, fmt.Errorf("list products: %w", err)
	}
	products := make([]Product, len(rows))
	for i, row := range rows {
		products[i] = c.productOf(row.Product, row.Shop)
	}
	return products, nil
}

// Product is the one that ref names, NOT_FOUND when the merchant has no such product.
func (c *Catalog) Product(ctx context.Context, caller account.Caller, ref ProductRef) (Product, error) {
	if wrong := ref.Check("product"); wrong != nil {
		return Product{}, wrong
	}
	row, err := c.DB.ProductByRef(ctx, c.DB.Tenant(caller.MerchantID), db.ProductByRefParams{
		MerchantID: caller.MerchantID, ID: ref.ID, Identifier: ref.Identifier,
	})
	if db.IsNoRows(err) {
		return Product{}, fault.NotFound("product", "product")
	}
	if err != nil {
		return Product{}, fmt.Errorf("find product: %w", err)
	}
	return c.productOf(row.Product, row.Shop), nil
}

// ProductsByID is those of the named products that the merchant has.
func (c *Catalog) ProductsByID(ctx context.Context, caller account.Caller, ids []int64) (map[int64]Product, error) {
	rows, err := c.DB.ProductsByID(ctx, c.DB.Tenant(caller.MerchantID), db.ProductsByIDParams{
		MerchantID: caller.MerchantID, Ids: ids,
	})
	if err != nil {
		return nil, fmt.Errorf("find products: %w", err)
	}
	products := make(map[int64]Product, len(rows))
	for _, row := range rows {
		products[row.Product.ID] = c.productOf(row.Product, row.Shop)
	}
	return products, nil
}

func (c *Catalog) productOf(row db.Product, shop string) Product {
	return Product{
		ID:               row.ID,
		MerchantID:       row.MerchantID,
		Identifier:       row.Identifier,
		Name:             row.Name,
		Description:      row.Description,
		LaunchURL:        row.LaunchUrl,
		UpgradeURL:       UpgradeURL(c.PublicURL, shop, row.Identifier, row.UpgradeUrl),
		LaunchTTLSeconds: row.LaunchTtlSeconds,
		Status:           row.Status,
		CreatedAt:        row.CreatedAt.UTC(),
	}
}

// UpgradeURL is where customers without access to a product are sent: the page that the merchant has given, or else the
// product's page in the portal at publicURL.
func UpgradeURL(publicURL, shop, identifier string, given *string) string {
	if given != nil {
		return *given
	}
	return strings.TrimRight(publicURL, "/") + "/portal/" + shop + "/" + identifier
}

// LaunchSecretIdentity names the column that holds a product's launch secret, as Keyring.Seal and Keyring.Open want it.
func LaunchSecretIdentity(productID int64) string {
	return "product/" + strconv.FormatInt(productID, 10) + "/launch_secret"
}

// Products use the secret as a UTF-8 string, never as the bytes behind it, so it is text from the start.
func newLaunchSecret() secret.Text {
	random := make([]byte, launchSecretBytes)
	_, _ = rand.Read(random) // never fails: crypto/rand ends the program instead
	return secret.Text(base64.RawURLEncoding.EncodeToString(random))
}
