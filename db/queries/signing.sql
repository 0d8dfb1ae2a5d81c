-- name: LockSigningKeys :exec
-- One process at a time makes keys.
select pg_advisory_xact_lock(hashtextextended('signing_key', 0));

-- name: SigningKeys :many
-- Each algorithm's in the order in which they sign.
select * from signing_key order by algorithm, signs_from, id;

-- name: SigningKeyByKID :one
select * from signing_key where kid = @kid;

-- name: NextSigningKeyID :one
select nextval(pg_get_serial_sequence('signing_key', 'id'))::bigint;

-- name: InsertSigningKey :exec
insert into signing_key (id, kid, algorithm, public_key, private_key_cipher, created_at, signs_from)
values (@id, @kid, @algorithm, @public_key, @private_key_cipher, @created_at, @signs_from);

-- name: RevokeSigningKey :one
update signing_key set revoked_at = coalesce(revoked_at, @revoked_at) where kid = @kid returning id;

-- name: DeleteSigningKeys :exec
delete from signing_key where id = any(@ids::bigint[]);

-- name: AccessTokenSubject :one
-- Whom and what an access token names, as far as the merchant has them, and how old its claims are.
select m.shop, c.id as customer_id, p.id as product_id, cs.version as claims_version
from merchant m
left join customer c on c.merchant_id = m.id and c.number = @number
left join product p on p.merchant_id = m.id and p.identifier = @identifier
left join claim_set cs on cs.merchant_id = m.id and cs.customer_id = c.id and cs.product_id = p.id
where m.id = @merchant_id;
