package graph

import (
	"context"
	"fmt"
	"slices"

	"portico/internal/access"
	"portico/internal/account"
)

// Seat is access.Seat as the schema shows it.
type Seat struct {
	access.Seat
	siblings *siblings[Seat]
}

func showSeat(row access.Seat, s *siblings[Seat]) *Seat { return &Seat{row, s} }

func (s *Seat) position() int64 { return int64(s.Number) }

type seatFields struct{ *Resolver }

// Seat implements ResolverRoot.
func (r *Resolver) Seat() SeatResolver { return seatFields{r} }

// Customer is whose seat it is.
func (r seatFields) Customer(ctx context.Context, seat *Seat) (*Customer, error) {
	return child(ctx, seat, seat.siblings, "customer", func(s *Seat) int64 { return s.CustomerID }, r.customers)
}

// Email is for those who may know whose seat it is.
func (r seatFields) Email(ctx context.Context, seat *Seat) (*string, error) {
	caller := callerOf(ctx)
	if !caller.InPortal() {
		return &seat.CustomerEmail, mayRead(caller, "Customer")
	}
	known := slices.ContainsFunc(caller.ActsFor(), func(key account.CustomerKey) bool {
		return key.MerchantID == seat.MerchantID && (key.CustomerID == seat.CustomerID || key.CustomerID == seat.PayerID)
	})
	if !known {
		return nil, nil //nolint:nilnil // null is the answer
	}
	return &seat.CustomerEmail, nil
}

// Seats are those that have been assigned.
func (r subscriptionFields) Seats(ctx context.Context, sub *Subscription, first *int32, after *string) (*Connection[Seat], error) {
	request, err := pageOf(first, after)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("seats %d %d", request.Size, request.After)
	found, err := together(sub.siblings, name, func(all []*Subscription) (map[int64][]access.Seat, error) {
		refs := make([]access.SubscriptionRef, len(all))
		for i, one := range all {
			refs[i] = access.SubscriptionRef{MerchantID: one.MerchantID, ID: one.rowID()}
		}
		return r.Access.SeatsOf(ctx, refs, request)
	})
	return connect(found[sub.rowID()], err, request.Size, showSeat, (*Seat).position)
}

// SeatAssign gives a customer a seat.
func (r mutation) SeatAssign(ctx context.Context, in SeatAssignInput) (*SeatAssignPayload, error) {
	seat, err := r.assign(ctx, in)
	if err != nil {
		refused, err := userErrors(err)
		return &SeatAssignPayload{UserErrors: refused}, err
	}
	return &SeatAssignPayload{Seat: alone(seat, showSeat)}, nil
}

func (r mutation) assign(ctx context.Context, in SeatAssignInput) (access.Seat, error) {
	id, err := rowID("subscription", "CustomerSubscription", in.Subscription)
	if err != nil {
		return access.Seat{}, err
	}
	customer, err := customerRef("customer", *in.Customer)
	if err != nil {
		return access.Seat{}, err
	}
	return r.Access.AssignSeat(ctx, callerOf(ctx), id, customer)
}

// SeatRelease takes a customer's seat away.
func (r mutation) SeatRelease(ctx context.Context, in SeatReleaseInput) (*SeatReleasePayload, error) {
	err := r.release(ctx, in)
	if err != nil {
		refused, err := userErrors(err)
		return &SeatReleasePayload{UserErrors: refused}, err
	}
	return &SeatReleasePayload{}, nil
}

func (r mutation) release(ctx context.Context, in SeatReleaseInput) error {
	id, err := rowID("subscription", "CustomerSubscription", in.Subscription)
	if err != nil {
		return err
	}
	customer, err := customerRef("customer", *in.Customer)
	if err != nil {
		return err
	}
	return r.Access.ReleaseSeat(ctx, callerOf(ctx), id, customer)
}
