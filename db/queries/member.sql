-- name: InsertMember :one
-- With verified_at, no row when another member has proven to own the address; the transaction goes on.
insert into member (email, password_hash, created_at, email_verified_at)
values (@email, @password_hash, @created_at, @verified_at)
on conflict (email_key) where email_verified_at is not null do nothing
returning *;

-- name: MembersByEmail :many
-- Whom a password may be of: the member who has proven to own the address first, then the last of those who have not.
select * from member
where email_key = lower(@email)
order by email_verified_at nulls last, id desc
limit 2;

-- name: VerifiedMemberByEmail :one
select * from member where email_key = lower(@email) and email_verified_at is not null;

-- name: MemberByID :one
-- The member itself, or one of the merchant's.
select member.* from member
where member.id = @id
  and (member.id = @viewer_id
       or exists (select from membership join merchant on membership.merchant_id = coalesce(merchant.sandbox_of, merchant.id)
                  where merchant.id = @merchant_id and membership.member_id = member.id));

-- name: LockPassword :one
select password_hash from member where id = @id for no key update;

-- name: VerifyMember :one
-- A violation of member_verified_email_key when another member has proven to own the address meanwhile.
update member set email_verified_at = coalesce(email_verified_at, @verified_at) where id = @id returning *;

-- name: SetPassword :exec
update member set password_hash = @password_hash where id = @id;

-- name: InsertMemberToken :one
insert into member_token (member_id, purpose, token_hash, created_at, expires_at)
values (@member_id, @purpose, @token_hash, @created_at, @expires_at)
returning id;

-- name: MemberOfToken :one
select member.* from member_token join member on member.id = member_token.member_id
where member_token.token_hash = @token_hash and member_token.purpose = @purpose and member_token.expires_at > @now;

-- name: UseMemberToken :one
-- Of several at the same time one gets the row.
delete from member_token where token_hash = @token_hash and purpose = @purpose and expires_at > @now returning member_id;

-- name: DropMemberTokens :exec
delete from member_token where member_id = @member_id and purpose = @purpose;

-- name: InsertPasswordResetRequest :one
insert into password_reset_request (email, created_at) values (@email, @created_at) returning id;

-- name: TakePasswordResetRequest :one
delete from password_reset_request where id = @id returning email;

-- name: InsertSession :one
-- For the password that was given, and no other: it may be changed at the same time. A member with a second factor has given that, too.
-- Takes the member's expired sessions away on the
-- way.
with expired as (delete from session old where old.member_id = @member_id and old.expires_at <= @created_at)
insert into session (member_id, token_hash, created_at, expires_at, address, user_agent, totp)
select member.id, @token_hash, @created_at, @expires_at, @address, @user_agent, member.totp_enabled_at is not null
from member
where member.id = @member_id and member.password_hash = @password_hash
for share
returning *;

-- name: TouchSession :exec
-- Of requests at the same time only one writes.
update session set last_used_at = @used_at where id = @id and (last_used_at is null or last_used_at <= @last_before);

-- name: Sessions :many
-- Those that can be used.
select * from session
where member_id = @member_id and id < @before and expires_at > @now and coalesce(last_used_at, created_at) > @idle_since::timestamptz
order by id desc
limit @row_limit;

-- name: SessionByID :one
select * from session
where member_id = @member_id and id = @id and expires_at > @now and coalesce(last_used_at, created_at) > @idle_since::timestamptz;

-- name: SignedInFrom :one
-- Whether the member who has proven to own an address is signed in from a network.
select exists (
    select from session
    join member on member.id = session.member_id
    where member.email_key = lower(@email) and member.email_verified_at is not null
      and session.expires_at > @now and nullif(session.address, '')::inet <<= sqlc.arg(network)::text::inet
);

-- name: DeleteSession :execrows
delete from session where id = @id and member_id = @member_id;

-- name: DeleteOtherSessions :execrows
-- All of them with 0.
delete from session where member_id = @member_id and id <> @keep_id;

