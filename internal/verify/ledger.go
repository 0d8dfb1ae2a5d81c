package verify

func ledgerChecks() []check {
	return []check{
		{invariant: 1, name: "ledger transactions sum to zero per currency, and so does the ledger", ask: rows(unbalancedTransactions)},
		{invariant: 1, name: "triggers keep ledger entries unchanged and balanced", ask: rows(missingLedgerTriggers)},
		{invariant: 4, name: "a payment is booked, as its fee and what is payable", ask: rows(misbookedPayments)},
		{invariant: 4, name: "fees and payables in the ledger are those of the payments", ask: rows(wrongTotals)},
	}
}

const unbalancedTransactions = `
select case when grouping(transaction_id) = 1 then 'all entries in ' || currency
    else 'transaction ' || merchant_id || '/' || transaction_id || ' in ' || currency end
from ledger_entry
group by grouping sets ((merchant_id, transaction_id, currency), (currency))
having sum(amount_minor) <> 0`

// The events are those of pg_trigger.tgtype: 1 for each row, 2 before, 4 insert, 8 delete, 16 update, 32 truncate.
const missingLedgerTriggers = `
select 'trigger ' || wanted.name
from (values
    ('ledger_entry_append_only', 'refuse_change', 1 + 2 + 8 + 16),
    ('ledger_entry_no_truncate', 'refuse_change', 2 + 32),
    ('ledger_entry_balanced', 'ledger_balanced', 4)
) wanted (name, calls, events)
where not exists (
    select from pg_trigger t
    join pg_proc f on f.oid = t.tgfoid
    where t.tgrelid = 'ledger_entry'::regclass and t.tgname = wanted.name and f.proname = wanted.calls and t.tgtype = wanted.events
      and t.tgenabled in ('O', 'A') and t.tgqual is null and t.tgattr = ''
)`

// The leg on the account CASH follows: the transaction sums to zero.
const misbookedPayments = `
with booking as (
    select merchant_id, payment_id, transaction_id, min(currency) as currency, max(currency) as other_currency,
        coalesce(sum(amount_minor) filter (where account = 'PORTAL_FEE'), 0) as fee,
        coalesce(sum(amount_minor) filter (where account = 'MERCHANT_PAYABLE'), 0) as payable
    from ledger_entry
    group by merchant_id, payment_id, transaction_id
)
select 'payment ' || p.merchant_id || '/' || p.id
from payment p
left join booking b on b.merchant_id = p.merchant_id and b.payment_id = p.id
where b.payment_id is null or b.fee <> -p.fee_minor or b.payable <> p.fee_minor - p.amount_minor
   or b.currency <> p.currency or b.other_currency <> p.currency`

// Finds what is booked twice, each time correctly.
const wrongTotals = `
with booked as (
    select merchant_id, currency, account, -sum(amount_minor) as minor
    from ledger_entry
    where account in ('PORTAL_FEE', 'MERCHANT_PAYABLE')
    group by merchant_id, currency, account
), taken as (
    select p.merchant_id, p.currency, share.account, sum(share.minor) as minor
    from payment p
    cross join lateral (values ('PORTAL_FEE', p.fee_minor), ('MERCHANT_PAYABLE', p.amount_minor - p.fee_minor)) share (account, minor)
    group by p.merchant_id, p.currency, share.account
)
select account || ' of merchant ' || merchant_id || ' in ' || currency
from booked
full join taken using (merchant_id, currency, account)
where coalesce(booked.minor, 0) <> coalesce(taken.minor, 0)`
