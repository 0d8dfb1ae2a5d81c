-- +goose Up

-- How far ids and transactions had come at an instant. It leads from an id or a position, which say nothing about time, to the few
-- daily partitions that can have the row: behind a mark are the ids above its own and the transactions that had not begun.
create table id_mark (
    at          timestamptz primary key,
    event_id    bigint      not null,
    delivery_id bigint      not null,
    ended_xid   xid8        not null, -- transactions below had ended
    next_xid    xid8        not null  -- transactions from here on had not begun
);

-- Deletes old rows that had no partition, so many at once, and answers how many those were. Each call notes what it has deleted, and does
-- not read all that is left.
-- +goose StatementBegin
create or replace function retire_rows(parent text, before timestamptz, most integer) returns bigint language plpgsql security definer
    set search_path = pg_catalog, public, pg_temp
    set lock_timeout = '2s'
as $$
declare
    deleted bigint;
begin
    if parent is null or parent not in ('event', 'webhook_attempt') or current_setting('portico.tenant') <> 'system' then
        raise exception 'rows of % are not deleted here', parent using errcode = 'insufficient_privilege';
    end if;
    if parent = 'webhook_attempt' then
        delete from public.webhook_attempt_default where ctid = any (array(
            select ctid from public.webhook_attempt_default where created_at < before limit most));
        get diagnostics deleted = row_count;
    elsif exists (select from public.webhook_delivery where event_created_at < before) then
        return 0;
    else
        with gone as (
            delete from public.event_default where ctid = any (array(
                select ctid from public.event_default where created_at < before limit most))
            returning merchant_id, xid, id
        ), noted as (
            insert into public.event_floor (merchant_id, xid, id, since)
            select distinct on (merchant_id) merchant_id, xid, id, before from gone order by merchant_id, xid desc, id desc
            on conflict (merchant_id) do update set since = greatest(event_floor.since, excluded.since),
                xid = case when (event_floor.xid, event_floor.id) < (excluded.xid, excluded.id) then excluded.xid else event_floor.xid end,
                id = case when (event_floor.xid, event_floor.id) < (excluded.xid, excluded.id) then excluded.id else event_floor.id end
        )
        select count(*) into deleted from gone;
    end if;
    if deleted > 0 then
        if before > date_trunc('day', now(), 'UTC') - interval '1 day' then
            raise exception 'what was before % is not old yet', before using errcode = 'insufficient_privilege';
        end if;
        insert into public.retention_floor values (parent, before)
        on conflict on constraint retention_floor_pkey do update set since = greatest(retention_floor.since, excluded.since);
    end if;
    return deleted;
end
$$;
-- +goose StatementEnd
