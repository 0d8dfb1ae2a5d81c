-- name: CorsOrigins :many
select origin from cors_origin where merchant_id = @merchant_id order by origin;

-- name: LockCorsOrigins :one
-- Keeps changes at the same time apart.
select id from merchant where id = @merchant_id for no key update;

-- name: DeleteCorsOrigins :exec
delete from cors_origin where merchant_id = @merchant_id;

-- name: InsertCorsOrigins :exec
insert into cors_origin (merchant_id, origin) select @merchant_id, unnest(@origins::text[]);

-- name: CorsOriginOfMerchant :one
select exists (select from cors_origin where merchant_id = @merchant_id and origin = @origin);

-- name: CorsOriginOfAnybody :one
-- For the system: a preflight does not say whose credential will come.
select exists (select from cors_origin where origin = @origin);
