package account

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/page"
	"portico/internal/webhook"
)

// MaxNumber is the highest number of a customer: the largest integer that JavaScript tells from its neighbours, 2^53-1.
const MaxNumber = 1<<53 - 1

// Customer is somebody who uses a merchant's products.
type Customer struct {
	ID                int64
	MerchantID        int64
	Number            int64 // the merchant's own, unique within the merchant; tokens and webhooks carry it
	Email             string
	Name              string
	Role              string          // a word of the merchant's choice that tokens carry
	UserMeta          json.RawMessage // a JSON object; webhooks about the customer carry it
	CompanyID         int64
	PersonalCompanyID *int64 // made when it is first needed; the same as CompanyID for a customer without another company
	TestClockID       *int64
	CreatedAt         time.Time
}

func customerOf(row db.Customer) Customer {
	return Customer{
		ID: row.ID, MerchantID: row.MerchantID, Number: row.Number, Email: row.Email, Name: row.Name, Role: row.Role, UserMeta: row.UserMeta,
		CompanyID: row.CompanyID, PersonalCompanyID: row.PersonalCompanyID, TestClockID: row.TestClockID, CreatedAt: row.CreatedAt,
	}
}

// CustomerCreate is what a new customer is made of.
type CustomerCreate struct {
	Email       string
	Name        string
	Role        string          // "user" when empty
	Number      *int64          // the row's id when nil
	UserMeta    json.RawMessage // an empty object when nil or null
	CompanyID   *int64          // a personal company when nil
	TestClockID *int64          // in a sandbox only
}

func (in CustomerCreate) checked() (CustomerCreate, error) {
	var check fault.Check
	in.Email = emailAddress(&check, "email", in.Email)
	in.Name = line(&check, "name", in.Name, maxName)
	in.Role = line(&check, "role", orElse(in.Role, "user"), maxRole)
	if in.Number != nil && (*in.Number < 1 || *in.Number > MaxNumber) {
		check.Add(fault.Invalid("number", "must be between 1 and %d", int64(MaxNumber)))
	}
	in.UserMeta = userMeta(&check, "userMeta", in.UserMeta)
	return in, check.Err()
}

// The row's id may be in use as another customer's number. Then the next ids are tried, and in the end one above all numbers.
const (
	numbersFromIDs = 2
	numberAttempts = 5
)

// CustomerCreate makes a customer of the caller's merchant. An e-mail address (compared without regard to case) or number that
// another customer has is TAKEN.
func (a *Accounts) CustomerCreate(ctx context.Context, caller Caller, in CustomerCreate) (Customer, error) {
	in, err := in.checked()
	if err != nil {
		return Customer{}, err
	}
	for attempt := 1; ; attempt++ {
		var customer Customer
		err := a.DB.Tenant(caller.MerchantID).Tx(ctx, func(tx pgx.Tx) error {
			var err error
			customer, err = a.insertCustomer(ctx, tx, caller.MerchantID, in, attempt <= numbersFromIDs)
			return err
		})
		switch {
		case err == nil:
			return customer, nil
		case violates(err, "customer_email_key"):
			return Customer{}, fault.Taken("email", "belongs to another customer")
		case violates(err, "customer_number_key") && (in.Number != nil || attempt == numberAttempts):
			return Customer{}, fault.Taken("number", "belongs to another customer")
		case !violates(err, "customer_number_key"):
			return Customer{}, fmt.Errorf("create a customer: %w", err)
		}
	}
}

func (a *Accounts) insertCustomer(ctx context.Context, tx pgx.Tx, merchantID int64, in CustomerCreate, numberFromID bool) (Customer, error) {
	if err := a.checkReferences(ctx, tx, merchantID, in); err != nil {
		return Customer{}, err
	}
	id, err := a.DB.NextCustomerID(ctx, tx)
	if err != nil {
		return Customer{}, err
	}
	number := id
	switch {
	case in.Number != nil:
		number = *in.Number
	case !numberFromID:
		highest, err := a.DB.HighestCustomerNumber(ctx, tx, merchantID)
		if err != nil {
			return Customer{}, err
		}
		number = min(highest+1, MaxNumber)
	}
	row := db.InsertCustomerParams{
		MerchantID: merchantID, ID: id, Number: number, Email: in.Email, Name: in.Name, Role: in.Role, UserMeta: in.UserMeta,
		TestClockID: in.TestClockID, CreatedAt: a.Now(),
	}
	if in.CompanyID != nil {
		row.CompanyID = *in.CompanyID
	} else {
		if row.CompanyID, err = a.insertPersonalCompany(ctx, tx, merchantID, in.Name); err != nil {
			return Customer{}, err
		}
		row.PersonalCompanyID = &row.CompanyID
	}
	inserted, err := a.DB.InsertCustomer(ctx, tx, row)
	if err != nil {
		return Customer{}, err
	}
	customer := customerOf(inserted)
	return customer, a.Webhooks.Announce(ctx, tx, customer.created())
}

