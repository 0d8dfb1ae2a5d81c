-- name: BeginTotp :one
-- A secret that was begun and never confirmed gives way. No row when the member has a second factor already. The member is locked
-- before the second factor, as everywhere.
insert into totp (member_id, secret_cipher, created_at)
select member.id, @secret_cipher, @created_at from member where member.id = @member_id and member.totp_enabled_at is null
for no key update
on conflict (member_id) do update set secret_cipher = excluded.secret_cipher, last_step = 0, created_at = excluded.created_at
returning holder;

-- name: SetOperatorTotp :exec
insert into totp (operator_id, secret_cipher, created_at)
values (@operator_id, @secret_cipher, @created_at)
on conflict (operator_id) do update
    set secret_cipher = excluded.secret_cipher, last_step = 0, wrong_at = '{}', created_at = excluded.created_at;

-- name: GuessTotp :one
-- Takes one of the guesses that are free since the given instant, and what the guess is compared with. It counts as wrong until
-- ReturnGuess. No row when there is no second factor, and when no guess is free.
update totp set wrong_at = array(select at from unnest(wrong_at) at where at > @since::timestamptz order by at) || @now::timestamptz
where holder = @holder
  and (select count(*) from unnest(wrong_at) at where at > @since::timestamptz) < @most::bigint
returning secret_cipher, last_step;

-- name: ReturnGuess :exec
update totp set wrong_at = trim_array(wrong_at, least(1, cardinality(wrong_at))) where holder = @holder;

-- name: AcceptTotpStep :execrows
-- Of requests with the same code, and of codes of the same time step, only one is accepted. The code was compared with this secret.
update totp set last_step = @step::bigint where holder = @holder and last_step < @step::bigint and secret_cipher = @secret_cipher;

-- name: LockMember :exec
select from member where id = @id for no key update;

-- name: HasTotp :one
select exists (select from totp where holder = @holder);

-- name: UseRecoveryCode :execrows
delete from recovery_code where holder = @holder and code_hash = @code_hash;

-- name: ReplaceRecoveryCodes :exec
with old as (delete from recovery_code used where used.holder = @holder)
insert into recovery_code (holder, code_hash) select @holder, unnest(@code_hashes::bytea[]);

-- name: CountRecoveryCodes :one
select count(*) from recovery_code where holder = @holder;

-- name: EnableTotp :execrows
-- The session that proved it counts as opened with it.
with proven as (update session set totp = true where session.id = @session_id and session.member_id = @member_id)
update member set totp_enabled_at = @enabled_at where member.id = @member_id and member.totp_enabled_at is null;

-- name: DisableTotp :exec
with unproven as (update session set totp = false where session.member_id = @member_id),
     gone as (delete from totp where totp.member_id = @member_id)
update member set totp_enabled_at = null where member.id = @member_id;
