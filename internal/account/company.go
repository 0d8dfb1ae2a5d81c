package account

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/page"
)

// Company is a holder of subscriptions.
type Company struct {
	ID        int64
	Name      string
	Personal  bool // stands for a single customer
	CreatedAt time.Time
}

func companyOf(row db.Company) Company {
	return Company{ID: row.ID, Name: row.Name, Personal: row.Personal, CreatedAt: row.CreatedAt}
}

// CompanyCreate is what a new company is made of.
type CompanyCreate struct {
	Name string
}

// CompanyCreate makes a company that several customers can belong to.
func (a *Accounts) CompanyCreate(ctx context.Context, caller Caller, in CompanyCreate) (Company, error) {
	var check fault.Check
	name := line(&check, "name", in.Name, maxName)
	if err := check.Err(); err != nil {
		return Company{}, err
	}
	row, err := a.DB.InsertCompany(ctx, a.DB.Tenant(caller.MerchantID), db.InsertCompanyParams{
		MerchantID: caller.MerchantID, Name: name, CreatedAt: a.Now(),
	})
	if err != nil {
		return Company{}, fmt.Errorf("create a company: %w", err)
	}
	return companyOf(row), nil
}

// Companies lists the merchant's companies, newest first, with personal ones only when asked for: up to a row more than the page,
// which tells whether there is another.
func (a *Accounts) Companies(ctx context.Context, caller Caller, personal bool, request page.Request) ([]Company, error) {
	rows, err := a.DB.Companies(ctx, a.DB.Tenant(caller.MerchantID), db.CompaniesParams{
		MerchantID: caller.MerchantID, Before: request.Before(), Personal: personal, RowLimit: request.Limit(),
	})
	if err != nil {
		return nil, fmt.Errorf("list companies: %w", err)
	}
	return convert(rows, companyOf), nil
}

// CompaniesByID are those of the given companies that the merchant has. Callers of the portal know of those that their customers
// belong to and of the holders of what these see.
func (a *Accounts) CompaniesByID(ctx context.Context, caller Caller, ids []int64) (map[int64]Company, error) {
	var rows []db.Company
	var err error
	if caller.InPortal() {
		merchantIDs, customerIDs := caller.Columns()
		rows, err = a.DB.CompaniesInSight(ctx, a.DB.Tenant(merchantIDs...), db.CompaniesInSightParams{
			MerchantIds: merchantIDs, CustomerIds: customerIDs, Ids: ids,
		})
	} else {
		rows, err = a.DB.CompaniesByID(ctx, a.DB.Tenant(caller.MerchantID), db.CompaniesByIDParams{MerchantID: caller.MerchantID, Ids: ids})
	}
	if err != nil {
		return nil, fmt.Errorf("find companies: %w", err)
	}
	return byID(rows, func(row db.Company) (int64, Company) { return row.ID, companyOf(row) }), nil
}

// Holder is the company that will hold a customer's new subscription: the customer's company, or the personal one when personal
// is true. A customer who belongs to a company gets a personal one when it is first needed. The customer's row stays locked until
// tx ends.
func (a *Accounts) Holder(ctx context.Context, tx pgx.Tx, merchantID, customerID int64, personal *bool) (companyID int64, err error) {
	customer, err := a.DB.LockHolder(ctx, tx, db.LockHolderParams{MerchantID: merchantID, ID: customerID})
	if db.IsNoRows(err) {
		return 0, fault.NotFound("customer", "customer")
	}
	if err != nil {
		return 0, fmt.Errorf("lock customer %d: %w", customerID, err)
	}
	if personal == nil || !*personal {
		return customer.CompanyID, nil
	}
	if customer.PersonalCompanyID != nil {
		return *customer.PersonalCompanyID, nil
	}
	companyID, err = a.insertPersonalCompany(ctx, tx, merchantID, customer.Name)
	if err != nil {
		return 0, err
	}
	err = a.DB.SetPersonalCompany(ctx, tx, db.SetPersonalCompanyParams{MerchantID: merchantID, ID: customerID, CompanyID: &companyID})
	if err != nil {
		return 0, fmt.Errorf("set the personal company of customer %d: %w", customerID, err)
	}
	return companyID, nil
}

func (a *Accounts) insertPersonalCompany(ctx context.Context, tx pgx.Tx, merchantID int64, name string) (int64, error) {
	company, err := a.DB.InsertCompany(ctx, tx, db.InsertCompanyParams{
		MerchantID: merchantID, Name: name, Personal: true, CreatedAt: a.Now(),
	})
	if err != nil {
		return 0, fmt.Errorf("create a personal company: %w", err)
	}
	return company.ID, nil
}
