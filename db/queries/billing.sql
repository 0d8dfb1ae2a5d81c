-- Subscriptions --------------------------------------------------------------------------------------------------------

-- Rows are named by pairs in a join: two separate any() conditions would be costed as all their combinations, and the planner
-- would rather read the table.

-- name: LockSubscriptions :many
-- Locks the named rows in a fixed order, waiting for whoever holds them.
select s.merchant_id, s.id from subscription s
join (select unnest(@merchant_ids::bigint[]) as merchant_id, unnest(@ids::bigint[]) as id) k using (merchant_id, id)
order by s.merchant_id, s.id
for update of s;

-- name: TakeLane :one
-- Makes this transaction the only sweep in a lane, unless there is one. Its claim is to walk the due-list in order and stop: the
-- planner expects few rows behind the tenant policy and would collect everything that is due in a bitmap, for each batch.
select pg_try_advisory_xact_lock(hashtext('portico sweep'), @lane::int) from set_config('enable_bitmapscan', 'off', true);

-- name: LockDueBills :many
-- The next rows of a lane of the billing due-list that nobody else is working on. Those of suspended merchants are to be held.
select merchant_id, id, (merchant_id = any(array(select m.id from merchant m where m.suspended_at is not null)))::boolean as suspended
from subscription
where lane = @lane::smallint and bill_at <= @now::timestamptz and bill_at is not null and test_clock_id is null and quarantine_reason is null
  and not held
order by bill_at, id
limit @batch
for update skip locked;

-- name: LockDueEnds :many
-- The next rows of the ending due-list, as LockDueBills gives those of the other.
select merchant_id, id, (merchant_id = any(array(select m.id from merchant m where m.suspended_at is not null)))::boolean as suspended
from subscription
where end_at <= @now::timestamptz and end_at is not null and test_clock_id is null and quarantine_reason is null and not held
order by end_at, id
limit @batch
for update skip locked;

-- name: LockDueReminders :many
-- The next rows whose end is to be announced, as LockDueBills gives those of its due-list.
select merchant_id, id, (merchant_id = any(array(select m.id from merchant m where m.suspended_at is not null)))::boolean as suspended
from subscription
where remind_at <= @now::timestamptz and remind_at is not null and test_clock_id is null and quarantine_reason is null and not held
order by remind_at, id
limit @batch
for update skip locked;

-- name: HoldSubscriptions :execrows
-- Takes locked rows of suspended merchants off the due-lists. A reinstatement waits for it, so that it finds what is held, or comes first,
-- and then nothing is.
with suspended as (
    select m.id from merchant m
    where m.id = any(@merchant_ids::bigint[]) and m.suspended_at is not null
    order by m.id
    for share
)
update subscription s set held = true
from (select unnest(@merchant_ids::bigint[]) as merchant_id, unnest(@ids::bigint[]) as id) k
where s.merchant_id = k.merchant_id and s.id = k.id and k.merchant_id in (select suspended.id from suspended);

-- name: LockStillDue :many
-- Those of the named rows that are still due and free: for going through a failed batch in halves.
select s.merchant_id, s.id from subscription s
join (select unnest(@merchant_ids::bigint[]) as merchant_id, unnest(@ids::bigint[]) as id) k using (merchant_id, id)
where least(s.bill_at, s.end_at, s.override_end_at, s.remind_at) <= @now::timestamptz
  and s.quarantine_reason is null
  and s.merchant_id <> all(array(select m.id from merchant m where m.suspended_at is not null))
order by s.merchant_id, s.id
for update of s skip locked;

-- name: SubscriptionDetails :many
-- Subscriptions with the terms and people that decisions and events need. Every table here can be joined with every other by merchant,
-- and to weigh all orders takes the planner longer than to read a thousand rows: offset 0 keeps the terms a question of their own.
-- wins_back: a first payment whose holder has had access by an earlier subscription that ended.
select sqlc.embed(s),
    terms.interval, terms.currency, coalesce(s.reported_amount_minor, terms.amount_minor) as amount_minor, terms.tier, terms.features, terms.product_identifier,
    c.number as customer_number, c.email as customer_email, c.user_meta,
    terms.grace_days, terms.dunning_days, terms.portal_fee_bps,
    tc.now_at as clock_now,
    pm.id as payment_method_id, pm.gateway as payment_gateway,
    (case when s.status = 'INCOMPLETE' then exists (
        select from subscription ended
        where ended.merchant_id = s.merchant_id and ended.company_id = s.company_id and ended.product_id = s.product_id
          and ended.ended_at is not null and ended.current_period_start is not null
    ) else false end)::boolean as wins_back