-- name: InsertMembership :exec
-- Who is a member already keeps the role.
insert into membership (merchant_id, member_id, role, created_at) values (@merchant_id, @member_id, @role, @created_at)
on conflict (merchant_id, member_id) do nothing;

-- name: MembershipOf :one
select membership.role, membership.created_at as since, sqlc.embed(member)
from membership
join member on member.id = membership.member_id
where membership.merchant_id = @merchant_id and membership.member_id = @member_id;

-- name: Memberships :many
-- A merchant's members, by their ids: in the order in which they joined Portico.
select membership.role, membership.created_at as since, sqlc.embed(member)
from membership
join member on member.id = membership.member_id
where membership.merchant_id = @merchant_id and membership.member_id > @after
order by membership.member_id
limit @row_limit;

-- name: LockTeam :many
-- In a fixed order. Whoever changes a merchant's members locks all of them first, so that each sees what the others have left.
select member_id, role, created_at from membership where merchant_id = @merchant_id order by member_id for update;

-- name: SetRole :exec
update membership set role = @role where merchant_id = @merchant_id and member_id = @member_id;

-- name: DeleteMembership :exec
delete from membership where merchant_id = @merchant_id and member_id = @member_id;

-- name: MembershipByEmail :one
-- Whether the member who has proven to own an address belongs to the merchant.
select exists (
    select from membership join member on member.id = membership.member_id
    where membership.merchant_id = @merchant_id and member.email_key = lower(@email) and member.email_verified_at is not null
);

-- name: RevokeOpenInvitation :exec
update invitation set revoked_at = @revoked_at
where merchant_id = @merchant_id and email_key = lower(@email) and accepted_at is null and revoked_at is null;

-- name: InsertInvitation :one
insert into invitation (merchant_id, email, role, token_hash, invited_by, created_at, expires_at)
values (@merchant_id, @email, @role, @token_hash, @invited_by, @created_at, @expires_at)
returning *;

-- name: Invitations :many
-- Those that can be accepted.
select * from invitation
where merchant_id = @merchant_id and id < @before and accepted_at is null and revoked_at is null and expires_at > @now
order by id desc
limit @row_limit;

-- name: Invitation :one
select * from invitation where merchant_id = @merchant_id and id = @id;

-- name: RevokeInvitation :one
-- An accepted one stays accepted.
update invitation set revoked_at = coalesce(revoked_at, @revoked_at)
where merchant_id = @merchant_id and id = @id and accepted_at is null
returning *;

-- name: InvitationByHash :one
select invitation.*
from invitation
join merchant on merchant.id = invitation.merchant_id
where invitation.token_hash = @token_hash and invitation.accepted_at is null and invitation.revoked_at is null
  and invitation.expires_at > @now and merchant.status = 'OPEN';

-- name: AcceptInvitation :one
-- Of several at the same time one gets the row. None when who invited may no longer do so.
update invitation set accepted_at = @accepted_at::timestamptz
from membership inviter
where invitation.merchant_id = @merchant_id and invitation.id = @id
  and invitation.accepted_at is null and invitation.revoked_at is null and invitation.expires_at > @accepted_at::timestamptz
  and inviter.merchant_id = invitation.merchant_id and inviter.member_id = invitation.invited_by and inviter.role = 'OWNER'
returning invitation.*;

-- name: TakeAttempt :one
-- Takes one from a bucket and tells whether there was one.
select take_attempt(sqlc.arg(key_hash), sqlc.arg(moment), sqlc.arg(step), sqlc.arg(brim))::boolean as taken;

-- name: AttemptsFullAt :one
select full_at from attempt_limit where key_hash = @key_hash;

-- name: GiveBackAttempt :exec
update attempt_limit set full_at = full_at - sqlc.arg(step)::interval where key_hash = @key_hash;

-- name: DropStaleAccountRows :exec
-- What nobody can use any more.
with attempts as (delete from attempt_limit where full_at <= @now),
     tokens as (delete from member_token where member_token.expires_at <= @now),
     requests as (delete from password_reset_request where password_reset_request.created_at <= @asked_before)
delete from session where session.expires_at <= @now;
