package access

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/page"
)

// staffed is a shop with seat assignment and a company with a subscription of two seats, which four of its customers share.
func staffed(t *testing.T) (s *shop, subscription int64, staff []int64) {
	t.Helper()
	s = newShop(t, newAccess(t), "acme")
	s.exec(`update product set seat_assignment = true`)
	company := s.company("Analytical Engines")
	for range 4 {
		staff = append(staff, s.insert(`
			insert into customer (merchant_id, number, email, name, company_id, created_at)
			select $1, n, n || '@example.com', 'x', $2, $3 from (select count(*) + 1 as n from customer) c returning id`, s.caller.MerchantID, company, piDay))
	}
	return s, s.subscribe(subscriptionOf(staff[0], company, 2)), staff
}

func subscriptionOf(customer, company int64, seats int32) subscription {
	return subscription{company: company, customer: customer, status: "ACTIVE", seats: seats}
}

func (s *shop) assign(subscription, customer int64) (Seat, error) {
	return s.a.AssignSeat(s.t.Context(), s.caller, subscription, account.CustomerRef{ID: &customer})
}

func (s *shop) reason(customer int64) Reason {
	s.t.Helper()
	decision, err := s.a.Check(s.t.Context(), s.caller, account.CustomerRef{ID: &customer}, payroll)
	require.NoError(s.t, err)
	require.Equal(s.t, decision.Reason == Allowed, decision.Allowed)
	return decision.Reason
}

func TestWithSeatAssignmentACompanysSubscriptionIsForThoseWithASeat(t *testing.T) {
	t.Parallel()
	s, sub, staff := staffed(t)
	for i, want := range []int32{1, 2} {
		require.Equal(t, SeatNotAssigned, s.reason(staff[i]))
		seat, err := s.assign(sub, staff[i])
		require.NoError(t, err)
		require.Equal(t, Seat{s.caller.MerchantID, sub, staff[i], want, true, seat.AssignedAt, staff[0], fmt.Sprintf("%d@example.com", i+1)}, seat)
		again, err := s.assign(sub, staff[i])
		require.NoError(t, err)
		require.Equal(t, seat, again)
		require.Equal(t, Allowed, s.reason(staff[i]))
	}
	_, err := s.assign(sub, staff[2])
	require.True(t, fault.Is(err, fault.CodePlanLimitReached))

	require.NoError(t, s.a.ReleaseSeat(t.Context(), s.caller, sub, account.CustomerRef{ID: &staff[0]}))
	require.NoError(t, s.a.ReleaseSeat(t.Context(), s.caller, sub, account.CustomerRef{ID: &staff[0]}))
	require.Equal(t, SeatNotAssigned, s.reason(staff[0]))
	seat, err := s.assign(sub, staff[2])
	require.NoError(t, err)
	require.Equal(t, int32(1), seat.Number)
	require.Equal(t, Allowed, s.reason(staff[2]))

	s.exec(`update product set seat_assignment = false`)
	require.Equal(t, Allowed, s.reason(staff[3]), "otherwise it is for all of the company")
	s.exec(`update subscription set status = 'PAUSED'`)
	s.exec(`update product set seat_assignment = true`)
	require.Equal(t, Paused, s.reason(staff[3]), "a seat would not help")
}

func TestWhenTheQuantityFallsTheHighestSeatsGiveNoAccess(t *testing.T) {
	t.Parallel()
	s, sub, staff := staffed(t)
	for _, customer := range staff[:2] {
		_, err := s.assign(sub, customer)
		require.NoError(t, err)
	}
	s.exec(`update subscription set quantity = 1`)
	require.Equal(t, Allowed, s.reason(staff[0]))
	require.Equal(t, SeatNotAssigned, s.reason(staff[1]))
	_, err := s.assign(sub, staff[1])
	require.True(t, fault.Is(err, fault.CodePlanLimitReached))
	seats, err := s.a.SeatsOf(t.Context(), []SubscriptionRef{{s.caller.MerchantID, sub}}, page.Request{Size: 1})
	require.NoError(t, err)
	require.Equal(t, []bool{true, false}, []bool{seats[sub][0].Active, seats[sub][1].Active}, "up to a row more than the page")
	seats, err = s.a.SeatsOf(t.Context(), []SubscriptionRef{{s.caller.MerchantID, sub}}, page.Request{Size: 1, After: 1})
	require.NoError(t, err)
	require.Len(t, seats[sub], 1)
	require.Equal(t, staff[1], seats[sub][0].CustomerID)

	require.NoError(t, s.a.ReleaseSeat(t.Context(), s.caller, sub, account.CustomerRef{ID: &staff[0]}))
	seat, err := s.assign(sub, staff[1])
	require.NoError(t, err)
	require.Equal(t, int32(1), seat.Number, "a seat that has come to nothing gives way to one that is free")
	require.Equal(t, Allowed, s.reason(staff[1]))
}

