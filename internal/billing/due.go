package billing

import (
	"portico/internal/webhook"

	"portico/db"
)

// due does what has fallen due for a subscription: endings before bills.
func (c *change) due(s *Subscription) error {
	if err := c.endOverrides(s); err != nil {
		return err
	}
	if err := c.remind(s); err != nil {
		return err
	}
	if err := c.endDue(s); err != nil {
		return err
	}
	return c.bill(s)
}

// bill renews a due subscription or tries again to collect its open invoice. One period per run: a system that stood still
// catches up period by period.
func (c *change) bill(s *Subscription) error {
	now := s.now(c.now)
	if s.Charging || s.BillAt == nil || s.BillAt.After(now) {
		return nil
	}
	if s.OpenInvoiceID != nil {
		c.collect(s, *s.OpenInvoiceID)
		return nil
	}
	i, err := c.invoice(s)
	if err != nil {
		return err
	}
	switch {
	case i.Status == InvoicePaid:
		s.paid(i)
		if err := c.emit(s, webhook.InvoiceCreated, "", i); err != nil {
			return err
		}
		return c.emit(s, webhook.SubscriptionRenewed, "", nil)
	case s.paymentMethod == nil:
		s.OpenInvoiceID = &i.ID
		s.unpaid(now, true)
		if err := c.emit(s, webhook.InvoiceCreated, "", i); err != nil {
			return err
		}
		return c.emitPastDue(s, i)
	}
	c.attempt(s, i.ID)
	return c.emit(s, webhook.InvoiceCreated, "", i)
}

// collect tries again with the default payment method; without one the subscription waits for it.
func (c *change) collect(s *Subscription, invoiceID int64) {
	if s.paymentMethod != nil {
		c.attempt(s, invoiceID)
		return
	}
	s.unpaid(s.now(c.now), true)
	c.save(s)
}

// endDue ends a due subscription, or its access while dunning still goes on.
func (c *change) endDue(s *Subscription) error {
	now := s.now(c.now)
	if s.Charging || s.EndAt == nil || s.EndAt.After(now) {
		return nil
	}
	due := *s.EndAt
	switch {
	case s.CancelAtPeriodEnd:
		s.end(due, Canceled)
		return c.emit(s, webhook.SubscriptionCanceled, reasonCanceled, nil)
	case s.Status == Incomplete:
		c.giveUp(s, InvoiceVoid)
		s.end(due, Expired)
		return c.emit(s, webhook.SubscriptionExpired, reasonNeverPaid, nil)
	case s.Status == PastDue && (s.BillAt != nil || now.Before(s.dunningEnd())):
		s.suspend()
		return c.emit(s, webhook.SubscriptionCanceled, reasonUnpaid, nil)
	}
	reason, lost := reasonTrialEnded, true
	if s.Source == FromMerchant {
		reason = reasonRanOut
	}
	if s.Status == PastDue {
		reason, lost = reasonUnpaid, !s.Suspended
		c.giveUp(s, InvoiceUncollectible)
	}
	s.end(due, Expired)
	if lost {
		if err := c.emit(s, webhook.SubscriptionCanceled, reason, nil); err != nil {
			return err
		}
	}
	return c.emit(s, webhook.SubscriptionExpired, reason, nil)
}

// giveUp closes the open invoice of a subscription that ends unpaid.
func (c *change) giveUp(s *Subscription, status string) {
	if s.OpenInvoiceID != nil {
		c.close(&Invoice{db.Invoice{MerchantID: s.MerchantID, ID: *s.OpenInvoiceID}}, status, s.now(c.now))
	}
}
