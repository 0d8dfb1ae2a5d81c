package verify

// An open attempt on the open invoice of somebody who is past due, while the subscription is being charged.
const chargeDebtor = `update subscription set charging = true, bill_at = null, end_at = null where id = {debtor};` + openAttempt

const openAttempt = `
insert into payment_attempt (merchant_id, id, invoice_id, subscription_id, payment_method_id, status, gateway, gateway_ref, created_at)
select a.merchant_id, nextval('payment_attempt_id_seq'), s.open_invoice_id, s.id, a.payment_method_id, 'OPEN', 'test', 'pi_lost', {now}
from subscription s
join payment_attempt a on a.merchant_id = s.merchant_id and a.invoice_id = s.open_invoice_id
where s.id = {debtor}
limit 1;`

// underWay is said of every open attempt.
const underWay = "no charge is under way"

func billingPlants() []plant {
	const (
		onePerPeriod = "a subscription has one renewal invoice per period"
		indexes      = "period indexes count up from 0"
		follow       = "a period begins where the one before it ends"
		overlap      = "periods do not overlap"
		anchored     = "periods end where the anchor puts them"
		current      = "the current period is that of the last paid renewal invoice"
		oneAttempt   = "an invoice has at most one open or succeeded attempt"
		charging     = "a subscription is charging exactly while an attempt on its open invoice is open"
		openInvoice  = "the open invoice of a subscription is open and its own"
		forgotten    = "an open renewal invoice is the open invoice of its subscription"
		paid         = "a paid invoice that costs something has one payment of its amount, other invoices have none"
		matched      = "a payment has a succeeded attempt on its invoice, and such an attempt a payment"
		numbers      = "invoice numbers of a merchant count up from 1"
		counter      = "the invoice counter of a merchant stands at its last number"

		newInvoice = `
			insert into invoice (merchant_id, number, subscription_id, customer_id, kind, status, currency, amount_minor, period_index,
				period_start, period_end, created_at, closed_at)
			select i.merchant_id, m.invoice_counter + 1, i.subscription_id, i.customer_id, 'RENEWAL', i.status, i.currency, 0, i.period_index,
				i.period_start, i.period_end, i.created_at, i.created_at
			from invoice i join merchant m on m.id = i.merchant_id where i.id = {index 0 of free};
			update merchant set invoice_counter = invoice_counter + 1 where id = {m};`
	)
	return []plant{
		{
			name: "a period that was invoiced twice", violated: []string{onePerPeriod}, example: `invoice {m}/\d+`,
			sql: `drop index invoice_renewal_key;` + newInvoice,
		},
		{
			name: "a subscription that left out months", violated: []string{indexes}, example: `invoice {m}/\d+`,
			sql: `update invoice set period_index = 5, period_end = '2026-07-31T09:30Z' where id = {index 2 of renewed};
				update subscription set period_index = 5, current_period_end = '2026-07-31T09:30Z', bill_at = '2026-07-31T09:30Z' where id = {renewed}`,
		},
		{
			name: "a subscription that began with its second month", violated: []string{indexes}, example: `invoice {m}/\d+`,
			sql: `update invoice set period_index = 1, period_end = '2028-01-31T09:30Z' where id = {index 0 of yearly};
				update subscription set period_index = 1, current_period_end = '2028-01-31T09:30Z', bill_at = '2028-01-31T09:30Z' where id = {yearly}`,
		},
		{
			name: "a day that nobody paid for", violated: []string{follow}, example: `invoice {m}/\d+`,
			sql: `update invoice set period_start = period_start + interval '1 day' where id = {index 2 of renewed};
				update subscription set current_period_start = current_period_start + interval '1 day' where id = {renewed}`,
		},
		{
			name: "a day that was paid for twice", violated: []string{overlap}, example: `invoice {m}/\d+`,
			sql: `update invoice set period_start = period_start - interval '1 day' where id = {index 2 of renewed};
				update subscription set current_period_start = current_period_start - interval '1 day' where id = {renewed}`,
		},
		{
			name: "a new beginning within a period that nobody paid",
			sql: `with unpaid as (
					select i.*, i.period_start + interval '1 day' as anchor from invoice i where i.subscription_id = {givenup} and i.status = 'UNCOLLECTIBLE'
				), again as (
					insert into invoice (merchant_id, number, subscription_id, customer_id, kind, status, currency, amount_minor, period_index,
						period_start, period_end, created_at, closed_at)
					select u.merchant_id, m.invoice_counter + 1, u.subscription_id, u.customer_id, 'RENEWAL', 'PAID', u.currency, 0, 0,
						u.anchor, ((u.anchor at time zone 'UTC') + interval '1 month') at time zone 'UTC', u.created_at, u.created_at
					from unpaid u join merchant m on m.id = u.merchant_id
					returning *
				), counted as (
					update merchant m set invoice_counter = a.number from again a where m.id = a.merchant_id
				)
				update subscription s set anchor_at = a.period_start, period_index = 0, current_period_start = a.period_start,
					current_period_end = a.period_end
				from again a where s.merchant_id = a.merchant_id and s.id = a.subscription_id`,
		},
		{
			name: "a 31st that became a 28th for good", violated: []string{anchored}, example: `invoice {m}/\d+`,
			sql: `update invoice set period_end = '2026-04-28T09:30Z' where id = {index 2 of renewed};
				update subscription set current_period_end = '2026-04-28T09:30Z', bill_at = '2026-04-28T09:30Z' where id = {renewed}`,
		},
		{
			name: "a year that was paid like a month", violated: []string{anchored}, example: `invoice \d+/\d+`,
			sql: `update price set interval = 'YEAR' where id = (select price_id from subscription where id = {neighbour})`,
		},
		{
			name: "a first period that does not begin at the anchor", violated: []string{anchored}, example: `invoice {m}/\d+`,
			sql: `update invoice set period_start = period_start + interval '1 hour' where id = {index 0 of yearly};
				update subscription set current_period_start = current_period_start + interval '1 hour' where id = {yearly}`,
		},
		{
			name: "a subscription that counts from a new anchor",
			sql: `update invoice set period_index = 0 where id = {index 2 of renewed};
				update subscription set period_index = 0, anchor_at = '2026-03-31T09:30Z' where id = {renewed}`,
		},
		{
			name: "a current period that begins too early", violated: []string{current}, example: "subscription {m}/{renewed}",
			sql: `update subscription set current_period_start = current_period_start - interval '1 hour' where id = {renewed}`,
		},
		{
			name: "a debtor whose unpaid period is the current one", violated: []string{current}, example: "subscription {m}/{debtor}",
			sql: `update subscription s set period_index = i.period_index, current_period_start = i.period_start, current_period_end = i.period_end
				from invoice i where s.id = {debtor} and i.id = s.open_invoice_id`,
		},
		{
			name: "an active subscription that was never paid for", violated: []string{current}, example: "subscription {m}/{tried}",
			sql: `update subscription set status = 'ACTIVE', ended_at = null, current_period_end = {now} + interval '1 day',
				end_at = {now} + interval '1 day' where id = {tried}`,
		},
		{
			name: "two open attempts on an invoice", violated: []string{oneAttempt}, noted: []string{underWay}, example: `invoice {m}/\d+`,
			sql: `drop index payment_attempt_live_key;` + chargeDebtor + openAttempt,
		},
		{
			name: "a subscription that is charging without an attempt", violated: []string{charging}, example: "subscription {m}/{debtor}",
			sql: `update subscription set charging = true, bill_at = null, end_at = null where id = {debtor}`,
		},
		{
			name: "an open attempt without a subscription that is charging", violated: []string{charging}, noted: []string{underWay}, example: "subscription {m}/{debtor}",
			sql: openAttempt,
		},
		{
			name: "an open attempt on another invoice", violated: []string{charging}, noted: []string{underWay}, example: "subscription {m}/{debtor}",
			sql: chargeDebtor + `update payment_attempt set invoice_id = {index 0 of free} where status = 'OPEN'`,
		},
		{
			name: "open attempts on the open invoice and an earlier one", violated: []string{charging}, noted: []string{underWay}, example: "subscription {m}/{debtor}",
			sql: chargeDebtor + `drop index payment_attempt_live_key;` + openAttempt + `
				update payment_attempt set invoice_id = {index 0 of free} where id = (select max(id) from payment_attempt)`,
		},
		{
			name: "open attempts on the open invoice and a later one", violated: []string{charging}, noted: []string{underWay}, example: "subscription {m}/{debtor}",
			sql: chargeDebtor + `drop index payment_attempt_live_key;` + openAttempt + `
				update payment_attempt set invoice_id = {index 0 of unpaid} where id = (select max(id) from payment_attempt)`,
		},
		{
			name: "an open invoice that was closed", violated: []string{openInvoice}, example: "subscription {m}/{debtor}",
			sql: `update invoice set status = 'VOID', closed_at = {now} where id = (select open_invoice_id from subscription where id = {debtor})`,
		},
		{
			name: "open invoices that were mixed up", violated: []string{openInvoice, forgotten}, example: "subscription {m}/({debtor}|{stuck})", rows: 2,
			sql: `update subscription s set open_invoice_id = other.open_invoice_id from subscription other
				where (s.id, other.id) in (({debtor}, {stuck}), ({stuck}, {debtor}))`,
		},
		{
			name: "an open invoice that nobody collects", violated: []string{forgotten}, example: `invoice {m}/\d+`,
			sql: `update subscription set open_invoice_id = null where id = {debtor}`,
		},
		{
			name: "an invoice that is paid without a payment", violated: []string{paid}, example: `invoice {m}/\d+`,
			sql: `update invoice set amount_minor = 500 where id = {index 0 of free}`,
		},
		{
			name: "an invoice that was paid in part", violated: []string{paid}, example: `invoice {m}/\d+`,
			sql: `update invoice set amount_minor = amount_minor + 1 where id = {index 0 of renewed}`,
		},
		{
			name: "an invoice that was paid in another currency", violated: []string{paid}, example: `invoice {m}/\d+`,
			sql: `update invoice set currency = 'EUR' where id = {index 0 of renewed}`,
		},
		{
			name: "a payment for an invoice that was given up", violated: []string{paid}, example: `invoice {m}/\d+`,
			sql: `update invoice set status = 'UNCOLLECTIBLE' where id = {index 0 of renewed}`,
		},
		{
			name: "a payment whose attempt is on another invoice", violated: []string{matched}, example: `payment {m}/\d+`,
			sql: `update payment_attempt set invoice_id = {index 0 of free} where status = 'SUCCEEDED' and invoice_id = {index 0 of renewed}`,
		},
		{
			name: "an attempt that succeeded without a payment", violated: []string{matched}, example: `payment_attempt {m}/\d+`,
			sql: `update payment_attempt set status = 'SUCCEEDED' where id = (select min(a.id) from payment_attempt a
				join subscription s on s.open_invoice_id = a.invoice_id where s.id = {debtor})`,
		},
		{
			name: "a number that no invoice has", violated: []string{numbers}, example: `invoice {m}/\d+`,
			sql: `update merchant set invoice_counter = invoice_counter + 1 where id = {m};
				drop index invoice_renewal_key;` + newInvoice + `
				update invoice set status = 'VOID' where number = (select invoice_counter from merchant where id = {m}) and merchant_id = {m}`,
		},
		{
			name: "a counter that has run ahead", violated: []string{counter}, example: "merchant {m}",
			sql: `update merchant set invoice_counter = invoice_counter + 1 where id = {m}`,
		},
		{
			name: "a counter without invoices", violated: []string{counter}, example: `merchant \d+`,
			sql: `update merchant set invoice_counter = 1 where id = (select sandbox_of from merchant where id = {m})`,
		},
	}
}

