-- Deliveries that are to be sent are none at all or very many, and the planner's idea of how many is usually out of date. These
-- statements run in a scope ByIndex, and each is offered one index: rows by their key, and first rows in the order of an index.

-- name: PublishEvents :many
-- The events, whose bodies have their id between head and tail, and one delivery of each for every endpoint that wants it; those of
-- disabled ones wait for them to be enabled. Answers which of these endpoints need to be drained, and in which queue: enabled ones that
-- nobody is draining, which are not left alone, and where no earlier event waits for its first attempt, because that event's job will find
-- this one too.
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
