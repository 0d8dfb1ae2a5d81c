-- name: LockMerchantForEndpoint :exec
-- Endpoints are counted one creation at a time.
select from merchant where id = @merchant_id for no key update;

-- name: CountEndpoints :one
select count(*) from webhook_endpoint where merchant_id = @merchant_id and status <> 'DELETED';

-- name: EndpointProductExists :one
select exists (select from product where merchant_id = @merchant_id and id = @id);

-- name: EndpointProductIdentifier :one
select identifier from product where merchant_id = @merchant_id and id = @id;

-- name: ReserveEndpointID :one
select nextval(pg_get_serial_sequence('webhook_endpoint', 'id'))::bigint;

-- name: InsertEndpoint :one
insert into webhook_endpoint (merchant_id, id, product_id, url, description, format, api_version, event_types, timeout_seconds, rate_limit,
    header_names, headers_cipher, secret_cipher, signing_key_cipher, public_key, created_at)
values (@merchant_id, @id, @product_id, @url, @description, @format, @api_version, @event_types, @timeout_seconds, @rate_limit,
    @header_names, @headers_cipher, @secret_cipher, @signing_key_cipher, @public_key, @created_at)
returning *;

-- name: LockEndpoint :one
select * from webhook_endpoint
where merchant_id = @merchant_id and id = @id and status <> 'DELETED'
for no key update;

-- name: UpdateEndpoint :exec
update webhook_endpoint set product_id = @product_id, url = @url, description = @description, event_types = @event_types,
    timeout_seconds = @timeout_seconds, rate_limit = @rate_limit, header_names = @header_names, headers_cipher = @headers_cipher
where merchant_id = @merchant_id and id = @id;

-- name: EnableEndpoint :exec
-- Whoever enables an endpoint believes that it is well: what was held for it goes out at once.
update webhook_endpoint set status = 'ENABLED', disabled_reason = null, disabled_at = null, breaker = 'CLOSED', held_until = null,
    failed_probes = 0, failures = 0, suspects = '{}', latency_us = 0, slow = false, health_since = @now::timestamptz, failing_since = null,
    warned_at = null, resumed_at = @now::timestamptz
where merchant_id = @merchant_id and id = @id and status = 'DISABLED';

-- name: ReviveDeliveries :exec
-- Has an endpoint sent what has failed for good since a time, where its event is kept: as AskForFinishedDelivery does for one.
with again as (
    update webhook_attempt a set outcome = null, finished_at = null
    where a.merchant_id = @merchant_id and a.endpoint_id = @endpoint_id and a.outcome = 'FAILED' and a.finished_at >= @since::timestamptz
      and a.created_at >= @tried_since::timestamptz
      and exists (select from event e where e.merchant_id = a.merchant_id and e.id = a.event_id and e.created_at = a.event_created_at)
      and not exists (
          select from webhook_delivery d where d.merchant_id = a.merchant_id and d.endpoint_id = a.endpoint_id and d.event_id = a.event_id)
    returning a.*
)
insert into webhook_delivery (merchant_id, id, endpoint_id, event_id, event_created_at, subscription_id, attempt_count, attempts_before,
    first_attempt_at, next_attempt_at, asked_at, created_at, priority)
select merchant_id, delivery_id, endpoint_id, event_id, event_created_at, subscription_id, number, number, created_at,
    @now::timestamptz, @now::timestamptz, delivery_created_at, 1
from again;

-- name: RetryAfresh :exec
-- Has what has failed tried again at once, each with its whole schedule before it.
update webhook_delivery set next_attempt_at = @now::timestamptz, attempts_before = attempt_count
where merchant_id = @merchant_id and endpoint_id = @endpoint_id and next_attempt_at > '-infinity' and attempt_count > 0;

-- name: DisableEndpoint :exec
-- The merchant's own reason goes before any that Portico had; since when stays.
update webhook_endpoint set status = 'DISABLED', disabled_reason = @reason::text,
    disabled_at = case when status = 'DISABLED' then disabled_at else @now::timestamptz end
where merchant_id = @merchant_id and id = @id and status in ('ENABLED', 'DISABLED');

-- name: FailingEndpoints :many
-- Enabled endpoints whose requests have failed, the first and the last of them that far apart, without one success between, and whose
-- merchants have not been told yet, or so far apart that the endpoint is disabled. Nobody is draining them.
select merchant_id, id from webhook_endpoint
where status = 'ENABLED' and failing_since <= @warn_before::timestamptz and (lease_until is null or lease_until <= @now::timestamptz)
  and (last_failure_at >= failing_since + make_interval(secs => @disable_after::float8)
      or last_failure_at >= failing_since + make_interval(secs => @warn_after::float8) and (warned_at is null or warned_at < failing_since))
order by failing_since, merchant_id, id
limit @most;

-- name: EndpointIsWarned :exec
update webhook_endpoint set warned_at = @now::timestamptz where merchant_id = @merchant_id and id = @id;

-- name: EndpointAbout :one
-- What mails and events say of an endpoint.
select m.name as merchant_name, coalesce(p.identifier, '') as product_identifier
from webhook_endpoint e
join merchant m on m.id = e.merchant_id
left join product p on p.merchant_id = e.merchant_id and p.id = e.product_id
where e.merchant_id = @merchant_id and e.id = @id;

