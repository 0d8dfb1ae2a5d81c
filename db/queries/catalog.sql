-- name: ShopOfMerchant :one
select shop from merchant where id = @merchant_id;

-- name: NextProductID :one
-- The launch secret is sealed for the row's id, so the id comes first.
select nextval(pg_get_serial_sequence('product', 'id'))::bigint as id;

-- name: IdentifiersWithPrefix :many
select identifier from product
where merchant_id = @merchant_id and starts_with(identifier, @prefix::text)
order by identifier;

-- name: InsertProduct :one
-- No row comes back when the identifier is in use.
insert into product (merchant_id, id, identifier, name, description, launch_url, upgrade_url, logo_url, integration_page_url,
                     launch_secret_cipher, launch_ttl_seconds, seat_assignment, access_token_algorithm, created_at)
values (@merchant_id, @id, @identifier, @name, @description, @launch_url, @upgrade_url, @logo_url, @integration_page_url,
        @launch_secret_cipher, @launch_ttl_seconds, @seat_assignment, @access_token_algorithm, @created_at)
on conflict on constraint product_identifier_key do nothing
returning *;

-- name: ProductByRef :one
-- Exactly one of id and identifier is given.
select sqlc.embed(product), merchant.shop
from product
join merchant on merchant.id = product.merchant_id
where product.merchant_id = @merchant_id and (product.id = sqlc.narg('id') or product.identifier = sqlc.narg('identifier'));

-- name: Products :many
select sqlc.embed(product), merchant.shop
from product
join merchant on merchant.id = product.merchant_id
where product.merchant_id = @merchant_id and product.id < @before
order by product.id desc
limit @size;

-- name: ProductsByID :many
select sqlc.embed(product), merchant.shop
from product
join merchant on merchant.id = product.merchant_id
where product.merchant_id = @merchant_id and product.id = any(@ids::bigint[])
order by product.id;

-- name: NextPlanID :one
select nextval(pg_get_serial_sequence('plan', 'id'))::bigint as id;

-- name: InsertPlan :one
-- No row comes back when the product has a plan of that number.
insert into plan (merchant_id, id, product_id, number, name, tier, trial_days, features, created_at)
values (@merchant_id, @id, @product_id, @number, @name, @tier, @trial_days, @features, @created_at)
on conflict on constraint plan_number_key do nothing
returning *;

-- name: InsertPrices :many
-- The rows come back in the order of the arrays.
with inserted as (
    insert into price (merchant_id, plan_id, interval, currency, amount_minor)
    select @merchant_id, @plan_id, unnest(@intervals::text[]), unnest(@currencies::text[]), unnest(@amounts_minor::bigint[])
    returning *
)
select * from inserted order by id;

-- name: PricesOfPlans :many
select * from price
where merchant_id = @merchant_id and plan_id = any(@plan_ids::bigint[])
order by plan_id, id;

-- name: Plans :many
-- Features cost more than all the rest of a plan, and few ask for them.
select merchant_id, id, product_id, number, name, tier, trial_days,
    (case when @with_features::boolean then features end)::jsonb as features, created_at
from plan
where merchant_id = @merchant_id and id < @before
  and (sqlc.narg('product_id')::bigint is null or product_id = sqlc.narg('product_id'))
order by id desc
limit @size;

-- name: PlansByID :many
select merchant_id, id, product_id, number, name, tier, trial_days,
    (case when @with_features::boolean then features end)::jsonb as features, created_at
from plan
where merchant_id = @merchant_id and id = any(@ids::bigint[])
order by id;

-- name: PlansOfProducts :many
select merchant_id, id, product_id, number, name, tier, trial_days,
    (case when @with_features::boolean then features end)::jsonb as features, created_at
from plan
where merchant_id = @merchant_id and product_id = any(@product_ids::bigint[])
order by id;

-- name: UpdateProduct :one
update product set name = @name, description = @description, launch_url = @launch_url, upgrade_url = sqlc.narg('upgrade_url'),
    logo_url = sqlc.narg('logo_url'), integration_page_url = sqlc.narg('integration_page_url'),
    launch_ttl_seconds = @launch_ttl_seconds, seat_assignment = @seat_assignment, access_token_algorithm = @access_token_algorithm, status = @status
where merchant_id = @merchant_id and id = @id
returning *;

-- name: RollLaunchSecret :exec
-- A next secret whose time has come is the present one by now; one that is still waiting gives way.
update product set
    launch_secret_cipher = case when next_launch_secret_at <= @now::timestamptz then next_launch_secret_cipher else launch_secret_cipher end,
    next_launch_secret_cipher = @next_cipher::bytea, next_launch_secret_at = @next_at::timestamptz
where merchant_id = @merchant_id and id = @id;

-- name: ActivateLaunchSecret :exec
update product set launch_secret_cipher = next_launch_secret_cipher, next_launch_secret_cipher = null, next_launch_secret_at = null
where merchant_id = @merchant_id and id = @id and next_launch_secret_cipher is not null;

-- name: Shopfront :one
-- Which merchant a handle names, and whether its products are for everybody: not when it is suspended or being closed. The member may
-- be of it.
select merchant.id, (merchant.sandbox_of is not null)::boolean as sandbox,
    (merchant.suspended_at is not null or merchant.status <> 'OPEN')::boolean as hidden,
    exists (select from membership where membership.merchant_id = coalesce(merchant.sandbox_of, merchant.id) and membership.member_id = @member_id) as of_member
from merchant
where merchant.shop = @shop and merchant.status <> 'CLOSED';

-- name: ProductOfShop :one
-- The product with an address, whoever may see it, of a merchant that is not closed.
select product.id, product.merchant_id, product.identifier, product.status, merchant.shop, merchant.name as merchant_name
from merchant
join product on product.merchant_id = merchant.id and product.identifier = @identifier
where merchant.shop = @shop and merchant.status <> 'CLOSED';

-- name: PublicProducts :many
select sqlc.embed(product), merchant.shop, merchant.name as merchant_name
from product
join merchant on merchant.id = product.merchant_id
where product.merchant_id = @merchant_id and product.id < @before
  and (sqlc.narg('status')::text is null or product.status = sqlc.narg('status'))
  and (sqlc.narg('identifier')::text is null or product.identifier = sqlc.narg('identifier'))
order by product.id desc
limit @size;

-- name: ShownProducts :many
-- For reviews, whose products are of many merchants.
select sqlc.embed(product), merchant.shop, merchant.name as merchant_name
from product
join merchant on merchant.id = product.merchant_id
where product.merchant_id = any(@merchant_ids::bigint[]) and product.id = any(@ids::bigint[])
order by product.id;

-- name: ShownPlans :many
select * from plan
where merchant_id = any(@merchant_ids::bigint[]) and product_id = any(@product_ids::bigint[])
order by id;

-- name: ShownPrices :many
select * from price
where merchant_id = any(@merchant_ids::bigint[]) and plan_id = any(@plan_ids::bigint[])
order by plan_id, id;
