-- The checks that the game-day runbook asks for by these names. Each gives a row for each thing that is wrong; no row is good.

create function find_lost_writes()
returns table (key text, target text, answered_at timestamptz) language sql stable as $$
    select a.key, a.target, a.answered_at from answers a
    where a.target is not null and a.status between 200 and 299 and not case split_part(a.target, ':', 1)
        when 'record' then exists (
            select 1 from records r
            where r.kind = split_part(a.target, ':', 2)
                and r.id = substr(a.target, length('record::') + 1 + length(split_part(a.target, ':', 2))))
        when 'job' then exists (select 1 from jobs j where j.id = substr(a.target, 5))
        when 'set' then exists (
            select 1 from set_elements s where 'set:' || s.element || ':' || s.name = a.target)
        else true
    end
$$;

create function find_orphaned_records()
returns table (table_name text, key text, misses text) language sql stable as $$
    select 'document_versions', v.document_id || ' version ' || v.version, 'documents'
        from document_versions v where not exists (select 1 from documents d where d.id = v.document_id)
    union all
    select 'outbox', o.job_id, 'jobs'
        from outbox o where not exists (select 1 from jobs j where j.id = o.job_id)
    union all
    select 'deliveries', d.job_id, 'jobs'
        from deliveries d where not exists (select 1 from jobs j where j.id = d.job_id)
    union all
    select 'effects', e.job_id, 'jobs'
        from effects e where not exists (select 1 from jobs j where j.id = e.job_id)
$$;

-- Every foreign key of the schema, looked at again row by row: that the catalogue calls it valid says nothing of rows that were written while
-- triggers were off.
create function verify_foreign_keys()
returns table (constraint_name text, table_name text, violations bigint) language plpgsql stable as $$
declare
    one record;
    joined text;
    present text;
begin
    for one in
        select c.conname, c.conrelid::regclass as child, c.confrelid::regclass as parent, c.conrelid, c.confrelid, c.conkey, c.confkey
        from pg_constraint c join pg_namespace s on s.oid = c.connamespace
        where c.contype = 'f' and s.nspname = current_schema() order by c.conname
    loop
        select string_agg(format('p.%I = c.%I', pa.attname, ca.attname), ' and '), string_agg(format('c.%I is not null', ca.attname), ' and ')
            into joined, present
            from unnest(one.conkey, one.confkey) as k (child, parent)
            join pg_attribute ca on ca.attrelid = one.conrelid and ca.attnum = k.child
            join pg_attribute pa on pa.attrelid = one.confrelid and pa.attnum = k.parent;
        execute format('select count(*) from %s c where %s and not exists (select 1 from %s p where %s)', one.child, present, one.parent, joined)
            into violations;
        if violations > 0 then
            constraint_name := one.conname;
            table_name := one.child::text;
            return next;
        end if;
    end loop;
end $$;

