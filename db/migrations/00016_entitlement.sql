-- +goose Up

-- What a subscription has in place of what its plan says of a feature, in the form of plan.features, with an end where there is one:
-- {"maxEmployees":{"kind":"LIMIT","limit":80,"expiresAt":"2026-12-01T00:00:00Z"}}. The next of these ends is due at override_end_at.
alter table subscription
    add column feature_overrides jsonb,
    add column override_end_at   timestamptz,
    add check (override_end_at is null or feature_overrides is not null);
create index subscription_override_due on subscription (override_end_at, id)
    where override_end_at is not null and test_clock_id is null and quarantine_reason is null and not held;

-- The company's subscriptions to such a product are for those customers who have been given a seat, not for all who belong to it.
alter table product add column seat_assignment boolean not null default false;

-- Seats are numbered from 1. Whatever becomes of the quantity, a seat gives access while its number is not above it.
create table seat (
    merchant_id     bigint      not null,
    subscription_id bigint      not null,
    customer_id     bigint      not null,
    number          integer     not null check (number >= 1),
    assigned_at     timestamptz not null,
    primary key (merchant_id, subscription_id, customer_id),
    constraint seat_number_key unique (merchant_id, subscription_id, number),
    foreign key (merchant_id, subscription_id) references subscription,
    foreign key (merchant_id, customer_id) references customer
);
create index seat_customer on seat (merchant_id, customer_id);
call guard_tenant('seat');

-- How much of a limit is used: one row for each period of the subscription, or a single one, whose period starts with the year 1, for a
-- limit that is never reset. Changed in place all the time, so that there is room for it on the page.
create table usage_counter (
    merchant_id     bigint      not null,
    subscription_id bigint      not null,
    period_start    timestamptz not null,
    feature         text        not null,
    used            bigint      not null check (used between 0 and 9007199254740991),
    sequence        bigint      not null, -- of the last record
    counted         boolean     not null, -- whether what was last asked for was counted
    primary key (merchant_id, subscription_id, period_start, feature),
    foreign key (merchant_id, subscription_id) references subscription
) with (fillfactor = 70);
call guard_tenant('usage_counter');

-- What was counted, for as long as a repetition is to be recognised by its key.
create table usage_record (
    merchant_id     bigint      not null,
    subscription_id bigint      not null,
    period_start    timestamptz not null,
    feature         text        not null,
    sequence        bigint      not null,
    key             text        not null,
    absolute        boolean     not null, -- the quantity is the usage, and not what was added to it
    quantity        bigint      not null,
    used            bigint      not null, -- after it
    recorded_at     timestamptz not null, -- in real time
    primary key (merchant_id, subscription_id, period_start, feature, sequence),
    constraint usage_record_key unique (merchant_id, subscription_id, feature, key),
    foreign key (merchant_id, subscription_id, period_start, feature) references usage_counter
);
create index usage_record_age on usage_record (recorded_at);
call guard_tenant('usage_record');

-- What usage becomes by a quantity: that itself, or so much more, or less but nothing below 0.
create function usage_after(used bigint, absolute boolean, quantity bigint) returns bigint language sql immutable as
    'select case when absolute then quantity else greatest(used + quantity, 0) end';

-- Whether a customer has a seat that counts, and the present counters of a subscription. In plpgsql, so that they stay out of the statements
-- that call them: a sub-select costs those some microseconds for each execution, also when nobody asks for it.
-- +goose StatementBegin
create function has_seat(of_merchant bigint, of_subscription bigint, of_customer bigint, quantity integer) returns boolean language plpgsql stable as $$
begin
    return exists (
        select from seat
        where seat.merchant_id = of_merchant and seat.subscription_id = of_subscription and seat.customer_id = of_customer
          and seat.number <= quantity
    );
end
$$;
-- +goose StatementEnd
-- +goose StatementBegin
create function present_usage(of_merchant bigint, of_subscription bigint, period timestamptz) returns jsonb language plpgsql stable as $$
begin
    return (
        select jsonb_agg(jsonb_build_object('feature', u.feature, 'lifetime', u.period_start = '0001-01-01 00:00:00+00', 'used', u.used))
        from usage_counter u
        where u.merchant_id = of_merchant and u.subscription_id = of_subscription
          and u.period_start in ('0001-01-01 00:00:00+00', period)
    );
end
$$;
-- +goose StatementEnd

-- Which subscription to a product speaks for a customer, by the ids of the customer's personal company and of its company: one that grants
-- access before one that does not, the customer's own before the company's, the newest. It grants access while it is live, in its own
-- time, and where seats are assigned only to who has one; nobody needs a seat in a personal company. The one place where that is said: as a
-- single select it becomes part of the statement that calls it.
-- +goose StatementBegin
create function speaking_subscription(
    of_merchant bigint, of_product bigint, of_customer bigint, personal bigint, company bigint, needs_seat boolean, real_now timestamptz
) returns table (subscription_id bigint, lives_at timestamptz, live boolean, seated boolean) language sql stable as $$
    select candidate.id, candidate.lives_at, candidate.live, candidate.seated
    from (
        select s.id, coalesce(clock.now_at, real_now) as lives_at, s.company_id is not distinct from personal as own,
            s.status in ('TRIALING', 'ACTIVE', 'PAST_DUE') and coalesce(coalesce(clock.now_at, real_now) < s.access_until, false) as live,
            not needs_seat or s.company_id is not distinct from personal or has_seat(of_merchant, s.id, of_customer, s.quantity) as seated
        from subscription s
        left join test_clock clock on clock.merchant_id = of_merchant and clock.id = s.test_clock_id
        where s.merchant_id = of_merchant and s.product_id = of_product and s.company_id in (personal, company)
    ) candidate
    order by candidate.live and candidate.seated desc, candidate.own desc, candidate.id desc
    limit 1
$$;
-- +goose StatementEnd
