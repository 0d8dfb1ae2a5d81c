package graph

import (
	"context"

	"portico/internal/account"
	"portico/internal/billing"
)

// Customer is account.Customer as the schema shows it.
type Customer struct {
	account.Customer
	siblings *siblings[Customer]
}

// PaymentMethod is billing.PaymentMethod as the schema shows it.
type PaymentMethod struct{ billing.PaymentMethod }

func showCustomer(row account.Customer, s *siblings[Customer]) *Customer { return &Customer{row, s} }

func showPaymentMethod(row billing.PaymentMethod, _ *siblings[PaymentMethod]) *PaymentMethod {
	return &PaymentMethod{row}
}

// IsNode implements Node.
func (*Customer) IsNode() {}

// ID is the global id.
func (c *Customer) ID() string { return gid("Customer", c.rowID()) }

func (c *Customer) rowID() int64 { return c.Customer.ID }

// IsNode implements Node.
func (*PaymentMethod) IsNode() {}

// ID is the global id.
func (m *PaymentMethod) ID() string { return gid("PaymentMethod", m.PaymentMethod.ID) }

// Default tells whether it is the one that is charged.
func (m *PaymentMethod) Default() bool { return m.IsDefault }

type customerFields struct{ *Resolver }

// Customer implements ResolverRoot.
func (r *Resolver) Customer() CustomerResolver { return customerFields{r} }

// Customers are the merchant's.
func (r query) Customers(ctx context.Context, product *ProductRef, first *int32, after *string) (*Connection[Customer], error) {
	request, err := pageOf(first, after)
	if err != nil {
		return nil, err
	}
	productID, err := r.productFilter(ctx, product)
	if err != nil {
		return nil, err
	}
	customers, err := r.Accounts.Customers(ctx, callerOf(ctx), productID, request)
	return connect(customers, err, request.Size, showCustomer, (*Customer).rowID)
}

// Customer is the one that is referred to.
func (r query) Customer(ctx context.Context, in CustomerRef) (*Customer, error) {
	ref, err := customerRef("ref", in)
	if err != nil {
		return nil, err
	}
	customer, err := r.Accounts.Customer(ctx, callerOf(ctx), ref)
	return orNull(alone(customer, showCustomer), err)
}

// Company is the customer's.
func (r customerFields) Company(ctx context.Context, customer *Customer) (*Company, error) {
	return child(ctx, customer, customer.siblings, "company", func(c *Customer) int64 { return c.CompanyID }, r.companies)
}

// TestClock is the clock that the customer lives on, if any.
func (r customerFields) TestClock(ctx context.Context, customer *Customer) (*TestClock, error) {
	clock := func(c *Customer) int64 {
		if c.TestClockID == nil {
			return 0
		}
		return *c.TestClockID
	}
	return child(ctx, customer, customer.siblings, "testClock", clock, r.testClocks)
}

// PaymentMethods are the customer's.
func (r customerFields) PaymentMethods(ctx context.Context, customer *Customer) ([]*PaymentMethod, error) {
	return children(ctx, customer, customer.siblings, "PaymentMethod", (*Customer).rowID, r.Billing.PaymentMethods, showPaymentMethod)
}

// TokenUsage is how many tokens were minted for the customer.
func (r customerFields) TokenUsage(ctx context.Context, customer *Customer) ([]*TokenUsage, error) {
	return children(ctx, customer, customer.siblings, "TokenUsage", (*Customer).rowID, r.Audit.TokenUsage, showTokenUsage)
}

func (r *Resolver) customers(ctx context.Context, ids []int64) (map[int64]*Customer, error) {
	return readByID(ctx, "Customer", ids, r.Accounts.CustomersByID, showCustomer)
}

// CustomerCreate creates a customer.
func (r mutation) CustomerCreate(ctx context.Context, in CustomerCreateInput) (*CustomerCreatePayload, error) {
	customer, err := r.createCustomer(ctx, in)
	if err != nil {
		refused, err := userErrors(err)
		return &CustomerCreatePayload{UserErrors: refused}, err
	}
	return &CustomerCreatePayload{Customer: alone(customer, showCustomer)}, nil
}

func (r mutation) createCustomer(ctx context.Context, in CustomerCreateInput) (account.Customer, error) {
	company, err := optional("company", "Company", in.Company)
	if err != nil {
		return account.Customer{}, err
	}
	clock, err := optional("testClock", "TestClock", in.TestClock)
	if err != nil {
		return account.Customer{}, err
	}
	return r.Accounts.CustomerCreate(ctx, callerOf(ctx), account.CustomerCreate{
		Email: in.Email, Name: in.Name, Role: in.Role, Number: in.Number, UserMeta: in.UserMeta, CompanyID: company, TestClockID: clock,
	})
}

// PaymentMethodAttach attaches a payment method to a customer.
func (r mutation) PaymentMethodAttach(ctx context.Context, in PaymentMethodAttachInput) (*PaymentMethodAttachPayload, error) {
	method, err := r.attachMethod(ctx, in)
	if err != nil {
		refused, err := userErrors(err)
		return &PaymentMethodAttachPayload{UserErrors: refused}, err
	}
	return &PaymentMethodAttachPayload{PaymentMethod: &PaymentMethod{method}}, nil
}

func (r mutation) attachMethod(ctx context.Context, in PaymentMethodAttachInput) (billing.PaymentMethod, error) {
	customer, err := customerRef("customer", *in.Customer)
	if err != nil {
		return billing.PaymentMethod{}, err
	}
	return r.Billing.AttachPaymentMethod(ctx, callerOf(ctx), customer, in.Token)
}

func (r *Resolver) paymentMethods(ctx context.Context, ids []int64) (map[int64]*PaymentMethod, error) {
	return readByID(ctx, "PaymentMethod", ids, r.Billing.PaymentMethodsByID, showPaymentMethod)
}
