-- Both questions read the same columns, so that their rows are one type in Go, and leave to speaking_subscription which subscription counts.

-- name: AccessOf :one
-- The product, the customer if there is one, and the subscription that speaks for the customer if there is one. Exactly one of the three
-- customer references is given, and exactly one of the two product references. With own_customer_id any other customer is none.
select p.id as product_id, p.identifier, p.name as product_name, p.logo_url, p.launch_url, p.upgrade_url, p.launch_ttl_seconds, m.shop,
       (case when p.next_launch_secret_at <= @now::timestamptz then p.next_launch_secret_cipher else p.launch_secret_cipher end)::bytea as launch_secret_cipher,
       c.id as customer_id, c.number as customer_number, c.email, c.name, c.role, holder.id as company_id, holder.name as company_name,
       s.id as subscription_id, s.status, s.quantity, s.access_until, s.cancel_at_period_end, s.current_period_start, s.feature_overrides,
       coalesce(best.lives_at, @now::timestamptz)::timestamptz as lives_at, coalesce(best.live, false)::boolean as live,
       coalesce(best.seated, false)::boolean as seated, plan.tier, plan.features,
       (case when @with_usage::boolean then present_usage(@merchant_id, s.id, s.current_period_start) end)::jsonb as used
from product p
join merchant m on m.id = p.merchant_id
left join customer c on c.merchant_id = @merchant_id
    and (c.id = sqlc.narg('customer_id') or c.number = sqlc.narg('customer_number') or c.email_key = lower(sqlc.narg('customer_email')))
    and (sqlc.narg('own_customer_id')::bigint is null or c.id = sqlc.narg('own_customer_id'))
left join lateral speaking_subscription(
    @merchant_id, p.id, c.id, c.personal_company_id, c.company_id, p.seat_assignment, @now::timestamptz
) best on true
left join subscription s on s.merchant_id = @merchant_id and s.id = best.subscription_id
left join company holder on holder.merchant_id = @merchant_id and holder.id = s.company_id
left join plan on plan.merchant_id = @merchant_id and plan.id = s.plan_id
where p.merchant_id = @merchant_id and (p.id = sqlc.narg('product_id') or p.identifier = sqlc.narg('product_identifier'));

-- name: AccessAll :many
-- AccessOf for the products of a merchant, newest first: those that the customer has had a subscription to, and those that are on offer,
-- which in the portal is only what has been approved. With only_product_id any other product is none.
select p.id as product_id, p.identifier, p.name as product_name, p.logo_url, p.launch_url, p.upgrade_url, p.launch_ttl_seconds, m.shop,
       (case when p.next_launch_secret_at <= @now::timestamptz then p.next_launch_secret_cipher else p.launch_secret_cipher end)::bytea as launch_secret_cipher,
       c.id as customer_id, c.number as customer_number, c.email, c.name, c.role, holder.id as company_id, holder.name as company_name,
       s.id as subscription_id, s.status, s.quantity, s.access_until, s.cancel_at_period_end, s.current_period_start, s.feature_overrides,
       coalesce(best.lives_at, @now::timestamptz)::timestamptz as lives_at, coalesce(best.live, false)::boolean as live,
       coalesce(best.seated, false)::boolean as seated, plan.tier, plan.features,
       (case when @with_usage::boolean then present_usage(@merchant_id, s.id, s.current_period_start) end)::jsonb as used
from product p
join merchant m on m.id = p.merchant_id
left join customer c on c.merchant_id = @merchant_id
    and (c.id = sqlc.narg('customer_id') or c.number = sqlc.narg('customer_number') or c.email_key = lower(sqlc.narg('customer_email')))
    and (sqlc.narg('own_customer_id')::bigint is null or c.id = sqlc.narg('own_customer_id'))
left join lateral speaking_subscription(
    @merchant_id, p.id, c.id, c.personal_company_id, c.company_id, p.seat_assignment, @now::timestamptz
) best on true
left join subscription s on s.merchant_id = @merchant_id and s.id = best.subscription_id
left join company holder on holder.merchant_id = @merchant_id and holder.id = s.company_id
left join plan on plan.merchant_id = @merchant_id and plan.id = s.plan_id
where p.merchant_id = @merchant_id and p.id < @before
  and (sqlc.narg('only_product_id')::bigint is null or p.id = sqlc.narg('only_product_id'))
  and (s.id is not null or (p.status <> 'ARCHIVED' and (p.status = 'APPROVED' or m.sandbox_of is not null or not @in_portal::boolean)))
order by p.id desc
limit @lim;
