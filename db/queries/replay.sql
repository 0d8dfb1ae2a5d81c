-- name: CountOpenReplays :one
select count(*) from webhook_replay where merchant_id = @merchant_id and finished_at is null;

-- name: InsertReplay :one
insert into webhook_replay (merchant_id, endpoint_id, since, until, failed_only, event_types, lease_until, created_at)
values (@merchant_id, sqlc.narg(endpoint_id), @since, @until, @failed_only, @event_types, @lease_until, @created_at)
returning *;

-- name: ReplaysByID :many
select * from webhook_replay where merchant_id = @merchant_id and id = any(@ids::bigint[]) order by id;

-- name: ListReplays :many
select * from webhook_replay where merchant_id = @merchant_id and id < @before order by id desc limit @most;

-- name: CancelReplay :one
update webhook_replay set status = 'CANCELED', finished_at = @now::timestamptz
where merchant_id = @merchant_id and id = @id and finished_at is null
returning *;

-- name: TakeReplay :one
update webhook_replay set status = 'RUNNING', lease_until = @until::timestamptz
where merchant_id = @merchant_id and id = @id and finished_at is null and (status = 'QUEUED' or lease_until <= @now::timestamptz)
returning *;

-- name: LockReplay :one
-- The replay, while it is still its worker's.
select * from webhook_replay
where merchant_id = @merchant_id and id = @id and status = 'RUNNING' and lease_until = @lease_until
for no key update;

-- name: SaveReplay :exec
update webhook_replay set status = @status, position = @position, matched = @matched, enqueued = @enqueued, lease_until = @lease_until,
    finished_at = sqlc.narg(finished_at)
where merchant_id = @merchant_id and id = @id;

-- name: ReplaysToResume :many
select merchant_id, id from webhook_replay where finished_at is null and lease_until <= @now::timestamptz order by lease_until, id limit @most;

-- name: CountReplayAhead :one
-- How many deliveries of the replay wait to be attempted, up to the given number.
select count(*) from (
    select from webhook_delivery where merchant_id = @merchant_id and replay_id = @replay_id::bigint limit @most
) d;

-- name: ReplayEvents :many
select id from event
where merchant_id = @merchant_id and created_at >= @since and created_at < @until and id > @position
  and (@all_types::bool or @types::text[] && array[type, split_part(type, '.', 1) || '.*', '*'])
order by id
limit @most;

-- name: ReplayFinished :many
-- Makes finished deliveries of the events ones that are to be sent again, as AskForFinishedDelivery does for one.
with again as (
    update webhook_attempt a set outcome = null, finished_at = null
    from webhook_endpoint e
    where a.merchant_id = @merchant_id and a.event_id = any(@event_ids::bigint[]) and a.created_at >= @tried_since and a.outcome is not null
      and e.merchant_id = a.merchant_id and e.id = a.endpoint_id and e.status = 'ENABLED'
      and (sqlc.narg(endpoint_id)::bigint is null or e.id = sqlc.narg(endpoint_id))
      and (not @failed_only::bool or a.outcome <> 'DELIVERED')
      and not exists (
          select from webhook_delivery d where d.merchant_id = a.merchant_id and d.endpoint_id = a.endpoint_id and d.event_id = a.event_id)
    returning a.*
)
insert into webhook_delivery (merchant_id, id, endpoint_id, event_id, event_created_at, subscription_id, attempt_count, attempts_before,
    first_attempt_at, next_attempt_at, asked_at, created_at, replay_id, priority)
select merchant_id, delivery_id, endpoint_id, event_id, event_created_at, subscription_id, number, number, created_at,
    @now::timestamptz, @now::timestamptz, delivery_created_at, @replay_id::bigint, 2
from again
order by event_id
returning endpoint_id;

-- name: ReplayUnsent :many
-- Makes deliveries of the events for endpoints that want them and of which there is no trace of a delivery.
insert into webhook_delivery (merchant_id, endpoint_id, event_id, event_created_at, subscription_id, next_attempt_at, asked_at, created_at,
    replay_id, priority)
select v.merchant_id, e.id, v.id, v.created_at, coalesce(v.subscription_id, 0), @now::timestamptz, @now::timestamptz, @now::timestamptz,
    @replay_id::bigint, 2
from event v
join webhook_endpoint e on e.merchant_id = v.merchant_id
left join product p on p.merchant_id = e.merchant_id and p.id = e.product_id
left join subscription s on s.merchant_id = v.merchant_id and s.id = v.subscription_id
where v.merchant_id = @merchant_id and v.id = any(@event_ids::bigint[]) and v.created_at >= @since and v.created_at < @until
  and e.status = 'ENABLED' and (sqlc.narg(endpoint_id)::bigint is null or e.id = sqlc.narg(endpoint_id))
  and e.event_types && array[v.type, split_part(v.type, '.', 1) || '.*', '*']
  and (e.product_id is null or case when s.id is not null then s.product_id = e.product_id
      else convert_from(v.body, 'UTF8')::json #>> '{data,productIdentifier}' = p.identifier end)
  and not exists (
      select from webhook_delivery d where d.merchant_id = v.merchant_id and d.endpoint_id = e.id and d.event_id = v.id)
  and not exists (
      select from webhook_attempt a
      where a.merchant_id = v.merchant_id and a.event_id = v.id and a.endpoint_id = e.id and a.outcome is not null
        and a.created_at >= @tried_since)
order by v.id, e.id
on conflict do nothing
returning endpoint_id;