from (select unnest(@merchant_ids::bigint[]) as merchant_id, unnest(@ids::bigint[]) as id) k
join subscription s on s.merchant_id = k.merchant_id and s.id = k.id
cross join lateral (
    select p.interval, p.currency, p.amount_minor, pl.tier, pl.features, pr.identifier as product_identifier,
        m.grace_days, m.dunning_days, m.portal_fee_bps
    from price p, plan pl, product pr, merchant m
    where p.merchant_id = s.merchant_id and p.id = s.price_id and pl.merchant_id = s.merchant_id and pl.id = s.plan_id
      and pr.merchant_id = s.merchant_id and pr.id = s.product_id and m.id = s.merchant_id
    offset 0
) terms
join customer c on c.merchant_id = s.merchant_id and c.id = s.customer_id
left join test_clock tc on tc.merchant_id = s.merchant_id and tc.id = s.test_clock_id
left join payment_method pm on pm.merchant_id = s.merchant_id and pm.customer_id = s.customer_id and pm.is_default
order by s.id desc;

-- name: InsertSubscription :one
insert into subscription (merchant_id, product_id, company_id, customer_id, plan_id, price_id, source, status, quantity, anchor_at,
    test_clock_id, created_at, updated_at)
values (@merchant_id, @product_id, @company_id, @customer_id, @plan_id, @price_id, @source, @status, @quantity, @anchor_at,
    @test_clock_id, @created_at, @created_at)
returning id;

-- name: LockLiveSubscription :one
-- The holder's live subscription to a product.
select id, customer_id, source, status, charging, open_invoice_id, price_id, quantity from subscription
where merchant_id = @merchant_id and product_id = @product_id and company_id = @company_id
  and status in ('SCHEDULED', 'INCOMPLETE', 'TRIALING', 'ACTIVE', 'PAST_DUE', 'PAUSED')
for update;

-- name: HadTrial :one
select exists (
    select from subscription
    where merchant_id = @merchant_id and customer_id = @customer_id and product_id = @product_id and trial_end is not null
);

-- name: SubscriptionIDs :many
select id from subscription
where merchant_id = @merchant_id and id < @before
  and (sqlc.narg('customer_id')::bigint is null or customer_id = sqlc.narg('customer_id'))
  and (sqlc.narg('product_id')::bigint is null or product_id = sqlc.narg('product_id'))
  and (sqlc.narg('statuses')::text[] is null or status = any(sqlc.narg('statuses')::text[]))
order by id desc
limit @lim;

-- name: SubscriptionsOfPayer :many
-- Those that a new payment method may matter to. One that is being charged is among them, so that its booking is waited for.
select merchant_id, id from subscription
where merchant_id = @merchant_id and customer_id = @customer_id and (status in ('TRIALING', 'PAST_DUE') or charging or (source = 'CONNECTED' and status = 'ACTIVE'))
order by merchant_id, id
for update;

-- name: QuarantineSubscription :exec
update subscription set quarantine_reason = @reason where merchant_id = @merchant_id and id = @id;

-- Invoices -------------------------------------------------------------------------------------------------------------

-- name: ReserveInvoiceIDs :many
select nextval('invoice_id_seq')::bigint from generate_series(1, @n::int) order by 1;

-- name: ReserveAttemptIDs :many
select nextval('payment_attempt_id_seq')::bigint from generate_series(1, @n::int) order by 1;

-- name: ReservePaymentIDs :many
select nextval('payment_id_seq')::bigint from generate_series(1, @n::int) order by 1;

-- name: ReserveLedgerTransactionIDs :many
select nextval('ledger_transaction_id_seq')::bigint from generate_series(1, @n::int) order by 1;

-- name: LockMerchantCounters :many
-- Taken in one order by everybody, so that two batches over the same merchants cannot wait for each other in a circle.
select id from merchant where id = any(@merchant_ids::bigint[]) order by id for no key update;

-- name: TakeInvoiceNumbers :many
-- Moves each merchant's counter by its count and returns where it stands now.
update merchant m set invoice_counter = m.invoice_counter + c.n
from (select unnest(@merchant_ids::bigint[]) as id, unnest(@counts::bigint[]) as n) c
where m.id = c.id
returning m.id, m.invoice_counter;

-- name: InsertInvoices :exec
-- An invoice of nothing is paid when it is made.
insert into invoice (merchant_id, id, number, subscription_id, customer_id, kind, status, currency, amount_minor, period_index,
    period_start, period_end, created_at, closed_at)
