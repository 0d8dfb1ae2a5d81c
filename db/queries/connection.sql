-- name: InsertConnectToken :exec
insert into connect_token (merchant_id, customer_id, product_id, token_hash, created_at, expires_at)
values (@merchant_id, @customer_id, @product_id, @token_hash, @created_at, @expires_at);

-- name: ConnectToken :one
select * from connect_token where merchant_id = @merchant_id and token_hash = @token_hash;

-- name: UseConnectToken :exec
update connect_token set subscription_id = @subscription_id where merchant_id = @merchant_id and id = @id;

-- name: DeleteConnectTokens :execrows
-- Those that led to nothing.
delete from connect_token
where (merchant_id, id) in (
    select t.merchant_id, t.id from connect_token t where t.subscription_id is null and t.expires_at <= @before
    order by t.expires_at limit @most for update skip locked);

-- name: LastReport :one
-- What was last reported of a connected subscription.
select access_token_hash, plan_id, price_id, amount_minor, active, started_at, expire_at
from connection where merchant_id = @merchant_id and subscription_id = @subscription_id;

-- name: AccessTokenCipher :one
select access_token_cipher from connection where merchant_id = @merchant_id and subscription_id = @subscription_id;

-- name: ConnectionOfAccessToken :one
select c.subscription_id, s.customer_id
from connection c
join subscription s on s.merchant_id = c.merchant_id and s.id = c.subscription_id
where c.merchant_id = @merchant_id and c.product_id = @product_id and c.access_token_hash = @access_token_hash;

-- name: SaveConnection :exec
insert into connection (merchant_id, subscription_id, product_id, access_token_cipher, access_token_hash, plan_id, price_id, amount_minor,
    active, started_at, expire_at, reported_at)
values (@merchant_id, @subscription_id, @product_id, @access_token_cipher, @access_token_hash, @plan_id, @price_id, @amount_minor,
    @active, @started_at, @expire_at, @reported_at)
on conflict (merchant_id, subscription_id) do update set access_token_cipher = excluded.access_token_cipher,
    access_token_hash = excluded.access_token_hash, plan_id = excluded.plan_id, price_id = excluded.price_id,
    amount_minor = excluded.amount_minor, active = excluded.active, started_at = excluded.started_at,
    expire_at = excluded.expire_at, reported_at = excluded.reported_at;

-- name: HasBought :one
-- Whether the company has a live subscription to the product that was bought here. A checkout that is still unpaid is none.
select exists (
    select from subscription
    where merchant_id = @merchant_id and product_id = @product_id and company_id = @company_id and source = 'PORTAL'
      and status in ('SCHEDULED', 'TRIALING', 'ACTIVE', 'PAST_DUE', 'PAUSED')
);

-- name: PlanOfNumber :one
select id from plan where merchant_id = @merchant_id and product_id = @product_id and number = @number;

-- name: PaidUntil :one
-- Until when a subscription has been paid for here; 1970 when nothing has been.
select coalesce(max(period_end), 'epoch')::timestamptz from invoice
where merchant_id = @merchant_id and subscription_id = @subscription_id and kind = 'RENEWAL' and status = 'PAID';
