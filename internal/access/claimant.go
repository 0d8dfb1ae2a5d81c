package access

import (
	"context"
	"fmt"

	"portico/db"
	"portico/internal/account"
	"portico/internal/catalog"
	"portico/internal/fault"
)

// claimantRef names a customer in a product.
type claimantRef struct{ merchantID, customerID, productID int64 }

// claimantRef finds the customer and the product. A customer of whom newcomers would be said is created where an address has none.
func (a *Access) claimantRef(
	ctx context.Context, caller account.Caller, customer account.CustomerRef, product catalog.ProductRef, newcomers map[string]*keptClaim,
) (claimantRef, error) {
	if err := checkRefs(customer, product); err != nil {
		return claimantRef{}, err
	}
	row, err := a.product(ctx, caller, product)
	if err != nil {
		return claimantRef{}, err
	}
	var found account.Customer
	if newcomers != nil && customer.Email != nil {
		found, err = a.visitor(ctx, caller, *customer.Email, row.Product.ID, newcomers)
	} else {
		found, err = a.Accounts.Customer(ctx, caller, customer)
	}
	return claimantRef{caller.MerchantID, found.ID, row.Product.ID}, err
}

// product is the one that ref names and that the caller reaches.
func (a *Access) product(ctx context.Context, caller account.Caller, ref catalog.ProductRef) (db.ProductByRefRow, error) {
	if wrong := ref.Check("product"); wrong != nil {
		return db.ProductByRefRow{}, wrong
	}
	row, err := a.DB.ProductByRef(ctx, a.DB.Tenant(caller.MerchantID), db.ProductByRefParams{
		MerchantID: caller.MerchantID, ID: ref.ID, Identifier: ref.Identifier,
	})
	if db.IsNoRows(err) || (err == nil && !caller.Reaches(row.Product.ID)) {
		return db.ProductByRefRow{}, fault.NotFound("product", "product")
	}
	if err != nil {
		return db.ProductByRefRow{}, fmt.Errorf("find a product: %w", err)
	}
	return row, nil
}

// visitor finds or creates a customer, who has to do with the product from now on. Nobody is created for claims that will be refused.
func (a *Access) visitor(
	ctx context.Context, caller account.Caller, email string, productID int64, said map[string]*keptClaim,
) (account.Customer, error) {
	email, err := account.EmailAddress("customer.email", email)
	if err != nil {
		return account.Customer{}, err
	}
	_, err = a.Accounts.Customer(ctx, caller, account.CustomerRef{Email: &email})
	if fault.Is(err, fault.CodeNotFound) {
		nobody := claimant{row: db.ClaimSubjectsRow{NowAt: a.Now()}, kept: map[string]*keptClaim{}}
		_, err = nobody.apply(said)
	}
	if err != nil {
		return account.Customer{}, err
	}
	customer, err := a.Accounts.CustomerVisit(ctx, caller, account.Visit{Email: email})
	if err != nil {
		return account.Customer{}, err
	}
	return customer, a.Accounts.CustomerLink(ctx, caller, customer.ID, productID)
}

func (a *Access) claimant(ctx context.Context, tx db.DBTX, of claimantRef) (*claimant, error) {
	found, err := a.claimants(ctx, tx, []claimantRef{of})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fault.NotFound("customer", "customer")
	}
	return found[0], nil
}

func (a *Access) claimants(ctx context.Context, tx db.DBTX, refs []claimantRef) ([]*claimant, error) {
	read := db.ClaimSubjectsParams{Now: a.Now()}
	read.MerchantIds, read.CustomerIds, read.ProductIds = claimantColumns(refs)
	rows, err := a.DB.ClaimSubjects(ctx, tx, read)
	if err != nil {
		return nil, fmt.Errorf("read claims: %w", err)
	}
	found := make([]*claimant, len(rows))
	for i, row := range rows {
		if found[i], err = claimantOf(row); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func claimantColumns(refs []claimantRef) (merchantIDs, customerIDs, productIDs []int64) {
	for _, ref := range refs {
		merchantIDs, customerIDs = append(merchantIDs, ref.merchantID), append(customerIDs, ref.customerID)
		productIDs = append(productIDs, ref.productID)
	}
	return merchantIDs, customerIDs, productIDs
}
