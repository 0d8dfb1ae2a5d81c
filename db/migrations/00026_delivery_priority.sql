-- +goose Up

-- What goes first to an endpoint that has more due than it may get: 0 for first attempts, 1 for what has failed before, 2 for what a
-- replay has made due. A replay has lanes of its own, so that what it sends again holds up nothing that has just happened.
alter table webhook_delivery add column priority smallint not null default 0 check (priority between 0 and 2);
update webhook_delivery set priority = case when replay_id is not null then 2 else 1 end where replay_id is not null or attempt_count > 0;
alter table webhook_delivery add column replayed boolean not null generated always as (priority = 2) stored;

drop index webhook_delivery_due;
create index webhook_delivery_due on webhook_delivery (merchant_id, endpoint_id, priority, next_attempt_at, id) where next_attempt_at is not null;
drop index webhook_delivery_lane;
create index webhook_delivery_lane on webhook_delivery (merchant_id, endpoint_id, subscription_id, replayed, id) where subscription_id is not null;

-- Whether something of the endpoint is due; with untried, a first attempt that is no replay's.
-- +goose StatementBegin
create or replace function delivery_waits(of_merchant bigint, of_endpoint bigint, at timestamptz, untried boolean) returns boolean
    language plpgsql stable set enable_seqscan = off set enable_bitmapscan = off
as $$
begin
    for of_priority in 0 .. case when untried then 0 else 2 end loop
        perform from webhook_delivery d
        where d.merchant_id = of_merchant and d.endpoint_id = of_endpoint and d.priority = of_priority and d.next_attempt_at <= at
          and (d.attempt_count = 0 or not untried)
        order by d.next_attempt_at, d.id
        limit 1;
        if found then
            return true;
        end if;
    end loop;
    return false;
end
$$;
-- +goose StatementEnd
