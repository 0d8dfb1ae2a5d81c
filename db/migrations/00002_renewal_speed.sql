-- +goose Up

-- Merchants are spread over eight lanes, in each of which one sweep works at a time (internal/billing/sweep.go).
drop index subscription_bill_due;
create index subscription_bill_due on subscription ((merchant_id % 8), bill_at, id)
    where bill_at is not null and test_clock_id is null and quarantine_reason is null;
