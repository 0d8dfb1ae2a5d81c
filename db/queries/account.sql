-- name: NextMerchantID :one
select nextval(pg_get_serial_sequence('merchant', 'id'))::bigint;

-- name: InsertMerchant :one
-- No row when the handle is taken; the transaction goes on.
insert into merchant (id, shop, name, email, portal_fee_bps, created_at)
values (@id, @shop, @name, @email, @portal_fee_bps, @created_at)
on conflict (shop) do nothing
returning *;

-- name: InsertSandbox :one
-- As InsertMerchant, with the settings of the merchant it belongs to.
insert into merchant (id, sandbox_of, shop, name, email, portal_fee_bps, grace_days, dunning_days, created_at)
select @id, parent.id, @shop, @name, parent.email, parent.portal_fee_bps, parent.grace_days, parent.dunning_days, @created_at
from merchant parent
where parent.id = @merchant_id
on conflict (shop) do nothing
returning *;

-- name: Merchant :one
select * from merchant where id = @merchant_id;

-- name: TakeEventSequences :many
-- For so many events about no subscription of each merchant: the last of their numbers.
with locked as (
    select m.id from merchant m where m.id = any(@ids::bigint[]) order by m.id for no key update
), taken as (
    update merchant set event_sequence = event_sequence + n.events
    from (select unnest(@ids::bigint[]) as id, unnest(@events::bigint[]) as events) n
    where merchant.id = n.id and merchant.id in (select id from locked)
    returning merchant.id, merchant.event_sequence
)
select id, event_sequence from taken order by id;

-- name: MerchantsOfMember :many
-- Real merchants first, then sandboxes, each oldest first; none that is closed.
select merchant.*
from membership
join merchant on coalesce(merchant.sandbox_of, merchant.id) = membership.merchant_id
where membership.member_id = @member_id and merchant.status <> 'CLOSED'
order by merchant.sandbox_of is not null, merchant.id;

-- name: MerchantsByID :many
-- The merchants that are the caller's own or that the member belongs to.
select * from merchant
where id = any(@ids::bigint[])
  and (id = @merchant_id
       or (status <> 'CLOSED' and exists (
           select from membership
           where membership.merchant_id = coalesce(merchant.sandbox_of, merchant.id) and membership.member_id = @member_id)))
order by id;

-- name: UpdateMerchant :one
-- What is null stays as it is.
update merchant
set name = coalesce(sqlc.narg(name), name), shop = coalesce(sqlc.narg(shop), shop), email = coalesce(sqlc.narg(email), email),
    description = coalesce(sqlc.narg(description), description),
    logo_url = nullif(coalesce(sqlc.narg(logo_url), logo_url), ''), phone = nullif(coalesce(sqlc.narg(phone), phone), ''),
    grace_days = coalesce(sqlc.narg(grace_days), grace_days), dunning_days = coalesce(sqlc.narg(dunning_days), dunning_days)
where id = @merchant_id
returning *;

-- name: SessionByHash :one
-- With the merchant it reaches: the one of the shop handle, or without a handle the member's first, real ones before sandboxes.
select session.id, session.member_id, session.expires_at, session.created_at, session.last_used_at, session.totp,
       (member.email_verified_at is not null)::boolean as email_verified,
       coalesce(reached.merchant_id, 0)::bigint as merchant_id, coalesce(reached.role, '')::text as role,
       coalesce(reached.suspension_reason, '')::text as suspension_reason
from session
join member on member.id = session.member_id
left join lateral (
    select merchant.id as merchant_id, membership.role, merchant.suspension_reason
    from membership
    join merchant on coalesce(merchant.sandbox_of, merchant.id) = membership.merchant_id
    where membership.member_id = session.member_id and merchant.status <> 'CLOSED'
      and (@shop::text = '' or merchant.shop = @shop::text)
    order by merchant.sandbox_of is not null, merchant.id
    limit 1
) reached on true
where session.token_hash = @token_hash;

-- name: APIKeyByHash :one
-- None of a merchant that is closed. The version changes with every change of the key's row, and with its merchant's suspension.
select api_key.id, api_key.xmin::xid as version, api_key.merchant_id, api_key.scopes, api_key.expires_at, api_key.last_used_at, api_key.revoked_at, merchant.shop,
       merchant.suspension_reason
from api_key
join merchant on merchant.id = api_key.merchant_id
where api_key.key_hash = @key_hash and merchant.status <> 'CLOSED';

-- name: TouchAPIKey :exec
-- Of requests at the same time only one writes.
update api_key set last_used_at = @used_at
where merchant_id = @merchant_id and id = @id and (last_used_at is null or last_used_at <= @last_before);

-- name: InsertAPIKey :one
insert into api_key (merchant_id, name, hint, key_hash, scopes, created_at, expires_at)
values (@merchant_id, @name, @hint, @key_hash, @scopes, @created_at, @expires_at)
returning *;

-- name: APIKeys :many
select * from api_key where merchant_id = @merchant_id and id < @before order by id desc limit @row_limit;

-- name: APIKey :one
select * from api_key where merchant_id = @merchant_id and id = @id;

-- name: RevokeAPIKey :one
update api_key set revoked_at = coalesce(revoked_at, @revoked_at) where merchant_id = @merchant_id and id = @id returning *;

-- name: Storefronts :many
select id, shop, name, (suspended_at is not null)::boolean as suspended from merchant where id = any(@ids::bigint[]) order by id;

-- name: APIKeysByID :many
select * from api_key where merchant_id = @merchant_id and id = any(@ids::bigint[]) order by id;

-- name: APIKeysRolledTo :many
-- The keys that were rolled to these.
select * from api_key where merchant_id = @merchant_id and rolled_to = any(@ids::bigint[]) order by id;

-- name: LockAPIKey :one
select * from api_key where merchant_id = @merchant_id and id = @id for no key update;

-- name: UpdateAPIKey :one
update api_key set name = @name, scopes = @scopes, expires_at = @expires_at, rolled_to = @rolled_to
where merchant_id = @merchant_id and id = @id
returning *;
