package verify

// The test gateway's books stand for those of a payment provider, which only reconciliation can see: that is why other gateways
// are left out here.
func gatewayChecks() []check {
	return []check{
		{invariant: 3, name: "what the test gateway took is an attempt's and is booked with its amount", ask: rows(unbookedCharges)},
		{invariant: 3, name: "a payment by the test gateway has a charge that succeeded", ask: rows(unchargedPayments)},
		{invariant: 3, name: "what the test gateway took is what was paid or is about to be", ask: rows(wrongTakings)},
		{invariant: 3, name: "what the test gateway took is not waiting to be booked", ask: rows(pendingCharges), weight: violationAtRest},
	}
}

// An attempt that is still open has no payment to compare with, only its invoice.
const unbookedCharges = `
select 'charge ' || c.ref
from test_gateway_charge c
left join payment_attempt a
    on 'attempt/' || a.id = c.idempotency_key and a.status in ('OPEN', 'SUCCEEDED') and a.gateway_ref = c.ref
left join invoice i on i.merchant_id = a.merchant_id and i.id = a.invoice_id
left join payment p on p.merchant_id = a.merchant_id and p.attempt_id = a.id
where c.status = 'SUCCEEDED'
  and (coalesce(p.currency, i.currency), coalesce(p.amount_minor, i.amount_minor)) is distinct from (c.currency, c.amount_minor)`

const unchargedPayments = `
select 'payment ' || p.merchant_id || '/' || p.id
from payment p
join payment_attempt a on a.merchant_id = p.merchant_id and a.id = p.attempt_id
where a.gateway = 'test' and not exists (
    select from test_gateway_charge c where 'attempt/' || a.id = c.idempotency_key and c.status = 'SUCCEEDED'
)`

const wrongTakings = `
select 'all charges in ' || currency
from (
    select currency, amount_minor from test_gateway_charge where status = 'SUCCEEDED'
    union all
    select p.currency, -p.amount_minor
    from payment p
    join payment_attempt a on a.merchant_id = p.merchant_id and a.id = p.attempt_id
    where a.gateway = 'test'
    union all
    select c.currency, -c.amount_minor
    from test_gateway_charge c
    join payment_attempt a on 'attempt/' || a.id = c.idempotency_key
    where c.status = 'SUCCEEDED' and a.status = 'OPEN'
) both_books
group by currency
having sum(amount_minor) <> 0`

const pendingCharges = `
select 'payment_attempt ' || a.merchant_id || '/' || a.id
from test_gateway_charge c
join payment_attempt a on 'attempt/' || a.id = c.idempotency_key
where c.status = 'SUCCEEDED' and a.status = 'OPEN'`
