-- name: NextCustomerID :one
select nextval(pg_get_serial_sequence('customer', 'id'))::bigint;

-- name: HighestCustomerNumber :one
select coalesce(max(number), 0)::bigint from customer where merchant_id = @merchant_id;

-- name: InsertCustomer :one
insert into customer (merchant_id, id, number, email, name, role, user_meta, company_id, personal_company_id, test_clock_id, created_at)
values (@merchant_id, @id, @number, @email, @name, @role, @user_meta, @company_id, @personal_company_id, @test_clock_id, @created_at)
returning *;

-- name: Customers :many
select * from customer where merchant_id = @merchant_id and id < @before order by id desc limit @row_limit;

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