select merchant_id, id, number, subscription_id, customer_id, kind, status, currency, amount_minor, period_index, period_start,
    period_end, created_at, case when status = 'OPEN' then null else created_at end
from (select unnest(@merchant_ids::bigint[]) as merchant_id, unnest(@ids::bigint[]) as id, unnest(@numbers::bigint[]) as number,
    unnest(@subscription_ids::bigint[]) as subscription_id, unnest(@customer_ids::bigint[]) as customer_id,
    unnest(@kinds::text[]) as kind, unnest(@statuses::text[]) as status, unnest(@currencies::text[]) as currency,
    unnest(@amounts::bigint[]) as amount_minor, unnest(@period_indexes::int[]) as period_index,
    unnest(@period_starts::timestamptz[]) as period_start, unnest(@period_ends::timestamptz[]) as period_end,
    unnest(@created_ats::timestamptz[]) as created_at) n;

-- name: CloseInvoices :execrows
update invoice i set status = c.status, closed_at = c.closed_at
from (select unnest(@merchant_ids::bigint[]) as merchant_id, unnest(@ids::bigint[]) as id, unnest(@statuses::text[]) as status,
    unnest(@closed_ats::timestamptz[]) as closed_at) c
where i.merchant_id = c.merchant_id and i.id = c.id and i.status = 'OPEN';

-- name: InvoicesByID :many
select i.* from invoice i
join (select unnest(@merchant_ids::bigint[]) as merchant_id, unnest(@ids::bigint[]) as id) k on k.merchant_id = i.merchant_id and k.id = i.id
order by i.id desc;

-- name: Invoices :many
select * from invoice
where merchant_id = @merchant_id and id < @before
  and (sqlc.narg('subscription_id')::bigint is null or subscription_id = sqlc.narg('subscription_id'))
order by id desc
limit @lim;

-- Payments -------------------------------------------------------------------------------------------------------------

-- name: InsertAttempts :exec
insert into payment_attempt (merchant_id, id, invoice_id, subscription_id, payment_method_id, status, gateway, created_at)
select unnest(@merchant_ids::bigint[]), unnest(@ids::bigint[]), unnest(@invoice_ids::bigint[]), unnest(@subscription_ids::bigint[]),
    unnest(@payment_method_ids::bigint[]), 'OPEN', unnest(@gateways::text[]), @created_at::timestamptz;

-- Open attempts are none at all or very many, and the planner's idea of how many is usually out of date. Where attempts are named,
-- finished_at says what status says without offering the index of all open ones.

-- name: OpenAttempts :many
-- What is still to be charged or booked of the named attempts.
select a.merchant_id, a.id, a.invoice_id, a.subscription_id, a.payment_method_id, a.gateway, a.gateway_ref, i.currency, i.amount_minor,
    i.customer_id, pm.gateway_ref as payment_method_ref
from payment_attempt a
join (select unnest(@merchant_ids::bigint[]) as merchant_id, unnest(@ids::bigint[]) as id) k on k.merchant_id = a.merchant_id and k.id = a.id
join invoice i on i.merchant_id = a.merchant_id and i.id = a.invoice_id
join payment_method pm on pm.merchant_id = a.merchant_id and pm.id = a.payment_method_id
where a.finished_at is null
order by a.merchant_id, a.subscription_id, a.id;

-- name: Declines :many
-- The codes with which the named attempts were declined.
select coalesce(decline_code, '')::text from payment_attempt
where merchant_id = @merchant_id and id = any(@ids::bigint[]) and status = 'FAILED'
order by id;

-- name: StoreGatewayRefs :exec
update payment_attempt a set gateway_ref = r.ref
from (select unnest(@merchant_ids::bigint[]) as merchant_id, unnest(@ids::bigint[]) as id, unnest(@refs::text[]) as ref) r
where a.merchant_id = r.merchant_id and a.id = r.id and a.gateway_ref is null;

-- name: FinishAttempts :exec
update payment_attempt a set status = f.status, decline_code = nullif(f.decline_code, ''), finished_at = @finished_at::timestamptz
from (select unnest(@merchant_ids::bigint[]) as merchant_id, unnest(@ids::bigint[]) as id, unnest(@statuses::text[]) as status,
    unnest(@decline_codes::text[]) as decline_code) f
where a.merchant_id = f.merchant_id and a.id = f.id and a.finished_at is null;

-- name: ResumeAttempts :many
-- Attempts that have been open for so long that whoever was to finish them must be gone, those first that have waited longest.
-- Noting the time sends them to the end of the queue.
update payment_attempt a set resumed_at = @now::timestamptz
from (
    select o.merchant_id, o.id from payment_attempt o
    where o.status = 'OPEN' and coalesce(o.resumed_at, o.created_at) < @before::timestamptz
    order by coalesce(o.resumed_at, o.created_at), o.id
    limit @lim
    for update skip locked
) f
where a.merchant_id = f.merchant_id and a.id = f.id
returning a.merchant_id, a.id;

