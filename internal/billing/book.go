package billing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/gateway"
	"portico/internal/webhook"
)

// book writes down the outcomes: payment, ledger, invoice, subscription, events.
func (b *Billing) book(ctx context.Context, charged []db.OpenAttemptsRow, outcomes map[AttemptRef]gateway.Outcome) error {
	if len(outcomes) == 0 {
		return nil
	}
	var refs []AttemptRef
	var subRefs []Ref
	for _, a := range charged {
		ref := AttemptRef{a.MerchantID, a.ID}
		if _, known := outcomes[ref]; known {
			refs, subRefs = append(refs, ref), append(subRefs, Ref{a.MerchantID, a.SubscriptionID})
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	return b.bookTogether(ctx, refs, subRefs, outcomes)
}

// bookTogether books in one transaction, and where a row is to blame that it cannot, in halves: money that was taken is not left
// unbooked for the sake of another's. The one that stands alone in the end stays open and is reported.
func (b *Billing) bookTogether(ctx context.Context, refs []AttemptRef, subRefs []Ref, outcomes map[AttemptRef]gateway.Outcome) error {
	err := b.DB.System().Tx(ctx, func(tx pgx.Tx) error {
		subs, err := b.lock(ctx, tx, subRefs)
		if err != nil {
			return err
		}
		return b.bookIn(ctx, tx, subs, refs, outcomes)
	})
	switch {
	case err == nil:
		return nil
	case !blamesRow(err) || len(refs) == 1:
		return fmt.Errorf("book charges: %w", err)
	}
	half := len(refs) / 2
	return errors.Join(
		b.bookTogether(ctx, refs[:half], subRefs[:half], outcomes),
		b.bookTogether(ctx, refs[half:], subRefs[half:], outcomes))
}

// bookIn books what is still open behind the lock: another process may have booked some of it meanwhile.
func (b *Billing) bookIn(ctx context.Context, tx pgx.Tx, subs []*Subscription, refs []AttemptRef, outcomes map[AttemptRef]gateway.Outcome) error {
	open, err := b.openAttempts(ctx, tx, refs)
	if err != nil {
		return err
	}
	invoices, err := b.invoicesOf(ctx, tx, open)
	if err != nil {
		return err
	}
	bySub := make(map[Ref]*Subscription, len(subs))
	for _, s := range subs {
		bySub[Ref{s.MerchantID, s.ID}] = s
	}
	again := 0
	for _, a := range open {
		if bySub[Ref{a.MerchantID, a.SubscriptionID}].hasOtherMethod(a) {
			again++
		}
	}
	c, err := b.begin(ctx, tx, again)
	if err != nil {
		return err
	}
	for _, a := range open {
		s, i := bySub[Ref{a.MerchantID, a.SubscriptionID}], invoices[Ref{a.MerchantID, a.InvoiceID}]
		if err := c.bookOne(s, i, a, outcomes[AttemptRef{a.MerchantID, a.ID}]); err != nil {
			return &undecidable{fmt.Errorf("attempt %d: %w", a.ID, err)}
		}
	}
	return c.flush(ctx, 0)
}

func (b *Billing) invoicesOf(ctx context.Context, tx pgx.Tx, open []db.OpenAttemptsRow) (map[Ref]*Invoice, error) {
	var p db.InvoicesByIDParams
	for _, a := range open {
		p.MerchantIds = append(p.MerchantIds, a.MerchantID)
		p.Ids = append(p.Ids, a.InvoiceID)
	}
	rows, err := b.DB.InvoicesByID(ctx, tx, p)
	if err != nil {
		return nil, fmt.Errorf("read invoices: %w", err)
	}
	invoices := make(map[Ref]*Invoice, len(rows))
	for _, row := range rows {
		invoices[Ref{row.MerchantID, row.ID}] = &Invoice{row}
	}
	return invoices, nil
}

func (c *change) bookOne(s *Subscription, i *Invoice, a db.OpenAttemptsRow, outcome gateway.Outcome) error {
	now, ref := s.now(c.now), AttemptRef{a.MerchantID, a.ID}
	if outcome.State == gateway.Succeeded {
		c.finished = append(c.finished, finish{ref: ref, status: attemptSucceeded})
		return c.bookPaid(s, i, ref, now)
	}
	c.finished = append(c.finished, finish{ref: ref, status: attemptFailed, code: outcome.DeclineCode})
	wasIncomplete, firstOfStreak := s.Status == Incomplete, s.PastDueSince == nil
	newMethod := s.hasOtherMethod(a)
	s.unpaid(now, outcome.Hard && !newMethod)
	if err := c.emit(s, webhook.PaymentFailed, reasonUnpaid, i); err != nil || wasIncomplete {
		return err
	}
	if firstOfStreak {
		if err := c.emitPastDue(s, i); err != nil {
			return err
		}
	}
	if newMethod {
		c.attempt(s, i.ID)
	}
	return nil
}

// hasOtherMethod tells whether the payer has attached another payment method since the attempt was made.
func (s *Subscription) hasOtherMethod(a db.OpenAttemptsRow) bool {
	return s.paymentMethod != nil && *s.paymentMethod != a.PaymentMethodID
}

func (c *change) bookPaid(s *Subscription, i *Invoice, ref AttemptRef, now time.Time) error {
	first, reason := s.Status == Incomplete, ""
	if s.PastDueSince != nil {
		reason = reasonPaidLate
	}
	total := i.Total()
	c.close(i, InvoicePaid, now)
	paid := &payment{
		merchantID: s.MerchantID, invoiceID: i.ID, attemptID: ref.ID, customerID: i.CustomerID,
		amount: total, fee: total.BasisPoints(int64(s.feeBPS)), paidAt: now,
	}
	c.payments = append(c.payments, paid)
	s.paid(i)
	var err error
	if first {
		err = c.emitBegun(s, i)
	} else {
		err = c.emit(s, webhook.SubscriptionRenewed, reason, i)
	}
	if err != nil {
		return err
	}
	if err := c.emit(s, webhook.PaymentSucceeded, "", i); err != nil {
		return err
	}
	c.emitted[len(c.emitted)-1].payment = paid
	return nil
}

// emitPastDue tells of the trouble once per failure streak.
func (c *change) emitPastDue(s *Subscription, i *Invoice) error {
	if err := c.emit(s, webhook.SubscriptionUpdated, reasonUnpaid, nil); err != nil {
		return err
	}
	return c.emit(s, webhook.SubscriptionPastDue, reasonUnpaid, i)
}
