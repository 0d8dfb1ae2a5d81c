-- name: NextTokenKeyID :one
-- The key is sealed for the row's id, so the id comes first.
select nextval(pg_get_serial_sequence('token_key', 'id'))::bigint as id;

-- name: InsertTokenKey :exec
insert into token_key (merchant_id, id, key_hash, key_cipher, created_at)
values (@merchant_id, @id, @key_hash, @key_cipher, @created_at);

-- name: SentTokenKey :one
-- The one that is sent, and when the last of those that it replaced expires.
select sqlc.embed(sent), rolled.expires_at as rolled_until
from token_key sent
left join token_key rolled on rolled.merchant_id = @merchant_id and rolled.expires_at is not null
where sent.merchant_id = @merchant_id and sent.expires_at is null
order by rolled.expires_at desc nulls last
limit 1;

-- name: ExpireTokenKey :exec
-- Gives the one that is sent an end, and takes those away that have come to theirs.
with expired as (delete from token_key old where old.merchant_id = @merchant_id and old.expires_at <= @now)
update token_key set expires_at = @expires_at::timestamptz
where token_key.merchant_id = @merchant_id and token_key.expires_at is null;

-- name: TokenKeyByHash :one
select token_key.id, token_key.merchant_id, token_key.expires_at, merchant.shop, merchant.suspension_reason
from token_key
join merchant on merchant.id = token_key.merchant_id
where token_key.key_hash = @key_hash and merchant.status <> 'CLOSED';
