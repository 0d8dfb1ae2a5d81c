-- +goose Up

-- What is sealed: the values of the headers as one JSON array, in the order of header_names; the secrets; the private keys. Secret and
-- signing key are rolled together; the next ones wait until their deadline or until they are activated. Endpoints from before have no
-- signing key until they are rolled.
alter table webhook_endpoint
    add column description             text    not null default '',
    add column format                  text    not null default 'PORTAL' check (format in ('PORTAL', 'PAYMENT_NOTIFICATION', 'THIN')),
    add column api_version             text    not null default '2026-11-21' check (api_version <> ''),
    add column timeout_seconds         integer not null default 10 check (timeout_seconds between 5 and 30),
    add column rate_limit              integer check (rate_limit between 1 and 1000),
    add column header_names            text[]  not null default '{}' check (cardinality(header_names) <= 20),
    add column headers_cipher          bytea,
    add column next_secret_cipher      bytea,
    add column next_secret_at          timestamptz,
    add column signing_key_cipher      bytea,
    add column public_key              bytea check (octet_length(public_key) = 32),
    add column next_signing_key_cipher bytea,
    add column next_public_key         bytea check (octet_length(next_public_key) = 32),
    add column disabled_reason         text check (disabled_reason in ('MANUAL', 'GONE', 'FAILING')),
    add column disabled_at             timestamptz,
    add column deleted_at              timestamptz;

-- Until now only a 410 disabled an endpoint, and nobody noted when.
update webhook_endpoint set disabled_reason = 'GONE', disabled_at = now() where status = 'DISABLED';

-- A deleted endpoint stays for the history of its deliveries, without its secrets.
alter table webhook_endpoint alter column secret_cipher drop not null;
alter table webhook_endpoint drop constraint webhook_endpoint_status_check;
alter table webhook_endpoint
    add check (status in ('ENABLED', 'DISABLED', 'DELETED')),
    add check ((status = 'DISABLED') = (disabled_at is not null)),
    add check ((disabled_at is null) = (disabled_reason is null)),
    add check ((status = 'DELETED') = (deleted_at is not null)),
    add check ((status = 'DELETED') = (secret_cipher is null)),
    add check (status <> 'DELETED' or num_nulls(headers_cipher, next_secret_cipher, signing_key_cipher, next_signing_key_cipher) = 4),
    add check ((cardinality(header_names) = 0) = (headers_cipher is null) or status = 'DELETED'),
    add check ((next_secret_cipher is null) = (next_secret_at is null)),
    add check ((signing_key_cipher is null) = (public_key is null) or status = 'DELETED'),
    add check (num_nulls(next_secret_cipher, next_signing_key_cipher) in (0, 2)),
    add check ((next_signing_key_cipher is null) = (next_public_key is null));
