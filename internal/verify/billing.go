package verify

func billingChecks() []check {
	return []check{
		{invariant: 2, name: "a subscription has one renewal invoice per period", ask: rows(repeatedPeriods)},
		{invariant: 2, name: "period indexes count up from 0", ask: rows(missingPeriods)},
		{invariant: 2, name: "a period begins where the one before it ends", ask: rows(gapsBetweenPeriods)},
		{invariant: 2, name: "periods do not overlap", ask: rows(overlappingPeriods)},
		{invariant: 2, name: "periods end where the anchor puts them", ask: rows(driftedPeriods)},
		{invariant: 2, name: "the current period is that of the last paid renewal invoice", ask: rows(unpaidCurrentPeriods)},
		{invariant: 2, name: "an invoice has at most one open or succeeded attempt", ask: rows(repeatedAttempts)},
		{invariant: 2, name: "a subscription is charging exactly while an attempt on its open invoice is open", ask: rows(wronglyCharging)},
		{invariant: 2, name: "the open invoice of a subscription is open and its own", ask: rows(wrongOpenInvoices)},
		{invariant: 2, name: "an open renewal invoice is the open invoice of its subscription", ask: rows(forgottenInvoices)},
		{invariant: 2, name: "a paid invoice that costs something has one payment of its amount, other invoices have none", ask: rows(wronglyPaidInvoices)},
		{invariant: 2, name: "a payment has a succeeded attempt on its invoice, and such an attempt a payment", ask: rows(unmatchedPayments)},
		{invariant: 2, name: "invoice numbers of a merchant count up from 1", ask: rows(missingInvoiceNumbers)},
		{invariant: 2, name: "the invoice counter of a merchant stands at its last number", ask: rows(wrongInvoiceCounters)},
	}
}

// The periods that count, each with the one before it. The index begins again at 0 with every new anchor.
const periods = `
with period as (
    select merchant_id, subscription_id, id, period_index, period_start, period_end,
        lag(period_index) over w as previous_index, lag(period_start) over w as previous_start, lag(period_end) over w as previous_end,
        lag(status) over w as previous_status,
        count(*) filter (where period_index = 0) over w as anchors
    from invoice
    where kind = 'RENEWAL' and status <> 'VOID'
    window w as (partition by merchant_id, subscription_id order by period_start, period_index, id)
)`

const repeatedPeriods = periods + `
select 'invoice ' || merchant_id || '/' || id
from period
where period_start = previous_start`

const missingPeriods = periods + `
select 'invoice ' || merchant_id || '/' || id
from period
where period_index <> 0 and previous_index is distinct from period_index - 1`

const gapsBetweenPeriods = periods + `
select 'invoice ' || merchant_id || '/' || id
from period
where period_index = previous_index + 1 and period_start > previous_end`

// A merchant can report a subscription active again whose last period nobody paid: a new anchor may lie within that.
const overlappingPeriods = periods + `
select 'invoice ' || merchant_id || '/' || id
from period
where period_start > previous_start and period_start < previous_end and not (period_index = 0 and previous_status = 'UNCOLLECTIBLE')`

// Only the last anchor is known. Adding months to a time without time zone clips the day to the month's last, as the anchor rule
// does, and does not depend on where the session is.
const driftedPeriods = periods + `, last_anchor as (
    select *, max(anchors) over (partition by merchant_id, subscription_id) as last from period
)
select 'invoice ' || p.merchant_id || '/' || p.id
from last_anchor p
join subscription s on s.merchant_id = p.merchant_id and s.id = p.subscription_id
join price on price.merchant_id = s.merchant_id and price.id = s.price_id
where p.anchors = p.last and s.period_index >= 0
  and ((p.period_index = 0 and p.period_start <> s.anchor_at)
    or p.period_end <> ((s.anchor_at at time zone 'UTC')
        + make_interval(months => (p.period_index + 1) * case price.interval when 'YEAR' then 12 else 1 end)) at time zone 'UTC')`

const unpaidCurrentPeriods = `
with last_paid as (
    select distinct on (merchant_id, subscription_id) merchant_id, subscription_id, period_index, period_start, period_end
    from invoice
    where kind = 'RENEWAL' and status = 'PAID'
    order by merchant_id, subscription_id, period_start desc
)
select 'subscription ' || s.merchant_id || '/' || s.id
from subscription s
left join last_paid p on p.merchant_id = s.merchant_id and p.subscription_id = s.id
where (s.source = 'PORTAL' or s.period_index >= 0) and (s.status = 'ACTIVE' or s.period_index >= 0)
  and (s.period_index, s.current_period_start, s.current_period_end) is distinct from (p.period_index, p.period_start, p.period_end)`

const repeatedAttempts = `
select 'invoice ' || merchant_id || '/' || invoice_id
from payment_attempt
where status in ('OPEN', 'SUCCEEDED')
group by merchant_id, invoice_id
having count(*) > 1`

const wronglyCharging = `
with charged as (
    select merchant_id, subscription_id, min(invoice_id) as invoice_id, max(invoice_id) as other_invoice_id
    from payment_attempt
    where status = 'OPEN'
    group by merchant_id, subscription_id
)
select 'subscription ' || coalesce(s.merchant_id, c.merchant_id) || '/' || coalesce(s.id, c.subscription_id)
from subscription s
full join charged c on c.merchant_id = s.merchant_id and c.subscription_id = s.id
where s.charging is distinct from (c.invoice_id is not null)
   or (s.charging and (c.invoice_id, c.other_invoice_id) is distinct from (s.open_invoice_id, s.open_invoice_id))`

const wrongOpenInvoices = `
select 'subscription ' || s.merchant_id || '/' || s.id
from subscription s
join invoice i on i.merchant_id = s.merchant_id and i.id = s.open_invoice_id
where i.status <> 'OPEN' or i.subscription_id <> s.id`

const forgottenInvoices = `
select 'invoice ' || i.merchant_id || '/' || i.id
from invoice i
join subscription s on s.merchant_id = i.merchant_id and s.id = i.subscription_id
where i.kind = 'RENEWAL' and i.status = 'OPEN' and s.open_invoice_id is distinct from i.id`

const wronglyPaidInvoices = `
with paid as (
    select merchant_id, invoice_id, count(*) as payments, sum(amount_minor) as minor, min(currency) as currency
    from payment
    group by merchant_id, invoice_id
)
select 'invoice ' || i.merchant_id || '/' || i.id
from invoice i
left join paid p on p.merchant_id = i.merchant_id and p.invoice_id = i.id
where case when i.status = 'PAID' and i.amount_minor > 0
    then (p.payments, p.minor, p.currency) is distinct from (1, i.amount_minor, i.currency)
    else p.payments is not null end`

const unmatchedPayments = `
with succeeded as (
    select merchant_id, id, invoice_id from payment_attempt where status = 'SUCCEEDED'
)
select coalesce('payment ' || p.merchant_id || '/' || p.id, 'payment_attempt ' || a.merchant_id || '/' || a.id)
from payment p
full join succeeded a on a.merchant_id = p.merchant_id and a.id = p.attempt_id
where p.invoice_id is distinct from a.invoice_id`

const missingInvoiceNumbers = `
select 'invoice ' || merchant_id || '/' || id
from (
    select merchant_id, id, number, lag(number, 1, 0::bigint) over (partition by merchant_id order by number) as previous from invoice
) numbered
where number <> previous + 1`

const wrongInvoiceCounters = `
select 'merchant ' || m.id
from merchant m
left join (select merchant_id, max(number) as last from invoice group by merchant_id) i on i.merchant_id = m.id
where m.invoice_counter <> coalesce(i.last, 0)`
