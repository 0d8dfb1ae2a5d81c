package catalog

import (
	"context"
	"fmt"
	"regexp"

	"portico/db"
	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/page"
)

// PublicProduct is a product as everybody may see it.
type PublicProduct struct {
	ID           int64
	MerchantID   int64
	Shop         string
	MerchantName string
	Identifier   string
	Name         string
	Description  string
	LogoURL      *string
	URL          string // its page in the portal
	Status       string // APPROVED for everybody but the product's own people

	LaunchURL          string // for reviewers
	IntegrationPageURL *string
}

var shopHandle = regexp.MustCompile(`^[a-z][a-z0-9-]{1,62}$`)

// shopfront is what a caller may see of a merchant's products.
type shopfront struct {
	merchantID int64
	status     *string // nil for every status
}

// shopfront finds what the caller may see in a shop: everybody the approved products of live merchants that are not suspended,
// members of the merchant all of them, and so do those who act for a sandbox.
func (c *Catalog) shopfront(ctx context.Context, caller account.Caller, shop string) (front shopfront, open bool, err error) {
	if !shopHandle.MatchString(shop) {
		return front, false, nil
	}
	row, err := c.DB.Shopfront(ctx, c.DB.System(), db.ShopfrontParams{Shop: shop, MemberID: caller.MemberID})
	if db.IsNoRows(err) {
		return front, false, nil
	}
	if err != nil {
		return front, false, fmt.Errorf("find a shop: %w", err)
	}
	front.merchantID = row.ID
	if row.OfMember || (row.Sandbox && caller.MerchantID == row.ID) {
		return front, true, nil
	}
	approved := Approved
	front.status = &approved
	return front, !row.Sandbox && !row.Hidden, nil
}

// PublicProducts lists what a shop shows to the caller, newest first: up to a row more than the page, which tells whether there is
// another. A shop that is not open shows nothing, like one that does not exist.
func (c *Catalog) PublicProducts(ctx context.Context, caller account.Caller, shop string, r page.Request) ([]PublicProduct, error) {
	front, open, err := c.shopfront(ctx, caller, shop)
	if err != nil || !open {
		return nil, err
	}
	return c.shown(ctx, front, db.PublicProductsParams{Before: r.Before(), Size: r.Limit()})
}

// PublicProduct is one product that a shop shows to the caller; NOT_FOUND where it shows none such.
func (c *Catalog) PublicProduct(ctx context.Context, caller account.Caller, shop, identifier string) (PublicProduct, error) {
	missing := fault.NotFound("identifier", "product")
	if wrong := (ProductRef{Identifier: &identifier}).Check("identifier"); wrong != nil {
		return PublicProduct{}, missing
	}
	front, open, err := c.shopfront(ctx, caller, shop)
	if err != nil {
		return PublicProduct{}, err
	}
	if !open {
		return PublicProduct{}, missing
	}
	found, err := c.shown(ctx, front, db.PublicProductsParams{Before: page.Request{}.Before(), Identifier: &identifier, Size: 1})
	if err != nil {
		return PublicProduct{}, err
	}
	if len(found) == 0 {
		return PublicProduct{}, missing
	}
	return found[0], nil
}

// Hidden is the product with an address that is not shown to whoever asks for it: no more of it than whose it is and whether it is Archived.
func (c *Catalog) Hidden(ctx context.Context, shop, identifier string) (PublicProduct, error) {
	if wrong := (ProductRef{Identifier: &identifier}).Check("identifier"); wrong != nil || !shopHandle.MatchString(shop) {
		return PublicProduct{}, fault.NotFound("identifier", "product")
	}
	row, err := c.DB.ProductOfShop(ctx, c.DB.System(), db.ProductOfShopParams{Shop: shop, Identifier: identifier})
	if db.IsNoRows(err) {
		return PublicProduct{}, fault.NotFound("identifier", "product")
	}
	if err != nil {
		return PublicProduct{}, fmt.Errorf("find a product that is not shown: %w", err)
	}
	return PublicProduct{
		ID: row.ID, MerchantID: row.MerchantID, Shop: row.Shop, MerchantName: row.MerchantName, Identifier: row.Identifier, Status: row.Status,
	}, nil
}

