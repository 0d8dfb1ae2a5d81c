-- +goose Up

---- Sending again ----------------------------------------------------------------------------------------------------------

-- A delivery that somebody has asked for again begins its schedule anew, after the attempts that there were.
alter table webhook_delivery
    add column attempts_before integer not null default 0,
    add column asked_at        timestamptz,
    add check (attempts_before between 0 and attempt_count);

alter table webhook_attempt
    drop constraint webhook_attempt_outcome_check,
    add constraint webhook_attempt_outcome_check check (outcome in ('DELIVERED', 'FAILED', 'EXPIRED'));

---- What is no longer kept -------------------------------------------------------------------------------------------------

-- From when on events and attempts are kept.
create table retention_floor (
    of_table text        primary key check (of_table in ('event', 'webhook_attempt')),
    since    timestamptz not null
);

-- A merchant's last event that was dropped: a reader whose cursor is before it has missed something.
create table event_floor (
    merchant_id bigint      primary key,
    xid         xid8        not null,
    id          bigint      not null,
    since       timestamptz not null
);
call guard_tenant('event_floor');

-- Notes what the events of a table are about to be dropped. It refuses where one of them is still to be sent, or is younger than two days.
-- +goose StatementBegin
create function note_dropped(parent text, of_table text, ends timestamptz) returns boolean language plpgsql
    set search_path = pg_catalog, public, pg_temp
as $$
begin
    if parent is null or parent not in ('event', 'webhook_attempt') or current_setting('portico.tenant') <> 'system' then
        raise exception 'partitions of % are not dropped here', parent using errcode = 'insufficient_privilege';
    end if;
    if ends > date_trunc('day', now(), 'UTC') - interval '1 day' then
        raise exception 'what was before % is not old yet', ends using errcode = 'insufficient_privilege';
    end if;
    if parent = 'event' then
        if exists (select from public.webhook_delivery where event_created_at < ends) then
            return false;
        end if;
        execute format('insert into public.event_floor (merchant_id, xid, id, since)
            select distinct on (merchant_id) merchant_id, xid, id, $1 from public.%I where created_at < $1 order by merchant_id, xid desc, id desc
            on conflict (merchant_id) do update set since = greatest(event_floor.since, excluded.since),
                xid = case when (event_floor.xid, event_floor.id) < (excluded.xid, excluded.id) then excluded.xid else event_floor.xid end,
                id = case when (event_floor.xid, event_floor.id) < (excluded.xid, excluded.id) then excluded.id else event_floor.id end',
            of_table) using ends;
    end if;
    insert into public.retention_floor values (parent, ends)
    on conflict on constraint retention_floor_pkey do update set since = greatest(retention_floor.since, excluded.since);
    return true;
end
$$;
-- +goose StatementEnd
revoke execute on function note_dropped(text, text, timestamptz) from public;

-- Takes a day's partition off its table, which locks the table for as long as the catalog's change takes, or gives up at once. False where
-- there is none or an event is still to be sent.
-- +goose StatementBegin
create function retire_partition(parent text, day date) returns boolean language plpgsql security definer
    set search_path = pg_catalog, public, pg_temp
    set lock_timeout = '200ms'
as $$
declare
    child text := format('%s_p%s', parent, to_char(day, 'YYYYMMDD'));
begin
    perform pg_advisory_xact_lock(hashtext('portico.partition'));
    if not exists (
        select from pg_inherits i
        join pg_class c on c.oid = i.inhrelid
        where i.inhparent = to_regclass(format('public.%I', parent)) and c.relname = child
    ) or not public.note_dropped(parent, child, (day + 1)::timestamp at time zone 'UTC') then
        return false;
    end if;
    execute format('alter table public.%I detach partition public.%I', parent, child);
    return true;
end
$$;
-- +goose StatementEnd
revoke execute on function retire_partition(text, date) from public;

-- Drops the partitions that were taken off, also those whose run was killed before it came to this.
-- +goose StatementBegin
create function drop_retired() returns void language plpgsql security definer
    set search_path = pg_catalog, public, pg_temp
    set lock_timeout = '2s'
as $$
declare
    retired text;
begin
    for retired in
        select relname from pg_class
        where relnamespace = 'public'::regnamespace and relkind = 'r' and not relispartition
          and relname ~ '^(event|webhook_attempt)_p[0-9]{8}$'
    loop
        execute format('drop table public.%I', retired);
    end loop;
end
$$;
-- +goose StatementEnd
revoke execute on function drop_retired() from public;

-- Deletes old rows that had no partition, so many at once, and answers how many those were.
-- +goose StatementBegin
create function retire_rows(parent text, before timestamptz, most integer) returns bigint language plpgsql security definer
    set search_path = pg_catalog, public, pg_temp
    set lock_timeout = '2s'
as $$
declare
    deleted bigint := 0;
    any_left boolean;
begin
    if parent is null or parent not in ('event', 'webhook_attempt') then
        raise exception 'rows of % are not deleted here', parent using errcode = 'insufficient_privilege';
    end if;
    execute format('select exists (select from public.%I where created_at < $1)', parent || '_default') into any_left using before;
    if any_left and public.note_dropped(parent, parent || '_default', before) then
        execute format('delete from public.%1$I where ctid = any (array(select ctid from public.%1$I where created_at < $1 limit $2))',
            parent || '_default') using before, most;
        get diagnostics deleted = row_count;
    end if;
    return deleted;
end
$$;
-- +goose StatementEnd
revoke execute on function retire_rows(text, timestamptz, integer) from public;

-- The days that have a partition.
-- +goose StatementBegin
create function partition_days(parent text) returns setof date language sql stable as $$
    select to_date(right(c.relname, 8), 'YYYYMMDD')
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    where i.inhparent = parent::regclass and c.relname ~ '_p[0-9]{8}$'
$$;
-- +goose StatementEnd
