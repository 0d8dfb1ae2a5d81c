package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// Months of real time are made to pass for many customers at once, so that sweeps find batches of them.
	monthsAtOnce = 30
	monthsEvery  = time.Second
)

// advance moves a clock by a month, waits until it stands there, and begins again.
func (m *merchant) advance(ctx context.Context, clock string) error {
	for m.market.rest(ctx, notYet) {
		now, ok, err := m.standing(ctx, clock)
		if err != nil || !ok {
			return err
		}
		to := now.AddDate(0, 1, 0)
		moved, err := m.client.do(ctx, "testClockAdvance", `mutation($in: TestClockAdvanceInput!) {
			testClockAdvance(input: $in) { testClock { id } userErrors { code message } } }`,
			object{"in": object{"testClock": clock, "to": to.Format(time.RFC3339Nano)}})
		if err != nil {
			return err
		}
		// Where an answer was lost the clock may be on its way already, or there.
		if moved.code != "" && !moved.again {
			m.market.failures.complain("testClockAdvance of %s to %s: %s: %s", clock, to, moved.code, moved.message)
		}
	}
	return nil
}

// standing waits until the clock stands still, and tells where; ok is false when the market closes before.
func (m *merchant) standing(ctx context.Context, clock string) (now time.Time, ok bool, err error) {
	for {
		got, err := m.client.do(ctx, "", `query($id: ID!) { node(id: $id) { ... on TestClock { status now } } }`, object{"id": clock})
		if err != nil {
			return now, false, err
		}
		if now, err = time.Parse(time.RFC3339, got.text("node.now")); err != nil {
			return now, false, fmt.Errorf("read clock %s: %w", clock, err)
		}
		if got.text("node.status") == "READY" {
			return now, true, nil
		}
		if !m.market.rest(ctx, notYet) {
			return now, false, nil
		}
	}
}

// months makes time pass for customers who live in real time: their past is moved back by about a month, so that the next period
// falls due. Nothing else brings the renewal sweep to work within a run.
func (m *market) months(ctx context.Context) error {
	for m.rest(ctx, monthsEvery) {
		// Postgres may just have been killed.
		if err := m.db.System().Tx(ctx, func(tx pgx.Tx) error { return passMonth(ctx, tx) }); err != nil {
			m.failures.note("months", err)
		}
	}
	return nil
}

func passMonth(ctx context.Context, tx pgx.Tx) error {
	statements := []string{
		`set local timezone to 'UTC'`,
		`create temporary table passing on commit drop as
			select s.merchant_id, s.id, s.anchor_at as anchor, s.period_index from subscription s where false`,
		// Now, so that it falls due at once; the day of the month may be one that the month before does not have.
		`insert into passing
			select merchant_id, id, clock_timestamp() - make_interval(months => period_index + 1), period_index
			from (
				select merchant_id, id, period_index from subscription
				where test_clock_id is null and status = 'ACTIVE' and not charging and open_invoice_id is null
					and current_period_end > clock_timestamp() + interval '1 day'
				order by random()
				limit ` + fmt.Sprint(monthsAtOnce) + `
				for update skip locked
			) s`,
		`update invoice i
			set period_start = p.anchor + make_interval(months => i.period_index),
				period_end = p.anchor + make_interval(months => i.period_index + 1)
			from passing p
			where i.merchant_id = p.merchant_id and i.subscription_id = p.id and i.kind = 'RENEWAL' and i.status <> 'VOID'`,
		`update subscription s
			set anchor_at = p.anchor, current_period_start = p.anchor + make_interval(months => p.period_index),
				current_period_end = q.period_end,
				bill_at = case when not s.cancel_at_period_end then q.period_end end,
				end_at = case when s.cancel_at_period_end then q.period_end end,
				access_until = q.period_end + case when s.cancel_at_period_end then interval '0' else make_interval(days => q.grace_days) end
			from passing p
			cross join lateral (
				select p.anchor + make_interval(months => p.period_index + 1) as period_end, m.grace_days from merchant m where m.id = p.merchant_id
			) q
			where s.merchant_id = p.merchant_id and s.id = p.id`,
	}
	for _, statement := range statements {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return fmt.Errorf("let a month pass: %w", err)
		}
	}
	return nil
}
