-- name: InsertOperator :one
-- No row when the e-mail address is taken; the transaction goes on.
insert into operator (email, password_hash, created_at)
values (@email, @password_hash, @created_at)
on conflict (email_key) do nothing
returning *;

-- name: Operators :many
select * from operator order by id;

-- name: OperatorByEmail :one
select * from operator where email_key = lower(@email);

-- name: OperatorByID :one
select * from operator where id = @id;

-- name: SetOperatorDisabled :one
update operator set disabled_at = sqlc.narg('disabled_at') where email_key = lower(@email) returning *;

-- name: SetOperatorPassword :one
update operator set password_hash = @password_hash where email_key = lower(@email) returning *;

-- name: InsertOperatorSession :one
-- Takes the operator's expired sessions away on the way. None is opened for an operator who is disabled meanwhile.
with expired as (delete from operator_session old where old.operator_id = @operator_id and old.expires_at <= @created_at)
insert into operator_session (operator_id, token_hash, created_at, expires_at)
select operator.id, @token_hash, @created_at, @expires_at from operator
where operator.id = @operator_id and operator.disabled_at is null and operator.password_hash = @password_hash
returning *;

-- name: OperatorSessionByHash :one
select operator_session.id, operator_session.operator_id, operator_session.expires_at
from operator_session
join operator on operator.id = operator_session.operator_id
where operator_session.token_hash = @token_hash and operator.disabled_at is null;

-- name: DeleteOperatorSession :exec
delete from operator_session where id = @id and operator_id = @operator_id;

-- name: DeleteOperatorSessions :exec
delete from operator_session where operator_id = @operator_id;

-- name: SearchMerchants :many
-- Newest first. The text is looked for in names, handles and e-mail addresses, as it is written but for upper and lower case.
select * from merchant
where id < @before and (sandbox_of is not null) = @sandbox::boolean
  and (sqlc.narg('status')::text is null
       or sqlc.narg('status') = case when status <> 'CLOSED' and suspended_at is not null then 'SUSPENDED' else status end)
  and (@search::text = '' or strpos(lower(name), lower(@search)) > 0 or strpos(shop, lower(@search)) > 0
       or strpos(lower(email), lower(@search)) > 0)
order by id desc
limit @row_limit;

-- name: LockMerchant :one
select * from merchant where id = @merchant_id for no key update;

-- name: SuspendMerchant :exec
-- With its sandboxes. What is suspended already keeps the time of that.
update merchant set suspended_at = coalesce(suspended_at, @suspended_at), suspension_reason = @reason
where id = @merchant_id or sandbox_of = @merchant_id;

-- name: ReinstateMerchant :exec
update merchant set suspended_at = null, suspension_reason = null, reinstated_at = @reinstated_at
where (id = @merchant_id or sandbox_of = @merchant_id) and suspended_at is not null;

-- name: ReleaseSubscriptions :exec
-- Puts what the sweeps have held of a merchant and its sandboxes back on the due-lists.
update subscription set held = false
where held and merchant_id in (select m.id from merchant m where m.id = @merchant_id or m.sandbox_of = @merchant_id);

-- name: RenewAPIKeyVersions :exec
-- Changes nothing but the versions of the rows, so that no process goes on with what it remembers of these keys.
update api_key set hint = hint where merchant_id in (select m.id from merchant m where m.id = @merchant_id or m.sandbox_of = @merchant_id);
