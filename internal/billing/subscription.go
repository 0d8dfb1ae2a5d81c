package billing

import (
	"encoding/json"
	"time"

	"portico/db"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/money"
)

// The statuses of a subscription, as in the schema's SubscriptionStatus.
const (
	Scheduled  = "SCHEDULED"
	Incomplete = "INCOMPLETE"
	Trialing   = "TRIALING"
	Active     = "ACTIVE"
	PastDue    = "PAST_DUE"
	Paused     = "PAUSED"
	Canceled   = "CANCELED"
	Expired    = "EXPIRED"
)

// incompleteFor is how long a first payment may stay open.
const incompleteFor = 24 * time.Hour

const (
	day              = 24 * time.Hour
	maxCancelReason  = 500
	reasonNeverPaid  = "incomplete_expired"
	reasonTrialEnded = "trial_ended"
	reasonUnpaid     = "payment_failed"
	reasonCanceled   = "canceled"
	reasonPaidLate   = "paid_late"
	reasonWonBack    = "won_back"
)

// Subscription is a company's subscription with what its transitions and events need to know of its terms and people. The
// methods that change it decide in memory; what they decide is written by a change set.
type Subscription struct {
	db.Subscription
	Interval string
	Unit     money.Money // what a period costs per seat

	tier              string
	features          json.RawMessage
	productIdentifier string
	customerNumber    int64
	customerEmail     string
	userMeta          json.RawMessage
	grace             time.Duration
	dunningDays       []int32
	feeBPS            int32
	paymentMethod     *int64
	gateway           string
	clock             *time.Time
	winsBack          bool // begins, for a holder who has lost the product before
	changed           bool // is part of a change already
}

func subscriptionOf(row db.SubscriptionDetailsRow) *Subscription {
	s := &Subscription{
		Subscription: row.Subscription, Interval: row.Interval, Unit: money.Money{Minor: row.AmountMinor, Currency: row.Currency},
		tier: row.Tier, features: row.Features, productIdentifier: row.ProductIdentifier,
		customerNumber: row.CustomerNumber, customerEmail: row.CustomerEmail, userMeta: row.UserMeta,
		grace: time.Duration(row.GraceDays) * day, dunningDays: row.DunningDays, feeBPS: row.PortalFeeBps,
		paymentMethod: row.PaymentMethodID, clock: row.ClockNow, winsBack: row.WinsBack,
	}
	if row.PaymentGateway != nil {
		s.gateway = *row.PaymentGateway
	}
	return s
}

// Live tells whether the subscription has not ended.
func (s *Subscription) Live() bool { return s.Status != Canceled && s.Status != Expired }

// now is the subscription's time: its test clock's where it has one.
func (s *Subscription) now(real time.Time) time.Time {
	if s.clock != nil {
		return *s.clock
	}
	return real
}

// amount is what a period costs for all seats.
func (s *Subscription) amount() (money.Money, error) { return s.Unit.Times(int64(s.Quantity)) }

// Includes is what the subscription includes now, in its own time.
func (s *Subscription) Includes(real time.Time) (catalog.Features, error) {
	return catalog.Entitled(s.features, s.FeatureOverrides, s.now(real))
}

// schedule derives from the state when the sweeps must look at the subscription next and until when it gives access. Every
// transition ends with it, so that no other place knows the due-lists.
func (s *Subscription) schedule() {
	retryAt := s.BillAt
	s.BillAt, s.EndAt, s.AccessUntil = nil, nil, nil
	switch s.Status {
	case Incomplete:
		s.EndAt = at(s.AnchorAt.Add(incompleteFor))
	case Trialing, Active:
		end := *s.CurrentPeriodEnd
		switch {
		case s.CancelAtPeriodEnd, (s.Status == Trialing || s.Source == FromMerchant) && !s.canBeCharged():
			s.EndAt, s.AccessUntil = &end, &end
		default:
			s.BillAt, s.AccessUntil = &end, at(end.Add(s.grace))
		}
	case PastDue:
		s.AccessUntil = at(s.CurrentPeriodEnd.Add(s.grace))
		s.BillAt = retryAt
		switch {
		case !s.Suspended:
			s.EndAt = s.AccessUntil
		case s.BillAt == nil:
			s.EndAt = at(s.dunningEnd())
		}
	case Canceled, Expired:
		s.AccessUntil = s.EndedAt
	}
	// While a charge is under way nothing else may happen: its booking schedules again.
	if s.Charging {
		s.BillAt, s.EndAt = nil, nil
	}
	s.RemindAt = s.remindAt()
}

// remindAt is when the end of the period is to be announced: of a trial to the merchant, and of a connected subscription that ends for want
// of a payment method to its payer. Each end is announced once.
func (s *Subscription) remindAt() *time.Time {
	ahead := remindAhead
	switch {
	case s.Charging:
		return nil
	case s.Status == Trialing:
		if s.CurrentPeriodEnd.Sub(*s.CurrentPeriodStart) <= remindAhead {
			ahead = day
		}
	case s.Status != Active || s.Source != FromMerchant || s.EndAt == nil || s.CancelAtPeriodEnd:
		return nil
	}
	if s.RemindedFor != nil && s.RemindedFor.Equal(*s.CurrentPeriodEnd) {
		return nil
	}
	return at(s.CurrentPeriodEnd.Add(-ahead))
}

// canBeCharged tells whether a renewal has a chance: something to charge, or nothing to pay.
func (s *Subscription) canBeCharged() bool { return s.paymentMethod != nil || s.Unit.Minor == 0 }

