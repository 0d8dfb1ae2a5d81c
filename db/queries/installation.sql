-- name: InsertInstallation :exec
insert into installation (pepper_hash, created_at) values (@pepper_hash, @created_at) on conflict do nothing;

-- name: PepperHash :one
select pepper_hash from installation;

-- name: InsertEncryptionKey :exec
insert into encryption_key (version, canary_cipher, created_at) values (@version, @canary_cipher, @created_at) on conflict do nothing;

-- name: EncryptionKeys :many
select * from encryption_key order by version;

-- name: DeleteEncryptionKeys :exec
delete from encryption_key where version = any(@versions::smallint[]);
