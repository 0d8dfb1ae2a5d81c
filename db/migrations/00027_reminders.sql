-- +goose Up

-- When a subscription's end is to be announced, beside bill_at and end_at, and for which end that was done. It takes the place of
-- connection.reminded_for, which the release before still writes.
alter table subscription
    add column remind_at    timestamptz,
    add column reminded_for timestamptz;
create index subscription_remind_due on subscription (remind_at, id)
    where remind_at is not null and test_clock_id is null and quarantine_reason is null and not held;

select set_config('portico.tenant', 'system', true);
update subscription s set reminded_for = k.reminded_for
from connection k
where k.merchant_id = s.merchant_id and k.subscription_id = s.id and k.reminded_for is not null;
update subscription set remind_at = current_period_end - case
        when status = 'TRIALING' and current_period_end <= current_period_start + interval '72 hours' then interval '24 hours'
        else interval '72 hours' end
where reminded_for is distinct from current_period_end and not charging
  and (status = 'TRIALING' or (source = 'CONNECTED' and status = 'ACTIVE' and end_at is not null and not cancel_at_period_end));
