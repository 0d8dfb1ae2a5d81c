package billing

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"portico/db"
	"portico/internal/webhook"
)

// change collects what a transaction decides about any number of subscriptions, so that one sale and a batch of a thousand
// renewals are written by the same few set-based statements.
type change struct {
	b   *Billing
	tx  pgx.Tx
	now time.Time // real time; a subscription on a test clock has its own

	saved      []*Subscription
	overridden []*Subscription
	invoices   []*Invoice
	closed     []*Invoice
	attempts   []Attempt
	finished   []finish
	payments   []*payment
	emitted    []emission
	needed     []*Subscription // whose payers are to be told that they end without a payment method

	invoiceIDs, attemptIDs []int64
}

// emission is an event and what it tells of. An invoice has its number, and a payment its id, only when the change is written.
type emission struct {
	event   webhook.Event
	invoice *Invoice
	payment *payment
}

// finish is the outcome of an attempt.
type finish struct {
	ref    AttemptRef
	status string
	code   string
}

// The statuses of a finished payment attempt.
const (
	attemptSucceeded = "SUCCEEDED"
	attemptFailed    = "FAILED"
)

// begin prepares a change for up to n subscriptions with new invoices or attempts; n only sizes the reservation of ids.
func (b *Billing) begin(ctx context.Context, tx pgx.Tx, n int) (*change, error) {
	c := &change{b: b, tx: tx, now: b.Now()}
	if n == 0 {
		return c, nil
	}
	var err error
	if c.invoiceIDs, err = b.DB.ReserveInvoiceIDs(ctx, tx, int32(n)); err != nil { //nolint:gosec // a batch size
		return nil, fmt.Errorf("reserve invoice ids: %w", err)
	}
	if c.attemptIDs, err = b.DB.ReserveAttemptIDs(ctx, tx, int32(n)); err != nil { //nolint:gosec // a batch size
		return nil, fmt.Errorf("reserve attempt ids: %w", err)
	}
	return c, nil
}

// save marks the subscription as changed.
func (c *change) save(s *Subscription) {
	s.UpdatedAt = s.now(c.now)
	if !s.changed {
		s.changed = true
		c.saved = append(c.saved, s)
	}
}

// emit records an event about the subscription in its present state and, unless it is nil, an invoice.
func (c *change) emit(s *Subscription, kind webhook.Type, reason string, about *Invoice) error {
	data, err := s.eventData(reason, s.now(c.now))
	if err != nil {
		return err
	}
	s.EventSequence++
	c.emitted = append(c.emitted, emission{invoice: about, event: webhook.Event{
		MerchantID: s.MerchantID, SubscriptionID: s.ID, ProductID: s.ProductID, Type: kind,
		Sequence: s.EventSequence, OccurredAt: s.now(c.now), Data: data,
	}})
	c.save(s)
	return nil
}

// invoice opens the invoice for the subscription's next period.
func (c *change) invoice(s *Subscription) (*Invoice, error) {
	amount, err := s.amount()
	if err != nil {
		return nil, err
	}
	n, start, end := s.nextPeriod()
	i := &Invoice{db.Invoice{
		MerchantID: s.MerchantID, ID: c.invoiceIDs[0], SubscriptionID: s.ID, CustomerID: s.CustomerID, Kind: KindRenewal,
		Status: InvoiceOpen, Currency: amount.Currency, AmountMinor: amount.Minor,
		PeriodIndex: n, PeriodStart: start, PeriodEnd: end, CreatedAt: s.now(c.now),
	}}
	if amount.Minor == 0 {
		i.Status = InvoicePaid
	}
	c.invoiceIDs = c.invoiceIDs[1:]
	c.invoices = append(c.invoices, i)
	return i, nil
}

// attempt begins to collect an invoice with the payer's default payment method.
func (c *change) attempt(s *Subscription, invoiceID int64) {
	a := Attempt{
		MerchantID: s.MerchantID, ID: c.attemptIDs[0], InvoiceID: invoiceID, SubscriptionID: s.ID,
		PaymentMethodID: *s.paymentMethod, Gateway: s.gateway,
	}
	c.attemptIDs = c.attemptIDs[1:]
	c.attempts = append(c.attempts, a)
	s.charge(invoiceID)
	c.save(s)
}

// close settles an open invoice.
func (c *change) close(i *Invoice, status string, now time.Time) {
	i.Status, i.ClosedAt = status, &now
	c.closed = append(c.closed, i)
}

