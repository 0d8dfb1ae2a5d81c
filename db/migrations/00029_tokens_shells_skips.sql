-- +goose Up

-- A token whose act has an entry of its own is counted and becomes none. Until now an empty request id said so.
alter table token_mint add column has_entry boolean not null default false;
select set_config('portico.tenant', 'system', true);
update token_mint set has_entry = true where request_id = '';

-- The release before writes the empty request id and not the column, and looks for the one and not for the other. Once no process of
-- that release is left this can go.
-- +goose StatementBegin
create function mark_token_entry() returns trigger language plpgsql as $$
begin
    new.has_entry := true;
    new.request_id := '';
    return new;
end
$$;
-- +goose StatementEnd
create trigger token_mint_has_entry before insert on token_mint for each row when (new.has_entry or new.request_id = '')
    execute function mark_token_entry();

-- What is done from the shell of this installation has the name of the operating system's user, who has no id here. What is there is
-- not read for the check: none of it is from the shell.
alter table audit_entry
    add column actor_name text,
    add constraint audit_entry_actor_name check ((actor_kind = 'SHELL') = (actor_name is not null)) not valid;
-- What operators and shells did, to whichever merchant.
create index audit_entry_operators on audit_entry (begun_at, id) where actor_kind in ('OPERATOR', 'SHELL');

-- SKIPPED is what was given up because somebody enabled its endpoint without what had waited. What is there has passed a narrower check.
alter table webhook_attempt
    drop constraint webhook_attempt_outcome_check,
    add constraint webhook_attempt_outcome_check check (outcome in ('DELIVERED', 'FAILED', 'EXPIRED', 'SKIPPED')) not valid;

-- Where the events of a type are, and with them their deliveries.
create index event_type on event (merchant_id, type, id);