-- Versions of a document are 1, 2, 3 … without a gap, and so are the epochs of an election. (PostgreSQL's own sequences may have gaps: they are not asked.)
create function verify_sequences()
returns table (entity text, expected bigint, found bigint, problem text) language sql stable as $$
    select 'document ' || d.id, d.version, count(v.version), 'versions are missing'
        from documents d left join document_versions v on v.document_id = d.id
        group by d.id, d.version
        having count(v.version) <> d.version or coalesce(max(v.version), 0) <> d.version or coalesce(min(v.version), 1) <> 1
    union all
    select 'election ' || e.election, max(e.epoch), count(distinct e.epoch), 'epochs are missing'
        from epochs e group by e.election having max(e.epoch) <> count(distinct e.epoch)
$$;

create function find_duplicate_ids()
returns table (id bigint, times bigint) language sql stable as $$
    select m.id, count(*) from minted_ids m group by m.id having count(*) > 1
$$;

create function find_wrong_sums()
returns table (entity text, expected bigint, found bigint) language sql stable as $$
    select 'counter ' || coalesce(c.name, a.name), coalesce(a.total, 0), coalesce(c.value, 0)
        from counters c
        full join (select name, sum(amount)::bigint as total from counter_additions group by name) a on a.name = c.name
        where coalesce(a.total, 0) <> coalesce(c.value, 0)
    union all
    select 'list ' || coalesce(l.key, a.key), coalesce(a.total, 0), coalesce(cardinality(l.elements), 0)
        from lists l
        full join (select key, count(*) as total from list_appends group by key) a on a.key = l.key
        where coalesce(a.total, 0) <> coalesce(cardinality(l.elements), 0)
$$;

-- Jobs whose effect happened more than once (`effect`: wrong), and those that were given out more than once (`delivery`: to be expected after a cut).
create function detect_duplicate_jobs(since text)
returns table (job_id text, what text, times bigint, workers text) language sql stable as $$
    select e.job_id, 'effect', count(*), string_agg(distinct e.worker, ', ')
        from effects e where e.at >= moment(since) group by e.job_id having count(*) > 1
    union all
    select d.job_id, 'delivery', count(*), string_agg(distinct d.worker, ', ')
        from deliveries d where d.at >= moment(since) group by d.job_id having count(*) > 1
$$;

-- Two in one epoch, or somebody who acted in an epoch after a later one had begun to act.
create function detect_split_brain(since timestamptz)
returns table (election text, epoch bigint, node text, problem text) language sql stable as $$
    select a.election, a.epoch, string_agg(distinct a.node, ', '), 'several nodes acted in one epoch'
        from leader_actions a where a.at >= since
        group by a.election, a.epoch having count(distinct a.node) > 1
    union all
    select e.election, e.epoch, string_agg(distinct e.holder, ', '), 'one epoch was given to several nodes'
        from epochs e where e.began_at >= since and e.holder is not null
        group by e.election, e.epoch having count(distinct e.holder) > 1
    union all
    select distinct late.election, late.epoch, late.node, 'acted after a later epoch had acted'
        from (select a.*, max(a.epoch) over (partition by a.election order by a.seq) as latest from leader_actions a) late
        where late.epoch < late.latest and late.at >= since
$$;

-- Records that were written on two sides of a cut: the winner and the loser come from different nodes, and one of them waited in a journal.
create function detect_conflicts(since timestamptz)
returns table (kind text, id text, winner_node text, winner_hlc bigint, loser_node text, loser_hlc bigint, reason text, loser jsonb)
language sql stable as $$
    select l.kind, l.id, l.winner_node, l.winner_hlc, l.node, l.hlc, l.reason, l.body
        from record_losers l
        where l.lost_at >= since and (l.reason = 'late' or (l.node <> l.winner_node and 'direct' <> any (array[l.origin, l.winner_origin])))
        order by l.seq
$$;

-- Jobs that contradict themselves.
create function find_wrong_jobs()
returns table (job_id text, problem text) language sql stable as $$
    select j.id, 'done without an effect' from jobs j
        where j.state = 'done' and not exists (select 1 from effects e where e.job_id = j.id)
    union all
    select j.id, 'has an effect and is ' || j.state from jobs j
        where j.state <> 'done' and exists (select 1 from effects e where e.job_id = j.id)
$$;

-- One row for each check: how much is wrong, and how it is called.
create function consistency_check()
returns table (check_name text, violations bigint, verdict text) language sql stable as $$
    select c.name, c.wrong, case when c.wrong = 0 then 'ok' else 'violated' end from (
        select 'lost_writes' as name, count(*) as wrong from find_lost_writes()
        union all select 'orphans', count(*) from find_orphaned_records()
        union all select 'versions', count(*) from verify_sequences()
        union all select 'duplicate_ids', count(*) from find_duplicate_ids()
        union all select 'sums', count(*) from find_wrong_sums()
        union all select 'duplicate_effects', count(*) from detect_duplicate_jobs('36500d') d where d.what = 'effect'
        union all select 'split_brain', count(*) from detect_split_brain('-infinity')
    ) c
$$;

create function full_consistency_check()
returns table (check_name text, violations bigint, verdict text) language sql stable as $$
    select * from consistency_check()
    union all
    select c.name, c.wrong, case when c.wrong = 0 then 'ok' else 'violated' end from (
        select 'foreign_keys' as name, coalesce(sum(f.violations), 0)::bigint as wrong from verify_foreign_keys() f
        union all select 'jobs', count(*) from find_wrong_jobs()
    ) c
$$;
