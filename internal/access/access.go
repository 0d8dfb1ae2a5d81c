// Package access owns the answer to "may this customer use this product now?", the claims that are made of customers, and the tokens that
// carry both to products.
package access

import (
	"context"
	"fmt"
	"strings"
	"time"

	"portico/db"
	"portico/internal/account"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/page"
	"portico/internal/secret"
	"portico/internal/webhook"
)

// Access decides on access and mints tokens.
type Access struct {
	DB       *db.DB
	Keys     *secret.Keyring
	Accounts *account.Accounts // finds and creates the customers that claims are about
	Webhooks *webhook.Webhooks // is told of claims
	Now      func() time.Time
	Issuer   string // the public URL of this installation: the iss of its tokens, and where its own upgrade pages are

	signing keyring
}

// Reason says why access is allowed or not.
type Reason string

// The reasons, as in the schema's AccessReason.
const (
	Allowed           Reason = "ALLOWED"
	CustomerNotFound  Reason = "CUSTOMER_NOT_FOUND"
	NoSubscription    Reason = "NO_SUBSCRIPTION"
	FeatureNotInPlan  Reason = "FEATURE_NOT_IN_PLAN"
	SeatNotAssigned   Reason = "SEAT_NOT_ASSIGNED"
	PaymentIncomplete Reason = "PAYMENT_INCOMPLETE"
	Canceled          Reason = "CANCELED"
	Expired           Reason = "EXPIRED"
	Paused            Reason = "PAUSED"
	NotStarted        Reason = "NOT_STARTED"
)

// Decision is whether a customer may use a product. What a subscription entitles to (Tier, Seats, Features) is there only when
// access is allowed, so that an app which forgets to look at Allowed still lets nobody in; Status and ExpiresAt are facts about
// the subscription that was looked at, allowed or not.
type Decision struct {
	Product    Product
	Allowed    bool
	Reason     Reason
	Tier       *string
	Status     *string    // a SubscriptionStatus of the schema
	Seats      *int32     // how many people the subscription is for
	ExpiresAt  *time.Time // when access ends or ended, grace included; in the time of the subscription's test clock, if it has one
	UpgradeURL string
	Features   catalog.Features

	merchantID int64
	row        db.AccessOfRow // what a token says beyond the decision
	used       map[string]int64
}

// Product is what a decision is about.
type Product struct {
	ID         int64
	Identifier string
	Name       string
	LogoURL    *string
}

// Check answers from the customer's own subscription before the company's, and from one that grants access before one that does
// not: TRIALING, ACTIVE and PAST_DUE do until their access ends. An unknown customer is an answer, an unknown product is NOT_FOUND, as
// is every product but its own for a client.
// A customer may ask for itself only and knows of no other.
func (a *Access) Check(
	ctx context.Context, caller account.Caller, customer account.CustomerRef, product catalog.ProductRef,
) (Decision, error) {
	return a.check(ctx, caller, customer, product, false)
}

// CheckUsage is Check with the stored usage, for Decision.Used.
func (a *Access) CheckUsage(
	ctx context.Context, caller account.Caller, customer account.CustomerRef, product catalog.ProductRef,
) (Decision, error) {
	return a.check(ctx, caller, customer, product, true)
}

func (a *Access) check(
	ctx context.Context, caller account.Caller, customer account.CustomerRef, product catalog.ProductRef, usage bool,
) (Decision, error) {
	if err := checkRefs(customer, product); err != nil {
		return Decision{}, err
	}
	row, err := a.DB.AccessOf(ctx, a.DB.Tenant(caller.MerchantID), db.AccessOfParams{
		MerchantID:        caller.MerchantID,
		CustomerID:        customer.ID,
		CustomerNumber:    customer.Number,
		CustomerEmail:     searchable(customer.Email),
		ProductID:         product.ID,
		ProductIdentifier: product.Identifier,
		OwnCustomerID:     own(caller),
		Now:               a.Now(),
		WithUsage:         usage,
	})
	if db.IsNoRows(err) || (err == nil && !caller.Reaches(row.ProductID)) {
		return Decision{}, fault.NotFound("product", "product")
	}
	if err != nil {
		return Decision{}, fmt.Errorf("decide on access: %w", err)
	}
	return a.decide(caller.MerchantID, row)
}

