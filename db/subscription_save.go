package db

import (
	"context"
	"time"
)

// Written by hand: sqlc has no arrays of nullable values.
const saveSubscriptions = `
update subscription s set
    customer_id = n.customer_id, plan_id = n.plan_id, price_id = n.price_id, quantity = n.quantity, status = n.status,
    anchor_at = n.anchor_at, period_index = n.period_index, current_period_start = n.current_period_start,
    current_period_end = n.current_period_end, trial_end = n.trial_end, cancel_at_period_end = n.cancel_at_period_end,
    cancel_reason = n.cancel_reason, canceled_at = n.canceled_at, ended_at = n.ended_at, past_due_since = n.past_due_since,
    failed_attempts = n.failed_attempts, awaits_new_card = n.awaits_new_card, suspended = n.suspended,
    open_invoice_id = n.open_invoice_id, charging = n.charging, bill_at = n.bill_at, end_at = n.end_at,
    access_until = n.access_until, test_clock_id = n.test_clock_id, event_sequence = n.event_sequence, updated_at = n.updated_at,
    reported_amount_minor = n.reported_amount_minor, remind_at = n.remind_at, reminded_for = n.reminded_for
from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::int[], $7::text[], $8::timestamptz[],
    $9::int[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[], $13::bool[], $14::text[], $15::timestamptz[],
    $16::timestamptz[], $17::timestamptz[], $18::int[], $19::bool[], $20::bool[], $21::bigint[], $22::bool[], $23::timestamptz[],
    $24::timestamptz[], $25::timestamptz[], $26::bigint[], $27::bigint[], $28::timestamptz[], $29::bigint[], $30::timestamptz[],
    $31::timestamptz[])
    as n (merchant_id, id, customer_id, plan_id, price_id, quantity, status, anchor_at, period_index, current_period_start,
    current_period_end, trial_end, cancel_at_period_end, cancel_reason, canceled_at, ended_at, past_due_since, failed_attempts,
    awaits_new_card, suspended, open_invoice_id, charging, bill_at, end_at, access_until, test_clock_id, event_sequence,
    updated_at, reported_amount_minor, remind_at, reminded_for)
where s.merchant_id = n.merchant_id and s.id = n.id`

// SaveSubscriptions writes back everything that may change of rows that the caller has locked, in one statement.
func (q *Queries) SaveSubscriptions(ctx context.Context, db DBTX, rows []*Subscription) error {
	_, err := db.Exec(ctx, saveSubscriptions,
		column(rows, func(s *Subscription) int64 { return s.MerchantID }),
		column(rows, func(s *Subscription) int64 { return s.ID }),
		column(rows, func(s *Subscription) int64 { return s.CustomerID }),
		column(rows, func(s *Subscription) int64 { return s.PlanID }),
		column(rows, func(s *Subscription) int64 { return s.PriceID }),
		column(rows, func(s *Subscription) int32 { return s.Quantity }),
		column(rows, func(s *Subscription) string { return s.Status }),
		column(rows, func(s *Subscription) time.Time { return s.AnchorAt }),
		column(rows, func(s *Subscription) int32 { return s.PeriodIndex }),
		column(rows, func(s *Subscription) *time.Time { return s.CurrentPeriodStart }),
		column(rows, func(s *Subscription) *time.Time { return s.CurrentPeriodEnd }),
		column(rows, func(s *Subscription) *time.Time { return s.TrialEnd }),
		column(rows, func(s *Subscription) bool { return s.CancelAtPeriodEnd }),
		column(rows, func(s *Subscription) *string { return s.CancelReason }),
		column(rows, func(s *Subscription) *time.Time { return s.CanceledAt }),
		column(rows, func(s *Subscription) *time.Time { return s.EndedAt }),
		column(rows, func(s *Subscription) *time.Time { return s.PastDueSince }),
		column(rows, func(s *Subscription) int32 { return s.FailedAttempts }),
		column(rows, func(s *Subscription) bool { return s.AwaitsNewCard }),
		column(rows, func(s *Subscription) bool { return s.Suspended }),
		column(rows, func(s *Subscription) *int64 { return s.OpenInvoiceID }),
		column(rows, func(s *Subscription) bool { return s.Charging }),
		column(rows, func(s *Subscription) *time.Time { return s.BillAt }),
		column(rows, func(s *Subscription) *time.Time { return s.EndAt }),
		column(rows, func(s *Subscription) *time.Time { return s.AccessUntil }),
		column(rows, func(s *Subscription) *int64 { return s.TestClockID }),
		column(rows, func(s *Subscription) int64 { return s.EventSequence }),
		column(rows, func(s *Subscription) time.Time { return s.UpdatedAt }),
		column(rows, func(s *Subscription) *int64 { return s.ReportedAmountMinor }),
		column(rows, func(s *Subscription) *time.Time { return s.RemindAt }),
		column(rows, func(s *Subscription) *time.Time { return s.RemindedFor }),
	)
	return err
}

func column[T any](rows []*Subscription, value func(*Subscription) T) []T {
	values := make([]T, len(rows))
	for i, row := range rows {
		values[i] = value(row)
	}
	return values
}
