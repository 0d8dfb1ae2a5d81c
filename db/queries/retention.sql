-- name: MakePartition :one
select make_partition(@parent::text, cast(@day::text as date))::bool;

-- name: PartitionDays :many
select (day::timestamp at time zone 'UTC')::timestamptz as day from partition_days(@parent::text) day order by 1;

-- name: RetirePartition :one
select retire_partition(@parent::text, cast(@day::text as date))::bool;

-- name: DropRetired :exec
select drop_retired();

-- name: RetireRows :one
select retire_rows(@parent::text, @before::timestamptz, @most::int)::bigint;

-- name: ExpireDeliveries :execrows
-- Gives up what is still to be sent of events that are about to be dropped, so many at once: any of them, because the events of a
-- disabled endpoint may be a great many.
with late as (
    select * from webhook_delivery where event_created_at < @before::timestamptz limit @most for update skip locked
), gone as (
    delete from webhook_delivery d using late where d.merchant_id = late.merchant_id and d.id = late.id
)
insert into webhook_attempt (merchant_id, delivery_id, number, endpoint_id, event_id, event_created_at, subscription_id, error, duration_ms,
    created_at, delivery_created_at, outcome, finished_at)
select merchant_id, id, attempt_count + 1, endpoint_id, event_id, event_created_at, subscription_id, @error::text, 0, @now::timestamptz,
    created_at, 'EXPIRED', @now::timestamptz
from late;

-- name: EventFloor :one
-- The last of the merchant's events that are no longer kept.
select xid::text::bigint as position, id, since from event_floor where merchant_id = @merchant_id;