// startTrial begins a new subscription's trial. The trial's end is the anchor of the paid periods.
func (s *Subscription) startTrial(now time.Time, days int32) {
	end := now.Add(time.Duration(days) * day)
	s.Status, s.TrialEnd, s.AnchorAt, s.PeriodIndex = Trialing, &end, end, -1
	s.CurrentPeriodStart, s.CurrentPeriodEnd = &now, &end
	s.schedule()
}

// checkOutAgain puts a new checkout in the place of one that was never paid. Its terms must be read again afterwards.
func (s *Subscription) checkOutAgain(now time.Time, sale sale) {
	s.CustomerID, s.PlanID, s.PriceID, s.Quantity = sale.customer.ID, sale.plan.ID, sale.price.ID, sale.quantity
	s.TestClockID = sale.customer.TestClockID
	s.AnchorAt, s.OpenInvoiceID, s.FailedAttempts = now, nil, 0
	s.schedule()
}

// nextPeriod is the period that the next invoice is for.
func (s *Subscription) nextPeriod() (n int32, start, end time.Time) {
	n = s.PeriodIndex + 1
	start, end = periodBounds(s.AnchorAt, s.Interval, n)
	return n, start, end
}

// charge takes the subscription off the due-lists until the outcome of an attempt on the invoice is booked.
func (s *Subscription) charge(invoiceID int64) {
	s.OpenInvoiceID, s.Charging = &invoiceID, true
	s.schedule()
}

// paid extends the subscription to the invoice's period. The current period is always what has been paid for.
func (s *Subscription) paid(i *Invoice) {
	s.Status = Active
	s.PeriodIndex, s.CurrentPeriodStart, s.CurrentPeriodEnd = i.PeriodIndex, &i.PeriodStart, &i.PeriodEnd
	s.OpenInvoiceID, s.Charging = nil, false
	s.PastDueSince, s.FailedAttempts, s.AwaitsNewCard, s.Suspended = nil, 0, false, false
	s.schedule()
}

// unpaid records a failed attempt and plans the next one. Hard declines wait for another payment method.
func (s *Subscription) unpaid(now time.Time, hard bool) {
	s.Charging = false
	s.FailedAttempts++
	s.BillAt = nil
	if s.Status != Incomplete {
		if s.PastDueSince == nil {
			s.PastDueSince = &now
		}
		s.Status, s.AwaitsNewCard = PastDue, hard
		if !hard {
			s.BillAt = s.nextRetry(now)
		}
	}
	s.schedule()
}

// nextRetry is the first instant of the dunning schedule that still lies ahead, nil when dunning is over.
func (s *Subscription) nextRetry(now time.Time) *time.Time {
	for _, days := range s.dunningDays {
		if retry := s.PastDueSince.Add(time.Duration(days) * day); retry.After(now) {
			return &retry
		}
	}
	return nil
}

// dunningEnd is when an unpaid subscription is given up: when both the last retry and the grace lie behind.
func (s *Subscription) dunningEnd() time.Time {
	end := s.CurrentPeriodEnd.Add(s.grace)
	for _, days := range s.dunningDays {
		if retry := s.PastDueSince.Add(time.Duration(days) * day); retry.After(end) {
			end = retry
		}
	}
	return end
}

// cancel ends the subscription now, or when the paid period ends.
func (s *Subscription) cancel(now time.Time, atPeriodEnd bool, reason *string) error {
	switch {
	case !s.Live():
		return fault.New(fault.CodeConflict, "subscription", "has already ended")
	case s.Charging:
		return fault.New(fault.CodeConflict, "subscription", "a payment is under way; try again when it is booked")
	}
	s.CanceledAt, s.CancelReason = &now, reason
	// Without a paid period ahead there is nothing to wait for.
	if atPeriodEnd && s.CanEndLater(now) {
		s.CancelAtPeriodEnd = true
		s.schedule()
		return nil
	}
	s.end(now, Canceled)
	return nil
}

// CanEndLater tells whether there is a paid period ahead for whose end a cancellation can wait.
func (s *Subscription) CanEndLater(real time.Time) bool {
	return (s.Status == Active || s.Status == Trialing) && s.now(real).Before(*s.CurrentPeriodEnd)
}

// uncancel takes back a cancellation that has not taken effect.
func (s *Subscription) uncancel() error {
	switch {
	case !s.Live():
		return fault.New(fault.CodeConflict, "subscription", "has already ended")
	case !s.CancelAtPeriodEnd:
		return fault.New(fault.CodeConflict, "subscription", "is not going to be canceled")
	}
	s.CancelAtPeriodEnd, s.CanceledAt, s.CancelReason = false, nil, nil
	s.schedule()
	return nil
}

// suspend ends access while dunning goes on.
func (s *Subscription) suspend() {
	s.Suspended = true
	s.schedule()
}

func (s *Subscription) end(now time.Time, status string) {
	s.Status, s.EndedAt = status, &now
	s.CancelAtPeriodEnd, s.OpenInvoiceID = false, nil
	s.schedule()
}

// hasAccess tells whether the holder was last told to have access.
func (s *Subscription) hasAccess() bool {
	switch s.Status {
	case Trialing, Active, PastDue:
		return !s.Suspended
	}
	return false
}

// givesAccess tells whether the holder may use the product at an instant.
func (s *Subscription) givesAccess(now time.Time) bool {
	switch s.Status {
	case Trialing, Active, PastDue:
		return now.Before(*s.AccessUntil)
	}
	return false
}

func at[T any](v T) *T { return &v }
