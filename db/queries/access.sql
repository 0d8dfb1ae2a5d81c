-- name: AccessOf :one
-- The product, the customer if there is one, and the subscription that speaks for the customer if there is one: one that grants
-- access before one that does not, the customer's own before the company's, the newest. A subscription on a test clock lives in
-- the clock's time. Exactly one of the three customer references is given, and exactly one of the two product references. With
-- own_customer_id any other customer is none.
select p.id as product_id, p.identifier, p.launch_url, p.upgrade_url, p.launch_ttl_seconds, m.shop,
       (case when p.next_launch_secret_at <= @now::timestamptz then p.next_launch_secret_cipher else p.launch_secret_cipher end)::bytea as launch_secret_cipher,
       c.id as customer_id, c.number as customer_number, c.email, c.name, c.role, holder.id as company_id, holder.name as company_name,
       s.id as subscription_id, s.status, s.quantity, s.access_until, s.cancel_at_period_end, best.grants, plan.tier, plan.features
from product p
join merchant m on m.id = p.merchant_id
left join customer c on c.merchant_id = @merchant_id
    and (c.id = sqlc.narg('customer_id') or c.number = sqlc.narg('customer_number') or c.email_key = lower(sqlc.narg('customer_email')))
    and (sqlc.narg('own_customer_id')::bigint is null or c.id = sqlc.narg('own_customer_id'))
left join lateral (
    select candidate.id,
           candidate.status in ('TRIALING', 'ACTIVE', 'PAST_DUE')
               and coalesce(coalesce(clock.now_at, @now::timestamptz) < candidate.access_until, false) as grants
    from subscription candidate
    left join test_clock clock on clock.merchant_id = @merchant_id and clock.id = candidate.test_clock_id
    where candidate.merchant_id = @merchant_id and candidate.product_id = p.id
      and candidate.company_id in (c.personal_company_id, c.company_id)
    order by grants desc, candidate.company_id is not distinct from c.personal_company_id desc, candidate.id desc
    limit 1
) best on true
left join subscription s on s.merchant_id = @merchant_id and s.id = best.id
left join company holder on holder.merchant_id = @merchant_id and holder.id = s.company_id
left join plan on plan.merchant_id = @merchant_id and plan.id = s.plan_id
where p.merchant_id = @merchant_id and (p.id = sqlc.narg('product_id') or p.identifier = sqlc.narg('product_identifier'));
