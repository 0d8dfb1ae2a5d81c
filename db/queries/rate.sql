-- name: TakePoints :one
-- Puts points back into a bucket that refills by one each interval, and takes from it what points_to_take gives.
insert into rate_bucket as bucket (key, full_at, granted)
values (@key, sqlc.arg(now)::timestamptz + sqlc.arg(wanted)::integer * sqlc.arg(point)::interval, sqlc.arg(wanted))
on conflict (key) do update set
    full_at = greatest(bucket.full_at - sqlc.arg(returned)::integer * sqlc.arg(point), sqlc.arg(now)) + sqlc.arg(point) * points_to_take(
        bucket.full_at - sqlc.arg(returned) * sqlc.arg(point), sqlc.arg(now), sqlc.arg(point),
        sqlc.arg(burst)::integer, sqlc.arg(at_least)::integer, sqlc.arg(wanted)),
    granted = points_to_take(
        bucket.full_at - sqlc.arg(returned) * sqlc.arg(point), sqlc.arg(now), sqlc.arg(point),
        sqlc.arg(burst), sqlc.arg(at_least), sqlc.arg(wanted))
returning full_at, granted;

-- name: DropFullBuckets :execrows
delete from rate_bucket where full_at <= @now;
