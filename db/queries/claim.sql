-- name: LockClaimant :one
-- Sets of claims that do not exist yet cannot be locked; their customer can.
select id from customer where merchant_id = @merchant_id and id = @id for no key update;

-- name: LockClaimSets :many
select cs.merchant_id, cs.customer_id, cs.product_id from claim_set cs
join (select unnest(@merchant_ids::bigint[]) as merchant_id, unnest(@customer_ids::bigint[]) as customer_id, unnest(@product_ids::bigint[]) as product_id) k
    on k.merchant_id = cs.merchant_id and k.customer_id = cs.customer_id and k.product_id = cs.product_id
order by cs.merchant_id, cs.customer_id, cs.product_id
for update of cs;

-- name: LockDueClaimSets :many
-- Those in which a claim has ended, in real time or in that of the customer's clock. What somebody is changing is left for the next time.
with due as (
    (select d.merchant_id, d.customer_id, d.product_id from claim_set d
     where d.expire_at <= @now::timestamptz and d.test_clock_id is null
     order by d.expire_at limit @most)
    union all
    (select d.merchant_id, d.customer_id, d.product_id from claim_set d
     join test_clock clock on clock.merchant_id = d.merchant_id and clock.id = d.test_clock_id
     where d.expire_at <= clock.now_at and d.test_clock_id is not null
     order by d.expire_at limit @most)
)
select cs.merchant_id, cs.customer_id, cs.product_id from claim_set cs
join due on due.merchant_id = cs.merchant_id and due.customer_id = cs.customer_id and due.product_id = cs.product_id
order by cs.merchant_id, cs.customer_id, cs.product_id
for update of cs skip locked;

-- name: ClaimSubjects :many
-- Customers with their claims in a product, and the subscription that speaks for each.
select c.merchant_id, c.id as customer_id, c.number, c.email, c.user_meta, c.test_clock_id, p.id as product_id, p.identifier, p.access_token_algorithm, m.shop,
       coalesce(own.now_at, @now::timestamptz)::timestamptz as now_at, cs.version, cs.claims, cs.updated_at,
       s.status, s.quantity, s.trial_end, coalesce(best.live and best.seated, false)::boolean as grants, plan.tier
from (select unnest(@merchant_ids::bigint[]) as merchant_id, unnest(@customer_ids::bigint[]) as customer_id, unnest(@product_ids::bigint[]) as product_id) k
join customer c on c.merchant_id = k.merchant_id and c.id = k.customer_id
join product p on p.merchant_id = k.merchant_id and p.id = k.product_id
join merchant m on m.id = k.merchant_id
left join test_clock own on own.merchant_id = c.merchant_id and own.id = c.test_clock_id
left join claim_set cs on cs.merchant_id = k.merchant_id and cs.customer_id = k.customer_id and cs.product_id = k.product_id
left join lateral speaking_subscription(
    k.merchant_id, k.product_id, c.id, c.personal_company_id, c.company_id, p.seat_assignment, @now::timestamptz
) best on true
left join subscription s on s.merchant_id = k.merchant_id and s.id = best.subscription_id
left join plan on plan.merchant_id = k.merchant_id and plan.id = s.plan_id
order by c.merchant_id, c.id, p.id;

-- name: SaveClaimSets :exec
insert into claim_set (merchant_id, customer_id, product_id, version, claims, expire_at, test_clock_id, updated_at)
select unnest(@merchant_ids::bigint[]), unnest(@customer_ids::bigint[]), unnest(@product_ids::bigint[]), unnest(@versions::bigint[]),
       unnest(@claims::text[])::jsonb, nullif(unnest(@expire_ats::timestamptz[]), 'epoch'), nullif(unnest(@test_clock_ids::bigint[]), 0),
       unnest(@updated_ats::timestamptz[])
on conflict (merchant_id, customer_id, product_id) do update
set version = excluded.version, claims = excluded.claims, expire_at = excluded.expire_at, updated_at = excluded.updated_at;

-- name: InsertClaimChanges :exec
insert into claim_change (merchant_id, customer_id, product_id, version, key, value_before, value_after, expires_at, actor_kind, actor_id, changed_at)
select unnest(@merchant_ids::bigint[]), unnest(@customer_ids::bigint[]), unnest(@product_ids::bigint[]), unnest(@versions::bigint[]),
       unnest(@keys::text[]), nullif(unnest(@befores::text[]), '')::jsonb, nullif(unnest(@afters::text[]), '')::jsonb,
       nullif(unnest(@expires_ats::timestamptz[]), 'epoch'), unnest(@actor_kinds::text[]), nullif(unnest(@actor_ids::bigint[]), 0),
       unnest(@changed_ats::timestamptz[]);

-- name: PostponeClaimExpiry :exec
update claim_set set expire_at = @expire_at where merchant_id = @merchant_id and customer_id = @customer_id and product_id = @product_id;

-- name: DeleteClaimChanges :exec
-- Those of versions up to one.
delete from claim_change where merchant_id = @merchant_id and customer_id = @customer_id and product_id = @product_id and version <= @version;

-- name: ClaimChanges :many
select * from claim_change
where merchant_id = @merchant_id and customer_id = @customer_id and product_id = @product_id and id < @before
order by id desc
limit @row_limit;
