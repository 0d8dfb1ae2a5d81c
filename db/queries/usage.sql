-- name: CountUsage :one
-- Counts against a limit, unless that key has been counted before: then what came of it. What makes usage grow beyond the limit is not
-- counted; what makes it smaller always is. The counter's row is locked by the insert or by the update, whichever it is, and the update
-- decides on the row as it is then: callers side by side never exceed the limit together. Two that come with the same key at the same
-- time find no record, and the second breaks on usage_record_key or is refused: it has to ask again.
with before as (
    select r.absolute, r.quantity, r.used from usage_record r
    where r.merchant_id = @merchant_id and r.subscription_id = @subscription_id and r.feature = @feature and r.key = @key
), attempt as (
    insert into usage_counter as u (merchant_id, subscription_id, period_start, feature, used, sequence, counted)
    select @merchant_id, @subscription_id, @period_start, @feature, case when first.fits then first.target else 0 end, first.fits::int, first.fits
    from (select greatest(@quantity::bigint, 0) as target, @quantity::bigint <= @allowed::bigint as fits) first
    where not exists (select from before)
    on conflict (merchant_id, subscription_id, period_start, feature) do update set
        used = case when usage_after(u.used, @absolute::boolean, @quantity) <= greatest(@allowed, u.used)
            then usage_after(u.used, @absolute, @quantity) else u.used end,
        sequence = u.sequence + (usage_after(u.used, @absolute, @quantity) <= greatest(@allowed, u.used))::int,
        counted = usage_after(u.used, @absolute, @quantity) <= greatest(@allowed, u.used)
    returning u.used, u.sequence, u.counted
), recorded as (
    insert into usage_record (merchant_id, subscription_id, period_start, feature, sequence, key, absolute, quantity, used, recorded_at)
    select @merchant_id, @subscription_id, @period_start, @feature, attempt.sequence, @key, @absolute, @quantity, attempt.used, @now
    from attempt
    where attempt.counted
)
select attempt.used, attempt.counted, @absolute::boolean as absolute, @quantity::bigint as quantity from attempt
union all
select before.used, true, before.absolute, before.quantity from before;

-- name: UsageOfSubscriptions :many
-- The present counters of the named subscriptions: those of the current period and those that are never reset.
select u.subscription_id, u.feature, (u.period_start = '0001-01-01 00:00:00+00')::boolean as lifetime, u.used
from (select unnest(@merchant_ids::bigint[]) as merchant_id, unnest(@ids::bigint[]) as id) k
join subscription s on s.merchant_id = k.merchant_id and s.id = k.id
join usage_counter u on u.merchant_id = k.merchant_id and u.subscription_id = k.id
    and u.period_start in ('0001-01-01 00:00:00+00', s.current_period_start)
order by u.subscription_id, u.feature;

-- name: ForgetUsageRecords :execrows
-- Counters stay.
delete from usage_record r
using (
    select o.merchant_id, o.subscription_id, o.period_start, o.feature, o.sequence from usage_record o
    where o.recorded_at < @before::timestamptz
    order by o.recorded_at
    limit @lim
    for update skip locked
) old
where r.merchant_id = old.merchant_id and r.subscription_id = old.subscription_id and r.period_start = old.period_start
  and r.feature = old.feature and r.sequence = old.sequence;
