// Package access owns the answer to "may this customer use this product now?", the claims that are made of customers, and the tokens that
// carry both to products.
package access

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"portico/db"
	"portico/internal/account"
	"portico/internal/catalog"
	"portico/internal/fault"
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
}

// Reason says why access is allowed or not.
type Reason string

// The reasons, as in the schema's AccessReason.
const (
	Allowed           Reason = "ALLOWED"
	CustomerNotFound  Reason = "CUSTOMER_NOT_FOUND"
	NoSubscription    Reason = "NO_SUBSCRIPTION"
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
	Allowed    bool
	Reason     Reason
	Tier       *string
	Status     *string    // a SubscriptionStatus of the schema
	Seats      *int32     // how many people the subscription is for
	ExpiresAt  *time.Time // when access ends or ended, grace included; in the time of the subscription's test clock, if it has one
	UpgradeURL string
	Features   catalog.Features

	row db.AccessOfRow // what a token says beyond the decision
}

// Check answers from the customer's own subscription before the company's, and from one that grants access before one that does
// not: TRIALING, ACTIVE and PAST_DUE do until their access ends. An unknown customer is an answer, an unknown product is NOT_FOUND, as
// is every product but its own for a client.
// A customer may ask for itself only and knows of no other.
func (a *Access) Check(
	ctx context.Context, caller account.Caller, customer account.CustomerRef, product catalog.ProductRef,
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
	})
	if db.IsNoRows(err) || (err == nil && !caller.Reaches(row.ProductID)) {
		return Decision{}, fault.NotFound("product", "product")
	}
	if err != nil {
		return Decision{}, fmt.Errorf("decide on access: %w", err)
	}
	decision := Decision{
		Reason:     reason(row),
		Status:     row.Status,
		ExpiresAt:  inUTC(row.AccessUntil),
		UpgradeURL: catalog.UpgradeURL(a.Issuer, row.Shop, row.Identifier, row.UpgradeUrl),
		row:        row,
	}
	if decision.Reason != Allowed {
		return decision, nil
	}
	decision.Allowed, decision.Tier, decision.Seats = true, row.Tier, row.Quantity
	if decision.Features, err = catalog.ReadFeatures(row.Features); err != nil {
		return Decision{}, fmt.Errorf("decide on access: %w", err)
	}
	return decision, nil
}

func own(caller account.Caller) *int64 {
	if caller.InPortal() {
		return &caller.CustomerID // 0, and so nobody, for a person: whose customers are of several merchants
	}
	return nil
}

func checkRefs(customer account.CustomerRef, product catalog.ProductRef) error {
	var check fault.Check
	given := 0
	for _, is := range []bool{customer.ID != nil, customer.Number != nil, customer.Email != nil} {
		if is {
			given++
		}
	}
	if given != 1 {
		check.Add(fault.Invalid("customer", "must be given by exactly one of id, number and email"))
	}
	check.Add(product.Check("product"))
	return check.Err()
}

// searchable is the address as it may be stored. Postgres takes only UTF-8 without NUL, and nobody has the empty address.
func searchable(email *string) *string {
	if email == nil {
		return nil
	}
	trimmed := strings.TrimSpace(*email)
	if !utf8.ValidString(trimmed) || strings.ContainsRune(trimmed, 0) {
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
	case *row.Grants:
		return Allowed
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

// Feature tells whether the boolean of that name is on. A missing one is off, and so is every one without access.
func (d Decision) Feature(name string) bool { return d.Features.Bool(name) }

// LimitCheck is whether usage may grow.
type LimitCheck struct {
	Allowed    bool
	Limit      int64
	Current    int64
	Error      *string // a sentence for a person when usage may not grow
	UpgradeURL string
}

// Limit tells whether usage may grow beyond current: only from 0 on and while it is below the limit of that name. A missing limit
// is 0, and so is every one without access. Doors refuse a negative current as INVALID.
func (d Decision) Limit(name string, current int64) LimitCheck {
	limit := d.Features.Limit(name)
	check := LimitCheck{Allowed: 0 <= current && current < limit, Limit: limit, Current: current, UpgradeURL: d.UpgradeURL}
	if check.Allowed {
		return check
	}
	sentence := fmt.Sprintf("The plan allows %d for %s.", limit, name)
	switch {
	case !d.Allowed:
		sentence = "There is no active subscription."
	case limit == 0:
		sentence = fmt.Sprintf("The plan does not include %s.", name)
	}
	check.Error = &sentence
	return check
}
