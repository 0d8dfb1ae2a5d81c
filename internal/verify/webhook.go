package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

func webhookChecks() []check {
	return []check{
		{invariant: 5, name: "event sequences count up from 1, or from what was dropped", ask: rows(missingEvents)},
		{invariant: 5, name: "an event sequence stands at its last event", ask: rows(wrongEventSequences)},
		{invariant: 5, name: "an event's body is JSON and tells of that event", ask: wrongBodies},
		{invariant: 5, name: "an event is about a subscription of its merchant", ask: rows(eventsOfNothing)},
		{invariant: 5, name: "what is to be sent has its event, and is in the lane of its subscription", ask: rows(strayDeliveries)},
		{invariant: 5, name: "the attempts of a delivery count up from 1 to its count", ask: rows(missingDeliveryAttempts)},
		{invariant: 5, name: "a delivery is to be sent, or has one outcome: that of its last attempt", ask: rows(wrongOutcomes)},
		{invariant: 5, name: "a delivery is delivered when its last attempt was answered 2xx", ask: rows(wronglyFinished)},
		{invariant: 5, name: "no delivery to an enabled endpoint that is not held is due", ask: rows(dueDeliveries), weight: violationAtRest},
		{invariant: 5, name: "no enabled endpoint has failed for five days and an hour", ask: rows(failingEndpoints)},
		{invariant: 5, name: "nothing is on its way to a deleted endpoint", ask: rows(deliveriesToNobody), weight: violationAtRest},
	}
}

const missingEvents = `
select 'event ' || n.merchant_id || '/' || n.id
from (
    select merchant_id, id, subscription_id, sequence, lag(sequence) over (partition by merchant_id, subscription_id order by sequence) as previous
    from event
) n
left join subscription s on s.merchant_id = n.merchant_id and s.id = n.subscription_id
left join event_floor f on f.merchant_id = n.merchant_id
where n.sequence <> coalesce(n.previous, 0) + 1
  and not (n.previous is null and f.since is not null and (s.id is null or s.test_clock_id is not null or s.created_at < f.since))`

// What was dropped counts as if it were there: it may be the beginning of a sequence, and all of it.
const wrongEventSequences = `
select 'subscription ' || s.merchant_id || '/' || s.id
from subscription s
left join (
    select merchant_id, subscription_id, max(sequence) as last from event group by merchant_id, subscription_id
) e on e.merchant_id = s.merchant_id and e.subscription_id = s.id
left join event_floor f on f.merchant_id = s.merchant_id
where s.event_sequence <> coalesce(e.last, 0)
  and not (e.last is null and f.since is not null and (s.test_clock_id is not null or s.created_at < f.since))
union all
select 'merchant ' || m.id
from merchant m
left join (
    select merchant_id, max(sequence) as last from event where subscription_id is null group by merchant_id
) e on e.merchant_id = m.id
left join event_floor f on f.merchant_id = m.id
where m.event_sequence <> coalesce(e.last, 0) and not (e.last is null and f.since is not null)`

const eventsOfNothing = `
select 'event ' || e.merchant_id || '/' || e.id
from event e
left join subscription s on s.merchant_id = e.merchant_id and s.id = e.subscription_id
left join merchant m on m.id = e.merchant_id
where m.id is null or (e.subscription_id is not null and s.id is null)`

const strayDeliveries = `
select 'webhook_delivery ' || d.merchant_id || '/' || d.id
from webhook_delivery d
left join event e on e.merchant_id = d.merchant_id and e.id = d.event_id and e.created_at = d.event_created_at
where e.id is null or d.subscription_id <> coalesce(e.subscription_id, 0)`

