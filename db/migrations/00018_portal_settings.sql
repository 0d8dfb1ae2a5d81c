-- +goose Up

-- What a merchant's portal looks like and what customers may do in it. A merchant without a row has the settings STANDARD. The document
-- is that of internal/settings, which checks it; what statements ask for has a column.
create table portal_settings (
    merchant_id     bigint      primary key references merchant,
    document        jsonb       not null,
    portal_enabled  boolean     not null generated always as ((document ->> 'portalEnabled')::boolean) stored,
    magic_links     boolean     not null generated always as (document #>> '{authentication,method}' = 'MAGIC_LINK') stored,
    session_seconds integer     not null generated always as ((document #>> '{authentication,sessionDuration}')::integer) stored,
    created_at      timestamptz not null,
    updated_at      timestamptz not null
);
call guard_tenant('portal_settings');

-- A browser that came with a portal token. How long it stays signed in is the settings' to say, at each use.
create table portal_session (
    merchant_id bigint      not null,
    token_id    bigint      not null,
    secret_hash bytea       not null primary key,
    created_at  timestamptz not null,
    foreign key (merchant_id, token_id) references portal_token on delete cascade
);
create index portal_session_token on portal_session (merchant_id, token_id);
call guard_tenant('portal_session');