-- name: OpenAttemptsOfClock :many
select a.merchant_id, a.id from payment_attempt a
join subscription s on s.merchant_id = a.merchant_id and s.id = a.subscription_id
where s.merchant_id = @merchant_id and s.test_clock_id = @test_clock_id::bigint and s.charging and a.status = 'OPEN'
order by a.id;

-- name: InsertPayments :exec
insert into payment (merchant_id, id, invoice_id, attempt_id, customer_id, currency, amount_minor, fee_minor, paid_at)
select unnest(@merchant_ids::bigint[]), unnest(@ids::bigint[]), unnest(@invoice_ids::bigint[]), unnest(@attempt_ids::bigint[]),
    unnest(@customer_ids::bigint[]), unnest(@currencies::text[]), unnest(@amounts::bigint[]), unnest(@fees::bigint[]),
    unnest(@paid_ats::timestamptz[]);

-- name: InsertLedgerEntries :exec
insert into ledger_entry (merchant_id, transaction_id, account, currency, amount_minor, payment_id, created_at)
select unnest(@merchant_ids::bigint[]), unnest(@transaction_ids::bigint[]), unnest(@accounts::text[]), unnest(@currencies::text[]),
    unnest(@amounts::bigint[]), unnest(@payment_ids::bigint[]), unnest(@created_ats::timestamptz[]);

-- name: LedgerEntries :many
select * from ledger_entry
where merchant_id = @merchant_id and id < @before
order by id desc
limit @lim;

-- name: LedgerEntriesByID :many
select * from ledger_entry where merchant_id = @merchant_id and id = any(@ids::bigint[]) order by id desc;

-- name: HoldClockOfCustomer :one
-- Keeps the customer's clock where it stands until the transaction ends. Clocks are locked before customers, and these before
-- subscriptions.
select tc.now_at from test_clock tc
join customer c on c.merchant_id = tc.merchant_id and c.test_clock_id = tc.id
where c.merchant_id = @merchant_id and c.id = @id
for share of tc;

-- name: LockCustomer :one
-- Serialises what concerns one customer's purchases and payment methods.
select id from customer where merchant_id = @merchant_id and id = @id for no key update;

-- name: ClearDefaultPaymentMethod :exec
update payment_method set is_default = false where merchant_id = @merchant_id and customer_id = @customer_id and is_default;

-- name: InsertPaymentMethod :one
insert into payment_method (merchant_id, customer_id, gateway, gateway_ref, brand, last4, exp_month, exp_year, is_default, created_at)
values (@merchant_id, @customer_id, @gateway, @gateway_ref, @brand, @last4, @exp_month, @exp_year, true, @created_at)
returning *;

-- name: PaymentMethodsOfCustomers :many
select * from payment_method
where merchant_id = @merchant_id and customer_id = any(@customer_ids::bigint[])
order by customer_id, id desc;

-- name: PaymentMethodsByID :many
select * from payment_method where merchant_id = @merchant_id and id = any(@ids::bigint[]) order by id desc;

-- Test clocks ----------------------------------------------------------------------------------------------------------

-- name: InsertTestClock :one
insert into test_clock (merchant_id, name, now_at, created_at) values (@merchant_id, @name, @now_at, @created_at) returning *;

-- name: TestClocks :many
select * from test_clock where merchant_id = @merchant_id and id < @before order by id desc limit @lim;

-- name: TestClocksByID :many
select * from test_clock where merchant_id = @merchant_id and id = any(@ids::bigint[]) order by id desc;

-- name: LockTestClock :one
-- Not for update: rows of the clock's customers refer to it, and checking that must not wait.
select * from test_clock where merchant_id = @merchant_id and id = @id for no key update;

-- name: SetTestClock :exec
update test_clock set now_at = @now_at, target_at = sqlc.narg('target_at'), lease_until = sqlc.narg('lease_until')
where merchant_id = @merchant_id and id = @id;

-- name: NextClockStep :one
-- What falls due next for the customers of a clock. Endings come before bills of the same instant.
select s.id, least(s.bill_at, s.end_at, s.override_end_at, s.remind_at)::timestamptz as due_at
from subscription s
where s.merchant_id = @merchant_id and s.test_clock_id = @test_clock_id::bigint and s.quarantine_reason is null
  and least(s.bill_at, s.end_at, s.override_end_at, s.remind_at) <= @target::timestamptz
