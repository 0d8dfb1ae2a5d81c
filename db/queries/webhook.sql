-- Events -----------------------------------------------------------------------------------------------------------------

-- name: EventsAfter :many
-- The transactions below the snapshot's xmin have all ended, so nothing can appear before a row that is shown. The instants keep the plan
-- to the partitions in which the events of these transactions lie.
select merchant_id, id, xid::text::bigint as position, type, coalesce(subscription_id, 0)::bigint as subscription_id, sequence, body, occurred_at
from event
where merchant_id = @merchant_id and (xid, id) > (cast(cast(@after_xid::bigint as text) as xid8), @after_id::bigint)
  and xid < least(pg_snapshot_xmin(pg_current_snapshot()), cast(cast(@before_xid::bigint as text) as xid8))
  and created_at >= @since::timestamptz and created_at < @until::timestamptz
order by xid, id
limit @most;

-- name: EventsByID :many
select merchant_id, id, xid::text::bigint as position, type, coalesce(subscription_id, 0)::bigint as subscription_id, sequence, body, occurred_at
from event
where merchant_id = @merchant_id and id = any(@ids::bigint[]) and created_at >= @since::timestamptz and created_at < @until::timestamptz
order by id;

-- name: EventBodies :many
-- The bodies of events whose time is known, within the bounds of these times, which keep the plan to few partitions.
select e.merchant_id, e.id, e.body
from (
    select unnest(@merchant_ids::bigint[]) as merchant_id, unnest(@ids::bigint[]) as id, unnest(@created_ats::timestamptz[]) as created_at
) p
join event e on e.merchant_id = p.merchant_id and e.id = p.id and e.created_at = p.created_at
where e.created_at between @oldest::timestamptz and @newest::timestamptz
order by e.id;

-- Endpoints --------------------------------------------------------------------------------------------------------------

-- name: LockMerchantForEndpoint :exec
-- Endpoints are counted one creation at a time.
select from merchant where id = @merchant_id for no key update;

-- name: CountEndpoints :one
select count(*) from webhook_endpoint where merchant_id = @merchant_id and status <> 'DELETED';

-- name: EndpointProductExists :one
select exists (select from product where merchant_id = @merchant_id and id = @id);

-- name: EndpointProductIdentifier :one
select identifier from product where merchant_id = @merchant_id and id = @id;

-- name: ReserveEndpointID :one
select nextval(pg_get_serial_sequence('webhook_endpoint', 'id'))::bigint;

-- name: InsertEndpoint :one
insert into webhook_endpoint (merchant_id, id, product_id, url, description, format, api_version, event_types, timeout_seconds, rate_limit,
    header_names, headers_cipher, secret_cipher, signing_key_cipher, public_key, created_at)
values (@merchant_id, @id, @product_id, @url, @description, @format, @api_version, @event_types, @timeout_seconds, @rate_limit,
    @header_names, @headers_cipher, @secret_cipher, @signing_key_cipher, @public_key, @created_at)
returning *;

-- name: LockEndpoint :one
select * from webhook_endpoint
where merchant_id = @merchant_id and id = @id and status <> 'DELETED'
for no key update;

-- name: UpdateEndpoint :exec
update webhook_endpoint set product_id = @product_id, url = @url, description = @description, event_types = @event_types,
    timeout_seconds = @timeout_seconds, rate_limit = @rate_limit, header_names = @header_names, headers_cipher = @headers_cipher
where merchant_id = @merchant_id and id = @id;

-- name: EnableEndpoint :exec
-- Whoever enables an endpoint believes that it is well: what was held for it goes out at once.
update webhook_endpoint set status = 'ENABLED', disabled_reason = null, disabled_at = null, breaker = 'CLOSED', held_until = null,
    failed_probes = 0, failures = 0, suspects = '{}', latency_us = 0, slow = false, health_since = @now::timestamptz, failing_since = null,
    warned_at = null, resumed_at = @now::timestamptz
where merchant_id = @merchant_id and id = @id and status = 'DISABLED';

