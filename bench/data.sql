-- What the cases run on: bench.subscriptions subscriptions, spread evenly over bench.merchants merchants, each held and paid by a
-- customer of its own, in its first period and paid for, with the invoice, the payment, the ledger and a delivered event
-- that go with it. Everything is one statement per table. Run by data.go, which also knows why.
--
-- Subscription i is customer i, company i, invoice i and so on. Neighbouring rows belong to different merchants, as they do where
-- many merchants sell at the same time, and the order in which renewals fall due has nothing to do with that of the rows.
-- Periods end in February 2100: nothing is due in real time, and a case that wants renewals chooses its clock or its rows.

--
-- The table sealed holds a sealed secret for each merchant: that of its product. Nothing opens the others.

set timezone = 'UTC';

create temporary view terms as
select current_setting('bench.subscriptions')::bigint as subscriptions, current_setting('bench.merchants')::bigint as merchants,
    timestamptz '2025-11-01Z' as created_at;

create temporary view sold as
select i, 1 + (i - 1) % t.merchants as merchant_id, 1 + (i - 1) / t.merchants as number, t.created_at,
    3 * ((i - 1) % t.merchants) + 1 + i % 3 as plan_id, 2000 + 3000 * (i % 3) as amount,
    -- 7919 is prime, so that each place in the order is taken once.
    timestamptz '2100-01-01Z' + make_interval(secs => (i * 7919 % t.subscriptions) * (28 * 86400.0 / t.subscriptions)) as starts_at
from terms t, generate_series(1, t.subscriptions) i;

insert into merchant (id, shop, name, email, portal_fee_bps, invoice_counter, created_at)
select id, 'shop-' || id, 'Shop ' || id, 'owner@shop-' || id || '.example', 250, subscriptions / merchants, created_at
from terms, sealed;

insert into product (merchant_id, id, identifier, name, launch_url, status, launch_secret_cipher, created_at)
select id, id, 'rosterly', 'Rosterly', 'https://rosterly.example/launch', 'APPROVED', cipher, created_at
from terms, sealed;

insert into plan (merchant_id, id, product_id, number, name, tier, features, created_at)
select m, 3 * (m - 1) + p, m, p, 'Plan ' || p, (array['starter', 'pro', 'business'])[p], jsonb_build_object(
        'advancedReporting', jsonb_build_object('kind', 'BOOLEAN', 'enabled', p > 1),
        'maxEmployees', jsonb_build_object('kind', 'LIMIT', 'limit', 50 * p),
        'region', jsonb_build_object('kind', 'TEXT', 'text', 'eu')), created_at
from terms, generate_series(1, merchants) m, generate_series(1, 3) p;

insert into price (merchant_id, id, plan_id, interval, currency, amount_minor)
select 1 + (p - 1) / 3, p, p, 'MONTH', 'USD', 2000 + 3000 * ((p - 1) % 3)
from terms, generate_series(1, 3 * merchants) p;

insert into company (merchant_id, id, name, personal, created_at)
select merchant_id, i, 'Customer ' || i, true, created_at from sold;

insert into customer (merchant_id, id, number, email, name, company_id, personal_company_id, created_at)
select merchant_id, i, number, 'customer-' || i || '@buyer.example', 'Customer ' || i, i, i, created_at from sold;

insert into payment_method (merchant_id, id, customer_id, gateway, gateway_ref, brand, last4, exp_month, exp_year, is_default, created_at)
select merchant_id, i, i, 'test', 'pm_card_visa', 'visa', '4242', 12, 2105, true, created_at from sold;

insert into subscription (merchant_id, id, product_id, company_id, customer_id, plan_id, price_id, status, quantity, anchor_at,
    period_index, current_period_start, current_period_end, bill_at, access_until, event_sequence, created_at, updated_at)
select merchant_id, i, merchant_id, i, i, plan_id, plan_id, 'ACTIVE', 1, starts_at, 0, starts_at, starts_at + interval '1 month',
    starts_at + interval '1 month', starts_at + interval '1 month 7 days', 1, created_at, created_at
from sold;

insert into invoice (merchant_id, id, number, subscription_id, customer_id, kind, status, currency, amount_minor, period_index,
    period_start, period_end, created_at, closed_at)
select merchant_id, i, number, i, i, 'RENEWAL', 'PAID', 'USD', amount, 0, starts_at, starts_at + interval '1 month', created_at,
    created_at
from sold;

insert into payment_attempt (merchant_id, id, invoice_id, subscription_id, payment_method_id, status, gateway, gateway_ref,
    created_at, finished_at)
select merchant_id, i, i, i, i, 'SUCCEEDED', 'test', 'pi_' || i, created_at, created_at from sold;

insert into test_gateway_charge (ref, idempotency_key, payment_method, currency, amount_minor, status, created_at)
select 'pi_' || i, 'attempt/' || i, 'pm_card_visa', 'USD', amount, 'SUCCEEDED', created_at from sold;

insert into payment (merchant_id, id, invoice_id, attempt_id, customer_id, currency, amount_minor, fee_minor, paid_at)
select merchant_id, i, i, i, i, 'USD', amount, amount / 40, created_at from sold;

insert into ledger_entry (merchant_id, id, transaction_id, account, currency, amount_minor, payment_id, created_at)
select merchant_id, 3 * (i - 1) + leg, i, (array['CASH', 'PORTAL_FEE', 'MERCHANT_PAYABLE'])[leg], 'USD',
    (array[amount, -amount / 40, amount / 40 - amount])[leg], i, created_at
from sold, generate_series(1, 3) leg;

-- Bodies are short: nothing reads them, and a million of real length would only make the copies slow. They went to endpoints that
-- are no more, so that what a case delivers comes on top of a past.
insert into event (merchant_id, id, type, subscription_id, sequence, body, occurred_at, created_at)
select merchant_id, i, 'subscription.created', i, 1,
    convert_to('{"event":"subscription.created","id":"evt_' || i || '","sequence":1,"data":{}}', 'UTF8'), created_at, created_at
from sold;

insert into webhook_endpoint (merchant_id, id, url, event_types, status, deleted_at, created_at)
select id, id, 'https://rosterly.example/webhooks', '{subscription.created}', 'DELETED', created_at, created_at
from terms, sealed;

insert into webhook_attempt (merchant_id, delivery_id, number, endpoint_id, event_id, event_created_at, subscription_id, status_code,
    duration_ms, created_at, delivery_created_at, outcome, finished_at)
select merchant_id, i, 1, merchant_id, i, created_at, i, 200, 20, created_at, created_at, 'DELIVERED', created_at from sold;

select setval(pg_get_serial_sequence(t.name, 'id'), t.used)
from terms, lateral (values
    ('merchant', merchants), ('product', merchants), ('plan', 3 * merchants), ('price', 3 * merchants), ('company', subscriptions),
    ('customer', subscriptions), ('payment_method', subscriptions), ('subscription', subscriptions), ('invoice', subscriptions),
    ('payment_attempt', subscriptions), ('payment', subscriptions), ('ledger_entry', 3 * subscriptions), ('event', subscriptions),
    ('webhook_endpoint', merchants), ('webhook_delivery', subscriptions)
) t (name, used);
select setval('ledger_transaction_id_seq', subscriptions) from terms;

drop view sold;
drop view terms;
