-- name: PortalSettings :one
-- No document for a merchant who has changed nothing; then its own beginning is when the settings began.
select m.shop, (m.suspended_at is not null)::boolean as suspended, p.document, coalesce(p.created_at, m.created_at) as created_at, coalesce(p.updated_at, m.created_at) as updated_at
from merchant m
left join portal_settings p on p.merchant_id = m.id
where m.id = @merchant_id;

-- name: LockMerchantForSettings :exec
-- Changes are made one after the other, the first as well, which has no row to lock.
select from merchant where id = @merchant_id for no key update;

-- name: SavePortalSettings :exec
insert into portal_settings (merchant_id, document, created_at, updated_at)
values (@merchant_id, @document, @now, @now)
on conflict (merchant_id) do update set document = excluded.document, updated_at = excluded.updated_at;

-- name: CustomerIsVerified :one
-- Whether somebody has proved that the customer's address is theirs.
select exists (
    select from customer c join person p on p.email_key = c.person_key where c.merchant_id = @merchant_id and c.id = @customer_id
);

-- name: CountPaidPeriods :one
select count(*) from invoice
where merchant_id = @merchant_id and subscription_id = @subscription_id and kind = 'RENEWAL' and status = 'PAID';

-- name: SubscriptionNotice :one
-- What a mail to the payer of a subscription says.
select m.name as merchant_name, m.shop, p.name as product_name, c.email
from subscription s
join merchant m on m.id = s.merchant_id
join product p on p.merchant_id = s.merchant_id and p.id = s.product_id
join customer c on c.merchant_id = s.merchant_id and c.id = s.customer_id
where s.merchant_id = @merchant_id and s.id = @id;
