package portal

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"portico/db"
	"portico/internal/account"
	"portico/internal/billing"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/secret"
	"portico/internal/settings"
)

// consentLifetime is how long a customer has on the merchant's page. A consent that led to a subscription stands for it ever after.
const consentLifetime = 24 * time.Hour

// Consent is a customer's, on its way to the merchant's page.
type Consent struct {
	UserToken secret.Text
	URL       secret.Text // the merchant's page with the token
	ExpiresAt time.Time
}

// ConnectStart begins to connect a subscription that the customer has with the merchant: it gives the address of the merchant's page, where
// the customer allows that or not. Faults: NOT_FOUND on customer and product, CONFLICT on product without such a page or that is no longer
// sold, ACTIVE_PURCHASE_EXISTS when the customer has bought the product here.
func (p *Portal) ConnectStart(ctx context.Context, caller account.Caller, ref account.CustomerRef, product catalog.ProductRef) (Consent, error) {
	customer, err := p.Accounts.Customer(ctx, caller, ref)
	if err != nil {
		return Consent{}, err
	}
	merchant := account.Caller{Kind: account.KindAPIKey, MerchantID: customer.MerchantID} // what the merchant has, also what no customer sees yet
	found, err := p.Catalog.Product(ctx, merchant, product)
	if err != nil {
		return Consent{}, err
	}
	tenant := p.DB.Tenant(customer.MerchantID)
	if _, err := settings.Hold(ctx, p.DB, tenant, caller, customer.MerchantID, customer.ID, settings.Connect); err != nil {
		return Consent{}, err
	}
	if caller.InPortal() {
		front, err := p.Accounts.Storefronts(ctx, caller, []int64{customer.MerchantID})
		if err != nil {
			return Consent{}, err
		}
		if _, err := p.Catalog.PublicProduct(ctx, caller, front[customer.MerchantID].Shop, found.Identifier); err != nil {
			return Consent{}, fault.NotFound("product", "product")
		}
	}
	if found.Status == catalog.Archived {
		return Consent{}, errNotSold()
	}
	if found.IntegrationPageURL == nil {
		return Consent{}, fault.New(fault.CodeConflict, "product", "has no integration page: set integrationPageUrl")
	}
	if err := p.checkConnectable(ctx, merchant, customer, found); err != nil {
		return Consent{}, err
	}
	now, token := p.Now(), secret.NewCredential(secret.KindUserToken, true)
	consent := Consent{UserToken: token, ExpiresAt: now.Add(consentLifetime)}
	if consent.URL, err = withConsent(*found.IntegrationPageURL, token, found.Identifier); err != nil {
		return Consent{}, err
	}
	err = p.DB.InsertConnectToken(ctx, tenant, db.InsertConnectTokenParams{
		MerchantID: customer.MerchantID, CustomerID: customer.ID, ProductID: found.ID, TokenHash: p.Keys.Hash(token),
		CreatedAt: now, ExpiresAt: consent.ExpiresAt,
	})
	if err != nil {
		return Consent{}, fmt.Errorf("store a consent: %w", err)
	}
	return consent, nil
}

// checkConnectable refuses what Connect would refuse. A connected subscription can be connected again.
func (p *Portal) checkConnectable(ctx context.Context, merchant account.Caller, customer account.Customer, product catalog.Product) error {
	bought, err := p.DB.HasBought(ctx, p.DB.Tenant(merchant.MerchantID), db.HasBoughtParams{
		MerchantID: merchant.MerchantID, ProductID: product.ID, CompanyID: customer.CompanyID,
	})
	if err != nil {
		return fmt.Errorf("look for a purchase of customer %d: %w", customer.ID, err)
	}
	if bought {
		return fault.New(fault.CodeActivePurchaseExists, "product", "the customer has bought this product here: there is nothing to connect")
	}
	return nil
}

func withConsent(page string, token secret.Text, identifier string) (secret.Text, error) {
	address, err := url.Parse(page)
	if err != nil {
		return "", fmt.Errorf("read an integration page's address: %w", err)
	}
	query := address.Query()
	query.Set("user_token", string(token))
	query.Set("product_identifier", identifier)
	address.RawQuery = query.Encode()
	return secret.Text(address.String()), nil
}

