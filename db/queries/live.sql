-- name: EventsBegin :one
-- The transactions below have all ended, so that whatever is published from now on has this position or a later one.
select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as position;

-- name: NewestEvents :many
-- How far the events of each merchant can be read. Nothing where no transaction has ended since the given position: then nothing more
-- can be read than before, nor of what is so old that it was read long ago: the latest partitions are enough.
select m.id::bigint as merchant_id, pg_snapshot_xmin(pg_current_snapshot())::text::bigint as position, coalesce((
    select e.xid::text::bigint from event e
    where e.merchant_id = m.id and e.created_at > @recent::timestamptz and e.xid < pg_snapshot_xmin(pg_current_snapshot())
    order by e.xid desc, e.id desc
    limit 1
), 0)::bigint as newest
from unnest(@merchant_ids::bigint[]) as m(id)
where pg_snapshot_xmin(pg_current_snapshot()) > cast(cast(@since::bigint as text) as xid8)
order by m.id;

-- name: NewestAttempts :many
-- As NewestEvents, of recorded attempts.
select m.id::bigint as merchant_id, pg_snapshot_xmin(pg_current_snapshot())::text::bigint as position, coalesce((
    select a.xid::text::bigint from webhook_attempt a
    where a.merchant_id = m.id and a.created_at > @recent::timestamptz and a.xid < pg_snapshot_xmin(pg_current_snapshot())
    order by a.xid desc
    limit 1
), 0)::bigint as newest
from unnest(@merchant_ids::bigint[]) as m(id)
where pg_snapshot_xmin(pg_current_snapshot()) > cast(cast(@since::bigint as text) as xid8)
order by m.id;

-- name: AttemptsAfter :many
-- The attempts that were recorded behind a position, in the order of the transactions that recorded them.
select merchant_id, delivery_id, number, endpoint_id, xid::text::bigint as position, status_code, error_class, error, response_body,
  duration_ms, created_at
from webhook_attempt
where merchant_id = @merchant_id and created_at > @recent::timestamptz
  and (xid, delivery_id, number) > (cast(cast(@after_xid::bigint as text) as xid8), @after_delivery_id::bigint, @after_number::int)
  and xid < pg_snapshot_xmin(pg_current_snapshot())
order by xid, delivery_id, number
limit @most;
