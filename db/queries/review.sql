-- name: LockProduct :one
select * from product where merchant_id = @merchant_id and id = @id for no key update;

-- name: LockProductOfAnyMerchant :one
-- For operators, who know a product by its id alone.
select * from product where id = @id order by merchant_id limit 1 for no key update;

-- name: SetProductStatus :exec
update product set status = @status where merchant_id = @merchant_id and id = @id;

-- name: NextReviewID :one
-- The test credentials are sealed for the row's id, so the id comes first.
select nextval(pg_get_serial_sequence('product_review', 'id'))::bigint as id;

-- name: InsertReview :one
insert into product_review (merchant_id, id, product_id, notes, test_credentials_cipher, submitted_at)
values (@merchant_id, @id, @product_id, @notes, @test_credentials_cipher, @submitted_at)
returning *;

-- name: CloseReview :one
-- The review that is under way, with its outcome. The test credentials have served.
update product_review set status = @status, reason = sqlc.narg('reason'), operator_id = sqlc.narg('operator_id'), closed_at = @closed_at,
    test_credentials_cipher = null
where merchant_id = @merchant_id and product_id = @product_id and status = 'IN_REVIEW'
returning *;

-- name: ReviewQueue :many
-- Oldest first, of all merchants.
select * from product_review
where id > @after and (sqlc.narg('status')::text is null or status = sqlc.narg('status'))
order by id
limit @size;

-- name: ReviewsOfProducts :many
-- Newest first.
select * from product_review
where merchant_id = @merchant_id and product_id = any(@product_ids::bigint[])
order by product_id, id desc;
