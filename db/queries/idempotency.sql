-- name: ReserveIdempotencyKey :execrows
-- No row when somebody has the key: who is still at it, or has finished and is remembered.
insert into idempotency_key as reserved (merchant_id, scope, key, request_hash, status, owner, reserved_until, created_at)
values (@merchant_id, @scope, @key, @request_hash, 'RUNNING', @owner, @reserved_until, @now::timestamptz)
on conflict (merchant_id, scope, key) do update
set request_hash = excluded.request_hash, status = 'RUNNING', owner = excluded.owner, reserved_until = excluded.reserved_until,
    answer = null, created_at = excluded.created_at
where reserved.created_at <= @forgotten or (reserved.status = 'RUNNING' and reserved.reserved_until <= @now);

-- name: IdempotencyKey :one
select request_hash, status, answer from idempotency_key where merchant_id = @merchant_id and scope = @scope and key = @key;

-- name: AnswerIdempotencyKey :execrows
update idempotency_key set status = @status, answer = @answer
where merchant_id = @merchant_id and scope = @scope and key = @key and owner = @owner and status = 'RUNNING';

-- name: FreeIdempotencyKey :exec
delete from idempotency_key
where merchant_id = @merchant_id and scope = @scope and key = @key and owner = @owner and status = 'RUNNING';

-- name: ForgetIdempotencyKeys :execrows
-- The oldest of every merchant, so many at once.
delete from idempotency_key
where (merchant_id, scope, key) in (
    select old.merchant_id, old.scope, old.key from idempotency_key old where old.created_at <= @forgotten order by old.created_at limit @most);
