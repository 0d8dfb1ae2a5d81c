package access

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/page"
)

// Seat is a customer's place in the subscription of a company.
type Seat struct {
	MerchantID     int64
	SubscriptionID int64
	CustomerID     int64
	Number         int32 // from 1
	Active         bool  // the subscription has as many seats as the number says
	AssignedAt     time.Time
}

// AssignSeat gives a customer of the company that holds the subscription the free seat with the lowest number: PLAN_LIMIT_REACHED when
// there is none. Who has a seat keeps it. Seats decide on access to products with seat assignment, and can be given before that is turned on.
func (a *Access) AssignSeat(ctx context.Context, caller account.Caller, subscriptionID int64, customer account.CustomerRef) (Seat, error) {
	found, err := a.Accounts.Customer(ctx, caller, customer)
	if err != nil {
		return Seat{}, err
	}
	var seat db.Seat
	err = a.DB.Tenant(caller.MerchantID).Tx(ctx, func(tx pgx.Tx) error {
		sub, err := a.DB.LockSeats(ctx, tx, db.LockSeatsParams{MerchantID: caller.MerchantID, ID: subscriptionID})
		switch {
		case db.IsNoRows(err):
			return fault.NotFound("subscription", "subscription")
		case err != nil:
			return err
		case sub.Ended:
			return fault.New(fault.CodeConflict, "subscription", "has already ended")
		case sub.Personal:
			return fault.New(fault.CodeConflict, "subscription", "is personal: nobody needs a seat")
		case found.CompanyID != sub.CompanyID:
			return fault.Invalid("customer", "does not belong to the company that holds the subscription")
		}
		seat, err = a.DB.SeatOf(ctx, tx, db.SeatOfParams{
			MerchantID: caller.MerchantID, SubscriptionID: subscriptionID, CustomerID: found.ID,
		})
		if err == nil && seat.Number <= sub.Quantity {
			return nil
		}
		if err != nil && !db.IsNoRows(err) {
			return err
		}
		seat, err = a.DB.TakeSeat(ctx, tx, db.TakeSeatParams{
			MerchantID: caller.MerchantID, SubscriptionID: subscriptionID, CustomerID: found.ID, Quantity: sub.Quantity, Now: a.Now(),
		})
		if db.IsNoRows(err) {
			return fault.New(fault.CodePlanLimitReached, "subscription", "has %d seats, and all are assigned", sub.Quantity)
		}
		return err
	})
	if err != nil {
		return Seat{}, fmt.Errorf("assign seat: %w", err)
	}
	return seatOf(seat, true), nil
}

// ReleaseSeat takes a customer's seat away, and access with it. Without a seat nothing changes.
func (a *Access) ReleaseSeat(ctx context.Context, caller account.Caller, subscriptionID int64, customer account.CustomerRef) error {
	found, err := a.Accounts.Customer(ctx, caller, customer)
	if err != nil {
		return err
	}
	err = a.DB.Tenant(caller.MerchantID).Tx(ctx, func(tx pgx.Tx) error {
		_, err := a.DB.LockSeats(ctx, tx, db.LockSeatsParams{MerchantID: caller.MerchantID, ID: subscriptionID})
		if db.IsNoRows(err) {
			return fault.NotFound("subscription", "subscription")
		}
		if err != nil {
			return err
		}
		_, err = a.DB.ReleaseSeat(ctx, tx, db.ReleaseSeatParams{
			MerchantID: caller.MerchantID, SubscriptionID: subscriptionID, CustomerID: found.ID,
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("release seat: %w", err)
	}
	return nil
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
		found[row.SubscriptionID] = append(found[row.SubscriptionID], seatOf(seat, row.Active))
	}
	return found, nil
}

func seatOf(row db.Seat, active bool) Seat {
	return Seat{row.MerchantID, row.SubscriptionID, row.CustomerID, row.Number, active, row.AssignedAt.UTC()}
}
