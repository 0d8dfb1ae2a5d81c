-- What customers of the portal see ---------------------------------------------------------------------------------------

-- name: CustomersOfPortal :many
-- The customers that a caller of the portal acts for, oldest first, narrowed to ids where those are given.
select c.* from customer c
join (select unnest(@merchant_ids::bigint[]) as merchant_id, unnest(@customer_ids::bigint[]) as id) k
    on k.merchant_id = c.merchant_id and k.id = c.id
where sqlc.narg('ids')::bigint[] is null or c.id = any(sqlc.narg('ids')::bigint[])
order by c.id;

-- name: SubscriptionsInSight :many
-- The subscriptions that customers see, newest first, narrowed to ids where those are given.
select distinct v.merchant_id, v.subscription_id as id from customer_sight v
join (select unnest(@merchant_ids::bigint[]) as merchant_id, unnest(@customer_ids::bigint[]) as customer_id) k
    on k.merchant_id = v.merchant_id and k.customer_id = v.customer_id
where v.subscription_id < @before
  and (sqlc.narg('ids')::bigint[] is null or v.subscription_id = any(sqlc.narg('ids')::bigint[]))
order by v.subscription_id desc
limit @lim;

-- name: ProductsInSight :many
-- Those of the products to which customers see a subscription.
select distinct v.merchant_id, v.product_id as id from customer_sight v
join (select unnest(@merchant_ids::bigint[]) as merchant_id, unnest(@customer_ids::bigint[]) as customer_id) k
    on k.merchant_id = v.merchant_id and k.customer_id = v.customer_id
where v.product_id = any(@ids::bigint[])
order by v.merchant_id, v.product_id;

-- name: PlansInSight :many
-- Those of the plans, or of the products' plans, of which customers see a subscription.
select distinct v.merchant_id, v.plan_id as id from customer_sight v
join (select unnest(@merchant_ids::bigint[]) as merchant_id, unnest(@customer_ids::bigint[]) as customer_id) k
    on k.merchant_id = v.merchant_id and k.customer_id = v.customer_id
where v.plan_id = any(@ids::bigint[]) or v.product_id = any(@product_ids::bigint[])
order by v.merchant_id, v.plan_id;

-- name: CompaniesInSight :many
-- Those of the companies that customers belong to or that hold a subscription which customers see.
select co.* from company co
where co.id = any(@ids::bigint[])
  and exists (
    select from customer c
    join (select unnest(@merchant_ids::bigint[]) as merchant_id, unnest(@customer_ids::bigint[]) as id) k
        on k.merchant_id = c.merchant_id and k.id = c.id
    where c.merchant_id = co.merchant_id
      and (co.id = c.company_id or co.id = c.personal_company_id
        or exists (select from customer_sight v
                   where v.merchant_id = c.merchant_id and v.customer_id = c.id and v.company_id = co.id)))
order by co.id;

-- name: InvoicesOfCustomers :many
-- The invoices that customers pay, newest first, narrowed to one subscription or to ids where those are given.
select i.* from invoice i
join (select unnest(@merchant_ids::bigint[]) as merchant_id, unnest(@customer_ids::bigint[]) as customer_id) k
    on k.merchant_id = i.merchant_id and k.customer_id = i.customer_id
where i.id < @before
  and (sqlc.narg('subscription_id')::bigint is null or i.subscription_id = sqlc.narg('subscription_id'))
  and (sqlc.narg('ids')::bigint[] is null or i.id = any(sqlc.narg('ids')::bigint[]))
order by i.id desc
limit @lim;

-- name: OwnInvoicesOfSubscriptions :many
-- A page of the invoices of each of the subscriptions that customers pay.
select i.*
from unnest(@subscription_ids::bigint[]) as s(id)
cross join (select unnest(@merchant_ids::bigint[]) as merchant_id, unnest(@customer_ids::bigint[]) as customer_id) k
cross join lateral (
    select * from invoice n
    where n.merchant_id = k.merchant_id and n.subscription_id = s.id and n.customer_id = k.customer_id and n.id < @before
    order by n.id desc
    limit @lim
) i
order by i.subscription_id, i.id desc;

