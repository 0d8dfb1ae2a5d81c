package billing

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/money"
)

func TestTheDueListsFollowTheState(t *testing.T) {
	t.Parallel()
	begin, end := instant("2026-03-01T00:00:00Z"), instant("2026-04-01T00:00:00Z")
	graceEnd := end.Add(7 * day)
	running := func(change func(*Subscription)) *Subscription {
		s := subscriptionAt(begin)
		s.Status, s.CurrentPeriodStart, s.CurrentPeriodEnd = Active, &begin, &end
		change(s)
		return s
	}
	cases := []struct {
		sentence string
		sub      *Subscription
		bill     *time.Time
		end      *time.Time
		access   *time.Time
	}{
		{"an active one is billed at its end and keeps access through the grace", running(func(*Subscription) {}), &end, nil, &graceEnd},
		{"one to be canceled ends with the period, without grace", running(func(s *Subscription) { s.CancelAtPeriodEnd = true }), nil, &end, &end},
		{"a trial with a card converts", running(func(s *Subscription) { s.Status = Trialing }), &end, nil, &graceEnd},
		{"a trial without a card ends", running(func(s *Subscription) { s.Status, s.paymentMethod = Trialing, nil }), nil, &end, &end},
		{"a free trial converts without a card", running(func(s *Subscription) {
			s.Status, s.paymentMethod, s.Unit.Minor = Trialing, nil, 0
		}), &end, nil, &graceEnd},
		{"an active one without a card is billed, to find out", running(func(s *Subscription) { s.paymentMethod = nil }), &end, nil, &graceEnd},
		{"one being charged is on no list but keeps its access", running(func(s *Subscription) { s.Charging = true }), nil, nil, &graceEnd},
		{"a past-due one loses access when its grace ends", running(func(s *Subscription) {
			s.Status, s.PastDueSince, s.BillAt = PastDue, &end, at(end.Add(3*day))
		}), at(end.Add(3 * day)), &graceEnd, &graceEnd},
		{"a suspended one waits for its next retry", running(func(s *Subscription) {
			s.Status, s.PastDueSince, s.BillAt, s.Suspended = PastDue, &end, at(end.Add(9*day)), true
		}), at(end.Add(9 * day)), nil, &graceEnd},
		{"a suspended one without a retry ends when dunning does", running(func(s *Subscription) {
			s.Status, s.PastDueSince, s.Suspended = PastDue, at(end.Add(time.Hour)), true
		}), nil, at(end.Add(7*day + time.Hour)), &graceEnd},
		{"an unpaid first checkout lasts 24 hours", running(func(s *Subscription) { s.Status = Incomplete }), nil, at(begin.Add(24 * time.Hour)), nil},
		{"an ended one is on no list", running(func(s *Subscription) { s.Status, s.EndedAt = Canceled, &end }), nil, nil, &end},
	}
	for _, c := range cases {
		t.Run(c.sentence, func(t *testing.T) {
			t.Parallel()
			c.sub.schedule()
			require.Equal(t, c.bill, c.sub.BillAt, "billed")
			require.Equal(t, c.end, c.sub.EndAt, "ends")
			require.Equal(t, c.access, c.sub.AccessUntil, "access")
		})
	}
}

func TestDunningRetriesOnItsDaysAndHardDeclinesWait(t *testing.T) {
	t.Parallel()
	end := instant("2026-04-01T00:00:00Z")
	s := subscriptionAt(end.AddDate(0, -1, 0))
	s.Status, s.CurrentPeriodStart, s.CurrentPeriodEnd = Active, at(end.AddDate(0, -1, 0)), &end
	var retries []time.Time
	for now := end; ; now = *s.BillAt {
		s.charge(1)
		s.unpaid(now, false)
		require.Equal(t, PastDue, s.Status)
		if s.BillAt == nil {
			break
		}
		retries = append(retries, *s.BillAt)
	}
	require.Equal(t, []time.Time{end.Add(3 * day), end.Add(5 * day), end.Add(7 * day)}, retries)
	require.EqualValues(t, 4, s.FailedAttempts)
	require.Equal(t, end.Add(7*day), *s.EndAt)

	s.charge(1)
	s.unpaid(end.Add(time.Hour), true)
	require.Nil(t, s.BillAt, "a hard decline waits for a new card")
	require.True(t, s.AwaitsNewCard)
}

