-- +goose Up

-- The composite keys below lead to rows that refer to the merchant themselves. Checking it again for every event, delivery and attempt
-- locked one row of merchant from many transactions at once.
alter table event drop constraint event_merchant_id_fkey;
alter table webhook_delivery drop constraint webhook_delivery_merchant_id_fkey;
alter table webhook_attempt drop constraint webhook_attempt_merchant_id_fkey;

-- Nobody asks for an attempt by an id: its delivery and its number are its key.
alter table webhook_attempt
    drop constraint webhook_attempt_pkey,
    drop constraint webhook_attempt_number_key,
    drop column id,
    add primary key (merchant_id, delivery_id, number);
