-- +goose Up

-- Where the job that judges failing endpoints finds them.
create index webhook_endpoint_failing on webhook_endpoint (failing_since) where failing_since is not null and status = 'ENABLED';