-- name: ReviveDeliveries :exec
-- Has an endpoint sent what has failed for good since a time, where its event is kept: as AskForFinishedDelivery does for one.
with again as (
    update webhook_attempt a set outcome = null, finished_at = null
    where a.merchant_id = @merchant_id and a.endpoint_id = @endpoint_id and a.outcome = 'FAILED' and a.finished_at >= @since::timestamptz
      and a.created_at >= @tried_since::timestamptz
      and exists (select from event e where e.merchant_id = a.merchant_id and e.id = a.event_id and e.created_at = a.event_created_at)
      and not exists (
          select from webhook_delivery d where d.merchant_id = a.merchant_id and d.endpoint_id = a.endpoint_id and d.event_id = a.event_id)
    returning a.*
)
insert into webhook_delivery (merchant_id, id, endpoint_id, event_id, event_created_at, subscription_id, attempt_count, attempts_before,
    first_attempt_at, next_attempt_at, asked_at, created_at, priority)
select merchant_id, delivery_id, endpoint_id, event_id, event_created_at, subscription_id, number, number, created_at,
    @now::timestamptz, @now::timestamptz, delivery_created_at, 1
from again;

-- name: RetryAfresh :exec
-- Has what has failed tried again at once, each with its whole schedule before it.
update webhook_delivery set next_attempt_at = @now::timestamptz, attempts_before = attempt_count
where merchant_id = @merchant_id and endpoint_id = @endpoint_id and next_attempt_at > '-infinity' and attempt_count > 0;

-- name: DisableEndpoint :exec
-- The merchant's own reason goes before any that Portico had; since when stays.
update webhook_endpoint set status = 'DISABLED', disabled_reason = @reason::text,
    disabled_at = case when status = 'DISABLED' then disabled_at else @now::timestamptz end
where merchant_id = @merchant_id and id = @id and status in ('ENABLED', 'DISABLED');

-- name: FailingEndpoints :many
-- Enabled endpoints whose requests have failed, the first and the last of them that far apart, without one success between, and whose
-- merchants have not been told yet, or so far apart that the endpoint is disabled. Nobody is draining them.
select merchant_id, id from webhook_endpoint
where status = 'ENABLED' and failing_since <= @warn_before::timestamptz and (lease_until is null or lease_until <= @now::timestamptz)
  and (last_failure_at >= failing_since + make_interval(secs => @disable_after::float8)
      or last_failure_at >= failing_since + make_interval(secs => @warn_after::float8) and (warned_at is null or warned_at < failing_since))
order by failing_since, merchant_id, id
limit @most;

-- name: EndpointIsWarned :exec
update webhook_endpoint set warned_at = @now::timestamptz where merchant_id = @merchant_id and id = @id;

-- name: EndpointAbout :one
-- What mails and events say of an endpoint.
select m.name as merchant_name, coalesce(p.identifier, '') as product_identifier
from webhook_endpoint e
join merchant m on m.id = e.merchant_id
left join product p on p.merchant_id = e.merchant_id and p.id = e.product_id
where e.merchant_id = @merchant_id and e.id = @id;

-- name: EndpointKeepers :many
-- The members who can change the merchant's endpoints.
select member.id, member.email
from merchant
join membership on membership.merchant_id = coalesce(merchant.sandbox_of, merchant.id)
join member on member.id = membership.member_id
where merchant.id = @merchant_id and membership.role in ('OWNER', 'ADMIN') and member.email_verified_at is not null
order by member.id;

-- name: DeleteEndpoint :exec
update webhook_endpoint set status = 'DELETED', deleted_at = @now::timestamptz, disabled_reason = null, disabled_at = null,
    headers_cipher = null, secret_cipher = null, next_secret_cipher = null, next_secret_at = null,
    signing_key_cipher = null, next_signing_key_cipher = null, next_public_key = null
where merchant_id = @merchant_id and id = @id;

-- name: RollEndpointSecret :exec
-- A next secret whose time has come is the present one by now; one that is still waiting gives way.
update webhook_endpoint set
    secret_cipher = case when next_secret_at <= @now::timestamptz then next_secret_cipher else secret_cipher end,
    signing_key_cipher = case when next_secret_at <= @now::timestamptz then next_signing_key_cipher else signing_key_cipher end,
    public_key = case when next_secret_at <= @now::timestamptz then next_public_key else public_key end,
    next_secret_cipher = @next_secret_cipher::bytea, next_signing_key_cipher = @next_signing_key_cipher::bytea,
    next_public_key = @next_public_key::bytea, next_secret_at = @next_secret_at::timestamptz
where merchant_id = @merchant_id and id = @id;

