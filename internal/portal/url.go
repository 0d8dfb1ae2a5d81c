package portal

import (
	"context"
	"encoding/json"
	"slices"

	"portico/internal/account"
	"portico/internal/billing"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/secret"
)

// Intent says what somebody is sent to the portal for.
type Intent string

// The intents, as in the schema's PortalUrlIntent.
const (
	Buy    Intent = "BUY"    // the product's purchase page
	Manage Intent = "MANAGE" // all of the customer's subscriptions with the merchant
)

// URLCreate asks for an address of the portal that signs a customer in.
type URLCreate struct {
	Email    string
	UserMeta json.RawMessage // as account.Visit has it
	Product  catalog.ProductRef
	Intent   Intent
}

// Check finds what is wrong with the input itself, whoever calls.
func (in URLCreate) Check() error { return in.visit().Check() }

func (in URLCreate) visit() account.Visit {
	return account.Visit{Email: in.Email, UserMeta: in.UserMeta}
}

// URLCreate finds or creates the customer of the caller's merchant with the address, links it to the product, and mints a portal token for
// the page that the intent asks for. To buy what the customer has, also through its company, is ACTIVE_PURCHASE_EXISTS; the customer is
// in the answer then too, and whatever was found, created and linked stays. NOT_FOUND on product, INVALID for one that is no longer sold.
func (p *Portal) URLCreate(ctx context.Context, caller account.Caller, in URLCreate) (Minted, error) {
	if err := in.Check(); err != nil {
		return Minted{}, err
	}
	merchant, err := p.Accounts.Merchant(ctx, caller)
	if err != nil {
		return Minted{}, err
	}
	product, err := p.Catalog.Product(ctx, caller, in.Product)
	if err != nil {
		return Minted{}, err
	}
	if in.Intent == Buy && product.Status == catalog.Archived {
		return Minted{}, fault.Invalid("product", "is no longer sold")
	}
	customer, err := p.Accounts.CustomerVisit(ctx, caller, in.visit())
	if err != nil {
		return Minted{}, err
	}
	found := Minted{Customer: customer, Merchant: merchant}
	if err := p.Accounts.CustomerLink(ctx, caller, customer.ID, product.ID); err != nil {
		return found, err
	}
	page := merchant.Shop
	if in.Intent == Buy {
		if err := p.checkPurchase(ctx, caller, customer, product); err != nil {
			return found, err
		}
		page += "/" + product.Identifier
	}
	minted, err := p.mint(ctx, merchant, customer)
	if err != nil {
		return found, err
	}
	minted.URL = secret.Text(p.page(page) + "?token=" + string(minted.JWT))
	return minted, nil
}

// checkPurchase refuses what a checkout would refuse, and what the customer can use already.
func (p *Portal) checkPurchase(ctx context.Context, caller account.Caller, customer account.Customer, product catalog.Product) error {
	decision, err := p.Access.Check(ctx, caller, account.CustomerRef{ID: &customer.ID}, catalog.ProductRef{ID: &product.ID})
	if err != nil {
		return err
	}
	lives := []string{billing.Scheduled, billing.Trialing, billing.Active, billing.PastDue, billing.Paused}
	if decision.Allowed || (decision.Status != nil && slices.Contains(lives, *decision.Status)) {
		return fault.New(fault.CodeActivePurchaseExists, "product", "the customer has an active purchase of this product")
	}
	return nil
}
