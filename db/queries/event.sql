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