const missingDeliveryAttempts = `
with tried as (
    select merchant_id, delivery_id, count(*) as attempts, min(number) as first, max(number) as last, min(delivery_created_at) as begun_at
    from webhook_attempt
    group by merchant_id, delivery_id
), kept as (
    select coalesce(max(since), '-infinity') as since from retention_floor where of_table = 'webhook_attempt'
)
select 'webhook_delivery ' || coalesce(d.merchant_id, t.merchant_id) || '/' || coalesce(d.id, t.delivery_id)
from webhook_delivery d
full join tried t on t.merchant_id = d.merchant_id and t.delivery_id = d.id
cross join kept
where t.last - t.first + 1 <> t.attempts or d.attempt_count <> t.last
   or (t.first <> 1 and (t.first < 1 or t.begun_at >= kept.since))
   or (t.delivery_id is null and d.attempt_count > 0 and d.first_attempt_at >= kept.since)`

const wrongOutcomes = `
with tried as (
    select merchant_id, delivery_id, max(number) as last, count(outcome) as outcomes, max(number) filter (where outcome is not null) as final
    from webhook_attempt
    group by merchant_id, delivery_id
)
select 'webhook_delivery ' || t.merchant_id || '/' || t.delivery_id
from tried t
left join webhook_delivery d on d.merchant_id = t.merchant_id and d.id = t.delivery_id
where t.outcomes <> case when d.id is null then 1 else 0 end or t.final <> t.last`

const wronglyFinished = `
with last_attempt as (
    select distinct on (merchant_id, delivery_id) merchant_id, delivery_id, status_code, outcome, created_at
    from webhook_attempt
    order by merchant_id, delivery_id, number desc
)
select 'webhook_delivery ' || a.merchant_id || '/' || a.delivery_id
from last_attempt a
left join webhook_delivery d on d.merchant_id = a.merchant_id and d.id = a.delivery_id
where coalesce(a.outcome = 'DELIVERED', false) <> coalesce(a.status_code between 200 and 299, false)
  and not coalesce(d.asked_at >= a.created_at, false)`

const dueDeliveries = `
select 'webhook_delivery ' || d.merchant_id || '/' || d.id
from webhook_delivery d
join webhook_endpoint e on e.merchant_id = d.merchant_id and e.id = d.endpoint_id
where d.next_attempt_at <= @now::timestamptz and e.status = 'ENABLED' and (e.held_until is null or e.held_until <= @now::timestamptz)`

// The hour is for the job that disables them.
const failingEndpoints = `
select 'webhook_endpoint ' || merchant_id || '/' || id
from webhook_endpoint
where status = 'ENABLED' and last_failure_at >= failing_since + interval '5 days' and last_failure_at < @now::timestamptz - interval '1 hour'
  and (lease_until is null or lease_until <= @now::timestamptz)`

const deliveriesToNobody = `
select 'webhook_delivery ' || d.merchant_id || '/' || d.id
from webhook_delivery d
join webhook_endpoint e on e.merchant_id = d.merchant_id and e.id = d.endpoint_id
where e.status = 'DELETED'`

// wrongBodies reads every body here: Postgres cannot try whether bytes are JSON without failing.
func wrongBodies(ctx context.Context, tx pgx.Tx, _ pgx.NamedArgs) (found, error) {
	all := found{examples: []string{}}
	answer, err := tx.Query(ctx, `select merchant_id, id, type, sequence, body from event`) //nolint:rowserrcheck // ForEachRow does
	if err != nil {
		return found{}, err
	}
	var merchantID, id, sequence int64
	var kind string
	var body []byte
	_, err = pgx.ForEachRow(answer, []any{&merchantID, &id, &kind, &sequence, &body}, func() error {
		if !tellsOf(body, id, kind, sequence) {
			all.add(found{1, []string{fmt.Sprintf("event %d/%d", merchantID, id)}})
		}
		return nil
	})
	return all, err
}

// tellsOf is about the text of the members: encoding/json alone would take Event for event and mend what is not UTF-8.
func tellsOf(body []byte, id int64, kind string, sequence int64) bool {
	var members map[string]json.RawMessage
	return utf8.Valid(body) && json.Unmarshal(body, &members) == nil &&
		string(members["id"]) == fmt.Sprintf(`"evt_%d"`, id) &&
		string(members["event"]) == fmt.Sprintf(`%q`, kind) &&
		string(members["sequence"]) == fmt.Sprint(sequence)
}
