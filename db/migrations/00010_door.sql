-- +goose Up

-- What callers of the GraphQL door have left to spend, whether or not they belong to a merchant: a bucket of points is full again at
-- full_at. One that is not here is full, which is why they need not survive a crash. granted is what the last statement took: the
-- statement that takes points has no other way to tell how many.
create unlogged table rate_bucket (
    key     text        primary key,
    full_at timestamptz not null,
    granted integer     not null
) with (fillfactor = 50);


-- How many points a bucket gives: as many as it has of those wanted, or none when that would be less than at_least.
-- +goose StatementBegin
create function points_to_take(full_at timestamptz, now timestamptz, point interval, burst integer, at_least integer, wanted integer)
    returns integer language sql immutable as $$
    select case when has.points < at_least then 0 else greatest(least(wanted, has.points), 0) end
    from (select floor(burst - extract(epoch from greatest(full_at, now) - now) / extract(epoch from point))::integer) has (points)
$$;
-- +goose StatementEnd

-- The keys with which callers repeat a request without repeating what it does, with what was answered. A running one is free again when
-- its reservation has ended. There is no foreign key to the merchant: it is the authenticated caller's, and a check would lock its row.
create table idempotency_key (
    merchant_id    bigint      not null,
    scope          text        not null,
    key            text        not null check (length(key) between 1 and 255),
    request_hash   bytea       not null,
    status         text        not null check (status in ('RUNNING', 'ANSWERED', 'WITHHELD')),
    owner          text        not null,
    reserved_until timestamptz not null,
    answer         bytea check ((answer is not null) = (status = 'ANSWERED')),
    created_at     timestamptz not null,
    primary key (merchant_id, scope, key)
);
create index on idempotency_key (created_at);
call guard_tenant('idempotency_key');

-- The origins whose pages a merchant lets call the API in a browser.
create table cors_origin (
    merchant_id bigint not null references merchant,
    origin      text   not null check (origin <> ''),
    primary key (merchant_id, origin)
);
create index on cors_origin (origin);
call guard_tenant('cors_origin');
