-- +goose Up

-- What callers of the GraphQL door have left to spend, whether or not they belong to a merchant: a bucket of points is full again at
-- full_at. One that is not here is full, which is why they need not survive a crash. granted is what the last statement took: the
-- statement that takes points has no other way to tell how many.
create unlogged table rate_bucket (
    key     text        primary key,
    full_at timestamptz not null,
    granted integer     not null
) with (fillfactor = 50);


-- How many points a bucket gives: as many as it has of those wanted, or none when that would be less than at_least.
-- +goose StatementBegin
create function points_to_take(full_at timestamptz, now timestamptz, point interval, burst integer, at_least integer, wanted integer)
    returns integer language sql immutable as $$
    select case when has.points < at_least then 0 else greatest(least(wanted, has.points), 0) end
    from (select floor(burst - extract(epoch from greatest(full_at, now) - now) / extract(epoch from point))::integer) has (points)
$$;
-- +goose StatementEnd
