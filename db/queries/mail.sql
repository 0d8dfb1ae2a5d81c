-- The worker and the retention job ask for the system: they have an id or an age and no merchant.

-- name: ReserveMailID :one
select nextval(pg_get_serial_sequence('mail', 'id'))::bigint;

-- name: InsertMail :execrows
-- No row when the cause has its mail already.
insert into mail (merchant_id, id, kind, cause, recipient, content_cipher, created_at)
values (sqlc.narg('merchant_id'), @id, @kind, @cause, @recipient, @content_cipher, @created_at)
on conflict on constraint mail_cause_key do nothing;

-- name: BeginMailAttempt :one
-- No row when the mail is finished, or too old to be worth sending.
update mail set attempts = attempts + 1, attempted_at = @now::timestamptz
where id = @id and status = 'QUEUED' and created_at > @too_old::timestamptz
returning merchant_id, kind, cause, coalesce(recipient, '')::text as recipient, content_cipher, created_at;

-- name: NoteMailError :exec
update mail set last_error = @last_error::text where id = @id and status = 'QUEUED';

-- name: FinishMail :exec
update mail set status = @status, finished_at = @now::timestamptz, last_error = @last_error,
    content_cipher = case when @status = 'KEPT' then content_cipher end
where id = @id and status = 'QUEUED';

-- name: GiveUpMails :execrows
update mail set status = 'FAILED', finished_at = @now::timestamptz, content_cipher = null,
    last_error = coalesce(last_error, @reason::text)
where status = 'QUEUED' and created_at <= @too_old::timestamptz;

-- name: ForgetRecipients :execrows
with past as (
    select id from mail
    where finished_at <= @before::timestamptz and recipient is not null
    order by finished_at, id
    limit @most
    for update skip locked
)
update mail set recipient = null, content_cipher = null, last_error = null
from past where mail.id = past.id;

-- name: KeptMails :many
select id, merchant_id, kind, cause, coalesce(recipient, '')::text as recipient, content_cipher, created_at
from mail
where status = 'KEPT' and content_cipher is not null
order by id desc
limit @most;

-- name: KeptMail :one
select id, merchant_id, kind, cause, coalesce(recipient, '')::text as recipient, content_cipher, created_at
from mail
where id = @id and status = 'KEPT' and content_cipher is not null;