// Connected is a merchant's report of a subscription that a customer has with it.
type Connected struct {
	AccessToken secret.Text // the merchant's own name for the subscription, 1 to 4096 bytes; sent back with payment notifications
	UserToken   secret.Text
	Product     catalog.ProductRef
	PlanNumber  int64 // the merchant's own
	Interval    catalog.Interval
	AmountMinor int64 // a period's price in cents of US dollars
	Active      bool
	StartedAt   time.Time
	ExpireAt    time.Time
}

const (
	maxAccessToken     = 4096
	reportedCurrency   = "USD"
	maxReportedAmount  = 1<<53 - 1
	maxReportedForYear = 100 // a period that ends later is a mistake
)

// ReportConnected follows a merchant's report, as billing.Billing.Connect does. FORBIDDEN on userToken when it is not one of the merchant's
// customers' for this product, or has expired before it was used.
func (p *Portal) ReportConnected(ctx context.Context, caller account.Caller, in Connected) (*billing.Subscription, error) {
	if err := in.check(p.Now()); err != nil {
		return nil, err
	}
	product, err := p.Catalog.Product(ctx, caller, in.Product)
	if err != nil {
		return nil, err
	}
	refused := fault.New(fault.CodeForbidden, "userToken", "is not a token of a customer who connects this product")
	if kind, err := secret.KindOf(in.UserToken); err != nil || kind != secret.KindUserToken {
		return nil, refused
	}
	token, err := p.DB.ConnectToken(ctx, p.DB.Tenant(caller.MerchantID), db.ConnectTokenParams{
		MerchantID: caller.MerchantID, TokenHash: p.Keys.Hash(in.UserToken),
	})
	switch {
	case db.IsNoRows(err) || (err == nil && token.ProductID != product.ID):
		return nil, refused
	case err != nil:
		return nil, fmt.Errorf("look a consent up: %w", err)
	case token.SubscriptionID == nil && !p.Now().Before(token.ExpiresAt):
		return nil, fault.New(fault.CodeForbidden, "userToken", "has expired: have the customer begin again")
	case token.SubscriptionID == nil && product.Status == catalog.Archived:
		return nil, errNotSold()
	}
	plan, price, err := p.terms(ctx, caller, product, in)
	if err != nil {
		return nil, err
	}
	return p.Billing.Connect(ctx, caller, billing.Report{
		TokenID: token.ID, SubscriptionID: token.SubscriptionID, CustomerID: token.CustomerID, Plan: plan, Price: price,
		AmountMinor: in.AmountMinor, AccessToken: in.AccessToken, Active: in.Active, StartedAt: in.StartedAt, ExpireAt: in.ExpireAt,
	})
}

// errNotSold is for a subscription that would begin; those that have begun go on.
func errNotSold() error {
	return fault.New(fault.CodeConflict, "product", "is no longer sold")
}

func (in Connected) check(now time.Time) error {
	var check fault.Check
	if n := len(in.AccessToken); n == 0 {
		check.Add(fault.Required("accessToken"))
	} else if n > maxAccessToken || !account.Storable(string(in.AccessToken)) {
		check.Add(fault.Invalid("accessToken", "must be text of at most %d bytes", maxAccessToken))
	}
	if in.UserToken == "" {
		check.Add(fault.Required("userToken"))
	}
	if in.AmountMinor < 0 || in.AmountMinor > maxReportedAmount {
		check.Add(fault.Invalid("price", "must not be negative, nor more than 2^53-1 cents"))
	}
	if in.StartedAt.Year() < 1970 {
		check.Add(fault.Invalid("startedAt", "must be a time after 1969"))
	}
	if !in.StartedAt.Before(in.ExpireAt) {
		check.Add(fault.Invalid("expireAt", "must be after the start"))
	}
	if in.ExpireAt.After(now.AddDate(maxReportedForYear, 0, 0)) {
		check.Add(fault.Invalid("expireAt", "must be at most a hundred years from now"))
	}
	return check.Err()
}

// terms are the plan and its price, which gives the interval and the currency.
func (p *Portal) terms(ctx context.Context, caller account.Caller, product catalog.Product, in Connected) (catalog.Plan, catalog.Price, error) {
	plan, err := p.Catalog.PlanByNumber(ctx, caller, product.ID, in.PlanNumber)
	if err != nil {
		return plan, catalog.Price{}, err
	}
	for _, price := range plan.Prices {
		if price.Interval == in.Interval && price.Money.Currency == reportedCurrency {
			return plan, price, nil
		}
	}
	return plan, catalog.Price{}, fault.Invalid("interval", "the plan has no price in %s for this interval", reportedCurrency)
}
