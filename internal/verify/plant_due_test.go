package verify

func duePlants() []plant {
	const (
		due         = "what is due is done within the lag"
		outlasts    = "no subscription outlasts its period and grace by more than the lag"
		listed      = "a live subscription is on the due-lists of its state, and on none while charging"
		ended       = "an ended subscription waits for nothing"
		stuck       = "the outcome of a charge is known within the lag"
		held        = "an advancing test clock is held by a worker, but for the lag"
		still       = "test clocks stand still"
		quarantined = "no live subscription is in quarantine"

		advance = `update test_clock set target_at = now_at + interval '1 day', lease_until = {now} + interval '30 seconds';`
	)
	return []plant{
		{
			name: "a bill that is due, within the lag",
			sql:  `update subscription set bill_at = {now} - interval '15 minutes' where id = {renewed}`,
		},
		{
			name: "a bill that nobody wrote", violated: []string{due}, example: "subscription {m}/{renewed}",
			sql: `update subscription set bill_at = {now} - interval '15 minutes 1 second' where id = {renewed}`,
		},
		{
			name: "a bill that waits for its merchant to be reinstated",
			sql: `update subscription set bill_at = {now} - interval '1 year' where id = {renewed};
				update merchant set suspended_at = {now}, suspension_reason = 'x' where id = {m}`,
		},
		{
			name: "a bill whose merchant has just been reinstated",
			sql: `update subscription set bill_at = {now} - interval '1 year' where id = {renewed};
				update merchant set reinstated_at = {now} - interval '15 minutes' where id = {m}`,
		},
		{
			name: "a bill whose merchant was reinstated long ago", violated: []string{due}, example: "subscription {m}/{renewed}",
			sql: `update subscription set bill_at = {now} - interval '1 year' where id = {renewed};
				update merchant set reinstated_at = {now} - interval '15 minutes 1 second' where id = {m}`,
		},
		{
			name: "a feature override that did not end", violated: []string{due}, example: "subscription {m}/{renewed}",
			sql: `update subscription set feature_overrides = '{}', override_end_at = {now} - interval '1 hour' where id = {renewed}`,
		},
		{
			name: "an end that did not come", violated: []string{due}, example: "subscription {m}/{unpaid}",
			sql: `update subscription set end_at = {now} - interval '1 hour' where id = {unpaid}`,
		},
		{
			name: "a bill that a clock passed by", violated: []string{due}, example: "subscription {m}/{clocked}",
			sql: `update subscription set bill_at = (select now_at - interval '1 second' from test_clock) where id = {clocked}`,
		},
		{
			name: "a bill that became due when its clock stood already",
			sql:  `update subscription set bill_at = (select now_at from test_clock) where id = {clocked}`,
		},
		{
			name: "a bill that a clock is about to reach", noted: []string{still}, example: `test_clock {m}/\d+`,
			sql: advance + `update subscription set bill_at = (select now_at - interval '1 second' from test_clock) where id = {clocked}`,
		},
		{
			name: "a bill that a person looks after", noted: []string{quarantined}, example: "subscription {m}/{renewed}",
			sql: `update subscription set bill_at = {now} - interval '1 year', quarantine_reason = 'broken' where id = {renewed}`,
		},
		{
			name: "a trial without end", violated: []string{outlasts}, example: "subscription {m}/{trying}",
			sql: `update subscription set current_period_start = {now} - interval '1 day', current_period_end = {now} - interval '16 minutes' where id = {trying}`,
		},
		{
			name: "a period without end", violated: []string{outlasts}, example: "subscription {m}/{renewed}",
			// All of the subscription's time lies a month earlier than it did.
			sql: `update subscription set bill_at = {now} + interval '1 year', anchor_at = '2025-12-31T09:30Z',
					current_period_start = '2026-02-28T09:30Z', current_period_end = '2026-03-31T09:30Z' where id = {renewed};
				update invoice set period_start = '2025-12-31T09:30Z', period_end = '2026-01-31T09:30Z' where id = {index 0 of renewed};
				update invoice set period_start = '2026-01-31T09:30Z', period_end = '2026-02-28T09:30Z' where id = {index 1 of renewed};
				update invoice set period_start = '2026-02-28T09:30Z', period_end = '2026-03-31T09:30Z' where id = {index 2 of renewed}`,
		},
		{
			name: "a grace without end", violated: []string{outlasts}, example: "subscription {m}/{debtor}",
			sql: `update subscription set access_until = {now} - interval '1 hour' where id = {debtor}`,
		},
		{
			name: "a debtor who has no access any more",
			sql:  `update subscription set access_until = {now} - interval '1 hour', suspended = true where id = {debtor}`,
		},
		{
			name: "a subscription that nobody will renew", violated: []string{listed}, example: "subscription {m}/{renewed}",
			sql: `update subscription set bill_at = null where id = {renewed}`,
		},
		{
			name: "a subscription that will be renewed and ended", violated: []string{listed}, example: "subscription {m}/{trying}",
			sql: `update subscription set end_at = bill_at where id = {trying}`,
		},
		{
			name: "a checkout that stays open", violated: []string{listed}, example: "subscription {m}/{unpaid}",
			sql: `update subscription set end_at = null where id = {unpaid}`,
		},
		{
			name: "a debtor whom nobody looks after", violated: []string{listed}, example: "subscription {m}/{stuck}",
			sql: `update subscription set bill_at = null, end_at = null where id = {stuck}`,
		},
		{
			name: "a subscription that is due while it is charging", violated: []string{listed}, noted: []string{underWay}, example: "subscription {m}/{debtor}",
			sql: chargeDebtor + `update subscription set bill_at = {now} + interval '1 day' where id = {debtor}`,
		},
		{
			name: "an ended subscription that will be renewed", violated: []string{ended}, example: "subscription {m}/{gone}",
			sql: `alter table subscription drop constraint subscription_check2;
				update subscription set bill_at = {now} + interval '1 day' where id = {gone}`,
		},
		{
			name: "an ended subscription with an open invoice", violated: []string{ended}, example: "subscription {m}/{debtor}",
			sql: `update subscription set status = 'EXPIRED', ended_at = {now}, bill_at = null, end_at = null where id = {debtor}`,
		},
		{
			name: "a charge that is under way", noted: []string{underWay}, example: `payment_attempt {m}/\d+`,
			sql: chargeDebtor,
		},
		{
			name: "a charge that nobody makes", violated: []string{underWay}, example: `payment_attempt {m}/\d+`, quiescent: true,
			sql: chargeDebtor,
		},
		{
			name: "a charge that was forgotten", violated: []string{stuck}, noted: []string{underWay}, example: `payment_attempt {m}/\d+`,
			sql: chargeDebtor + `update payment_attempt set created_at = {now} - interval '16 minutes' where status = 'OPEN'`,
		},
		{
			name: "a clock whose worker died", violated: []string{held}, noted: []string{still}, example: `test_clock {m}/\d+`,
			sql: advance + `update test_clock set lease_until = {now} - interval '16 minutes'`,
		},
		{
			name: "a clock that nobody advances", violated: []string{still}, example: `test_clock {m}/\d+`, quiescent: true,
			sql: `update test_clock set target_at = now_at + interval '1 day'`,
		},
	}
}
