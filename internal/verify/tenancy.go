package verify

func tenancyChecks() []check {
	return []check{
		{invariant: 6, name: "a row refers to rows of its own tenant", ask: generated(foreignReferences)},
		{invariant: 6, name: "every tenant table forces row-level security with the tenant policy", ask: rows(unguardedTables)},
	}
}

// The tables, with an expression that names a row r of each by its primary key, without what only says in which partition it lies.
// Partitions are read through their table.
const tables = `
with named_table as (
    select c.oid, c.relname, coalesce((
        select 'concat_ws(''/'', ' || string_agg(format('r.%I', a.attname), ', ' order by key.place) || ')'
        from pg_index i
        cross join lateral unnest(i.indkey) with ordinality key (attnum, place)
        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = key.attnum
        where i.indrelid = c.oid and i.indisprimary
          and not exists (select from pg_partitioned_table p where p.partrelid = c.oid and a.attnum = any (p.partattrs))
    ), 'r.ctid') as row_name
    from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
)`

const tenantTables = tables + `, tenant_table as (
    select t.oid, t.relname, t.row_name, a.attname as tenant
    from named_table t
    join pg_attribute a on a.attrelid = t.oid and not a.attisdropped
        and a.attname = case t.relname when 'merchant' then 'id' else 'merchant_id' end
)`

// A question for each foreign key between tenant tables: which rows have no counterpart within their tenant? The key itself may not
// name the tenant, or may not have been enforced. The one reference that leads elsewhere by its meaning is that from a sandbox to
// the merchant that it belongs to.
const foreignReferences = tenantTables + `
select format('select %L || %s from %I r where (%s) is not null and not exists (select from %I t where t.%I = r.%I and %s)',
    source.relname || ' ', source.row_name, source.relname, string_agg(format('r.%I', f.attname), ', '),
    target.relname, target.tenant, source.tenant, string_agg(format('t.%I = r.%I', t.attname, f.attname), ' and '))
from pg_constraint k
join tenant_table source on source.oid = k.conrelid
join tenant_table target on target.oid = k.confrelid
cross join lateral unnest(k.conkey, k.confkey) pair (from_column, to_column)
join pg_attribute f on f.attrelid = k.conrelid and f.attnum = pair.from_column
join pg_attribute t on t.attrelid = k.confrelid and t.attnum = pair.to_column
where k.contype = 'f' and source.relname <> 'merchant'
group by k.oid, k.conname, source.oid, source.relname, source.row_name, source.tenant, target.relname, target.tenant
order by source.relname, k.conname`

// The policy must be guard_tenant's, which is the one that most tables have. Partitions have it too, for whoever reads them by name.
const unguardedTables = tenantTables + `, guarded as (
    select oid, tenant from tenant_table
    union all
    select i.inhrelid, t.tenant from tenant_table t join pg_inherits i on i.inhparent = t.oid
), policy as (
    select c.relname, c.relrowsecurity and c.relforcerowsecurity as forced, p.oid,
        replace(pg_get_expr(p.polqual, p.polrelid), format('(%I = ANY', g.tenant), '(merchant_id = ANY') as condition,
        p.polcmd = '*' and p.polpermissive and p.polroles = '{0}' and p.polwithcheck is null as whole
    from guarded g
    join pg_class c on c.oid = g.oid
    left join pg_policy p on p.polrelid = g.oid
), usual as (
    select mode() within group (order by condition) as condition from policy
)
select 'table ' || p.relname
from policy p, usual
group by p.relname, p.forced
having not p.forced or count(p.oid) <> 1 or not bool_and(p.whole)
   or bool_or(p.condition is distinct from usual.condition or p.condition not like '%portico.tenant%')`