func (c *Catalog) shown(ctx context.Context, front shopfront, ask db.PublicProductsParams) ([]PublicProduct, error) {
	ask.MerchantID, ask.Status = front.merchantID, front.status
	rows, err := c.DB.PublicProducts(ctx, c.DB.Tenant(front.merchantID), ask)
	if err != nil {
		return nil, fmt.Errorf("list public products: %w", err)
	}
	products := make([]PublicProduct, len(rows))
	for i, row := range rows {
		products[i] = c.publicOf(db.ShownProductsRow(row))
	}
	return products, nil
}

// ReviewedProducts is the products that the reviews are of.
func (c *Catalog) ReviewedProducts(ctx context.Context, reviews []Review) (map[int64]PublicProduct, error) {
	merchantIDs, ids := make([]int64, len(reviews)), make([]int64, len(reviews))
	for i, review := range reviews {
		merchantIDs[i], ids[i] = review.MerchantID, review.ProductID
	}
	rows, err := c.DB.ShownProducts(ctx, c.DB.Tenant(merchantIDs...), db.ShownProductsParams{MerchantIds: merchantIDs, Ids: ids})
	if err != nil {
		return nil, fmt.Errorf("find reviewed products: %w", err)
	}
	products := make(map[int64]PublicProduct, len(rows))
	for _, row := range rows {
		products[row.Product.ID] = c.publicOf(row)
	}
	return products, nil
}

// PublicPlans is the plans of each of the products, which may be of many merchants, oldest first. Whoever has been shown a product
// may see its plans.
func (c *Catalog) PublicPlans(ctx context.Context, products []PublicProduct) (map[int64][]Plan, error) {
	var merchantIDs, productIDs, planIDs []int64
	for _, product := range products {
		merchantIDs, productIDs = append(merchantIDs, product.MerchantID), append(productIDs, product.ID)
	}
	scope := c.DB.Tenant(merchantIDs...)
	rows, err := c.DB.ShownPlans(ctx, scope, db.ShownPlansParams{MerchantIds: merchantIDs, ProductIds: productIDs})
	if err != nil {
		return nil, fmt.Errorf("find plans of public products: %w", err)
	}
	for _, row := range rows {
		planIDs = append(planIDs, row.ID)
	}
	priceRows, err := c.DB.ShownPrices(ctx, scope, db.ShownPricesParams{MerchantIds: merchantIDs, PlanIds: planIDs})
	if err != nil {
		return nil, fmt.Errorf("find prices of public products: %w", err)
	}
	prices := make(map[int64][]Price, len(rows))
	for _, row := range priceRows {
		prices[row.PlanID] = append(prices[row.PlanID], priceOf(row))
	}
	plans := make(map[int64][]Plan, len(products))
	for _, row := range rows {
		plan := planOf(row)
		plan.Prices = prices[plan.ID]
		plans[plan.ProductID] = append(plans[plan.ProductID], plan)
	}
	return plans, nil
}

func (c *Catalog) publicOf(row db.ShownProductsRow) PublicProduct {
	return PublicProduct{
		ID: row.Product.ID, MerchantID: row.Product.MerchantID, Shop: row.Shop, MerchantName: row.MerchantName,
		Identifier: row.Product.Identifier, Name: row.Product.Name, Description: row.Product.Description, LogoURL: row.Product.LogoUrl,
		URL: UpgradeURL(c.PublicURL, row.Shop, row.Product.Identifier, nil), Status: row.Product.Status,
		LaunchURL: row.Product.LaunchUrl, IntegrationPageURL: row.Product.IntegrationPageUrl,
	}
}
