package account

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"portico/db"
	"portico/internal/fault"
)

// Visit is somebody whom a merchant's server knows by an e-mail address, and perhaps nobody before.
type Visit struct {
	Email    string
	UserMeta json.RawMessage // a JSON object that takes the place of what is known; nil or null leaves that as it is
}

// Check finds what is wrong with the input itself: INVALID or REQUIRED on email, INVALID on userMeta.
func (in Visit) Check() error {
	_, err := in.create()
	return err
}

// create is the customer that comes of it. A name is not known yet; the address has one that people recognize.
func (in Visit) create() (CustomerCreate, error) {
	if PassesForAnother(in.Email) {
		return CustomerCreate{}, fault.Invalid("email", "has a letter that passes for another where case does not count")
	}
	name, _, _ := strings.Cut(strings.TrimSpace(in.Email), "@")
	if name = cut(name, maxName); name == "" {
		name = "-" // of an address that is refused
	}
	return CustomerCreate{Email: in.Email, Name: name, UserMeta: in.UserMeta}.checked()
}

func cut(text string, most int) string {
	runes := []rune(text)
	return string(runes[:min(len(runes), most)])
}

// CustomerVisit finds or creates the customer of the caller's merchant with the address, compared without regard to case. Of calls at
// the same time one creates it and all find the same.
func (a *Accounts) CustomerVisit(ctx context.Context, caller Caller, in Visit) (Customer, error) {
	create, err := in.create()
	if err != nil {
		return Customer{}, err
	}
	ref := CustomerRef{Email: &create.Email}
	customer, err := a.Customer(ctx, caller, ref)
	if fault.Is(err, fault.CodeNotFound) {
		customer, err = a.CustomerCreate(ctx, caller, create)
		if err == nil {
			return customer, nil
		}
		if fault.Is(err, fault.CodeTaken) { // customers are never removed, so that it is found now
			customer, err = a.Customer(ctx, caller, ref)
		}
	}
	if err != nil || len(in.UserMeta) == 0 || string(in.UserMeta) == "null" {
		return customer, err
	}
	row, err := a.DB.SetUserMeta(ctx, a.DB.Tenant(caller.MerchantID), db.SetUserMetaParams{
		MerchantID: caller.MerchantID, ID: customer.ID, UserMeta: create.UserMeta,
	})
	if err != nil {
		return Customer{}, fmt.Errorf("keep the userMeta of customer %d: %w", customer.ID, err)
	}
	return customerOf(row), nil
}

// CustomerLink notes that a customer has to do with a product. Doing so again changes nothing.
func (a *Accounts) CustomerLink(ctx context.Context, caller Caller, customerID, productID int64) error {
	err := a.DB.LinkCustomer(ctx, a.DB.Tenant(caller.MerchantID), db.LinkCustomerParams{
		MerchantID: caller.MerchantID, ProductID: productID, CustomerID: customerID, CreatedAt: a.Now(),
	})
	if err != nil {
		return fmt.Errorf("link customer %d to product %d: %w", customerID, productID, err)
	}
	return nil
}