// CheckAll answers as Check does for every product, newest first: those that the customer has had a subscription to, and those that are on
// offer, which for a caller of the portal is only what has been approved. A client gets its own product. It gives up to a row more than the
// page, which tells whether there is another.
func (a *Access) CheckAll(
	ctx context.Context, caller account.Caller, customer account.CustomerRef, usage bool, p page.Request,
) ([]Decision, error) {
	var check fault.Check
	if checkCustomer(&check, customer); check.Err() != nil {
		return nil, check.Err()
	}
	params := db.AccessAllParams{
		MerchantID: caller.MerchantID, CustomerID: customer.ID, CustomerNumber: customer.Number, CustomerEmail: searchable(customer.Email),
		OwnCustomerID: own(caller), InPortal: caller.InPortal(), Now: a.Now(), WithUsage: usage, Before: p.Before(), Lim: p.Limit(),
	}
	if caller.Kind == account.KindClient {
		params.OnlyProductID = &caller.ProductID
	}
	rows, err := a.DB.AccessAll(ctx, a.DB.Tenant(caller.MerchantID), params)
	if err != nil {
		return nil, fmt.Errorf("decide on access to all products: %w", err)
	}
	decisions := make([]Decision, len(rows))
	for i, row := range rows {
		if decisions[i], err = a.decide(caller.MerchantID, db.AccessOfRow(row)); err != nil {
			return nil, err
		}
	}
	return decisions, nil
}

// decide is the decision for one product, by what the database says of it and the customer.
func (a *Access) decide(merchantID int64, row db.AccessOfRow) (Decision, error) {
	decision := Decision{
		Product:    Product{ID: row.ProductID, Identifier: row.Identifier, Name: row.ProductName, LogoURL: row.LogoUrl},
		Reason:     reason(row),
		Status:     row.Status,
		ExpiresAt:  inUTC(row.AccessUntil),
		UpgradeURL: catalog.UpgradeURL(a.Issuer, row.Shop, row.Identifier, row.UpgradeUrl),
		merchantID: merchantID,
		row:        row,
	}
	if decision.Reason != Allowed {
		return decision, nil
	}
	decision.Allowed, decision.Tier, decision.Seats = true, row.Tier, row.Quantity
	var err error
	if decision.Features, err = catalog.Entitled(row.Features, row.FeatureOverrides, row.LivesAt); err != nil {
		return Decision{}, fmt.Errorf("decide on access: %w", err)
	}
	if decision.used, err = readUsage(row.Used, decision.Features); err != nil {
		return Decision{}, fmt.Errorf("decide on access: %w", err)
	}
	return decision, nil
}

// Asking is the decision on one feature of the product: FEATURE_NOT_IN_PLAN where access is allowed and the subscription includes nothing
// of it. Everything else stays what it is for the product.
func (d Decision) Asking(feature string) Decision {
	if d.Allowed && !d.Features.Include(feature) {
		d.Allowed, d.Reason = false, FeatureNotInPlan
	}
	return d
}

func own(caller account.Caller) *int64 {
	if caller.InPortal() {
		return &caller.CustomerID // 0, and so nobody, for a person: whose customers are of several merchants
	}
	return nil
}

func checkRefs(customer account.CustomerRef, product catalog.ProductRef) error {
	var check fault.Check
	checkCustomer(&check, customer)
	check.Add(product.Check("product"))
	return check.Err()
}

func checkCustomer(check *fault.Check, customer account.CustomerRef) {
	given := 0
	for _, is := range []bool{customer.ID != nil, customer.Number != nil, customer.Email != nil} {
		if is {
			given++
		}
	}
	if given != 1 {
		check.Add(fault.Invalid("customer", "must be given by exactly one of id, number and email"))
	}
}

// searchable is the address as it may be stored. Postgres takes only UTF-8 without NUL, and nobody has the empty address.
func searchable(email *string) *string {
	if email == nil {
		return nil
	}
	trimmed := strings.TrimSpace(*email)
	if !storable(trimmed) || account.PassesForAnother(trimmed) {
		trimmed = ""
	}
	return &trimmed
}

func reason(row db.AccessOfRow) Reason {
	switch {
	case row.CustomerNumber == nil:
		return CustomerNotFound
	case row.Status == nil:
		return NoSubscription
	case row.Live && row.Seated:
		return Allowed
	case row.Live:
		return SeatNotAssigned
	}
	switch *row.Status {
	case "SCHEDULED":
		return NotStarted
	case "INCOMPLETE":
		return PaymentIncomplete
	case "PAUSED":
		return Paused
	case "CANCELED":
		return Canceled
	}
	// Access has ended, and what ends the subscription itself is on its way.
	if *row.CancelAtPeriodEnd && *row.Status != "EXPIRED" {
		return Canceled
	}
	return Expired
}

func inUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	utc := t.UTC()
	return &utc
}