-- name: PaymentMethodsOfPortal :many
-- The payment methods of customers, newest first, narrowed to ids where those are given.
select p.* from payment_method p
join (select unnest(@merchant_ids::bigint[]) as merchant_id, unnest(@customer_ids::bigint[]) as customer_id) k
    on k.merchant_id = p.merchant_id and k.customer_id = p.customer_id
where sqlc.narg('ids')::bigint[] is null or p.id = any(sqlc.narg('ids')::bigint[])
order by p.customer_id, p.id desc;

-- Portal tokens ----------------------------------------------------------------------------------------------------------

-- name: InsertPortalKey :exec
-- Of two that are made at once the first stays.
insert into portal_key (merchant_id, key_cipher, created_at) values (@merchant_id, @key_cipher, @created_at)
on conflict (merchant_id) do nothing;

-- name: PortalKey :one
select key_cipher from portal_key where merchant_id = @merchant_id;

-- name: CustomerHasSubscription :one
select exists (select from customer_sight where merchant_id = @merchant_id and customer_id = @customer_id);

-- name: InsertPortalToken :one
insert into portal_token (merchant_id, customer_id, jti, issued_at)
values (@merchant_id, @customer_id, @jti, @issued_at)
returning *;

-- name: PortalTokenByJTI :one
select sqlc.embed(t), c.number as customer_number, k.key_cipher, coalesce(ps.portal_enabled, true) as portal_enabled
from merchant m
left join portal_settings ps on ps.merchant_id = m.id
join portal_key k on k.merchant_id = m.id
join portal_token t on t.merchant_id = m.id and t.jti = @jti
join customer c on c.merchant_id = m.id and c.id = t.customer_id
where m.shop = @shop and m.status <> 'CLOSED';

-- name: InsertPortalSession :exec
insert into portal_session (merchant_id, token_id, secret_hash, created_at) values (@merchant_id, @token_id, @secret_hash, @created_at);

-- name: PortalSessionByHash :one
-- The session of a browser and the token it came with, of the shop with the handle.
select sqlc.embed(t), s.created_at as signed_in_at, coalesce(ps.portal_enabled, true) as portal_enabled,
    coalesce(ps.session_seconds, @longest::int) as session_seconds
from portal_session s
join portal_token t on t.merchant_id = s.merchant_id and t.id = s.token_id
join merchant m on m.id = s.merchant_id
left join portal_settings ps on ps.merchant_id = m.id
where s.secret_hash = @secret_hash and m.shop = @shop and m.status <> 'CLOSED';

-- name: TouchPortalToken :exec
-- Of requests at the same time only one writes.
update portal_token set last_used_at = @used_at
where merchant_id = @merchant_id and id = @id and (last_used_at is null or last_used_at <= @last_before);

-- name: PortalTokens :many
select * from portal_token
where merchant_id = @merchant_id and id < @before
  and (sqlc.narg('customer_id')::bigint is null or customer_id = sqlc.narg('customer_id'))
order by id desc
limit @row_limit;

-- name: PortalTokensByID :many
select * from portal_token where merchant_id = @merchant_id and id = any(@ids::bigint[]) order by id;

-- name: RevokePortalTokens :execrows
-- One token, or all of a customer.
update portal_token set revoked_at = @revoked_at
where merchant_id = @merchant_id and revoked_at is null
  and (id = sqlc.narg('id') or customer_id = sqlc.narg('customer_id'));

-- name: DeletePortalTokens :execrows
delete from portal_token
where (merchant_id, id) in (
    select t.merchant_id, t.id from portal_token t where t.issued_at <= @before order by t.issued_at limit @most
    for update skip locked);

-- Persons ----------------------------------------------------------------------------------------------------------------