// created is customer.created, however the customer came about. Ids of customers are the merchant's own numbers.
func (c Customer) created() webhook.Announcement {
	return webhook.Announcement{MerchantID: c.MerchantID, Type: webhook.CustomerCreated, Data: webhook.Object{
		{Key: "customerId", Value: c.Number},
		{Key: "companyId", Value: c.CompanyID},
		{Key: "email", Value: c.Email},
		{Key: "name", Value: c.Name},
		{Key: "role", Value: c.Role},
		{Key: "userMeta", Value: c.UserMeta},
	}}
}

func (a *Accounts) checkReferences(ctx context.Context, tx pgx.Tx, merchantID int64, in CustomerCreate) error {
	var check fault.Check
	if in.CompanyID != nil {
		company, err := a.DB.Company(ctx, tx, db.CompanyParams{MerchantID: merchantID, ID: *in.CompanyID})
		switch {
		case db.IsNoRows(err):
			check.Add(fault.NotFound("company", "company"))
		case err != nil:
			return fmt.Errorf("find company %d: %w", *in.CompanyID, err)
		case company.Personal:
			check.Add(fault.Invalid("company", "is the personal company of another customer"))
		}
	}
	if in.TestClockID != nil {
		merchant, err := a.merchant(ctx, tx, merchantID)
		if err != nil {
			return err
		}
		clocks, err := a.DB.TestClocksByID(ctx, tx, db.TestClocksByIDParams{MerchantID: merchantID, Ids: []int64{*in.TestClockID}})
		switch {
		case err != nil:
			return fmt.Errorf("find test clock %d: %w", *in.TestClockID, err)
		case !merchant.Sandbox():
			check.Add(fault.Invalid("testClock", "can be given in a sandbox only"))
		case len(clocks) == 0:
			check.Add(fault.NotFound("testClock", "test clock"))
		}
	}
	return check.Err()
}

// CustomerRef names a customer by exactly one of these.
type CustomerRef struct {
	ID     *int64
	Number *int64
	Email  *string // compared without regard to case
}

// check blames the input field customer, as every operation on a customer calls it.
func (r CustomerRef) check() error {
	given := 0
	for _, is := range []bool{r.ID != nil, r.Number != nil, r.Email != nil} {
		if is {
			given++
		}
	}
	if given != 1 {
		return fault.Invalid("customer", "must be given by exactly one of id, number and email")
	}
	return nil
}

// Customer is the one that ref names; NOT_FOUND when the merchant has none such, or a caller of the portal does not act for it.
func (a *Accounts) Customer(ctx context.Context, caller Caller, ref CustomerRef) (Customer, error) {
	if err := ref.check(); err != nil {
		return Customer{}, err
	}
	if caller.InPortal() {
		return a.ownCustomer(ctx, caller, ref)
	}
	scope, merchantID := a.DB.Tenant(caller.MerchantID), caller.MerchantID
	var row db.Customer
	var err error
	switch {
	case ref.ID != nil:
		row, err = a.DB.CustomerByID(ctx, scope, db.CustomerByIDParams{MerchantID: merchantID, ID: *ref.ID})
	case ref.Number != nil:
		row, err = a.DB.CustomerByNumber(ctx, scope, db.CustomerByNumberParams{MerchantID: merchantID, Number: *ref.Number})
	default:
		email := strings.TrimSpace(*ref.Email)
		if !utf8.ValidString(email) || strings.ContainsRune(email, 0) || PassesForAnother(email) {
			return Customer{}, fault.NotFound("customer", "customer")
		}
		row, err = a.DB.CustomerByEmail(ctx, scope, db.CustomerByEmailParams{MerchantID: merchantID, Email: email})
	}
	if db.IsNoRows(err) {
		return Customer{}, fault.NotFound("customer", "customer")
	}
	if err != nil {
		return Customer{}, fmt.Errorf("find a customer: %w", err)
	}
	return customerOf(row), nil
}

// Customers lists the merchant's customers, newest first, or those that have to do with one product, bought or not: up to a row more than
// the page, which tells whether there is another.
func (a *Accounts) Customers(ctx context.Context, caller Caller, productID *int64, request page.Request) ([]Customer, error) {
	rows, err := a.DB.Customers(ctx, a.DB.Tenant(caller.MerchantID), db.CustomersParams{
		MerchantID: caller.MerchantID, Before: request.Before(), RowLimit: request.Limit(), ProductID: productID,
	})
	if err != nil {
		return nil, fmt.Errorf("list customers: %w", err)
	}
	return convert(rows, customerOf), nil
}

// CustomersByID are those of the given customers that the merchant has, and for callers of the portal those that they act for.
func (a *Accounts) CustomersByID(ctx context.Context, caller Caller, ids []int64) (map[int64]Customer, error) {
	if caller.InPortal() {
		own, err := a.ownCustomers(ctx, caller, append([]int64{}, ids...))
		return byID(own, func(c Customer) (int64, Customer) { return c.ID, c }), err
	}
	rows, err := a.DB.CustomersByID(ctx, a.DB.Tenant(caller.MerchantID), db.CustomersByIDParams{MerchantID: caller.MerchantID, Ids: ids})
	if err != nil {
		return nil, fmt.Errorf("find customers: %w", err)
	}
	return byID(rows, func(row db.Customer) (int64, Customer) { return row.ID, customerOf(row) }), nil
}
