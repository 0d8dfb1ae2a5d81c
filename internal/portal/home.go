package portal

import (
	"context"
	"fmt"

	"portico/db"
	"portico/internal/account"
	"portico/internal/billing"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/page"
	"portico/internal/settings"
)

// Home is what a customer finds in the portal of one shop.
type Home struct {
	Storefront    account.Storefront
	Customer      account.Customer
	Subscriptions []Held
	cancels       bool // the shop lets its customers cancel
}

// MayCancel tells whether the customer is offered to cancel the subscription.
func (h Home) MayCancel(held Held) bool {
	return h.cancels && held.Payer && held.Live() && !held.CancelAtPeriodEnd
}

// Held is a subscription in a customer's sight, with what it is to.
type Held struct {
	*billing.Subscription
	Product catalog.Product
	Plan    catalog.Plan
	Payer   bool // it is the customer who pays, and may change it
}

// Homes are what a caller of the portal finds: in the shop with the handle, or in all of its shops when the handle is empty. A shop
// of which it is no customer is NOT_FOUND.
func (p *Portal) Homes(ctx context.Context, caller account.Caller, shop string) ([]Home, error) {
	customers, err := p.Accounts.OwnCustomers(ctx, caller)
	if err != nil {
		return nil, err
	}
	merchantIDs, _ := caller.Columns()
	fronts, err := p.Accounts.Storefronts(ctx, caller, merchantIDs)
	if err != nil {
		return nil, err
	}
	homes := []Home{}
	for _, customer := range customers {
		front := fronts[customer.MerchantID]
		if shop != "" && front.Shop != shop {
			continue
		}
		held, err := p.held(ctx, customer)
		if err != nil {
			return nil, err
		}
		rules, err := settings.Of(ctx, p.DB, p.DB.Tenant(customer.MerchantID), customer.MerchantID)
		if err != nil {
			return nil, err
		}
		homes = append(homes, Home{
			Storefront: front, Customer: customer, Subscriptions: held, cancels: rules.AllowCancellation || rules.Suspended,
		})
	}
	if shop != "" && len(homes) == 0 {
		return nil, fault.NotFound("shop", "shop")
	}
	return homes, nil
}

// Held is one of the subscriptions that the caller sees in the shop with the handle, NOT_FOUND where it is none of them.
func (p *Portal) Held(ctx context.Context, caller account.Caller, shop string, id int64) (Home, Held, error) {
	homes, err := p.Homes(ctx, caller, shop)
	if err != nil {
		return Home{}, Held{}, err
	}
	for _, home := range homes {
		for _, held := range home.Subscriptions {
			if held.ID == id {
				return home, held, nil
			}
		}
	}
	return Home{}, Held{}, fault.NotFound("subscription", "subscription")
}

// held are the newest subscriptions that a customer sees.
func (p *Portal) held(ctx context.Context, customer account.Customer) ([]Held, error) {
	self := account.Caller{Kind: account.KindCustomer, MerchantID: customer.MerchantID, CustomerID: customer.ID}
	subs, err := p.Billing.InSight(ctx, self, page.Request{Size: page.MaxSize})
	if err != nil {
		return nil, err
	}
	subs, _ = page.Trim(subs, page.MaxSize)
	var productIDs, planIDs []int64
	for _, s := range subs {
		productIDs, planIDs = append(productIDs, s.ProductID), append(planIDs, s.PlanID)
	}
	products, err := p.Catalog.ProductsByID(ctx, self, productIDs)
	if err != nil {
		return nil, err
	}
	plans, err := p.Catalog.PlansByID(ctx, self, planIDs, catalog.PlanParts{})
	if err != nil {
		return nil, err
	}
	held := make([]Held, len(subs))
	for i, s := range subs {
		held[i] = Held{Subscription: s, Product: products[s.ProductID], Plan: plans[s.PlanID], Payer: s.CustomerID == customer.ID}
	}
	return held, nil
}

// Storefront is the shop with the handle, as everybody may know it.
func (p *Portal) Storefront(ctx context.Context, shop string) (account.Storefront, error) {
	if !account.Storable(shop) {
		return account.Storefront{}, fault.NotFound("shop", "shop")
	}
	row, err := p.DB.StorefrontOfShop(ctx, p.DB.System(), shop)
	if db.IsNoRows(err) {
		return account.Storefront{}, fault.NotFound("shop", "shop")
	}
	if err != nil {
		return account.Storefront{}, fmt.Errorf("find a shop: %w", err)
	}
	return account.Storefront{MerchantID: row.ID, Shop: row.Shop, Name: row.Name, Suspended: row.Suspended}, nil
}
