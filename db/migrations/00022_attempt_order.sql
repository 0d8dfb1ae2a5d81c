-- +goose Up

-- The order in which attempts were recorded, for those who follow them: as event.xid is that of events.
alter table webhook_attempt add column xid xid8 not null default pg_current_xact_id();
create index webhook_attempt_order on webhook_attempt (merchant_id, xid, delivery_id, number);
