-- name: LeaseEndpoint :one
-- Nobody drains an endpoint that is left alone for a while.
update webhook_endpoint set lease_owner = @owner::bigint, lease_until = @until::timestamptz
where merchant_id = @merchant_id and id = @id and status = 'ENABLED'
  and (lease_until is null or lease_until <= @now::timestamptz or lease_owner = @owner::bigint)
  and (held_until is null or held_until <= @now::timestamptz)
returning *;

-- name: EndLease :one
-- Saves what the owner of the lease has learned and counted, and gives the lease back. Tells whether somebody should go on, where something
-- is due or where the caller expects it, and in which queue. No row is for who has lost the lease.
with saved as (
    update webhook_endpoint e set lease_owner = null, lease_until = null,
        concurrency = @concurrency, refused_size = @refused_size, refused_at = sqlc.narg(refused_at), quickest_us = @quickest_us,
        smoothed_us = @smoothed_us, latency_us = @latency_us, breaker = @breaker, held_until = sqlc.narg(held_until),
        failed_probes = @failed_probes, failures = @failures, suspects = @suspects, next_request_at = sqlc.narg(next_request_at),
        slow = @slow, health_since = sqlc.narg(health_since), last_success_at = sqlc.narg(last_success_at),
        last_failure_at = sqlc.narg(last_failure_at), failing_since = sqlc.narg(failing_since), resumed_at = sqlc.narg(resumed_at)
    where e.merchant_id = @merchant_id and e.id = @id and e.lease_owner = @owner::bigint
    returning e.merchant_id, e.id, e.status, e.slow, e.held_until, e.next_request_at
), counted as (
    insert into webhook_endpoint_hour as h (merchant_id, endpoint_id, slot, hour, succeeded, failed, durations)
    select s.merchant_id, s.id, @slot::smallint, @hour::timestamptz, @succeeded::bigint, @failed::bigint, @durations::bigint[]
    from saved s
    where @attempts::bigint > 0
    on conflict (merchant_id, endpoint_id, slot) do update set
        hour = excluded.hour,
        succeeded = excluded.succeeded + case when h.hour = excluded.hour then h.succeeded else 0 end,
        failed = excluded.failed + case when h.hour = excluded.hour then h.failed else 0 end,
        durations = case when h.hour = excluded.hour then array(
            select h.durations[i] + excluded.durations[i] from generate_subscripts(excluded.durations, 1) i order by i
        ) else excluded.durations end
)
select (s.status = 'ENABLED' and (s.held_until is null or s.held_until <= @now::timestamptz)
    and (@expecting::bool or delivery_waits(s.merchant_id, s.id, @now::timestamptz, false)))::bool as more,
    (s.slow or coalesce(s.next_request_at > @now::timestamptz, false))::bool as slow
from saved s;

