package verify

func dueChecks() []check {
	return []check{
		{invariant: 7, name: "what is due is done within the lag", ask: rows(overdueSubscriptions)},
		{invariant: 7, name: "no subscription outlasts its period and grace by more than the lag", ask: rows(overrunSubscriptions)},
		{invariant: 7, name: "a live subscription is on the due-lists of its state, and on none while charging", ask: rows(wronglyListed)},
		{invariant: 7, name: "an ended subscription waits for nothing", ask: rows(waitingEnded)},
		{invariant: 7, name: "the outcome of a charge is known within the lag", ask: rows(stuckAttempts)},
		{invariant: 7, name: "no charge is under way", ask: rows(openAttempts), weight: violationAtRest},
		{invariant: 7, name: "an advancing test clock is held by a worker, but for the lag", ask: rows(stalledClocks)},
		{invariant: 7, name: "test clocks stand still", ask: rows(advancingClocks), weight: violationAtRest},
		{invariant: 7, name: "no live subscription is in quarantine", ask: rows(quarantined), weight: notable},
	}
}

// The subscriptions that the sweeps or a clock look after, with the instant before which all work is done. While a clock advances
// that cannot be said, nor while a merchant is suspended and just after. When it stands it is the clock's time; what is due at that very time may have become so since.
const attended = `
with attended as (
    select s.*, coalesce(c.now_at, @overdue::timestamptz) as done_before
    from subscription s
    left join test_clock c on c.merchant_id = s.merchant_id and c.id = s.test_clock_id
    join merchant m on m.id = s.merchant_id
    where s.status not in ('CANCELED', 'EXPIRED') and not s.charging and s.quarantine_reason is null and c.target_at is null
      and m.suspended_at is null and coalesce(m.reinstated_at < @overdue::timestamptz, true)
)`

const overdueSubscriptions = attended + `
select 'subscription ' || merchant_id || '/' || id
from attended
where least(bill_at, end_at, override_end_at, remind_at) < done_before`

// Does not trust the due-lists. During dunning what is owed to the customer is the grace.
const overrunSubscriptions = attended + `
select 'subscription ' || merchant_id || '/' || id
from attended
where source = 'PORTAL'
  and case when status in ('TRIALING', 'ACTIVE') then current_period_end when status = 'PAST_DUE' and not suspended then access_until end
    < done_before`

const wronglyListed = `
select 'subscription ' || merchant_id || '/' || id
from subscription
where source = 'PORTAL'
  and case
    when charging then num_nonnulls(bill_at, end_at) <> 0
    when status in ('INCOMPLETE', 'TRIALING', 'ACTIVE') then num_nonnulls(bill_at, end_at) <> 1
    when status = 'PAST_DUE' then num_nonnulls(bill_at, end_at) = 0
  end`

const waitingEnded = `
select 'subscription ' || merchant_id || '/' || id
from subscription
where status in ('CANCELED', 'EXPIRED') and (charging or num_nonnulls(bill_at, end_at, remind_at, open_invoice_id) > 0)`

// A subscription that is being charged is on no due-list, so that nothing else would show that its charge was forgotten.
const stuckAttempts = `
select 'payment_attempt ' || merchant_id || '/' || id
from payment_attempt
where status = 'OPEN' and created_at < @overdue::timestamptz`

const openAttempts = `
select 'payment_attempt ' || merchant_id || '/' || id
from payment_attempt
where status = 'OPEN'`

const stalledClocks = `
select 'test_clock ' || merchant_id || '/' || id
from test_clock
where target_at is not null and lease_until < @overdue::timestamptz`

const advancingClocks = `
select 'test_clock ' || merchant_id || '/' || id
from test_clock
where target_at is not null`

const quarantined = `
select 'subscription ' || merchant_id || '/' || id
from subscription
where quarantine_reason is not null and status not in ('CANCELED', 'EXPIRED')`
