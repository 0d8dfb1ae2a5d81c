-- name: LockSeats :one
-- Serialises what concerns the seats of a subscription.
select s.quantity, s.company_id, s.customer_id, (s.status in ('CANCELED', 'EXPIRED'))::boolean as ended, company.personal
from subscription s
join company on company.merchant_id = s.merchant_id and company.id = s.company_id
where s.merchant_id = @merchant_id and s.id = @id
for no key update of s;

-- name: SeatOf :one
select * from seat where merchant_id = @merchant_id and subscription_id = @subscription_id and customer_id = @customer_id;

-- name: TakeSeat :one
-- The lowest number that is free: no row comes back when none is. A seat that the customer has already, with a number that is too high
-- by now, gets this one.
insert into seat (merchant_id, subscription_id, customer_id, number, assigned_at)
select @merchant_id, @subscription_id, @customer_id, free.number, @now
from (
    select n.number from (
        select 1 as number
        union all
        select t.number + 1 from seat t where t.merchant_id = @merchant_id and t.subscription_id = @subscription_id
    ) n
    where n.number <= @quantity::int and not exists (
        select from seat t where t.merchant_id = @merchant_id and t.subscription_id = @subscription_id and t.number = n.number
    )
    order by n.number
    limit 1
) free
on conflict (merchant_id, subscription_id, customer_id) do update set number = excluded.number, assigned_at = excluded.assigned_at
returning *;

-- name: ReleaseSeat :execrows
delete from seat where merchant_id = @merchant_id and subscription_id = @subscription_id and customer_id = @customer_id;

-- name: SeatsOfSubscriptions :many
-- The seats of each of the named subscriptions, in the order of their numbers.
select seat.*, (seat.number <= s.quantity)::boolean as active, s.customer_id as payer_id, c.email
from (select unnest(@merchant_ids::bigint[]) as merchant_id, unnest(@ids::bigint[]) as id) k
join subscription s on s.merchant_id = k.merchant_id and s.id = k.id
cross join lateral (
    select t.* from seat t
    where t.merchant_id = k.merchant_id and t.subscription_id = k.id and t.number > @after::int
    order by t.number
    limit @lim
) seat
join customer c on c.merchant_id = seat.merchant_id and c.id = seat.customer_id
order by seat.subscription_id, seat.number;
