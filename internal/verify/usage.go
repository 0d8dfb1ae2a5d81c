package verify

func usageChecks() []check {
	return []check{
		{invariant: 9, name: "a usage counter stands where its last record left it", ask: rows(strayCounters)},
		{invariant: 9, name: "usage changes by what its records say", ask: rows(strayUsage)},
	}
}

// The record may have been forgotten by now.
const strayCounters = `
select concat_ws('/', 'usage_counter ' || u.merchant_id, u.subscription_id, u.period_start, u.feature)
from usage_counter u
left join lateral (
    select r.sequence, r.used from usage_record r
    where r.merchant_id = u.merchant_id and r.subscription_id = u.subscription_id and r.period_start = u.period_start and r.feature = u.feature
    order by r.sequence desc
    limit 1
) last on true
where last.sequence > u.sequence or (last.sequence = u.sequence and last.used <> u.used)`

const strayUsage = `
with record as (
    select *, lag(sequence, 1, 0::bigint) over w as previous_sequence, lag(used, 1, 0::bigint) over w as previous_used
    from usage_record
    window w as (partition by merchant_id, subscription_id, period_start, feature order by sequence)
)
select concat_ws('/', 'usage_record ' || merchant_id, subscription_id, period_start, feature, sequence)
from record
where sequence = previous_sequence + 1 and used <> usage_after(previous_used, absolute, quantity)`
