-- Where rows can be that are known by their ids -------------------------------------------------------------------------
-- These say what the marks know. How far clocks may be apart is for the caller to add.

-- name: Mark :exec
-- Notes how far ids and transactions have come, unless somebody did so lately.
insert into id_mark (at, event_id, delivery_id, ended_xid, next_xid)
select @at::timestamptz, nextval(pg_get_serial_sequence('event', 'id')), nextval(pg_get_serial_sequence('webhook_delivery', 'id')),
    pg_snapshot_xmin(pg_current_snapshot()), pg_snapshot_xmax(pg_current_snapshot())
where not exists (select from id_mark where at > @lately::timestamptz)
on conflict do nothing;

-- name: ForgetMarks :exec
-- Those of days that are no longer kept, and those of a clock that was ahead.
delete from id_mark where at < @before::timestamptz or at > @after::timestamptz;

-- name: EventsCreated :one
-- When the events with these ids and those between were created.
select coalesce((select max(at) from id_mark where event_id < @first::bigint), 'epoch')::timestamptz as since,
    coalesce((select min(at) from id_mark where event_id >= @last::bigint), @now::timestamptz)::timestamptz as until;

-- name: DeliveriesCreated :one
-- When the deliveries with these ids and those between were created.
select coalesce((select max(at) from id_mark where delivery_id < @first::bigint), 'epoch')::timestamptz as since,
    coalesce((select min(at) from id_mark where delivery_id >= @last::bigint), @now::timestamptz)::timestamptz as until;

-- name: DeliveriesBetween :one
-- Between which ids the deliveries lie that were created in a time.
select coalesce((select max(delivery_id) from id_mark where at <= least(@since::timestamptz, @now::timestamptz)), 0)::bigint as above,
    coalesce((select min(delivery_id) from id_mark where at between @until::timestamptz and @now::timestamptz), 9223372036854775807)::bigint as before;

-- name: FollowingCreated :one
-- When the events of the transactions behind a position were created, up to those that had ended at a mark so many seconds later; the
-- greatest transaction where there is no such mark.
select coalesce(s.at, 'epoch')::timestamptz as since, coalesce(u.at, @now::timestamptz)::timestamptz as until,
    coalesce(u.ended_xid::text::bigint, 9223372036854775807)::bigint as before_xid
from (select max(m.at) as at from id_mark m where m.next_xid <= cast(cast(@after_xid::bigint as text) as xid8)) s
left join lateral (
    select m.at, m.ended_xid from id_mark m
    where m.at >= coalesce(s.at, (select min(f.at) from id_mark f)) + make_interval(secs => @ahead::float8)
      and m.ended_xid > cast(cast(@after_xid::bigint as text) as xid8)
    order by m.at
    limit 1
) u on true;
