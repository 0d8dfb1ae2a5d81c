-- +goose Up

-- What the drains of an endpoint have learned, saved with the lease. Durations are microseconds, 0 before the first answer.
alter table webhook_endpoint
    add column concurrency     real        not null default 10 check (concurrency between 1 and 50),
    add column refused_size    integer     not null default 0,
    add column refused_at      timestamptz,
    add column quickest_us     bigint      not null default 0,
    add column smoothed_us     bigint      not null default 0,
    add column latency_us      bigint      not null default 0,
    add column breaker         text        not null default 'CLOSED' check (breaker in ('CLOSED', 'OPEN', 'HALF_OPEN')),
    add column held_until      timestamptz check (breaker <> 'OPEN' or held_until is not null),
    add column failed_probes   integer     not null default 0,
    add column failures        integer     not null default 0,
    add column suspects        bigint[]    not null default '{}',
    add column next_request_at timestamptz,
    add column slow            boolean     not null default false,
    add column health_since    timestamptz,
    add column last_success_at timestamptz,
    add column last_failure_at timestamptz,
    add column failing_since   timestamptz,
    add column warned_at       timestamptz,
    add column resumed_at      timestamptz;

-- The attempts of the last day, by hour: a ring of 25 rows for each endpoint. durations is a histogram; webhook/tally.go says of what.
create table webhook_endpoint_hour (
    merchant_id bigint      not null,
    endpoint_id bigint      not null,
    slot        smallint    not null check (slot between 0 and 24),
    hour        timestamptz not null,
    succeeded   bigint      not null,
    failed      bigint      not null,
    durations   bigint[]    not null,
    primary key (merchant_id, endpoint_id, slot),
    foreign key (merchant_id, endpoint_id) references webhook_endpoint
);
call guard_tenant('webhook_endpoint_hour');