-- name: LockMagicLinks :exec
-- Makes requests of one address, and then of one client, wait for each other, so that their count holds.
select pg_advisory_xact_lock(hashtextextended(@email_key::text, 1)),
       pg_advisory_xact_lock(hashtextextended(encode(@client_hash::bytea, 'hex'), 2));

-- name: CountMagicLinks :one
select count(*) filter (where email_key = @email_key) as of_email,
       count(*) filter (where client_hash = @client_hash) as of_client
from magic_link
where requested_at > @since and (email_key = @email_key or client_hash = @client_hash);

-- name: InsertMagicLink :one
insert into magic_link (email, client_hash, shop, requested_at)
values (@email, @client_hash, @shop, @requested_at)
returning id;

-- name: LockMagicLink :one
select * from magic_link where id = @id for update;

-- name: MerchantsOfAddress :many
-- The live merchants that are not closed, or the one with the shop handle, whose portal is open to those with a mailed link, and of which the
-- address has a customer who has a subscription. While a merchant is suspended nobody mints tokens for its customers: then links lead in.
select m.id, m.shop, m.name
from customer c
join merchant m on m.id = c.merchant_id
left join portal_settings ps on ps.merchant_id = m.id
where coalesce(ps.portal_enabled and (ps.magic_links or m.suspended_at is not null), true) and c.person_key = @person_key
  and m.sandbox_of is null and m.status <> 'CLOSED'
  and (sqlc.narg('shop')::text is null or m.shop = sqlc.narg('shop'))
  and exists (select from customer_sight v where v.merchant_id = c.merchant_id and v.customer_id = c.id)
order by m.id;

-- name: ArmMagicLink :exec
update magic_link set token_hash = @token_hash, expires_at = @expires_at where id = @id;

-- name: UseMagicLink :one
-- No row for a token that is unknown, used or expired.
update magic_link set used_at = @now::timestamptz
where token_hash = @token_hash and used_at is null and expires_at > @now::timestamptz
returning *;

-- name: UpsertPerson :one
insert into person (email, created_at) values (@email, @created_at)
on conflict (email_key) do update set email = person.email
returning *;

-- name: Person :one
select * from person where id = @id;

-- name: InsertPersonSession :one
insert into person_session (person_id, token_hash, created_at, expires_at)
values (@person_id, @token_hash, @created_at, @expires_at)
returning *;

-- name: PersonSessionByHash :one
select s.id, s.person_id, s.created_at, s.expires_at, p.email
from person_session s
join person p on p.id = s.person_id
where s.token_hash = @token_hash;

-- name: CustomersOfPerson :many
-- Those of live merchants that are not closed (what a sandbox says of an address nobody has proved), and whose portal is open to a person
-- who signed in by mail so many seconds ago: to everybody with a link while the merchant is suspended, as in MerchantsOfAddress.
select c.merchant_id, c.id as customer_id
from customer c
join merchant m on m.id = c.merchant_id
left join portal_settings ps on ps.merchant_id = m.id
where coalesce(ps.portal_enabled and (ps.magic_links or m.suspended_at is not null) and ps.session_seconds > @age_seconds::int, true)
  and c.person_key = @person_key and m.sandbox_of is null and m.status <> 'CLOSED'
order by c.merchant_id;

-- name: DeletePersonSession :exec
delete from person_session where id = @id and person_id = @person_id;

-- name: DeletePersonSessions :execrows
delete from person_session
where id in (select s.id from person_session s where s.expires_at <= @before order by s.expires_at limit @most for update skip locked);

-- name: DeleteMagicLinks :execrows
delete from magic_link
where id in (select l.id from magic_link l where l.requested_at <= @before order by l.requested_at limit @most for update skip locked);

-- Pages ------------------------------------------------------------------------------------------------------------------

-- name: StorefrontOfShop :one
select id, shop, name, (suspended_at is not null)::boolean as suspended from merchant where shop = @shop and status <> 'CLOSED';
