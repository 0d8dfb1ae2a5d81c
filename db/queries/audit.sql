-- What writes an entry commits without waiting for the disk. An act's own commit, which does wait, comes later in the same log: no
-- change survives a crash of Postgres without its entry. An outcome that is lost is one that nobody recorded.

-- name: BeginAuditEntry :one
insert into audit_entry (merchant_id, begun_at, actor_kind, actor_id, actor_name, action, fields, object, request_id, address, user_agent)
select sqlc.narg('merchant_id')::bigint, @begun_at::timestamptz, @actor_kind::text, sqlc.narg('actor_id')::bigint,
       sqlc.narg('actor_name')::text, @action::text, @fields::text[], sqlc.narg('object')::text, @request_id::text,
       sqlc.narg('address')::inet, @user_agent::text
from set_config('synchronous_commit', 'off', true)
returning id;

-- name: CompleteAuditEntry :execrows
-- An entry of no merchant's may turn out to be of one.
update audit_entry
set merchant_id = coalesce(audit_entry.merchant_id, sqlc.narg('merchant_id')), object = coalesce(sqlc.narg('object'), object),
    outcome = @outcome::text, code = sqlc.narg('code')
from set_config('synchronous_commit', 'off', true)
where audit_entry.id = @id and audit_entry.merchant_id is not distinct from sqlc.narg('begun_merchant_id') and outcome is null;

-- name: RecordAuditEntry :exec
insert into audit_entry (merchant_id, begun_at, actor_kind, actor_id, actor_name, action, fields, object, outcome, code, request_id,
    address, user_agent)
select sqlc.narg('merchant_id')::bigint, @begun_at::timestamptz, @actor_kind::text, sqlc.narg('actor_id')::bigint,
       sqlc.narg('actor_name')::text, @action::text, @fields::text[], sqlc.narg('object')::text, @outcome::text, sqlc.narg('code')::text,
       @request_id::text, sqlc.narg('address')::inet, @user_agent::text
from set_config('synchronous_commit', 'off', true);

-- name: RecordMint :exec
insert into token_mint (merchant_id, minted_at, kind, customer_id, actor_kind, actor_id, action, fields, object, request_id, address, user_agent,
    has_entry)
select @merchant_id::bigint, @minted_at::timestamptz, @kind::text, @customer_id::bigint, @actor_kind::text, sqlc.narg('actor_id')::bigint,
       @action::text, @fields::text[], @object::text, @request_id::text, sqlc.narg('address')::inet, @user_agent::text, @has_entry::boolean
from set_config('synchronous_commit', 'off', true);

-- name: CountMints :one
-- Makes entries of the oldest tokens, counts them, and flags the days on which a customer's tokens come at an unusual rate. Returns how
-- many tokens there were, and whose days were flagged. Asks for the system. The release before says with an empty request id that a token's
-- act has its entry.
with moved as (
    delete from token_mint where token_mint.id < (select min(oldest.id) from token_mint oldest) + @most::bigint returning *
), entry as (
    insert into audit_entry (merchant_id, begun_at, actor_kind, actor_id, action, fields, object, outcome, request_id, address, user_agent)
    select merchant_id, minted_at, actor_kind, actor_id, action, fields, object, 'DONE', request_id, address, user_agent
    from moved where not (has_entry or request_id = '') order by id
), counted as (
    insert into token_count (merchant_id, customer_id, kind, hour, count)
    select moved.merchant_id, moved.customer_id, moved.kind, date_trunc('hour', moved.minted_at, 'UTC'), count(*)
    from moved group by 1, 2, 3, 4 order by 1, 2, 3, 4
    on conflict (merchant_id, customer_id, kind, hour) do update set count = token_count.count + excluded.count
    returning *
), flagged as (
    insert into token_flag (merchant_id, customer_id, day, kind, hour, count)
    select c.merchant_id, c.customer_id, date_trunc('day', c.hour, 'UTC'), c.kind, c.hour, c.count
    from counted c
    cross join lateral (
        select coalesce(sum(past.count), 0) as count from token_count past
        where c.count > (select @usual_at_most::bigint) and past.merchant_id = c.merchant_id and past.customer_id = c.customer_id
          and past.kind = c.kind and past.hour >= c.hour - interval '168 hours' and past.hour < c.hour
    ) week
    where c.count > (select @usual_at_most::bigint) and c.count * 168 > week.count * (select @times::bigint)
    order by c.merchant_id, c.customer_id, c.hour
    on conflict do nothing
    returning *
), announced as (
    insert into audit_entry (merchant_id, begun_at, actor_kind, action, object, outcome, request_id, user_agent)
    select f.merchant_id, @now::timestamptz, 'SYSTEM', @action::text, max(moved.object), 'DONE', '', ''
    from flagged f join moved on moved.merchant_id = f.merchant_id and moved.customer_id = f.customer_id
    group by f.merchant_id, f.customer_id, f.day
)
select (select count(*) from moved) as minted,
       coalesce((select array_agg(f.customer_id order by f.customer_id) from flagged f), '{}')::bigint[] as customers;

