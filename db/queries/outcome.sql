-- One statement for each index: the planner must not find a middle way that suits none.

-- name: PendingDeliveries :many
select merchant_id, id, endpoint_id, event_id, event_created_at, attempt_count, next_attempt_at, created_at
from webhook_delivery
where merchant_id = @merchant_id and id < @before and id > @above and created_at >= @made_since::timestamptz and created_at < @made_until::timestamptz
  and (sqlc.narg(endpoint_id)::bigint is null or endpoint_id = sqlc.narg(endpoint_id))
  and (sqlc.narg(event_id)::bigint is null or event_id = sqlc.narg(event_id))
order by id desc
limit @most;

-- name: PendingDeliveriesOfTypes :many
select d.merchant_id, d.id, d.endpoint_id, d.event_id, d.event_created_at, d.attempt_count, d.next_attempt_at, d.created_at
from webhook_delivery d
where d.merchant_id = @merchant_id and d.id < @before and d.id > @above and d.created_at >= @made_since::timestamptz
  and d.created_at < @made_until::timestamptz
  and (sqlc.narg(endpoint_id)::bigint is null or d.endpoint_id = sqlc.narg(endpoint_id))
  and (sqlc.narg(event_id)::bigint is null or d.event_id = sqlc.narg(event_id))
  and exists (select from event v where v.merchant_id = d.merchant_id and v.id = d.event_id and v.created_at = d.event_created_at
              and v.created_at < @events_until::timestamptz and v.type = any(@types::text[]))
order by d.id desc
limit @most;

-- name: CountWaiting :many
-- How many deliveries to each endpoint are still to be sent, counted up to a number.
select e.id::bigint as endpoint_id, d.waiting
from unnest(@endpoint_ids::bigint[]) e(id)
cross join lateral (
    select count(*) as waiting from (
        select from webhook_delivery d
        where d.merchant_id = @merchant_id and d.endpoint_id = e.id and d.next_attempt_at > '-infinity'
        limit @most
    ) d
) d
order by e.id;

-- name: PendingDeliveriesByID :many
select merchant_id, id, endpoint_id, event_id, event_created_at, attempt_count, next_attempt_at, created_at
from webhook_delivery
where merchant_id = @merchant_id and id = any(@ids::bigint[])
order by id;

-- name: FinishedDeliveries :many
select merchant_id, delivery_id, endpoint_id, event_id, event_created_at, outcome, number, delivery_created_at, finished_at
from webhook_attempt
where merchant_id = @merchant_id and delivery_id < @before and delivery_id > @above and created_at >= @since::timestamptz and created_at < @until::timestamptz
  and outcome is not null
  and (sqlc.narg(outcome)::text is null or outcome = sqlc.narg(outcome))
  and delivery_created_at >= @made_since::timestamptz and delivery_created_at < @made_until::timestamptz
order by delivery_id desc
limit @most;

-- name: FinishedDeliveriesToEndpoint :many
select merchant_id, delivery_id, endpoint_id, event_id, event_created_at, outcome, number, delivery_created_at, finished_at
from webhook_attempt
where merchant_id = @merchant_id and endpoint_id = @endpoint_id and delivery_id < @before and delivery_id > @above and created_at >= @since::timestamptz and created_at < @until::timestamptz
  and outcome is not null
  and (sqlc.narg(outcome)::text is null or outcome = sqlc.narg(outcome))
  and delivery_created_at >= @made_since::timestamptz and delivery_created_at < @made_until::timestamptz
order by delivery_id desc
limit @most;

-- name: FinishedDeliveriesOfEvent :many
select merchant_id, delivery_id, endpoint_id, event_id, event_created_at, outcome, number, delivery_created_at, finished_at
from webhook_attempt
where merchant_id = @merchant_id and event_id = @event_id and delivery_id < @before and delivery_id > @above and created_at >= @since::timestamptz and created_at < @until::timestamptz
  and outcome is not null
  and (sqlc.narg(endpoint_id)::bigint is null or endpoint_id = sqlc.narg(endpoint_id))
  and (sqlc.narg(outcome)::text is null or outcome = sqlc.narg(outcome))
  and delivery_created_at >= @made_since::timestamptz and delivery_created_at < @made_until::timestamptz
order by delivery_id desc
limit @most;

-- name: FinishedDeliveriesOfTypes :many
select a.merchant_id, a.delivery_id, a.endpoint_id, a.event_id, a.event_created_at, a.outcome, a.number, a.delivery_created_at, a.finished_at
from webhook_attempt a
where a.merchant_id = @merchant_id and a.delivery_id < @before and a.delivery_id > @above and a.created_at >= @since::timestamptz
  and a.created_at < @until::timestamptz and a.outcome is not null
  and (sqlc.narg(endpoint_id)::bigint is null or a.endpoint_id = sqlc.narg(endpoint_id))
  and (sqlc.narg(event_id)::bigint is null or a.event_id = sqlc.narg(event_id))
  and (sqlc.narg(outcome)::text is null or a.outcome = sqlc.narg(outcome))
  and a.delivery_created_at >= @made_since::timestamptz and a.delivery_created_at < @made_until::timestamptz
  and exists (select from event v where v.merchant_id = a.merchant_id and v.id = a.event_id and v.created_at = a.event_created_at
              and v.created_at < @events_until::timestamptz and v.type = any(@types::text[]))
order by a.delivery_id desc
limit @most;

-- name: DeadDeliveries :many
select merchant_id, delivery_id, endpoint_id, event_id, event_created_at, outcome, number, delivery_created_at, finished_at
from webhook_attempt
where merchant_id = @merchant_id and delivery_id < @before and delivery_id > @above and created_at >= @since::timestamptz and created_at < @until::timestamptz
  and outcome <> 'DELIVERED' and outcome = @outcome::text
  and (sqlc.narg(endpoint_id)::bigint is null or endpoint_id = sqlc.narg(endpoint_id))
  and delivery_created_at >= @made_since::timestamptz and delivery_created_at < @made_until::timestamptz
order by delivery_id desc
limit @most;

-- name: FinishedDeliveriesByID :many
select merchant_id, delivery_id, endpoint_id, event_id, event_created_at, outcome, number, delivery_created_at, finished_at
from webhook_attempt
where merchant_id = @merchant_id and delivery_id = any(@ids::bigint[]) and outcome is not null
  and created_at >= @since::timestamptz and created_at < @until::timestamptz
order by delivery_id;

-- name: AttemptsByDelivery :many
select delivery_id, number, status_code, error_class, error, response_body, duration_ms, created_at
from webhook_attempt
where merchant_id = @merchant_id and delivery_id = any(@delivery_ids::bigint[])
  and created_at >= @since::timestamptz and created_at < @until::timestamptz
order by delivery_id, number;
