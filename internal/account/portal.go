package account

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"portico/db"
	"portico/internal/fault"
)

// Storefront is what everybody may know of a merchant.
type Storefront struct {
	MerchantID int64
	Shop       string
	Name       string
	Suspended  bool // sells nothing; its customers see and cancel what they have
}

// Storefronts are those of the given merchants that the caller acts for or is a customer of.
func (a *Accounts) Storefronts(ctx context.Context, caller Caller, merchantIDs []int64) (map[int64]Storefront, error) {
	mine, _ := caller.Columns()
	mine = append(mine, caller.MerchantID)
	merchantIDs = slices.DeleteFunc(slices.Clone(merchantIDs), func(id int64) bool { return !slices.Contains(mine, id) })
	rows, err := a.DB.Storefronts(ctx, a.DB.Tenant(merchantIDs...), merchantIDs)
	if err != nil {
		return nil, fmt.Errorf("find storefronts: %w", err)
	}
	return byID(rows, func(row db.StorefrontsRow) (int64, Storefront) {
		return row.ID, Storefront{MerchantID: row.ID, Shop: row.Shop, Name: row.Name, Suspended: row.Suspended}
	}), nil
}

// OwnCustomers are all that a caller of the portal acts for, oldest first. Other callers act for none.
func (a *Accounts) OwnCustomers(ctx context.Context, caller Caller) ([]Customer, error) {
	if !caller.InPortal() {
		return nil, nil
	}
	return a.ownCustomers(ctx, caller, nil)
}

// ownCustomers are those that a caller of the portal acts for, oldest first, narrowed to ids unless these are nil. The merchant's
// data about them stays the merchant's.
func (a *Accounts) ownCustomers(ctx context.Context, caller Caller, ids []int64) ([]Customer, error) {
	merchantIDs, customerIDs := caller.Columns()
	rows, err := a.DB.CustomersOfPortal(ctx, a.DB.Tenant(merchantIDs...), db.CustomersOfPortalParams{
		MerchantIds: merchantIDs, CustomerIds: customerIDs, Ids: ids,
	})
	if err != nil {
		return nil, fmt.Errorf("find a caller's customers: %w", err)
	}
	customers := convert(rows, customerOf)
	for i := range customers {
		customers[i].UserMeta = json.RawMessage("{}")
	}
	return customers, nil
}

// ownCustomer is the one of ownCustomers that ref names.
func (a *Accounts) ownCustomer(ctx context.Context, caller Caller, ref CustomerRef) (Customer, error) {
	own, err := a.ownCustomers(ctx, caller, nil)
	if err != nil {
		return Customer{}, err
	}
	named := slices.DeleteFunc(own, func(c Customer) bool {
		switch {
		case ref.ID != nil:
			return c.ID != *ref.ID
		case ref.Number != nil:
			return c.Number != *ref.Number
		default:
			return !strings.EqualFold(c.Email, strings.TrimSpace(*ref.Email))
		}
	})
	switch len(named) {
	case 0:
		return Customer{}, fault.NotFound("customer", "customer")
	case 1:
		return named[0], nil
	default:
		return Customer{}, fault.Invalid("customer", "is a customer of several merchants: give the id of one")
	}
}