// flush writes everything and, in the same transaction, the jobs that make the charges. A caller that makes them itself gets
// a head start: its jobs only take over should it die.
func (c *change) flush(ctx context.Context, headStart time.Duration) error {
	steps := []struct {
		name  string
		write func(context.Context) error
	}{
		{"close invoices", c.writeClosed}, // first: a void invoice makes room for another of the same period
		{"write invoices", c.writeInvoices},
		{"finish payment attempts", c.writeFinished}, // likewise before the next attempt on the same invoice
		{"write payment attempts", c.writeAttempts},
		{"write payments", c.writePayments},
		{"save subscriptions", c.writeSubscriptions},
		{"save feature overrides", c.writeOverrides},
		{"mail reminders", c.mailNeeds},
		{"publish events", c.publish},
		{"insert charge jobs", func(ctx context.Context) error { return c.insertCharges(ctx, headStart) }},
	}
	for _, step := range steps {
		if err := step.write(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

func (c *change) writeSubscriptions(ctx context.Context) error {
	if len(c.saved) == 0 {
		return nil
	}
	rows := make([]*db.Subscription, len(c.saved))
	for i, s := range c.saved {
		rows[i] = &s.Subscription
	}
	return c.b.DB.SaveSubscriptions(ctx, c.tx, rows)
}

func (c *change) writeInvoices(ctx context.Context) error {
	if len(c.invoices) == 0 {
		return nil
	}
	if err := c.numberInvoices(ctx); err != nil {
		return err
	}
	var p db.InsertInvoicesParams
	for _, i := range c.invoices {
		p.MerchantIds = append(p.MerchantIds, i.MerchantID)
		p.Ids = append(p.Ids, i.ID)
		p.Numbers = append(p.Numbers, i.Number)
		p.SubscriptionIds = append(p.SubscriptionIds, i.SubscriptionID)
		p.CustomerIds = append(p.CustomerIds, i.CustomerID)
		p.Kinds = append(p.Kinds, i.Kind)
		p.Statuses = append(p.Statuses, i.Status)
		p.Currencies = append(p.Currencies, i.Currency)
		p.Amounts = append(p.Amounts, i.AmountMinor)
		p.PeriodIndexes = append(p.PeriodIndexes, i.PeriodIndex)
		p.PeriodStarts = append(p.PeriodStarts, i.PeriodStart)
		p.PeriodEnds = append(p.PeriodEnds, i.PeriodEnd)
		p.CreatedAts = append(p.CreatedAts, i.CreatedAt)
	}
	return c.b.DB.InsertInvoices(ctx, c.tx, p)
}

// numberInvoices gives consecutive numbers within each merchant. The counters are the last rows that any transaction locks.
func (c *change) numberInvoices(ctx context.Context) error {
	counts := map[int64]int64{}
	for _, i := range c.invoices {
		counts[i.MerchantID]++
	}
	var p db.TakeInvoiceNumbersParams
	for merchantID, n := range counts {
		p.MerchantIds = append(p.MerchantIds, merchantID)
		p.Counts = append(p.Counts, n)
	}
	if _, err := c.b.DB.LockMerchantCounters(ctx, c.tx, p.MerchantIds); err != nil {
		return err
	}
	rows, err := c.b.DB.TakeInvoiceNumbers(ctx, c.tx, p)
	if err != nil {
		return err
	}
	next := map[int64]int64{}
	for _, row := range rows {
		next[row.ID] = row.InvoiceCounter - counts[row.ID]
	}
	for _, i := range c.invoices {
		next[i.MerchantID]++
		i.Number = next[i.MerchantID]
	}
	return nil
}

func (c *change) writeClosed(ctx context.Context) error {
	if len(c.closed) == 0 {
		return nil
	}
	var p db.CloseInvoicesParams
	for _, i := range c.closed {
		p.MerchantIds = append(p.MerchantIds, i.MerchantID)
		p.Ids = append(p.Ids, i.ID)
		p.Statuses = append(p.Statuses, i.Status)
		p.ClosedAts = append(p.ClosedAts, *i.ClosedAt)
	}
	closed, err := c.b.DB.CloseInvoices(ctx, c.tx, p)
	if err == nil && closed != int64(len(c.closed)) {
		err = &undecidable{fmt.Errorf("%d of %d invoices were not open", int64(len(c.closed))-closed, len(c.closed))}
	}
	return err
}

func (c *change) writeAttempts(ctx context.Context) error {
	if len(c.attempts) == 0 {
		return nil
	}
	p := db.InsertAttemptsParams{CreatedAt: c.now}
	for _, a := range c.attempts {
		p.MerchantIds = append(p.MerchantIds, a.MerchantID)
		p.Ids = append(p.Ids, a.ID)
		p.InvoiceIds = append(p.InvoiceIds, a.InvoiceID)
		p.SubscriptionIds = append(p.SubscriptionIds, a.SubscriptionID)
		p.PaymentMethodIds = append(p.PaymentMethodIds, a.PaymentMethodID)
		p.Gateways = append(p.Gateways, a.Gateway)
	}
	return c.b.DB.InsertAttempts(ctx, c.tx, p)
}

func (c *change) writeFinished(ctx context.Context) error {
	if len(c.finished) == 0 {
		return nil
	}
	p := db.FinishAttemptsParams{FinishedAt: c.now}
	for _, f := range c.finished {
		p.MerchantIds = append(p.MerchantIds, f.ref.MerchantID)
		p.Ids = append(p.Ids, f.ref.ID)
		p.Statuses = append(p.Statuses, f.status)
		p.DeclineCodes = append(p.DeclineCodes, f.code)
	}
	return c.b.DB.FinishAttempts(ctx, c.tx, p)
}

// writePayments writes the payments and books them.
func (c *change) writePayments(ctx context.Context) error {
	if len(c.payments) == 0 {
		return nil
	}
	n := int32(len(c.payments)) //nolint:gosec // a batch size
	ids, err := c.b.DB.ReservePaymentIDs(ctx, c.tx, n)
	if err != nil {
		return err
	}
	transactions, err := c.b.DB.ReserveLedgerTransactionIDs(ctx, c.tx, n)
	if err != nil {
		return err
	}
	var p db.InsertPaymentsParams
	var l db.InsertLedgerEntriesParams
	for i, pay := range c.payments {
		pay.id = ids[i]
		p.MerchantIds = append(p.MerchantIds, pay.merchantID)
		p.Ids = append(p.Ids, pay.id)
		p.InvoiceIds = append(p.InvoiceIds, pay.invoiceID)
		p.AttemptIds = append(p.AttemptIds, pay.attemptID)
		p.CustomerIds = append(p.CustomerIds, pay.customerID)
		p.Currencies = append(p.Currencies, pay.amount.Currency)
		p.Amounts = append(p.Amounts, pay.amount.Minor)
		p.Fees = append(p.Fees, pay.fee.Minor)
		p.PaidAts = append(p.PaidAts, pay.paidAt)
		for _, one := range pay.legs() {
			l.MerchantIds = append(l.MerchantIds, pay.merchantID)
			l.TransactionIds = append(l.TransactionIds, transactions[i])
			l.Accounts = append(l.Accounts, one.account)
			l.Currencies = append(l.Currencies, pay.amount.Currency)
			l.Amounts = append(l.Amounts, one.minor)
			l.PaymentIds = append(l.PaymentIds, pay.id)
			l.CreatedAts = append(l.CreatedAts, pay.paidAt)
		}
	}
	if err := c.b.DB.InsertPayments(ctx, c.tx, p); err != nil {
		return err
	}
	return c.b.DB.InsertLedgerEntries(ctx, c.tx, l)
}

func (c *change) publish(ctx context.Context) error {
	if len(c.emitted) == 0 {
		return nil
	}
	events := make([]webhook.Event, len(c.emitted))
	for i, e := range c.emitted {
		if e.invoice != nil {
			e.event.Data = append(e.event.Data, webhook.Member{Key: "invoice", Value: e.invoice.eventData()})
		}
		if e.payment != nil {
			e.event.Data = append(e.event.Data, webhook.Member{Key: "payment", Value: e.payment.eventData()})
		}
		events[i] = e.event
	}
	return c.b.Webhooks.Publish(ctx, c.tx, events)
}

// insertCharges hands the new attempts to charge jobs, several attempts to a job so that they are booked together.
func (c *change) insertCharges(ctx context.Context, headStart time.Duration) error {
	if len(c.attempts) == 0 {
		return nil
	}
	var opts *river.InsertOpts
	if headStart > 0 {
		opts = &river.InsertOpts{ScheduledAt: c.now.Add(headStart)}
	}
	var params []river.InsertManyParams
	for chunk := range slices.Chunk(c.attempts, attemptsPerJob) {
		refs := make([]AttemptRef, len(chunk))
		for i, a := range chunk {
			refs[i] = a.ref()
		}
		params = append(params, river.InsertManyParams{Args: ChargeArgs{Attempts: refs}, InsertOpts: opts})
	}
	_, err := c.b.Jobs.InsertManyFastTx(ctx, c.tx, params)
	return err
}