-- name: SaveLeases :many
-- Saves as EndLease does what the owners of leases have learned and counted, and extends each until the same time. Answers the places of
-- those who have theirs, and which are saved: a row that somebody has locked is left for later, so that nobody waits for another's
-- endpoint. The zero time stands for none.
with asked as (
    select generate_subscripts(@merchant_ids::bigint[], 1) as place, unnest(@merchant_ids::bigint[]) as merchant_id,
        unnest(@ids::bigint[]) as id, unnest(@owners::bigint[]) as owner, unnest(@concurrencies::real[]) as concurrency,
        unnest(@refused_sizes::int[]) as refused_size, unnest(@refused_ats::timestamptz[]) as refused_at,
        unnest(@quickest_us::bigint[]) as quickest_us, unnest(@smoothed_us::bigint[]) as smoothed_us,
        unnest(@latencies_us::bigint[]) as latency_us, unnest(@breakers::text[]) as breaker, unnest(@held_untils::timestamptz[]) as held_until,
        unnest(@failed_probes::int[]) as failed_probes, unnest(@failures::int[]) as failures, unnest(@suspects::text[])::bigint[] as suspects,
        unnest(@next_request_ats::timestamptz[]) as next_request_at, unnest(@slows::bool[]) as slow,
        unnest(@health_sinces::timestamptz[]) as health_since, unnest(@last_success_ats::timestamptz[]) as last_success_at,
        unnest(@last_failure_ats::timestamptz[]) as last_failure_at, unnest(@failing_sinces::timestamptz[]) as failing_since,
        unnest(@resumed_ats::timestamptz[]) as resumed_at, unnest(@slots::smallint[]) as slot, unnest(@hours::timestamptz[]) as hour,
        unnest(@succeeded::bigint[]) as succeeded, unnest(@failed::bigint[]) as failed, unnest(@durations::text[])::bigint[] as durations
), mine as materialized (
    select a.* from asked a
    join webhook_endpoint e on e.merchant_id = a.merchant_id and e.id = a.id
    where e.lease_owner = a.owner
), free as materialized (
    select m.* from mine m
    join webhook_endpoint e on e.merchant_id = m.merchant_id and e.id = m.id
    where e.lease_owner = m.owner
    order by m.merchant_id, m.id
    for no key update of e skip locked
), saved as (
    update webhook_endpoint e set lease_until = @until::timestamptz,
        concurrency = f.concurrency, refused_size = f.refused_size, refused_at = nullif(f.refused_at, '0001-01-01 00:00:00+00'),
        quickest_us = f.quickest_us, smoothed_us = f.smoothed_us, latency_us = f.latency_us, breaker = f.breaker,
        held_until = nullif(f.held_until, '0001-01-01 00:00:00+00'), failed_probes = f.failed_probes, failures = f.failures,
        suspects = f.suspects, next_request_at = nullif(f.next_request_at, '0001-01-01 00:00:00+00'), slow = f.slow,
        health_since = nullif(f.health_since, '0001-01-01 00:00:00+00'), last_success_at = nullif(f.last_success_at, '0001-01-01 00:00:00+00'),
        last_failure_at = nullif(f.last_failure_at, '0001-01-01 00:00:00+00'), failing_since = nullif(f.failing_since, '0001-01-01 00:00:00+00'),
        resumed_at = nullif(f.resumed_at, '0001-01-01 00:00:00+00')
    from free f
    where e.merchant_id = f.merchant_id and e.id = f.id
    returning f.place, f.merchant_id, f.id, f.slot, f.hour, f.succeeded, f.failed, f.durations
), counted as (
    insert into webhook_endpoint_hour as h (merchant_id, endpoint_id, slot, hour, succeeded, failed, durations)
    select s.merchant_id, s.id, s.slot, s.hour, s.succeeded, s.failed, s.durations
    from saved s
    where s.succeeded + s.failed > 0
    on conflict (merchant_id, endpoint_id, slot) do update set
        hour = excluded.hour,
        succeeded = excluded.succeeded + case when h.hour = excluded.hour then h.succeeded else 0 end,
        failed = excluded.failed + case when h.hour = excluded.hour then h.failed else 0 end,
        durations = case when h.hour = excluded.hour then array(
            select h.durations[i] + excluded.durations[i] from generate_subscripts(excluded.durations, 1) i order by i
        ) else excluded.durations end
)
select m.place::int as place, exists (select from saved s where s.place = m.place) as saved
from mine m
order by m.place;

-- name: EndpointIsWaiting :one
-- Whether an enabled endpoint has something due and nobody to drain it.
select exists (
    select from webhook_endpoint e
    where e.merchant_id = @merchant_id and e.id = @id and e.status = 'ENABLED'
      and (e.lease_until is null or e.lease_until <= @now::timestamptz)
      and (e.held_until is null or e.held_until <= @now::timestamptz)
      and delivery_waits(e.merchant_id, e.id, @now::timestamptz, false)
);

-- name: EndHold :one
-- Whoever asks for a delivery does not want to wait for the next probe. Answers in which queue the endpoint is.
update webhook_endpoint set held_until = least(held_until, @now::timestamptz)
where merchant_id = @merchant_id and id = @id
returning slow;

-- name: EndpointsToWake :many
-- Endpoints with due deliveries that nobody is draining, those that have waited longest first, and in which queue they belong. The
-- walk jumps from endpoint to endpoint through the index, so that its cost does not grow with the deliveries that wait.
with recursive waiting as (
    (select d.merchant_id, d.endpoint_id from webhook_delivery d
     where d.next_attempt_at > '-infinity'
     order by d.merchant_id, d.endpoint_id
     limit 1)
    union all
    select following.merchant_id, following.endpoint_id
    from waiting w
    cross join lateral (
        select d.merchant_id, d.endpoint_id from webhook_delivery d
        where d.next_attempt_at > '-infinity' and (d.merchant_id, d.endpoint_id) > (w.merchant_id, w.endpoint_id)
        order by d.merchant_id, d.endpoint_id
        limit 1
    ) following
)
select e.merchant_id, e.id as endpoint_id, (e.slow or coalesce(e.next_request_at > @now::timestamptz, false))::bool as slow
from waiting w
join webhook_endpoint e on e.merchant_id = w.merchant_id and e.id = w.endpoint_id
cross join lateral (
    select d.next_attempt_at from generate_series(0, 2) p
    cross join lateral (
        select d.next_attempt_at from webhook_delivery d
        where d.merchant_id = e.merchant_id and d.endpoint_id = e.id and d.priority = p and d.next_attempt_at <= @now::timestamptz
        order by d.next_attempt_at
        limit 1
    ) d
    order by d.next_attempt_at
    limit 1
) oldest
where e.status = 'ENABLED' and (e.lease_until is null or e.lease_until <= @now::timestamptz)
  and (e.held_until is null or e.held_until <= @now::timestamptz)
order by oldest.next_attempt_at, e.merchant_id, e.id
limit @most;
