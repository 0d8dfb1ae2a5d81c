-- name: InsertClient :one
insert into client (merchant_id, product_id, client_id, name, created_at)
values (@merchant_id, @product_id, @client_id, @name, @created_at)
returning *;

-- name: InsertClientSecret :exec
insert into client_secret (merchant_id, of_client, hint, secret_hash, created_at)
values (@merchant_id, @of_client, @hint, @secret_hash, @created_at);

-- name: LockClient :one
select * from client where merchant_id = @merchant_id and id = @id for no key update;

-- name: ExpireClientSecret :exec
-- Gives the newest secret an end, and takes those away that have come to theirs.
with expired as (
    delete from client_secret old
    where old.merchant_id = @merchant_id and old.of_client = @of_client and old.expires_at <= @now
)
update client_secret set expires_at = @expires_at::timestamptz
where client_secret.merchant_id = @merchant_id and client_secret.of_client = @of_client and client_secret.expires_at is null;

-- name: RevokeClient :exec
update client set revoked_at = coalesce(revoked_at, @revoked_at) where merchant_id = @merchant_id and id = @id;

-- name: Clients :many
-- Each with the hint of its newest secret, and with when the last of its rolled ones expires.
select sqlc.embed(client), newest.hint, rolled.expires_at as rolled_until
from client
join client_secret newest on newest.merchant_id = @merchant_id and newest.of_client = client.id and newest.expires_at is null
left join client_secret rolled on rolled.merchant_id = @merchant_id and rolled.id = (
    select latest.id from client_secret latest
    where latest.merchant_id = @merchant_id and latest.of_client = client.id and latest.expires_at is not null
    order by latest.expires_at desc, latest.id desc
    limit 1
)
where client.merchant_id = @merchant_id and client.id < @before
  and (sqlc.narg('product_id')::bigint is null or client.product_id = sqlc.narg('product_id'))
  and (sqlc.narg('ids')::bigint[] is null or client.id = any(sqlc.narg('ids')))
order by client.id desc
limit @row_limit;

-- name: ClientBySecretHash :one
select client.id, client.merchant_id, client.product_id, client.client_id, client.last_used_at, client.revoked_at,
       client_secret.expires_at, merchant.shop, merchant.suspension_reason
from client_secret
join client on client.merchant_id = client_secret.merchant_id and client.id = client_secret.of_client
join merchant on merchant.id = client.merchant_id
where client_secret.secret_hash = @secret_hash and merchant.status <> 'CLOSED';

-- name: TouchClient :exec
-- Of requests at the same time only one writes.
update client set last_used_at = @used_at
where merchant_id = @merchant_id and id = @id and (last_used_at is null or last_used_at <= @last_before);
