package catalog

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/page"
	"portico/internal/secret"
)

// The statuses of a product, as in the schema's ProductStatus.
const (
	Draft    = "DRAFT"
	InReview = "IN_REVIEW"
	Approved = "APPROVED"
	Rejected = "REJECTED"
	Archived = "ARCHIVED"
)

const (
	minLaunchTTL         = 60 // seconds
	maxLaunchTTL         = 900
	maxNameLength        = 200
	maxDescriptionLength = 5_000
)

// Product is something a merchant sells: an app that receives launch tokens and asks for access.
type Product struct {
	ID          int64
	MerchantID  int64
	Identifier  string // the aud of its tokens, unique within the merchant
	Name        string
	Description string
	LaunchURL   string
	UpgradeURL  string // the merchant's own page, or the portal's when the merchant gave none
	LogoURL     *string
	// IntegrationPageURL is the merchant's page where customers connect a subscription that they have.
	IntegrationPageURL *string
	LaunchTTLSeconds   int32
	// SeatAssignment tells whether a company's subscription is only for those of its customers who have a seat.
	SeatAssignment bool
	// AccessTokenAlgorithm signs its access tokens: ES256 or EdDSA.
	AccessTokenAlgorithm string
	Status               string // DRAFT, IN_REVIEW, APPROVED, REJECTED or ARCHIVED
	// NextSecretAt is when the launch secret that was made last begins to sign tokens, nil when it does.
	NextSecretAt *time.Time
	CreatedAt    time.Time
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
	Identifier         *string // suggested when nil
	Name               string
	Description        string
	LaunchURL          string
	UpgradeURL         *string
	LogoURL            *string
	IntegrationPageURL *string
	LaunchTTLSeconds   int32
	SeatAssignment     bool
	// AccessTokenAlgorithm is ES256 when empty.
	AccessTokenAlgorithm string
}

func (in *ProductCreate) check() error {
	var check fault.Check
	if in.Identifier != nil && !identifier.MatchString(*in.Identifier) {
		check.Add(fault.Invalid("identifier", "must be 3 to 32 lower-case letters and digits, starting with a letter"))
	}
	in.Name, in.LaunchURL = strings.TrimSpace(in.Name), strings.TrimSpace(in.LaunchURL)
	checkProduct(&check, in.Name, in.Description, in.LaunchURL)
	in.UpgradeURL = optionalURL(&check, "upgradeUrl", in.UpgradeURL)
	in.LogoURL = optionalURL(&check, "logoUrl", in.LogoURL)
	in.IntegrationPageURL = optionalURL(&check, "integrationPageUrl", in.IntegrationPageURL)
	check.Add(checkLaunchTTL(in.LaunchTTLSeconds))
	if in.AccessTokenAlgorithm == "" {
		in.AccessTokenAlgorithm = ES256
	}
	check.Add(checkAlgorithm(in.AccessTokenAlgorithm))
	return check.Err()
}

// checkProduct checks the texts that every product has.
func checkProduct(check *fault.Check, name, description, launchURL string) {
	check.Add(checkLine("name", name, maxNameLength))
	check.Add(checkText("description", description, maxDescriptionLength))
	check.Add(checkLaunchURL("launchUrl", launchURL))
}

func checkLaunchTTL(seconds int32) *fault.Error {
	if seconds < minLaunchTTL || seconds > maxLaunchTTL {
		return fault.Invalid("launchTtlSeconds", "must be between %d and %d", minLaunchTTL, maxLaunchTTL)
	}
	return nil
}

// optionalURL checks a URL unless there is none, and gives it without the spaces around it.
func optionalURL(check *fault.Check, field string, given *string) *string {
	if given == nil {
		return nil
	}
	trimmed := strings.TrimSpace(*given)
	check.Add(checkURL(field, trimmed))
	return &trimmed
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
			UpgradeUrl: in.UpgradeURL, LogoUrl: in.LogoURL, IntegrationPageUrl: in.IntegrationPageURL,
			LaunchSecretCipher: c.Keys.Seal(LaunchSecretIdentity(id), launchSecret),
			LaunchTtlSeconds:   in.LaunchTTLSeconds, SeatAssignment: in.SeatAssignment, AccessTokenAlgorithm: in.AccessTokenAlgorithm, CreatedAt: c.Now(),
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

// ProductsByID is those of the named products that the merchant has, or to which a caller of the portal sees a subscription.
func (c *Catalog) ProductsByID(ctx context.Context, caller account.Caller, ids []int64) (map[int64]Product, error) {
	named, err := c.named(ctx, caller, ids, c.productsInSight)
	if err != nil {
		return nil, err
	}
	products := make(map[int64]Product, len(ids))
	for merchantID, ids := range named {
		rows, err := c.DB.ProductsByID(ctx, c.DB.Tenant(merchantID), db.ProductsByIDParams{MerchantID: merchantID, Ids: ids})
		if err != nil {
			return nil, fmt.Errorf("find products: %w", err)
		}
		for _, row := range rows {
			products[row.Product.ID] = c.productOf(row.Product, row.Shop)
		}
	}
	return products, nil
}

func (c *Catalog) productOf(row db.Product, shop string) Product {
	product := Product{
		ID:                   row.ID,
		MerchantID:           row.MerchantID,
		Identifier:           row.Identifier,
		Name:                 row.Name,
		Description:          row.Description,
		LaunchURL:            row.LaunchUrl,
		UpgradeURL:           UpgradeURL(c.PublicURL, shop, row.Identifier, row.UpgradeUrl),
		LogoURL:              row.LogoUrl,
		IntegrationPageURL:   row.IntegrationPageUrl,
		LaunchTTLSeconds:     row.LaunchTtlSeconds,
		SeatAssignment:       row.SeatAssignment,
		AccessTokenAlgorithm: row.AccessTokenAlgorithm,
		Status:               row.Status,
		CreatedAt:            row.CreatedAt.UTC(),
	}
	if at := row.NextLaunchSecretAt; at != nil && at.After(c.Now()) {
		product.NextSecretAt = at
	}
	return product
}

// UpgradeURL is where customers without access to a product are sent: the page that the merchant has given, or else the
// product's page in the portal at publicURL.
func UpgradeURL(publicURL, shop, identifier string, given *string) string {
	if given != nil {
		return *given
	}
	return strings.TrimRight(publicURL, "/") + "/portal/" + shop + "/" + identifier
}
