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
