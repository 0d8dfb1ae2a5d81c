package verify

func claimChecks() []check {
	return []check{
		{invariant: 5, name: "the versions of claims count up to that of their set", ask: rows(wrongClaimVersions)},
		{invariant: 7, name: "a set of claims is due when the first of them ends", ask: rows(wrongClaimExpiries)},
		{invariant: 7, name: "claims that have ended are gone within the lag", ask: rows(lateClaims)},
	}
}

// Every version has a change that made it, those that the history has forgotten aside, which are the first.
const wrongClaimVersions = `
select 'claim_change ' || merchant_id || '/' || id
from (
    select merchant_id, id, version,
        lag(version) over (partition by merchant_id, customer_id, product_id order by id) as previous
    from claim_change
) numbered
where version not in (previous, previous + 1)
union all
select 'claim_set ' || s.merchant_id || '/' || s.customer_id || '/' || s.product_id
from claim_set s
left join (
    select merchant_id, customer_id, product_id, max(version) as last from claim_change group by merchant_id, customer_id, product_id
) c on c.merchant_id = s.merchant_id and c.customer_id = s.customer_id and c.product_id = s.product_id
where s.version is distinct from c.last`

const wrongClaimExpiries = `
select 'claim_set ' || s.merchant_id || '/' || s.customer_id || '/' || s.product_id
from claim_set s
where s.expire_at is distinct from (
    select min((claim.value ->> 'expiresAt')::timestamptz) from jsonb_each(s.claims) claim where jsonb_typeof(claim.value) = 'object'
)`

const lateClaims = `
select 'claim_set ' || s.merchant_id || '/' || s.customer_id || '/' || s.product_id
from claim_set s
where s.expire_at < @overdue::timestamptz and s.test_clock_id is null`
