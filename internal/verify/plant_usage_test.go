package verify

func usagePlants() []plant {
	const (
		stands  = "a usage counter stands where its last record left it"
		changes = "usage changes by what its records say"

		counted = `insert into usage_counter values ({m}, {renewed}, '0001-01-01Z', 'seats', 3, 3, true);
			insert into usage_record values ({m}, {renewed}, '0001-01-01Z', 'seats', 1, 'a', true, 5, 5, {now}),
				({m}, {renewed}, '0001-01-01Z', 'seats', 2, 'b', false, -9, 0, {now}),
				({m}, {renewed}, '0001-01-01Z', 'seats', 3, 'c', false, 3, 3, {now});`
	)
	return []plant{
		{name: "usage that its records explain", sql: counted},
		{name: "usage of which only the last record is kept", sql: counted + `delete from usage_record where sequence < 3`},
		{name: "usage without any record left", sql: counted + `delete from usage_record`},
		{
			name: "usage that a record is missing for", violated: []string{stands}, example: `usage_counter {m}/{renewed}/.*/seats`,
			sql: counted + `update usage_counter set used = 4`,
		},
		{
			name: "a record that did not count", violated: []string{stands}, example: `usage_counter {m}/{renewed}/.*/seats`,
			sql: counted + `update usage_counter set sequence = 2`,
		},
		{
			name: "a record that counted for more", violated: []string{changes}, example: `usage_record {m}/{renewed}/.*/seats/2`,
			sql: counted + `update usage_record set used = 1 where sequence = 2; update usage_record set used = 4 where sequence = 3;
				update usage_counter set used = 4`,
		},
		{
			name: "a first record that began with something", violated: []string{changes}, example: `usage_record {m}/{renewed}/.*/seats/1`,
			sql: counted + `update usage_record set absolute = false, quantity = 4 where sequence = 1`,
		},
	}
}