-- name: ActivateEndpointSecret :exec
update webhook_endpoint set secret_cipher = next_secret_cipher, signing_key_cipher = next_signing_key_cipher, public_key = next_public_key,
    next_secret_cipher = null, next_signing_key_cipher = null, next_public_key = null, next_secret_at = null
where merchant_id = @merchant_id and id = @id and next_secret_cipher is not null;

-- name: EndpointDeletedAt :one
select deleted_at::timestamptz from webhook_endpoint where merchant_id = @merchant_id and id = @id and status = 'DELETED';

-- name: DeliveriesToCancel :many
-- What is on its way to a deleted endpoint, so many at once.
select d.id, d.first_attempt_at from webhook_delivery d
join webhook_endpoint e on e.merchant_id = d.merchant_id and e.id = d.endpoint_id
where d.merchant_id = @merchant_id and d.endpoint_id = @endpoint_id and d.next_attempt_at > '-infinity' and e.status = 'DELETED'
order by d.priority, d.next_attempt_at, d.id
limit @batch;

-- name: CancelDeliveries :exec
-- Ends deliveries: what was tried, within the given time, has failed, and what was not is forgotten.
with gone as (
    delete from webhook_delivery d where d.merchant_id = @merchant_id and d.id = any(@ids::bigint[])
    returning d.merchant_id, d.id, d.attempt_count
)
update webhook_attempt a set outcome = 'FAILED', finished_at = @now::timestamptz
from gone
where a.merchant_id = gone.merchant_id and a.delivery_id = gone.id and a.number = gone.attempt_count
  and a.created_at >= @since::timestamptz and a.created_at < @until::timestamptz;

-- name: SkipDeliveries :execrows
-- Gives up what waits for a disabled endpoint, so many at once, and answers how many those were. Nobody enables it meanwhile.
with skipped as materialized (
    select d.* from webhook_delivery d
    join webhook_endpoint e on e.merchant_id = d.merchant_id and e.id = d.endpoint_id
    where d.merchant_id = @merchant_id and d.endpoint_id = @endpoint_id and d.next_attempt_at > '-infinity' and e.status = 'DISABLED'
    order by d.priority, d.next_attempt_at, d.id
    limit @most
    for update of d for share of e
), gone as (
    delete from webhook_delivery d using skipped s where d.merchant_id = s.merchant_id and d.id = s.id
)
insert into webhook_attempt (merchant_id, delivery_id, number, endpoint_id, event_id, event_created_at, subscription_id, error, duration_ms,
    created_at, delivery_created_at, outcome, finished_at)
select merchant_id, id, attempt_count + 1, endpoint_id, event_id, event_created_at, subscription_id, @error::text, 0, @now::timestamptz,
    created_at, 'SKIPPED', @now::timestamptz
from skipped;

-- name: ListEndpoints :many
select * from webhook_endpoint
where merchant_id = @merchant_id and id < @before and status <> 'DELETED'
  and (sqlc.narg(product_id)::bigint is null or product_id = sqlc.narg(product_id))
  and (sqlc.narg(status)::text is null or status = sqlc.narg(status))
order by id desc
limit @most;

-- name: EndpointsByID :many
select * from webhook_endpoint
where merchant_id = @merchant_id and id = any(@ids::bigint[]) and status <> 'DELETED'
order by id;

-- The lease --------------------------------------------------------------------------------------------------------------

-- name: LeaseEndpoint :one
-- Nobody drains an endpoint that is left alone for a while.
update webhook_endpoint set lease_owner = @owner::bigint, lease_until = @until::timestamptz
where merchant_id = @merchant_id and id = @id and status = 'ENABLED'
  and (lease_until is null or lease_until <= @now::timestamptz or lease_owner = @owner::bigint)
  and (held_until is null or held_until <= @now::timestamptz)
returning *;