-- name: EndpointKeepers :many
-- The members who can change the merchant's endpoints.
select member.id, member.email
from merchant
join membership on membership.merchant_id = coalesce(merchant.sandbox_of, merchant.id)
join member on member.id = membership.member_id
where merchant.id = @merchant_id and membership.role in ('OWNER', 'ADMIN') and member.email_verified_at is not null
order by member.id;

-- name: DeleteEndpoint :exec
update webhook_endpoint set status = 'DELETED', deleted_at = @now::timestamptz, disabled_reason = null, disabled_at = null,
    headers_cipher = null, secret_cipher = null, next_secret_cipher = null, next_secret_at = null,
    signing_key_cipher = null, next_signing_key_cipher = null, next_public_key = null
where merchant_id = @merchant_id and id = @id;

-- name: RollEndpointSecret :exec
-- A next secret whose time has come is the present one by now; one that is still waiting gives way.
update webhook_endpoint set
    secret_cipher = case when next_secret_at <= @now::timestamptz then next_secret_cipher else secret_cipher end,
    signing_key_cipher = case when next_secret_at <= @now::timestamptz then next_signing_key_cipher else signing_key_cipher end,
    public_key = case when next_secret_at <= @now::timestamptz then next_public_key else public_key end,
    next_secret_cipher = @next_secret_cipher::bytea, next_signing_key_cipher = @next_signing_key_cipher::bytea,
    next_public_key = @next_public_key::bytea, next_secret_at = @next_secret_at::timestamptz
where merchant_id = @merchant_id and id = @id;

-- name: ActivateEndpointSecret :exec
update webhook_endpoint set secret_cipher = next_secret_cipher, signing_key_cipher = next_signing_key_cipher, public_key = next_public_key,
    next_secret_cipher = null, next_signing_key_cipher = null, next_public_key = null, next_secret_at = null
where merchant_id = @merchant_id and id = @id and next_secret_cipher is not null;

-- name: EndpointDeletedAt :one
select deleted_at::timestamptz from webhook_endpoint where merchant_id = @merchant_id and id = @id and status = 'DELETED';

-- name: DeliveriesToCancel :many
-- What is on its way to a deleted endpoint, so many at once.
select d.id, d.first_attempt_at from webhook_delivery d
join webhook_endpoint e on e.merchant_id = d.merchant_id and e.id = d.endpoint_id
where d.merchant_id = @merchant_id and d.endpoint_id = @endpoint_id and d.next_attempt_at > '-infinity' and e.status = 'DELETED'
order by d.priority, d.next_attempt_at, d.id
limit @batch;

-- name: CancelDeliveries :exec
-- Ends deliveries: what was tried, within the given time, has failed, and what was not is forgotten.
with gone as (
    delete from webhook_delivery d where d.merchant_id = @merchant_id and d.id = any(@ids::bigint[])
    returning d.merchant_id, d.id, d.attempt_count
)
update webhook_attempt a set outcome = 'FAILED', finished_at = @now::timestamptz
from gone
where a.merchant_id = gone.merchant_id and a.delivery_id = gone.id and a.number = gone.attempt_count
  and a.created_at >= @since::timestamptz and a.created_at < @until::timestamptz;

-- name: SkipDeliveries :execrows
-- Gives up what waits for a disabled endpoint, so many at once, and answers how many those were. Nobody enables it meanwhile.
with skipped as materialized (
    select d.* from webhook_delivery d
    join webhook_endpoint e on e.merchant_id = d.merchant_id and e.id = d.endpoint_id
    where d.merchant_id = @merchant_id and d.endpoint_id = @endpoint_id and d.next_attempt_at > '-infinity' and e.status = 'DISABLED'
    order by d.priority, d.next_attempt_at, d.id
    limit @most
    for update of d for share of e
), gone as (
    delete from webhook_delivery d using skipped s where d.merchant_id = s.merchant_id and d.id = s.id
)
insert into webhook_attempt (merchant_id, delivery_id, number, endpoint_id, event_id, event_created_at, subscription_id, error, duration_ms,
    created_at, delivery_created_at, outcome, finished_at)
select merchant_id, id, attempt_count + 1, endpoint_id, event_id, event_created_at, subscription_id, @error::text, 0, @now::timestamptz,
    created_at, 'SKIPPED', @now::timestamptz
from skipped;

-- name: ListEndpoints :many
select * from webhook_endpoint
where merchant_id = @merchant_id and id < @before and status <> 'DELETED'
  and (sqlc.narg(product_id)::bigint is null or product_id = sqlc.narg(product_id))
  and (sqlc.narg(status)::text is null or status = sqlc.narg(status))
order by id desc
limit @most;

-- name: EndpointsByID :many
select * from webhook_endpoint
where merchant_id = @merchant_id and id = any(@ids::bigint[]) and status <> 'DELETED'
order by id;

-- name: HoursOfEndpoints :many
select endpoint_id, succeeded, failed, durations from webhook_endpoint_hour
where merchant_id = @merchant_id and endpoint_id = any(@endpoint_ids::bigint[]) and hour > @since::timestamptz
order by endpoint_id, hour;
