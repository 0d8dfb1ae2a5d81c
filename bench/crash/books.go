package main

// bookRule is a rule about our books and the payment provider's. The question's rows are its violations, one text each.
type bookRule struct{ sentence, question string }

// charged are the provider's charges with the attempt that each is for: the key begins with it in every order of steps.
const charged = `(select split_part(idempotency_key, '/', 2)::bigint as attempt_id, amount_minor, currency
	from test_gateway_charge where status = 'SUCCEEDED')`

func bookRules() []bookRule {
	return []bookRule{
		{"every period that a subscription has had is invoiced exactly once", `
			select format('subscription %s, period %s: %s invoices', s.id, n, count(i.id))
			from subscription s
			cross join generate_series(0, s.period_index) n
			left join invoice i on i.merchant_id = s.merchant_id and i.subscription_id = s.id and i.period_index = n
				and i.kind = 'RENEWAL' and i.status <> 'VOID'
			group by s.id, n
			having count(i.id) <> 1 or bool_or(i.status <> 'PAID')`},
		{"no period is invoiced that has not come", `
			select format('subscription %s (period %s): invoice %s is %s for period %s', s.id, s.period_index, i.id, i.status, i.period_index)
			from invoice i
			join subscription s on s.merchant_id = i.merchant_id and s.id = i.subscription_id
			where i.status <> 'VOID' and (i.period_index > s.period_index + 1 or i.period_index > s.period_index and i.status = 'PAID')`},
		{"every invoice has the bounds that its subscription's anchor gives", `
			select format('invoice %s of subscription %s: period %s from %s to %s', i.id, s.id, i.period_index, i.period_start, i.period_end)
			from invoice i
			join subscription s on s.merchant_id = i.merchant_id and s.id = i.subscription_id
			where i.status <> 'VOID' and (
				i.period_start <> s.anchor_at + make_interval(months => i.period_index)
				or i.period_end <> s.anchor_at + make_interval(months => i.period_index + 1))`},
		{"every paid invoice was charged exactly once, and no other at all", `
			select format('invoice %s of subscription %s (%s, %s %s): %s attempts succeeded, %s payments over %s, the gateway took %s times %s',
				i.id, i.subscription_id, i.status, i.amount_minor, i.currency, a.n, p.n, p.total, g.n, g.total)
			from invoice i
			cross join lateral (
				select count(*) as n from payment_attempt
				where merchant_id = i.merchant_id and invoice_id = i.id and status = 'SUCCEEDED') a
			cross join lateral (
				select count(*) as n, coalesce(sum(amount_minor), 0) as total from payment
				where merchant_id = i.merchant_id and invoice_id = i.id) p
			cross join lateral (
				select count(*) as n, coalesce(sum(c.amount_minor), 0) as total from ` + charged + ` c
				join payment_attempt on payment_attempt.id = c.attempt_id
				where payment_attempt.merchant_id = i.merchant_id and payment_attempt.invoice_id = i.id) g
			where (a.n, p.n, g.n) <> case when i.status = 'PAID' and i.amount_minor > 0 then (1::bigint, 1::bigint, 1::bigint) else (0::bigint, 0::bigint, 0::bigint) end
				or p.total <> p.n * i.amount_minor or g.total <> g.n * i.amount_minor`},
		{"what the gateway took is what is booked", `
			select format('%s: the gateway took %s, payments are %s, the cash account has %s', currency, taken, paid, booked)
			from (
				select currency, sum(taken) as taken, sum(paid) as paid, sum(booked) as booked
				from (
					select currency, amount_minor as taken, 0 as paid, 0 as booked from ` + charged + ` c
					union all select currency, 0, amount_minor, 0 from payment
					union all select currency, 0, 0, amount_minor from ledger_entry where account = 'CASH'
				) sides
				group by currency
			) sums
			where taken <> paid or paid <> booked`},
		{"nobody paid for two subscriptions where one was asked for", `
			select format('customer %s: %s', c.email, string_agg(distinct i.subscription_id::text, ', '))
			from payment p
			join invoice i on i.merchant_id = p.merchant_id and i.id = p.invoice_id
			join customer c on c.merchant_id = p.merchant_id and c.id = p.customer_id
			group by c.merchant_id, c.email
			having count(distinct i.subscription_id) > 1`},
		{"every active subscription is in the period that it has paid for", `
			select format('subscription %s: %s to %s at %s', s.id, s.current_period_start, s.current_period_end, coalesce(t.now_at, clock_timestamp()))
			from subscription s
			left join test_clock t on t.merchant_id = s.merchant_id and t.id = s.test_clock_id
			where s.status = 'ACTIVE' and (s.current_period_start > coalesce(t.now_at, clock_timestamp())
				or s.current_period_end < coalesce(t.now_at, clock_timestamp() - interval '30 seconds'))`},
		{"no subscription had to be put aside", `
			select format('subscription %s: %s', id, quarantine_reason) from subscription where quarantine_reason is not null`},
	}
}
