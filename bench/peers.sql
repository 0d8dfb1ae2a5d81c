-- What the case peers asks its peers: Portico's tables through the rights and the row-level security of a plain role that only reads.
-- Views and functions here are expanded in the statement that names them, so they cost nothing when it runs.

create schema peers;
grant usage on schema peers, public to bench_peer;
grant select on merchant, product, plan, price, customer, company, subscription, seat, test_clock to bench_peer;

create view peers.product with (security_invoker) as select merchant_id, id, identifier, name, status from product;
create view peers.plan with (security_invoker) as select merchant_id, id, product_id, number, name, tier from plan;
create view peers.price with (security_invoker) as select merchant_id, id, plan_id, interval, amount_minor, currency from price;
grant select on all tables in schema peers to bench_peer;

-- PostGraphile reads keys from here, as it does from the constraints of tables.
comment on view peers.product is E'@primaryKey merchant_id,id';
comment on view peers.plan is
    E'@primaryKey merchant_id,id\n@foreignKey (merchant_id,product_id) references product (merchant_id,id)|@foreignFieldName plans';
comment on view peers.price is
    E'@primaryKey merchant_id,id\n@foreignKey (merchant_id,plan_id) references plan (merchant_id,id)|@foreignFieldName prices';

-- The SELECT of the query AccessOf and what Portico makes of its row.
create function peers.access(of_merchant bigint, customer_number bigint, product_identifier text)
returns table (allowed boolean, reason text, tier text, status text, seats integer, expires_at timestamptz, upgrade_url text, features jsonb)
language sql stable as $$
    select coalesce(best.live and best.seated, false), case when best.live and best.seated then 'ALLOWED' else 'NO_SUBSCRIPTION' end,
        plan.tier, s.status, s.quantity, s.access_until,
        coalesce(p.upgrade_url, 'http://127.0.0.1:8080/portal/' || m.shop || '/' || p.identifier), plan.features
    from product p
    join merchant m on m.id = p.merchant_id
    left join customer c on c.merchant_id = of_merchant and c.number = customer_number
    left join lateral public.speaking_subscription(
        of_merchant, p.id, c.id, c.personal_company_id, c.company_id, p.seat_assignment, now()
    ) best on true
    left join subscription s on s.merchant_id = of_merchant and s.id = best.subscription_id
    left join plan on plan.merchant_id = of_merchant and plan.id = s.plan_id
    where p.merchant_id = of_merchant and p.identifier = product_identifier
$$;
comment on function peers.access is E'@behavior -connection +list';

-- Twenty products for each merchant that is asked for, the one it has included.
with more as (
    insert into product (merchant_id, identifier, name, launch_url, status, launch_secret_cipher, created_at)
    select merchant_id, 'product' || n, 'Product ' || n, launch_url, status, launch_secret_cipher, created_at
    from product, generate_series(2, 20) n
    where merchant_id <= 50
    order by n, merchant_id
    returning *
), plans as (
    insert into plan (merchant_id, product_id, number, name, tier, features, created_at)
    select more.merchant_id, more.id, plan.number, plan.name, plan.tier, plan.features, plan.created_at
    from more
    join plan using (merchant_id)
    order by more.id, plan.id
    returning *
)
insert into price (merchant_id, plan_id, interval, currency, amount_minor)
select merchant_id, id, 'MONTH', 'USD', 2500
from plans;

analyze product, plan, price;