-- name: SaveLease :one
-- Saves what the owner of the lease has learned and counted, and extends the lease until the given time; null gives it back. Then it
-- tells whether somebody should go on, where something is due or where the caller expects it, and in which queue. No row is for
-- who has lost the lease.
with saved as (
    update webhook_endpoint e set lease_owner = case when sqlc.narg(until)::timestamptz is not null then e.lease_owner end,
        lease_until = sqlc.narg(until)::timestamptz,
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
select (sqlc.narg(until)::timestamptz is null and s.status = 'ENABLED' and (s.held_until is null or s.held_until <= @now::timestamptz)
    and (@expecting::bool or delivery_waits(s.merchant_id, s.id, @now::timestamptz, false)))::bool as more,
    (s.slow or coalesce(s.next_request_at > @now::timestamptz, false))::bool as slow
from saved s;

-- name: SaveLeases :many
-- Saves as SaveLease does what the owners of leases have learned and counted, and extends each until the same time. Answers the places of
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

-- Deliveries -------------------------------------------------------------------------------------------------------------
-- Deliveries that are to be sent are none at all or very many, and the planner's idea of how many is usually out of date. These
-- statements run in a scope ByIndex, and each is offered one index: rows by their key, and first rows in the order of an index.

-- name: PublishEvents :many
-- The events, whose bodies have their id between head and tail, and one delivery of each for every endpoint that wants it; those of
-- disabled ones wait for them to be enabled. Answers which of these endpoints need to be drained, and in which queue: enabled ones that nobody is draining, which are not left alone, and where no earlier
-- event waits for its first attempt, because that event's job will find this one too.
with published as materialized (
    select nextval('event_id_seq') as event_id, e.merchant_id, e.type, e.subscription_id, e.product_id,
        e.sequence, e.head, e.tail, e.occurred_at
    from (
        select unnest(@merchant_ids::bigint[]) as merchant_id, unnest(@types::text[]) as type, unnest(@subscription_ids::bigint[]) as subscription_id,
            unnest(@product_ids::bigint[]) as product_id, unnest(@sequences::bigint[]) as sequence, unnest(@heads::bytea[]) as head,
            unnest(@tails::bytea[]) as tail, unnest(@occurred_ats::timestamptz[]) as occurred_at
    ) e
), stored as (
    insert into event (merchant_id, id, type, subscription_id, sequence, body, occurred_at, created_at)
    select merchant_id, event_id, type, nullif(subscription_id, 0), sequence, head || convert_to(event_id::text, 'UTF8') || tail, occurred_at,
        @now::timestamptz
    from published
), added as (
    insert into webhook_delivery (merchant_id, endpoint_id, event_id, event_created_at, subscription_id, next_attempt_at, created_at)
    select p.merchant_id, e.id, p.event_id, @now::timestamptz, p.subscription_id, @now::timestamptz, @now::timestamptz
    from published p
    join webhook_endpoint e on e.merchant_id = p.merchant_id
    where e.status <> 'DELETED' and e.event_types && array[p.type, split_part(p.type, '.', 1) || '.*', '*'] and (e.product_id is null or e.product_id = p.product_id)
    order by p.event_id, e.id
    returning merchant_id, endpoint_id
)
select e.merchant_id, e.id as endpoint_id, (e.slow or coalesce(e.next_request_at > @now::timestamptz, false))::bool as slow
from webhook_endpoint e
where (e.merchant_id, e.id) in (select a.merchant_id, a.endpoint_id from added a) and e.status = 'ENABLED'
  and (e.lease_until is null or e.lease_until <= @now::timestamptz)
  and (e.held_until is null or e.held_until <= @now::timestamptz)
  -- Does not see what this statement adds.
  and not delivery_waits(e.merchant_id, e.id, @now::timestamptz, true)
order by e.merchant_id, e.id;

-- name: DueDeliveries :many
-- What the owners of endpoints' leases have to do, by their places in the arrays: of each priority as many deliveries as could be sent
-- now, and the held ones that were passed on the way. A delivery is held by an earlier unfinished one of its subscription, until
-- that has been tried for the first time and then for the given number of seconds, which begin anew when the endpoint answers again
-- after its events were held; a replay's by those of replays only, and the others by the others. Whoever has lost the lease has nothing
-- to do, nor has anybody for a disabled endpoint.
with asked as (
    select generate_subscripts(@merchant_ids::bigint[], 1) as place, unnest(@merchant_ids::bigint[]) as merchant_id,
        unnest(@endpoint_ids::bigint[]) as endpoint_id, unnest(@owners::bigint[]) as owner, unnest(@slots::int[]) as slots,
        unnest(@sending::text[])::bigint[] as sending
), waited_for as materialized (
    -- Most who ask wait for the first thing to come.
    select a.* from asked a
    cross join lateral (
        select from webhook_delivery d
        where d.merchant_id = a.merchant_id and d.endpoint_id = a.endpoint_id and d.next_attempt_at > '-infinity'
        limit 1
    ) something
), served as materialized (
    select a.*, e.resumed_at, e.settings_version from waited_for a
    cross join lateral (
        select e.lease_owner, e.resumed_at, e.settings_version from webhook_endpoint e
        where e.merchant_id = a.merchant_id and e.id = a.endpoint_id and e.status = 'ENABLED'
        limit 1
    ) e
    where e.lease_owner = a.owner
), due as (
    select s.place, s.slots, s.merchant_id, s.endpoint_id, d.id, d.event_id, d.event_created_at, d.subscription_id, d.attempt_count,
        d.attempts_before, d.next_attempt_at, d.priority, d.replayed, s.resumed_at, s.settings_version
    from served s
    cross join generate_subscripts(@views::int[], 1) p
    cross join lateral (
        select d.* from webhook_delivery d
        where d.merchant_id = s.merchant_id and d.endpoint_id = s.endpoint_id and d.priority = p - 1
          and d.next_attempt_at <= @now::timestamptz and d.id <> all(s.sending)
        order by d.next_attempt_at, d.id
        limit (@views::int[])[p]
    ) d
), judged as (
    select due.*, holder.until,
        row_number() over (partition by due.place, due.priority, holder.until is null order by due.next_attempt_at, due.id) as nth
    from due
    left join lateral (
        select least(h.next_attempt_at, h.hold_ends) as until
        from (
            select u.id, u.next_attempt_at, case when u.first_attempt_at is not null and u.replay_id is null
                then greatest(u.first_attempt_at, due.resumed_at) + make_interval(secs => @hold_seconds::float8) end as hold_ends
            from webhook_delivery u
            where u.merchant_id = due.merchant_id and u.endpoint_id = due.endpoint_id and u.subscription_id = due.subscription_id
              and u.replayed = due.replayed and u.id < due.id
        ) h
        where h.hold_ends is null or h.hold_ends > @now::timestamptz
        order by h.id
        limit 1
    ) holder on true
)
select j.place::int as place, j.merchant_id::bigint as merchant_id, j.id, j.event_id, j.event_created_at, j.attempt_count, j.attempts_before,
    j.priority, j.settings_version, (j.until is not null)::bool as held, coalesce(j.until, @now::timestamptz)::timestamptz as held_until
from judged j
where j.until is not null or j.nth <= j.slots
order by j.place, j.priority, j.next_attempt_at, j.id;

-- name: RetrySoon :exec
-- Has what failed while the endpoint was down tried again now that it answers: what came later waits for it.
update webhook_delivery set next_attempt_at = @now::timestamptz
where merchant_id = @merchant_id and endpoint_id = @endpoint_id and priority in (1, 2) and next_attempt_at > @now::timestamptz
  and attempt_count > 0;

-- name: ParkDeliveries :exec
update webhook_delivery d set next_attempt_at = p.until
from (select unnest(@ids::bigint[]) as id, unnest(@untils::timestamptz[]) as until) p
where d.merchant_id = @merchant_id and d.id = p.id;

-- name: SettleDeliveries :exec
-- Records one attempt for each delivery, deletes those that are finished, and calls up the parked follower of each. What has failed goes
-- behind first attempts from now on, and from a replay's first failure on it holds its lane for as long as any other. What is left of a
-- finished one is its last attempt. Nothing happens to those whose endpoint's lease has gone to another owner, who will send them
-- again, nor to those that are recorded already.
with outcome as (
    select unnest(@merchant_ids::bigint[]) as merchant_id, unnest(@endpoint_ids::bigint[]) as endpoint_id,
        unnest(@owners::bigint[]) as owner, unnest(@ids::bigint[]) as id, unnest(@numbers::int[]) as number,
        unnest(@statuses::text[]) as status, unnest(@next_attempt_ats::timestamptz[]) as next_attempt_at,
        unnest(@status_codes::int[]) as status_code, unnest(@error_classes::text[]) as error_class, unnest(@errors::text[]) as error,
        unnest(@response_bodies::text[]) as response_body, unnest(@durations_ms::int[]) as duration_ms, unnest(@started_ats::timestamptz[]) as started_at
), tried as (
    select d.merchant_id, d.id, d.endpoint_id, d.event_id, d.event_created_at, d.subscription_id, d.replayed, d.created_at, o.number, o.status,
        o.next_attempt_at, o.status_code, o.error_class, o.error, o.response_body, o.duration_ms, o.started_at
    from outcome o
    join webhook_delivery d on d.merchant_id = o.merchant_id and d.id = o.id
    where d.attempt_count = o.number - 1
      and o.owner = (select e.lease_owner from webhook_endpoint e where e.merchant_id = o.merchant_id and e.id = o.endpoint_id)
    for update of d
), rescheduled as (
    update webhook_delivery d set attempt_count = t.number, next_attempt_at = t.next_attempt_at,
        first_attempt_at = case when d.replay_id is null then coalesce(d.first_attempt_at, t.started_at) else t.started_at end,
        priority = greatest(d.priority, 1), replay_id = null
    from tried t
    where t.status = 'PENDING' and d.merchant_id = t.merchant_id and d.id = t.id
), finished as (
    delete from webhook_delivery d
    using tried t
    where t.status <> 'PENDING' and d.merchant_id = t.merchant_id and d.id = t.id
), follower as materialized (
    select t.merchant_id, (
        select n.id from webhook_delivery n
        where n.merchant_id = t.merchant_id and n.endpoint_id = t.endpoint_id and n.subscription_id = t.subscription_id
          and n.replayed = t.replayed and n.id > t.id and n.id <> all(@ids::bigint[])
        order by n.id
        limit 1
    ) as id
    from tried t
    where t.status <> 'PENDING'
), called_up as (
    update webhook_delivery d set next_attempt_at = @now::timestamptz
    from follower f
    where f.id is not null and d.merchant_id = f.merchant_id and d.id = f.id and (d.attempt_count = 0 or d.replay_id is not null)
      and d.next_attempt_at > @now::timestamptz
)
insert into webhook_attempt (merchant_id, delivery_id, number, endpoint_id, event_id, event_created_at, subscription_id, status_code,
    error_class, error, response_body, duration_ms, created_at, delivery_created_at, outcome, finished_at)
select t.merchant_id, t.id, t.number, t.endpoint_id, t.event_id, t.event_created_at, t.subscription_id, nullif(t.status_code, 0),
    nullif(t.error_class, ''), nullif(t.error, ''), t.response_body, t.duration_ms, t.started_at, t.created_at, nullif(t.status, 'PENDING'),
    case when t.status <> 'PENDING' then @now::timestamptz end
from tried t;

-- name: DeliveryWaits :many
-- What deliveries that are to be sent wait for: the state of their endpoints, the earlier delivery that DueDeliveries would find them held
-- by, and whether so many are due before them that the endpoint's rate limit lets none of them go within a second.
select d.id, d.attempt_count, d.next_attempt_at, e.status as endpoint_status, e.breaker, e.held_until, e.rate_limit, e.next_request_at,
    coalesce(holder.id, 0)::bigint as holder_id, (holder.hold_ends is not null)::bool as holder_tried,
    coalesce(holder.hold_ends, @now::timestamptz)::timestamptz as hold_ends,
    (e.rate_limit is not null and d.next_attempt_at <= @now::timestamptz and (
        select count(*) from (
            select from webhook_delivery a
            where a.merchant_id = d.merchant_id and a.endpoint_id = d.endpoint_id and a.priority = d.priority
              and a.next_attempt_at <= d.next_attempt_at and (a.next_attempt_at, a.id) < (d.next_attempt_at, d.id)
            limit e.rate_limit
        ) ahead
    ) >= e.rate_limit)::bool as beyond_rate
from webhook_delivery d
join webhook_endpoint e on e.merchant_id = d.merchant_id and e.id = d.endpoint_id
left join lateral (
    select h.id, h.hold_ends
    from (
        select u.id, case when u.first_attempt_at is not null and u.replay_id is null
            then greatest(u.first_attempt_at, e.resumed_at) + make_interval(secs => @hold_seconds::float8) end as hold_ends
        from webhook_delivery u
        where u.merchant_id = d.merchant_id and u.endpoint_id = d.endpoint_id and u.subscription_id = d.subscription_id
          and u.replayed = d.replayed and u.id < d.id
    ) h
    where h.hold_ends is null or h.hold_ends > @now::timestamptz
    order by h.id
    limit 1
) holder on true
where d.merchant_id = @merchant_id and d.id = any(@ids::bigint[])
order by d.id;

-- name: AskForPendingDelivery :one
-- Has a delivery that waits for its next attempt made at once, before others that wait, with its whole schedule before it.
update webhook_delivery d set next_attempt_at = @now::timestamptz, attempts_before = attempt_count, asked_at = @now::timestamptz, priority = 0,
    replay_id = null
where d.merchant_id = @merchant_id and d.id = @id
returning d.endpoint_id;

-- name: AskForFinishedDelivery :one
-- Makes a finished delivery one that is to be sent again: its last attempt becomes one of several. Only where its event is kept.
with again as (
    update webhook_attempt a set outcome = null, finished_at = null
    where a.merchant_id = @merchant_id and a.delivery_id = @id and a.outcome is not null
      and a.created_at >= @since::timestamptz and a.created_at < @until::timestamptz
      and exists (select from event e where e.merchant_id = a.merchant_id and e.id = a.event_id and e.created_at = @event_created_at)
    returning a.*
)
insert into webhook_delivery (merchant_id, id, endpoint_id, event_id, event_created_at, subscription_id, attempt_count, attempts_before,
    first_attempt_at, next_attempt_at, asked_at, created_at)
select merchant_id, delivery_id, endpoint_id, event_id, event_created_at, subscription_id, number, number, created_at,
    @now::timestamptz, @now::timestamptz, delivery_created_at
from again
returning endpoint_id;

-- What became of deliveries ----------------------------------------------------------------------------------------------
-- One statement for each index: the planner must not find a middle way that suits none.

-- name: PendingDeliveries :many
select merchant_id, id, endpoint_id, event_id, event_created_at, attempt_count, next_attempt_at, created_at
from webhook_delivery
where merchant_id = @merchant_id and id < @before and id > @above and created_at >= @made_since::timestamptz and created_at < @made_until::timestamptz
  and (sqlc.narg(endpoint_id)::bigint is null or endpoint_id = sqlc.narg(endpoint_id))
  and (sqlc.narg(event_id)::bigint is null or event_id = sqlc.narg(event_id))
order by id desc
limit @most;

-- name: PendingDeliveriesOfTypes :many
select d.merchant_id, d.id, d.endpoint_id, d.event_id, d.event_created_at, d.attempt_count, d.next_attempt_at, d.created_at
from webhook_delivery d
where d.merchant_id = @merchant_id and d.id < @before and d.id > @above and d.created_at >= @made_since::timestamptz
  and d.created_at < @made_until::timestamptz
  and (sqlc.narg(endpoint_id)::bigint is null or d.endpoint_id = sqlc.narg(endpoint_id))
  and (sqlc.narg(event_id)::bigint is null or d.event_id = sqlc.narg(event_id))
  and exists (select from event v where v.merchant_id = d.merchant_id and v.id = d.event_id and v.created_at = d.event_created_at
              and v.created_at < @events_until::timestamptz and v.type = any(@types::text[]))
order by d.id desc
limit @most;

-- name: CountWaiting :many
-- How many deliveries to each endpoint are still to be sent, counted up to a number.
select e.id::bigint as endpoint_id, d.waiting
from unnest(@endpoint_ids::bigint[]) e(id)
cross join lateral (
    select count(*) as waiting from (
        select from webhook_delivery d
        where d.merchant_id = @merchant_id and d.endpoint_id = e.id and d.next_attempt_at > '-infinity'
        limit @most
    ) d
) d
order by e.id;

-- name: PendingDeliveriesByID :many
select merchant_id, id, endpoint_id, event_id, event_created_at, attempt_count, next_attempt_at, created_at
from webhook_delivery
where merchant_id = @merchant_id and id = any(@ids::bigint[])
order by id;

-- name: FinishedDeliveries :many
select merchant_id, delivery_id, endpoint_id, event_id, event_created_at, outcome, number, delivery_created_at, finished_at
from webhook_attempt
where merchant_id = @merchant_id and delivery_id < @before and delivery_id > @above and created_at >= @since::timestamptz and created_at < @until::timestamptz
  and outcome is not null
  and (sqlc.narg(outcome)::text is null or outcome = sqlc.narg(outcome))
  and delivery_created_at >= @made_since::timestamptz and delivery_created_at < @made_until::timestamptz
order by delivery_id desc
limit @most;

-- name: FinishedDeliveriesToEndpoint :many
select merchant_id, delivery_id, endpoint_id, event_id, event_created_at, outcome, number, delivery_created_at, finished_at
from webhook_attempt
where merchant_id = @merchant_id and endpoint_id = @endpoint_id and delivery_id < @before and delivery_id > @above and created_at >= @since::timestamptz and created_at < @until::timestamptz
  and outcome is not null
  and (sqlc.narg(outcome)::text is null or outcome = sqlc.narg(outcome))
  and delivery_created_at >= @made_since::timestamptz and delivery_created_at < @made_until::timestamptz
order by delivery_id desc
limit @most;

-- name: FinishedDeliveriesOfEvent :many
select merchant_id, delivery_id, endpoint_id, event_id, event_created_at, outcome, number, delivery_created_at, finished_at
from webhook_attempt
where merchant_id = @merchant_id and event_id = @event_id and delivery_id < @before and delivery_id > @above and created_at >= @since::timestamptz and created_at < @until::timestamptz
  and outcome is not null
  and (sqlc.narg(endpoint_id)::bigint is null or endpoint_id = sqlc.narg(endpoint_id))
  and (sqlc.narg(outcome)::text is null or outcome = sqlc.narg(outcome))
  and delivery_created_at >= @made_since::timestamptz and delivery_created_at < @made_until::timestamptz
order by delivery_id desc
limit @most;

-- name: FinishedDeliveriesOfTypes :many
select a.merchant_id, a.delivery_id, a.endpoint_id, a.event_id, a.event_created_at, a.outcome, a.number, a.delivery_created_at, a.finished_at
from webhook_attempt a
where a.merchant_id = @merchant_id and a.delivery_id < @before and a.delivery_id > @above and a.created_at >= @since::timestamptz
  and a.created_at < @until::timestamptz and a.outcome is not null
  and (sqlc.narg(endpoint_id)::bigint is null or a.endpoint_id = sqlc.narg(endpoint_id))
  and (sqlc.narg(event_id)::bigint is null or a.event_id = sqlc.narg(event_id))
  and (sqlc.narg(outcome)::text is null or a.outcome = sqlc.narg(outcome))
  and a.delivery_created_at >= @made_since::timestamptz and a.delivery_created_at < @made_until::timestamptz
  and exists (select from event v where v.merchant_id = a.merchant_id and v.id = a.event_id and v.created_at = a.event_created_at
              and v.created_at < @events_until::timestamptz and v.type = any(@types::text[]))
order by a.delivery_id desc
limit @most;

-- name: DeadDeliveries :many
select merchant_id, delivery_id, endpoint_id, event_id, event_created_at, outcome, number, delivery_created_at, finished_at
from webhook_attempt
where merchant_id = @merchant_id and delivery_id < @before and delivery_id > @above and created_at >= @since::timestamptz and created_at < @until::timestamptz
  and outcome <> 'DELIVERED' and outcome = @outcome::text
  and (sqlc.narg(endpoint_id)::bigint is null or endpoint_id = sqlc.narg(endpoint_id))
  and delivery_created_at >= @made_since::timestamptz and delivery_created_at < @made_until::timestamptz
order by delivery_id desc
limit @most;

-- name: FinishedDeliveriesByID :many
select merchant_id, delivery_id, endpoint_id, event_id, event_created_at, outcome, number, delivery_created_at, finished_at
from webhook_attempt
where merchant_id = @merchant_id and delivery_id = any(@ids::bigint[]) and outcome is not null
  and created_at >= @since::timestamptz and created_at < @until::timestamptz
order by delivery_id;

-- name: AttemptsByDelivery :many
select delivery_id, number, status_code, error_class, error, response_body, duration_ms, created_at
from webhook_attempt
where merchant_id = @merchant_id and delivery_id = any(@delivery_ids::bigint[])
  and created_at >= @since::timestamptz and created_at < @until::timestamptz
order by delivery_id, number;

-- name: HoursOfEndpoints :many
select endpoint_id, succeeded, failed, durations from webhook_endpoint_hour
where merchant_id = @merchant_id and endpoint_id = any(@endpoint_ids::bigint[]) and hour > @since::timestamptz
order by endpoint_id, hour;
