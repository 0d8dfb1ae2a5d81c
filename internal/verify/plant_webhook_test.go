package verify

const deleteEvents = `
	delete from webhook_attempt where event_id in (select id from deleted);
	delete from webhook_delivery where event_id in (select id from deleted);
	delete from event where id in (select id from deleted)`

func webhookPlants() []plant {
	const (
		sequences = "event sequences count up from 1, or from what was dropped"
		last      = "an event sequence stands at its last event"
		bodies    = "an event's body is JSON and tells of that event"
		subjects  = "an event is about a subscription of its merchant"
		lanes     = "what is to be sent has its event, and is in the lane of its subscription"
		attempts  = "the attempts of a delivery count up from 1 to its count"
		outcomes  = "a delivery is to be sent, or has one outcome: that of its last attempt"
		finished  = "a delivery is delivered when its last attempt was answered 2xx"
		due       = "no delivery to an enabled endpoint that is not held is due"
		unjudged  = "no enabled endpoint has failed for five days and an hour"
		nobody    = "nothing is on its way to a deleted endpoint"

		oneEvent   = ` where id = (select id from event where subscription_id = {renewed} and sequence = 2)`
		delivered  = `(select min(delivery_id) from webhook_attempt where outcome = 'DELIVERED')`
		failing    = `(select min(id) from webhook_delivery where attempt_count = 1)`
		untried    = `(select min(id) from webhook_delivery where attempt_count = 0)`
		triedTwice = `(select min(id) from webhook_delivery where attempt_count = 2)`
		again      = `
			insert into webhook_attempt (merchant_id, delivery_id, number, endpoint_id, event_id, event_created_at, subscription_id,
				status_code, duration_ms, created_at, delivery_created_at)
			select merchant_id, delivery_id, 2, endpoint_id, event_id, event_created_at, subscription_id, 503, 1, {now}, delivery_created_at
			from webhook_attempt where delivery_id = `
		more = again + failing + `;
			update webhook_delivery set attempt_count = 2 where id = ` + failing + `;`
	)
	return []plant{
		{
			name: "an event that is missing", violated: []string{sequences}, example: `event {m}/\d+`,
			sql: `create temporary table deleted on commit drop as select id from event where subscription_id = {renewed} and sequence = 2;` + deleteEvents,
		},
		{
			name: "a first event that is missing", violated: []string{sequences}, example: `event {m}/\d+`,
			sql: `create temporary table deleted on commit drop as select id from event where subscription_id = {renewed} and sequence = 1;` + deleteEvents,
		},
		{
			name: "a first event that was dropped",
			sql: `create temporary table deleted on commit drop as select id from event where subscription_id = {renewed} and sequence = 1;
				insert into event_floor select {m}, '5', 1, {now};` + deleteEvents,
		},
		{
			name: "a second event that is missing where the first was dropped", violated: []string{sequences}, example: `event {m}/\d+`,
			sql: `create temporary table deleted on commit drop as select id from event where subscription_id = {renewed} and sequence = 2;
				insert into event_floor select {m}, '5', 1, {now};` + deleteEvents,
		},
		{
			name: "all events of a subscription that were dropped",
			sql: `create temporary table deleted on commit drop as select id from event where subscription_id = {renewed};
				insert into event_floor select {m}, '5', 1, {now};` + deleteEvents,
		},
		{
			name: "a first event that is missing of a subscription that began later", violated: []string{sequences}, example: `event {m}/\d+`,
			sql: `create temporary table deleted on commit drop as select id from event where subscription_id = {renewed} and sequence = 1;
				insert into event_floor select {m}, '5', 1, (select created_at from subscription where id = {renewed});` + deleteEvents,
		},
		{
			name: "an event about no subscription that is missing", violated: []string{last}, example: "merchant {m}",
			sql: `update merchant set event_sequence = event_sequence + 1 where id = {m}`,
		},
		{
			name: "the first of two events about no subscription that is missing", violated: []string{sequences}, example: `event {m}/\d+`,
			sql: `update merchant set event_sequence = event_sequence + 2 where id = {m};
				insert into event (merchant_id, id, type, sequence, body, occurred_at, created_at)
				select {m}, 1000000, 'product.approved', m.event_sequence,
					convert_to('{"event":"product.approved","id":"evt_1000000","sequence":' || m.event_sequence || '}', 'UTF8'), {now}, {now}
				from merchant m where m.id = {m}`,
		},
		{
			name: "a last event that is missing", violated: []string{last}, example: "subscription {m}/{renewed}",
			sql: `create temporary table deleted on commit drop as select id from event where subscription_id = {renewed} order by sequence desc limit 1;` + deleteEvents,
		},
		{
			name: "all events that are missing", violated: []string{last}, example: "subscription {m}/{renewed}",
			sql: `create temporary table deleted on commit drop as select id from event where subscription_id = {renewed};` + deleteEvents,
		},
		{
			name: "a body that is not JSON", violated: []string{bodies}, example: `event {m}/\d+`,
			sql: `update event set body = substr(body, 1, length(body) - 1)` + oneEvent,
		},
		{
			name: "a body that is not text", violated: []string{bodies}, example: `event {m}/\d+`,
			sql: `update event set body = decode(replace(encode(body, 'hex'), encode('acorn', 'hex'), encode('acor', 'hex') || 'ff'), 'hex')` + oneEvent,
		},
		{
			name: "a body of another event", violated: []string{bodies}, example: `event {m}/\d+`,
			sql: `update event set body = convert_to(replace(convert_from(body, 'UTF8'), '"evt_' || id || '"', '"evt_' || id + 1 || '"'), 'UTF8')` + oneEvent,
		},
		{
			name: "a body that tells of something else", violated: []string{bodies}, example: `event {m}/\d+`,
			sql: `update event set type = 'subscription.expired'` + oneEvent,
		},
		{
			name: "a body with another place in the sequence", violated: []string{bodies}, example: `event {m}/\d+`,
			sql: `update event set body = convert_to(replace(convert_from(body, 'UTF8'), '"sequence":2,', '"sequence":3,'), 'UTF8')` + oneEvent,
		},
		{
			name: "an event about another merchant's subscription", violated: []string{subjects}, example: `event {m}/1000000`,
			sql: `insert into event (merchant_id, id, type, subscription_id, sequence, body, occurred_at, created_at)
				select {m}, 1000000, 'subscription.updated', 1000000, 1, convert_to('{"event":"subscription.updated","id":"evt_1000000","sequence":1}', 'UTF8'), {now}, {now}`,
		},
		{
			name: "a delivery in another lane", violated: []string{lanes}, example: `webhook_delivery {m}/\d+`,
			sql: `update webhook_delivery set subscription_id = {twin}
				where id = (select min(id) from webhook_delivery where subscription_id = {renewed})`,
		},
		{
			name: "a delivery whose event is not where it looks for it", violated: []string{lanes}, example: `webhook_delivery {m}/\d+`,
			sql: `update webhook_delivery set event_created_at = event_created_at - interval '1 second' where id = ` + failing,
		},
		{
			name: "an attempt that is missing", violated: []string{attempts}, example: `webhook_delivery {m}/\d+`,
			sql: `delete from webhook_attempt where delivery_id = ` + failing,
		},
		{
			name: "an attempt that was not counted", violated: []string{attempts}, example: `webhook_delivery {m}/\d+`,
			sql: `update webhook_delivery set attempt_count = 0, first_attempt_at = null where id = ` + failing,
		},
		{
			name: "a second attempt without a first", violated: []string{attempts}, example: `webhook_delivery {m}/\d+`,
			sql: `update webhook_attempt set number = 2 where delivery_id = ` + failing,
		},
		{
			name: "a last attempt without the one before", violated: []string{attempts}, example: `webhook_delivery {m}/\d+`,
			sql: `update webhook_attempt set number = 2 where delivery_id = ` + delivered,
		},
		{
			name: "a third attempt without a second", violated: []string{attempts}, example: `webhook_delivery {m}/\d+`,
			sql: more + `update webhook_attempt set number = 3 where number = 2`,
		},
		{
			name: "attempts that are counted from 0", violated: []string{attempts}, example: `webhook_delivery {m}/\d+`,
			sql: more + `update webhook_attempt set number = 0 where number = 1 and delivery_id = ` + triedTwice,
		},
		{
			name: "a delivery that arrived with its second attempt",
			sql: more + `update webhook_attempt set status_code = 204, outcome = 'DELIVERED', finished_at = {now} where number = 2;
				delete from webhook_delivery where attempt_count = 2`,
		},
		{
			name: "a delivery that is nowhere", violated: []string{outcomes}, example: `webhook_delivery {m}/\d+`,
			sql: `delete from webhook_delivery where id = ` + failing,
		},
		{
			name: "a delivery that has failed and is sent again", violated: []string{outcomes}, example: `webhook_delivery {m}/\d+`,
			sql: `update webhook_attempt set outcome = 'FAILED', finished_at = {now} where delivery_id = ` + failing,
		},
		{
			name: "a delivery that has two ends", violated: []string{outcomes}, example: `webhook_delivery {m}/\d+`,
			sql: more + `update webhook_attempt set outcome = 'FAILED', finished_at = {now} where delivery_id = ` + triedTwice + `;
				delete from webhook_delivery where attempt_count = 2`,
		},
		{
			name: "a delivery that was tried after its end", violated: []string{outcomes}, example: `webhook_delivery {m}/\d+`,
			sql: `update webhook_attempt set outcome = 'FAILED', finished_at = {now}, status_code = 500 where delivery_id = ` + delivered + `;` +
				again + delivered,
		},
		{
			name: "a delivery that was refused and is called delivered", violated: []string{finished}, example: `webhook_delivery {m}/\d+`,
			sql: `update webhook_attempt set status_code = 500 where delivery_id = ` + delivered,
		},
		{
			name: "a delivery that was not answered and is called delivered", violated: []string{finished}, example: `webhook_delivery {m}/\d+`,
			sql: `update webhook_attempt set status_code = null where delivery_id = ` + delivered,
		},
		{
			name: "attempts that were dropped",
			sql: more + `update webhook_attempt set delivery_created_at = {now} - interval '40 days' where delivery_id = ` + triedTwice + `;
				delete from webhook_attempt where number = 1 and delivery_id = ` + triedTwice + `;
				insert into retention_floor values ('webhook_attempt', {now} - interval '30 days')`,
		},
		{
			name: "a delivery that arrived and was asked for again",
			sql: `update webhook_attempt set status_code = 204 where delivery_id = ` + failing + `;
				update webhook_delivery set asked_at = {now}, attempts_before = 1 where id = ` + failing,
		},
		{
			name: "a delivery that arrived and is called failed", violated: []string{finished}, example: `webhook_delivery {m}/\d+`,
			sql: `update webhook_attempt set outcome = 'FAILED' where delivery_id = ` + delivered,
		},
		{
			name: "a delivery that arrived and is sent again", violated: []string{finished}, example: `webhook_delivery {m}/\d+`,
			sql: `update webhook_attempt set status_code = 204 where delivery_id = ` + failing,
		},
		{
			name: "a delivery that waits for a worker", noted: []string{due}, example: `webhook_delivery {m}/\d+`,
			sql: `update webhook_delivery set next_attempt_at = {now} where id = ` + failing,
		},
		{
			name: "a delivery that no worker takes", violated: []string{due}, example: `webhook_delivery {m}/\d+`, quiescent: true,
			sql: `update webhook_delivery set next_attempt_at = {now} where id = ` + failing,
		},
		{
			name: "a delivery that waits for its endpoint to be probed", quiescent: true,
			sql: `update webhook_delivery set next_attempt_at = {now} where id = ` + failing + `;
				update webhook_endpoint set breaker = 'OPEN', held_until = {now} + interval '1 second' where merchant_id = {m}`,
		},
		{
			name: "a delivery that waits for its endpoint to be enabled", quiescent: true,
			sql: `update webhook_delivery set next_attempt_at = {now} where id = ` + failing + `;
				update webhook_endpoint set held_until = null, breaker = 'CLOSED', status = 'DISABLED', disabled_reason = 'MANUAL', disabled_at = now() where id = (select endpoint_id from webhook_delivery where id = ` + failing + `)`,
		},
		{
			name: "an endpoint that nobody disables", violated: []string{unjudged}, example: `webhook_endpoint {m}/\d+`, rows: 2,
			sql: `update webhook_endpoint set last_failure_at = {now} - interval '61 minutes', failing_since = {now} - interval '6 days' where merchant_id = {m}`,
		},
		{
			name: "an endpoint that has failed twice with a week between",
			sql:  `update webhook_endpoint set last_failure_at = {now} - interval '10 days', failing_since = {now} - interval '10 days' where merchant_id = {m}`,
		},
		{
			name: "a delivery that outlives its endpoint", violated: []string{nobody}, example: `webhook_delivery {m}/\d+`, quiescent: true,
			sql: `insert into webhook_endpoint (merchant_id, id, url, event_types, status, deleted_at, created_at)
				values ({m}, 1000000, 'https://app.test', '{*}', 'DELETED', {now}, {now});
				update webhook_delivery set endpoint_id = 1000000 where id = ` + failing,
		},
	}
}
