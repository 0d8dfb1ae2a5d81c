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
