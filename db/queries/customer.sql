-- name: NextCustomerID :one
select nextval(pg_get_serial_sequence('customer', 'id'))::bigint;

-- name: HighestCustomerNumber :one
select coalesce(max(number), 0)::bigint from customer where merchant_id = @merchant_id;

-- name: InsertCustomer :one
insert into customer (merchant_id, id, number, email, name, role, user_meta, company_id, personal_company_id, test_clock_id, created_at)
values (@merchant_id, @id, @number, @email, @name, @role, @user_meta, @company_id, @personal_company_id, @test_clock_id, @created_at)
returning *;

-- name: Customers :many
-- Of one product where it is given: the customers that were linked to it, and those who pay for a subscription to it.
select c.* from customer c
where c.merchant_id = @merchant_id and c.id < @before
  and (sqlc.narg('product_id')::bigint is null
    or exists (select from customer_product l
               where l.merchant_id = c.merchant_id and l.customer_id = c.id and l.product_id = sqlc.narg('product_id'))
    or exists (select from subscription s
               where s.merchant_id = c.merchant_id and s.customer_id = c.id and s.product_id = sqlc.narg('product_id')))
order by c.id desc
limit @row_limit;

-- name: LinkCustomer :exec
insert into customer_product (merchant_id, product_id, customer_id, created_at)
values (@merchant_id, @product_id, @customer_id, @created_at)
on conflict do nothing;

-- name: SetUserMeta :one
update customer set user_meta = @user_meta where merchant_id = @merchant_id and id = @id returning *;

-- name: CustomersByID :many
select * from customer where merchant_id = @merchant_id and id = any(@ids::bigint[]) order by id;

-- name: CustomerByID :one
select * from customer where merchant_id = @merchant_id and id = @id;

-- name: CustomerByNumber :one
select * from customer where merchant_id = @merchant_id and number = @number;

-- name: CustomerByEmail :one
-- Compares stored keys: behind the tenant policy lower(email) could not use an index.
select * from customer where merchant_id = @merchant_id and email_key = lower(@email);

-- name: LockHolder :one
select company_id, personal_company_id, name from customer where merchant_id = @merchant_id and id = @id for no key update;

-- name: SetPersonalCompany :exec
update customer set personal_company_id = @company_id where merchant_id = @merchant_id and id = @id;

-- name: InsertCompany :one
insert into company (merchant_id, name, personal, created_at) values (@merchant_id, @name, @personal, @created_at) returning *;

-- name: Companies :many
select * from company
where merchant_id = @merchant_id and id < @before and (@personal::boolean or not personal)
order by id desc limit @row_limit;

-- name: CompaniesByID :many
select * from company where merchant_id = @merchant_id and id = any(@ids::bigint[]) order by id;

-- name: Company :one
select * from company where merchant_id = @merchant_id and id = @id;
