-- +goose Up

-- A token whose act has an entry of its own is counted and becomes none. Until now an empty request id said so, and
-- it goes on to do so for the release before; what that one writes without the column is told by it.
alter table token_mint add column has_entry boolean not null default false;

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
