-- +goose Up

-- Counts what changes how an endpoint's requests are made: a drain that has read an older version gives way to one that reads it anew.
alter table webhook_endpoint add column settings_version integer not null default 0;

-- +goose StatementBegin
create function count_settings_version() returns trigger language plpgsql as $$
begin
    new.settings_version := old.settings_version + 1;
    return new;
end
$$;
-- +goose StatementEnd

create trigger webhook_endpoint_settings before update of url, format, api_version, timeout_seconds, rate_limit, headers_cipher,
    secret_cipher, next_secret_cipher, next_secret_at, signing_key_cipher, next_signing_key_cipher on webhook_endpoint
    for each row execute function count_settings_version();
