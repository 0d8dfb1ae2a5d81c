-- +goose Up

-- Null for what succeeded, and for attempts from before.
alter table webhook_attempt add column error_class text;