func TestSeatsAreNeverAssignedTwice(t *testing.T) {
	t.Parallel()
	s, sub, staff := staffed(t)
	var all sync.WaitGroup
	var given, refused atomic.Int64
	for _, customer := range append(staff, staff...) {
		all.Go(func() {
			_, err := s.assign(sub, customer)
			switch {
			case err == nil:
				given.Add(1)
			case fault.Is(err, fault.CodePlanLimitReached):
				refused.Add(1)
			}
		})
	}
	all.Wait()
	require.Equal(t, int64(8), given.Load()+refused.Load())
	require.Equal(t, int64(2), s.insert(`select count(*) from seat`))
}

func TestNobodyNeedsASeatInAPersonalSubscription(t *testing.T) {
	t.Parallel()
	s := newShop(t, newAccess(t), "acme")
	s.exec(`update product set seat_assignment = true`)
	company, personal := s.company("company"), s.company("personal")
	s.exec(`update company set personal = true where id = $1`, personal)
	customer := s.employee(company, &personal)
	s.subscribe(subscriptionOf(customer, company, 1))
	require.Equal(t, SeatNotAssigned, s.check().Reason)
	sub := s.subscribe(subscriptionOf(customer, personal, 1))
	require.Equal(t, Allowed, s.check().Reason, "one that grants access comes first")
	_, err := s.assign(sub, customer)
	require.True(t, fault.Is(err, fault.CodeConflict))
}

func TestSeatsThatCannotBeAssigned(t *testing.T) {
	t.Parallel()
	s, sub, staff := staffed(t)
	stranger, _ := s.person()
	_, err := s.assign(sub, stranger)
	require.True(t, fault.Is(err, fault.CodeInvalid))
	_, err = s.assign(sub+99, staff[0])
	require.True(t, fault.Is(err, fault.CodeNotFound))
	require.Equal(t, []string{"subscription"}, fault.List(err)[0].Field)
	require.True(t, fault.Is(s.a.ReleaseSeat(t.Context(), s.caller, sub+99, account.CustomerRef{ID: &staff[0]}), fault.CodeNotFound))
	_, err = s.assign(sub, stranger+99)
	require.True(t, fault.Is(err, fault.CodeNotFound))
	s.exec(`update subscription set status = 'CANCELED', ended_at = $1, access_until = $1`, piDay)
	_, err = s.assign(sub, staff[0])
	require.True(t, fault.Is(err, fault.CodeConflict))
}

func TestSeatsDecideInTheListOfAllProductsToo(t *testing.T) {
	t.Parallel()
	s, sub, staff := staffed(t)
	_, err := s.assign(sub, staff[0])
	require.NoError(t, err)
	for i, want := range []Reason{Allowed, SeatNotAssigned} {
		decisions, err := s.a.CheckAll(t.Context(), s.caller, account.CustomerRef{ID: &staff[i]}, false, page.Request{Size: 10})
		require.NoError(t, err)
		require.Equal(t, want, decisions[0].Reason)
	}
	_, err = s.a.LaunchTokenCreate(t.Context(), s.caller, account.CustomerRef{ID: &staff[1]}, catalog.ProductRef{ID: &s.product})
	require.True(t, fault.Is(err, fault.CodeNoActiveSubscription))
}
