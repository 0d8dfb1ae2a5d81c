package verify

func claimPlants() []plant {
	const (
		versions = "the versions of claims count up to that of their set"
		expiries = "a set of claims is due when the first of them ends"
		late     = "claims that have ended are gone within the lag"

		buyer = `(select customer_id from subscription where id = {renewed})`
		set   = `claim_set {m}/\d+/\d+`
	)
	// kept stores a set of two versions.
	kept := func(claims, expireAt string) string {
		return `insert into claim_set (merchant_id, customer_id, product_id, version, claims, expire_at, updated_at)
			select merchant_id, customer_id, product_id, 2, '` + claims + `', ` + expireAt + `, {now} from subscription where id = {renewed};
			insert into claim_change (merchant_id, customer_id, product_id, version, key, value_after, actor_kind, changed_at)
			select merchant_id, customer_id, product_id, n, 'plan', '"pro"', 'API_KEY', {now} from subscription, generate_series(1, 2) n
			where id = {renewed};`
	}
	plain := kept(`{"plan": {"value": "pro"}}`, "null")
	ends := func(when string) string {
		return `update claim_set set expire_at = ` + when + `, claims = jsonb_build_object('plan', jsonb_build_object('value', 'pro', 'expiresAt', ` +
			when + `));`
	}
	return []plant{
		{name: "claims of two versions", sql: plain},
		{name: "claims of which the first version is forgotten", sql: plain + `delete from claim_change where version = 1`},
		{
			name: "a version of claims that nothing has made", violated: []string{versions}, example: set,
			sql: plain + `update claim_set set version = 3`,
		},
		{
			name: "claims whose version went back", violated: []string{versions}, example: set,
			sql: plain + `update claim_set set version = 1`,
		},
		{
			name: "a version of claims that is missing in between", violated: []string{versions}, example: `claim_change {m}/\d+`,
			sql: plain + `update claim_change set version = 3 where version = 2; update claim_set set version = 3`,
		},
		{name: "claims that end", sql: plain + ends(`{now} + interval '1 day'`)},
		{
			name: "claims that end and that nobody looks for", violated: []string{expiries}, example: set,
			sql: plain + ends(`{now} + interval '1 day'`) + `update claim_set set expire_at = null where customer_id = ` + buyer,
		},
		{
			name: "claims that are looked for without an end", violated: []string{expiries}, example: set,
			sql: plain + `update claim_set set expire_at = {now} + interval '1 day'`,
		},
		{name: "claims that have ended within the lag", sql: plain + ends(`{now} - interval '15 minutes'`)},
		{
			name: "claims that ended long ago", violated: []string{late}, example: set,
			sql: plain + ends(`{now} - interval '15 minutes 1 second'`),
		},
		{
			name: "claims that wait for their clock",
			sql:  plain + ends(`{now} - interval '1 day'`) + `update claim_set set test_clock_id = (select id from test_clock limit 1)`,
		},
	}
}