-- name: AuditEntries :many
-- Newest first, with what keys and clients are called today.
select sqlc.embed(entry), api_key.name as key_name, client.name as client_name
from audit_entry entry
left join api_key on api_key.merchant_id = @merchant_id and entry.actor_kind = 'API_KEY' and api_key.id = entry.actor_id
left join client on client.merchant_id = @merchant_id and entry.actor_kind = 'CLIENT' and client.id = entry.actor_id
where entry.merchant_id = @merchant_id
  and (sqlc.narg('actor_kind')::text is null or (entry.actor_kind = sqlc.narg('actor_kind') and entry.actor_id = sqlc.narg('actor_id')))
  and (sqlc.narg('action')::text is null or entry.action = sqlc.narg('action'))
  and (sqlc.narg('object')::text is null or entry.object = sqlc.narg('object'))
  and (sqlc.narg('since')::timestamptz is null or entry.begun_at >= sqlc.narg('since'))
  and (sqlc.narg('until')::timestamptz is null or entry.begun_at < sqlc.narg('until'))
  and (entry.begun_at, entry.id) < (@before_at::timestamptz, @before_id::bigint)
order by entry.begun_at desc, entry.id desc
limit @row_limit;

-- name: OperatorAuditEntries :many
-- What operators did and what was done from the shell, newest first. Asks for the system, as both are about every merchant.
select sqlc.embed(entry), operator.email as operator_email
from audit_entry entry
left join operator on entry.actor_kind = 'OPERATOR' and operator.id = entry.actor_id
where entry.actor_kind in ('OPERATOR', 'SHELL')
  and (sqlc.narg('actor_kind')::text is null or (entry.actor_kind = sqlc.narg('actor_kind') and entry.actor_id = sqlc.narg('actor_id')))
  and (sqlc.narg('action')::text is null or entry.action = sqlc.narg('action'))
  and (sqlc.narg('object')::text is null or entry.object = sqlc.narg('object'))
  and (sqlc.narg('since')::timestamptz is null or entry.begun_at >= sqlc.narg('since'))
  and (sqlc.narg('until')::timestamptz is null or entry.begun_at < sqlc.narg('until'))
  and (entry.begun_at, entry.id) < (@before_at::timestamptz, @before_id::bigint)
order by entry.begun_at desc, entry.id desc
limit @row_limit;

-- name: MemberAddresses :many
-- Of those who are members of the merchant, or of the one that the sandbox belongs to. Asks for the system, as that is another merchant.
select member.id, member.email from member
where member.id = any(@ids::bigint[])
  and exists (select from membership join merchant on membership.merchant_id = coalesce(merchant.sandbox_of, merchant.id)
              where merchant.id = @merchant_id and membership.member_id = member.id)
order by member.id;

-- name: PlanForValues :exec
-- What is asked next in this transaction is planned for its parameters: which index serves depends on those that are given.
select set_config('plan_cache_mode', 'force_custom_plan', true);

-- name: DeleteAuditEntries :execrows
-- Asks for the system, as retention knows no merchant.
with kept as (select set_config('portico.audit_horizon', cast(@before::timestamptz as text), true) as horizon),
past as (
    select entry.id from kept, audit_entry entry
    where kept.horizon <> '' and entry.begun_at < @before
    limit @most
)
delete from audit_entry using past where audit_entry.id = past.id;

-- name: DeleteTokenCounts :execrows
with past as (select old.merchant_id, old.customer_id, old.kind, old.hour from token_count old where old.hour < @before limit @most)
delete from token_count using past
where token_count.merchant_id = past.merchant_id and token_count.customer_id = past.customer_id
  and token_count.kind = past.kind and token_count.hour = past.hour;

-- name: DeleteTokenFlags :execrows
with past as (select old.merchant_id, old.customer_id, old.day from token_flag old where old.day < @before limit @most)
delete from token_flag using past
where token_flag.merchant_id = past.merchant_id and token_flag.customer_id = past.customer_id and token_flag.day = past.day;

-- name: TokenUsage :many
-- By customer, newest hour first.
select counted.customer_id, counted.hour, counted.kind, counted.count, (flag.hour is not null)::boolean as flagged
from token_count counted
left join token_flag flag on flag.merchant_id = @merchant_id and flag.customer_id = counted.customer_id
    and flag.kind = counted.kind and flag.hour = counted.hour
where counted.merchant_id = @merchant_id and counted.customer_id = any(@customer_ids::bigint[]) and counted.hour >= @since
order by counted.customer_id, counted.hour desc, counted.kind;
