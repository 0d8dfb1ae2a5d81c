package access

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/page"
	"portico/internal/settings"
)

// Seat is a customer's place in the subscription of a company.
type Seat struct {
	MerchantID     int64
	SubscriptionID int64
	CustomerID     int64
	Number         int32 // from 1
	Active         bool  // the subscription has as many seats as the number says
	AssignedAt     time.Time
	PayerID        int64  // the customer who pays for the subscription
	CustomerEmail  string // for the merchant, the payer and the customer to know
}

// AssignSeat gives a customer of the company that holds the subscription the free seat with the lowest number: PLAN_LIMIT_REACHED when
// there is none. Who has a seat keeps it. Seats decide on access to products with seat assignment, and can be given before that is turned on.
// In the portal the subscription's payer may do it, for people of the company: to the payer nobody else is there.
func (a *Access) AssignSeat(ctx context.Context, caller account.Caller, subscriptionID int64, customer account.CustomerRef) (Seat, error) {
	var given Seat
	err := a.changeSeats(ctx, caller, subscriptionID, customer, func(tx pgx.Tx, sub db.LockSeatsRow, whose account.Customer) error {
		switch {
		case sub.Ended:
			return fault.New(fault.CodeConflict, "subscription", "has already ended")
		case sub.Personal:
			return fault.New(fault.CodeConflict, "subscription", "is personal: nobody needs a seat")
		case whose.CompanyID != sub.CompanyID:
			return fault.Invalid("customer", "does not belong to the company that holds the subscription")
		}
		seat, err := a.DB.SeatOf(ctx, tx, db.SeatOfParams{
			MerchantID: whose.MerchantID, SubscriptionID: subscriptionID, CustomerID: whose.ID,
		})
		if err != nil && !db.IsNoRows(err) {
			return err
		}
		if err != nil || seat.Number > sub.Quantity {
			seat, err = a.DB.TakeSeat(ctx, tx, db.TakeSeatParams{
				MerchantID: whose.MerchantID, SubscriptionID: subscriptionID, CustomerID: whose.ID, Quantity: sub.Quantity, Now: a.Now(),
			})
		}
		if db.IsNoRows(err) {
			return fault.New(fault.CodePlanLimitReached, "subscription", "has %d seats, and all are assigned", sub.Quantity)
		}
		given = seatOf(seat, true, sub.CustomerID, whose.Email)
		return err
	})
	if err != nil {
		return Seat{}, fmt.Errorf("assign seat: %w", err)
	}
	return given, nil
}

// ReleaseSeat takes a customer's seat away, and access with it. Without a seat nothing changes. In the portal it is as for AssignSeat.
func (a *Access) ReleaseSeat(ctx context.Context, caller account.Caller, subscriptionID int64, customer account.CustomerRef) error {
	err := a.changeSeats(ctx, caller, subscriptionID, customer, func(tx pgx.Tx, _ db.LockSeatsRow, whose account.Customer) error {
		_, err := a.DB.ReleaseSeat(ctx, tx, db.ReleaseSeatParams{
			MerchantID: whose.MerchantID, SubscriptionID: subscriptionID, CustomerID: whose.ID,
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("release seat: %w", err)
	}
	return nil
}

// changeSeats locks the seats of a subscription for a change of one customer's.
func (a *Access) changeSeats(ctx context.Context, caller account.Caller, subscriptionID int64, customer account.CustomerRef,
	do func(pgx.Tx, db.LockSeatsRow, account.Customer) error,
) error {
	merchantID := caller.MerchantID
	if caller.InPortal() {
		merchantIDs, customerIDs := caller.Columns()
		seen, err := a.DB.SubscriptionsInSight(ctx, a.DB.Tenant(merchantIDs...), db.SubscriptionsInSightParams{
			MerchantIds: merchantIDs, CustomerIds: customerIDs, Ids: []int64{subscriptionID}, Before: math.MaxInt64, Lim: 1,
		})
		if err != nil {
			return fmt.Errorf("find the subscription in a caller's sight: %w", err)
		}
		if len(seen) == 0 {
			return fault.NotFound("subscription", "subscription")
		}
		merchantID = seen[0].MerchantID
	}
	// Whether there is such a customer is for those to know who may change seats.
	whose, unknown := a.Accounts.Customer(ctx, account.Caller{Kind: account.KindSystem, MerchantID: merchantID}, customer)
	if unknown != nil && fault.List(unknown) == nil {
		return unknown
	}
	return a.DB.Tenant(merchantID).Tx(ctx, func(tx pgx.Tx) error {
		sub, err := a.DB.LockSeats(ctx, tx, db.LockSeatsParams{MerchantID: merchantID, ID: subscriptionID})
		if db.IsNoRows(err) {
			err = fault.NotFound("subscription", "subscription")
		}
		if err != nil {
			return err
		}
		if caller.InPortal() {
			if !slices.Contains(caller.ActsFor(), account.CustomerKey{MerchantID: merchantID, CustomerID: sub.CustomerID}) {
				return fault.New(fault.CodeForbidden, "subscription", "can be changed only by the customer who pays for it")
			}
			if _, err := settings.Hold(ctx, a.DB, tx, caller, merchantID, sub.CustomerID, settings.AssignSeats); err != nil {
				return err
			}
			if unknown == nil && whose.CompanyID != sub.CompanyID {
				unknown = fault.NotFound("customer", "customer")
			}
		}
		if unknown != nil {
			return unknown
		}
		return do(tx, sub, whose)
	})
}

// SeatsOf lists the seats of each of the named subscriptions, which the caller has read before, by the subscription's id and in the order of
// their numbers: up to a row more than the page, which tells whether there is another.
func (a *Access) SeatsOf(ctx context.Context, refs []SubscriptionRef, p page.Request) (map[int64][]Seat, error) {
	params := db.SeatsOfSubscriptionsParams{After: int32(min(p.After, 1<<31-1)), Lim: p.Limit()} //nolint:gosec // bounded
	for _, ref := range refs {
		params.MerchantIds, params.Ids = append(params.MerchantIds, ref.MerchantID), append(params.Ids, ref.ID)
	}
	tenant := slices.Compact(slices.Sorted(slices.Values(params.MerchantIds)))
	rows, err := a.DB.SeatsOfSubscriptions(ctx, a.DB.Tenant(tenant...), params)
	if err != nil {
		return nil, fmt.Errorf("list seats of subscriptions: %w", err)
	}
	found := make(map[int64][]Seat, len(refs))
	for _, row := range rows {
		seat := db.Seat{
			MerchantID: row.MerchantID, SubscriptionID: row.SubscriptionID, CustomerID: row.CustomerID, Number: row.Number,
			AssignedAt: row.AssignedAt,
		}
		found[row.SubscriptionID] = append(found[row.SubscriptionID], seatOf(seat, row.Active, row.PayerID, row.Email))
	}
	return found, nil
}

func seatOf(row db.Seat, active bool, payerID int64, email string) Seat {
	return Seat{row.MerchantID, row.SubscriptionID, row.CustomerID, row.Number, active, row.AssignedAt.UTC(), payerID, email}
}
