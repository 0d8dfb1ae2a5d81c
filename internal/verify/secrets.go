package verify

// Columns are found by their names and types, so that these hold for tables that are yet to come.
func secretChecks() []check {
	return []check{
		{invariant: 8, name: "what is to be encrypted is not readable", ask: generated(readableCiphers)},
		{invariant: 8, name: "credentials are kept as hashes of 32 bytes", ask: generated(wrongHashes)},
		{invariant: 8, name: "passwords are kept as argon2id", ask: rows(wrongPasswords)},
		{invariant: 8, name: "no text holds a credential", ask: generated(credentialsInText)},
		{invariant: 8, name: "what is published of a signing key is its public half", ask: rows(wrongPublicKeys)},
	}
}

// A ciphertext is a version, a nonce of 12 bytes, and at least a tag of 16. Bytes that all stand for visible characters are no
// ciphertext, whatever they say.
const readableCiphers = tables + `
select format('select %L || %s from %I r where octet_length(r.%I) < 1 + 12 + 16 or encode(r.%I, ''escape'') ~ %L',
    t.relname || ' ', t.row_name, t.relname, a.attname, a.attname, 'ptc_[a-z]{2}_|whsec_|^[ -\[\]-~\s]*$')
from named_table t
join pg_attribute a on a.attrelid = t.oid and not a.attisdropped
where a.attname like '%\_cipher' and a.atttypid = 'bytea'::regtype
order by t.relname, a.attname`

const wrongHashes = tables + `
select format('select %L || %s from %I r where octet_length(r.%I) <> 32', t.relname || ' ', t.row_name, t.relname, a.attname)
from named_table t
join pg_attribute a on a.attrelid = t.oid and not a.attisdropped
where a.attname like '%\_hash' and a.atttypid = 'bytea'::regtype
order by t.relname, a.attname`

const wrongPasswords = `
select kind || ' ' || id
from (select 'member' as kind, id, password_hash from member union all select 'operator', id, password_hash from operator) who
where password_hash !~ '^\$argon2id\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+$'`

// Every row of every table is searched, not a sample, River's jobs, event bodies and receivers' answers among them. The hint of an
// API key shows its first characters; what goes on for 20 is a credential. The search for fixed text comes first because it is
// many times faster than the pattern.
const credentialsInText = tables + `, searched as (
    select t.relname, t.row_name, a.attname, a.atttypid = 'bytea'::regtype as is_bytes,
        format(case a.atttypid when 'bytea'::regtype then 'encode(r.%I, ''escape'')' else 'r.%I::text' end, a.attname) as as_text
    from named_table t
    join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
    where a.attname not like '%\_cipher'
      and a.atttypid = any ('{text,varchar,bpchar,json,jsonb,bytea,text[],varchar[],json[],jsonb[]}'::regtype[])
)
select format('select %L || %s from %I r where %s', relname || ' ', row_name, relname, string_agg(
    case when is_bytes then format('(position(''ptc_''::bytea in r.%I) > 0 or position(''whsec_''::bytea in r.%I) > 0)', attname, attname)
        else format('(strpos(%s, ''ptc_'') > 0 or strpos(%s, ''whsec_'') > 0)', as_text, as_text) end
    || format(' and %s ~ %L', as_text, 'ptc_[a-z]{2}_(live|test)_[0-9A-Za-z]{20}|whsec_[A-Za-z0-9+/_-]{20}'), ' or '))
from searched
group by relname, row_name
order by relname`

// The two forms have a beginning and a length of their own in DER; a private key has others.
const wrongPublicKeys = `
select 'signing_key ' || id
from signing_key
where case algorithm
    when 'ES256' then octet_length(public_key) <> 91 or substr(public_key, 1, 27) <> '\x3059301306072a8648ce3d020106082a8648ce3d03010703420004'
    else octet_length(public_key) <> 44 or substr(public_key, 1, 12) <> '\x302a300506032b6570032100' end`