order by least(s.bill_at, s.end_at, s.override_end_at, s.remind_at),
    case when s.end_at = least(s.bill_at, s.end_at, s.override_end_at, s.remind_at) then 0 else 1 end, s.id
limit 1;

-- name: StalledClocks :many
-- Clocks that are to advance while nobody is advancing them.
select merchant_id, id from test_clock
where target_at is not null and (lease_until is null or lease_until < @now::timestamptz)
order by id
limit 100;

-- Closing ----------------------------------------------------------------------------------------------------------------

-- name: LockMerchantForSale :one
-- As an inserted row's foreign key would: a merchant that is about to be closed waits for the sale, or the sale for it.
select status from merchant where id = @merchant_id for key share;

-- name: LockMerchantForClosing :one
select shop, status from merchant where id = @merchant_id for update;

-- name: CountLiveSubscriptions :one
select count(*) from subscription
where merchant_id = @merchant_id and status in ('SCHEDULED', 'INCOMPLETE', 'TRIALING', 'ACTIVE', 'PAST_DUE', 'PAUSED');

-- name: BeginClosing :exec
update merchant set status = 'CLOSING' where id = @merchant_id and status = 'OPEN';

-- name: LockSubscriptionsOfClosing :many
-- What closing merchants have left to cancel: at the end of what has been paid for, in sandboxes at once. What is being charged is
-- found again when that is booked. Suspended merchants wait.
select s.merchant_id, s.id, (m.sandbox_of is null)::boolean as at_period_end
from merchant m
join subscription s on s.merchant_id = m.id
where (m.status = 'CLOSING' or m.sandbox_of in (select closing.id from merchant closing where closing.status = 'CLOSING'))
  and s.status in ('SCHEDULED', 'INCOMPLETE', 'TRIALING', 'ACTIVE', 'PAST_DUE', 'PAUSED')
  and not s.charging and s.quarantine_reason is null and m.suspended_at is null
  and (m.sandbox_of is not null or not s.cancel_at_period_end)
order by s.merchant_id, s.id
limit @batch
for update of s skip locked;

-- name: CloseMerchants :many
-- Closes those of the closing merchants, with their sandboxes, that have no live subscription left and have told their endpoints so.
with closed as (
    update merchant set status = 'CLOSED', closed_at = @now::timestamptz
    from merchant m
    where m.status = 'CLOSING' and m.suspended_at is null and (merchant.id = m.id or merchant.sandbox_of = m.id) and merchant.status <> 'CLOSED'
      and not exists (
          select from merchant member_of
          join subscription s on s.merchant_id = member_of.id
          where (member_of.id = m.id or member_of.sandbox_of = m.id)
            and s.status in ('SCHEDULED', 'INCOMPLETE', 'TRIALING', 'ACTIVE', 'PAST_DUE', 'PAUSED'))
      and not exists (
          select from webhook_delivery d
          join webhook_endpoint e on e.merchant_id = d.merchant_id and e.id = d.endpoint_id
          where d.merchant_id = m.id and e.status = 'ENABLED')
    returning merchant.id
), revoked as (
    update api_key set revoked_at = @now::timestamptz
    from closed
    where api_key.merchant_id = closed.id and api_key.revoked_at is null
), silenced as (
    update webhook_endpoint set status = 'DISABLED', disabled_reason = 'MANUAL', disabled_at = @now::timestamptz
    from closed
    where webhook_endpoint.merchant_id = closed.id and webhook_endpoint.status = 'ENABLED'
)
select id from closed order by id;

-- name: SaveFeatureOverrides :exec
-- Writes back the overrides of rows that the caller has locked, empty text for none, and when the next of them ends.
update subscription s set feature_overrides = n.overrides,
    override_end_at = (select min((o.value ->> 'expiresAt')::timestamptz) from jsonb_each(n.overrides) o)
from (select unnest(@merchant_ids::bigint[]) as merchant_id, unnest(@ids::bigint[]) as id,
    nullif(unnest(@overrides::text[]), '')::jsonb as overrides) n
where s.merchant_id = n.merchant_id and s.id = n.id;

-- name: LockDueOverrides :many
-- The next rows with an override that has ended, as LockDueBills gives those of its due-list.
select merchant_id, id, (merchant_id = any(array(select m.id from merchant m where m.suspended_at is not null)))::boolean as suspended
from subscription
where override_end_at <= @now::timestamptz and override_end_at is not null and test_clock_id is null and quarantine_reason is null and not held
order by override_end_at, id
limit @batch
for update skip locked;