func TestPayingLateBringsTheSubscriptionBackToItsPeriods(t *testing.T) {
	t.Parallel()
	anchor := instant("2026-01-31T00:00:00Z")
	s := subscriptionAt(anchor)
	s.Status, s.PeriodIndex = Active, 0
	start, end := periodBounds(anchor, Month, 0)
	s.CurrentPeriodStart, s.CurrentPeriodEnd = &start, &end
	n, from, to := s.nextPeriod()
	s.charge(7)
	s.unpaid(end, false)
	s.suspend()
	s.charge(7)
	s.paid(&Invoice{db.Invoice{PeriodIndex: n, PeriodStart: from, PeriodEnd: to}})
	require.Equal(t, Active, s.Status)
	require.Equal(t, instant("2026-02-28T00:00:00Z"), *s.CurrentPeriodStart)
	require.Equal(t, instant("2026-03-31T00:00:00Z"), *s.CurrentPeriodEnd)
	require.Equal(t, s.CurrentPeriodEnd, s.BillAt)
	require.Nil(t, s.PastDueSince)
	require.False(t, s.Suspended)
	require.Nil(t, s.OpenInvoiceID)
}

func TestCancelling(t *testing.T) {
	t.Parallel()
	begin, end := instant("2026-03-01T00:00:00Z"), instant("2026-04-01T00:00:00Z")
	now := begin.Add(day)
	cases := []struct {
		sentence    string
		status      string
		charging    bool
		atPeriodEnd bool
		want        string
		code        fault.Code
	}{
		{"at the period's end an active one goes on", Active, false, true, Active, ""},
		{"now it is over", Active, false, false, Canceled, ""},
		{"a trial can be canceled at its end", Trialing, false, true, Trialing, ""},
		{"a past-due one has no paid period to wait for", PastDue, false, true, Canceled, ""},
		{"an unpaid first checkout is over at once", Incomplete, false, true, Canceled, ""},
		{"an ended one cannot be canceled", Expired, false, true, Expired, fault.CodeConflict},
		{"one being charged must wait for the booking", Active, true, false, Active, fault.CodeConflict},
	}
	for _, c := range cases {
		t.Run(c.sentence, func(t *testing.T) {
			t.Parallel()
			s := subscriptionAt(begin)
			s.Status, s.Charging, s.CurrentPeriodStart, s.CurrentPeriodEnd = c.status, c.charging, &begin, &end
			err := s.cancel(now, c.atPeriodEnd, nil)
			require.Equal(t, c.want, s.Status)
			if c.code != "" {
				require.True(t, fault.Is(err, c.code))
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want != Canceled, s.CancelAtPeriodEnd)
			require.Equal(t, c.want != Canceled, s.givesAccess(now))
		})
	}
	t.Run("a cancellation ahead can be taken back", func(t *testing.T) {
		t.Parallel()
		s := subscriptionAt(begin)
		s.Status, s.CurrentPeriodStart, s.CurrentPeriodEnd = Active, &begin, &end
		require.True(t, fault.Is(s.uncancel(), fault.CodeConflict), "there is none yet")
		require.NoError(t, s.cancel(now, true, at("too dear")))
		require.NoError(t, s.uncancel())
		require.Nil(t, s.CanceledAt)
		require.Nil(t, s.CancelReason)
		require.Equal(t, &end, s.BillAt)
	})
}

func TestPaymentsAreBookedInBalance(t *testing.T) {
	t.Parallel()
	cases := []struct {
		sentence      string
		amount, fee   int64
		wantedEntries int
	}{
		{"with a fee there are three legs", 1999, 50, 3},
		{"without a fee there are two", 1999, 0, 2},
		{"a fee of everything leaves the merchant nothing", 100, 100, 2},
	}
	for _, c := range cases {
		t.Run(c.sentence, func(t *testing.T) {
			t.Parallel()
			p := payment{amount: money.Money{Minor: c.amount, Currency: "USD"}, fee: money.Money{Minor: c.fee, Currency: "USD"}}
			var sum int64
			for _, l := range p.legs() {
				sum += l.minor
				require.NotZero(t, l.minor)
			}
			require.Zero(t, sum)
			require.Len(t, p.legs(), c.wantedEntries)
		})
	}
}

func subscriptionAt(anchor time.Time) *Subscription {
	return &Subscription{
		Subscription: db.Subscription{MerchantID: 1, ID: 1, AnchorAt: anchor, CreatedAt: anchor, PeriodIndex: -1, Quantity: 1},
		Interval:     Month, Unit: money.Money{Minor: 1999, Currency: "USD"},
		grace: 7 * day, dunningDays: []int32{0, 3, 5, 7}, paymentMethod: at(int64(1)), gateway: "test",
	}
}