func gatewayPlants() []plant {
	const (
		unbooked  = "what the test gateway took is an attempt's and is booked with its amount"
		uncharged = "a payment by the test gateway has a charge that succeeded"
		sums      = "what the test gateway took is what was paid or is about to be"
		pending   = "what the test gateway took is not waiting to be booked"

		attempt   = `(select id from payment_attempt where status = 'SUCCEEDED' and invoice_id = {index 0 of renewed})`
		ofTwin    = `(select id from payment_attempt where status = 'SUCCEEDED' and invoice_id = {index 0 of twin})`
		newCharge = `
			insert into test_gateway_charge (ref, idempotency_key, payment_method, currency, amount_minor, status, created_at)
			select 'pi_lost', 'attempt/' || a.id, 'pm_card_visa', i.currency, i.amount_minor, 'SUCCEEDED', {now}
			from payment_attempt a join invoice i on i.merchant_id = a.merchant_id and i.id = a.invoice_id where a.status = 'OPEN';`
	)
	return []plant{
		{
			name: "charges of other amounts than their payments", violated: []string{unbooked}, example: "charge pi_.*", rows: 2,
			sql: `update test_gateway_charge set amount_minor = amount_minor + case idempotency_key when 'attempt/' || ` + attempt + ` then 1 else -1 end
				where idempotency_key in ('attempt/' || ` + attempt + `, 'attempt/' || ` + ofTwin + `)`,
		},
		{
			name: "a charge that its attempt does not know", violated: []string{unbooked}, example: "charge pi_.*",
			sql: `update payment_attempt set gateway_ref = 'pi_other' where id = ` + attempt,
		},
		{
			name: "a charge of nobody's", violated: []string{unbooked, sums}, example: "charge pi_extra",
			sql: `insert into test_gateway_charge (ref, idempotency_key, payment_method, currency, amount_minor, status, created_at)
				values ('pi_extra', 'attempt/99999999', 'pm_card_visa', 'USD', 1, 'SUCCEEDED', {now})`,
		},
		{
			name: "a charge with a key of another kind", violated: []string{unbooked, sums}, example: "charge pi_extra",
			sql: `insert into test_gateway_charge (ref, idempotency_key, payment_method, currency, amount_minor, status, created_at)
				values ('pi_extra', 'retry/attempt/1', 'pm_card_visa', 'USD', 1, 'SUCCEEDED', {now})`,
		},
		{
			name: "a charge that was taken for a decline", violated: []string{unbooked, sums}, example: "charge pi_.*",
			sql: `update test_gateway_charge set status = 'SUCCEEDED' where idempotency_key = (select 'attempt/' || min(a.id) from payment_attempt a
				join subscription s on s.open_invoice_id = a.invoice_id where s.id = {debtor})`,
		},
		{
			name: "a payment whose charge was declined", violated: []string{uncharged}, example: `payment {m}/\d+`,
			sql: `update test_gateway_charge set status = 'DECLINED' where idempotency_key = 'attempt/' || ` + attempt + `;
				update payment_attempt set gateway = 'other' where id = ` + ofTwin,
		},
		{
			name: "takings that belong to no payment by the gateway", violated: []string{sums}, example: "all charges in USD",
			sql: `update payment_attempt set gateway = 'other' where id = ` + attempt,
		},
		{
			name: "a charge that is about to be booked", noted: []string{pending, underWay}, example: `payment_attempt {m}/\d+`,
			sql: chargeDebtor + newCharge,
		},
		{
			name: "a charge that nobody books", violated: []string{pending, underWay}, example: `payment_attempt {m}/\d+`, quiescent: true,
			sql: chargeDebtor + newCharge,
		},
		{
			name: "a charge of another amount than the open invoice", violated: []string{unbooked}, noted: []string{pending, underWay}, example: "charge pi_lost",
			sql: chargeDebtor + newCharge + `update test_gateway_charge set amount_minor = amount_minor + 1 where ref = 'pi_lost'`,
		},
	}
}
