-- Rules that many statements share.

-- Stores a record unless a later one is there; says which it was. The loser of the two is kept.
create function apply_record(k text, i text, b jsonb, h bigint, n text, o text)
returns text language plpgsql as $$
declare
    held records%rowtype;
begin
    insert into records (kind, id, body, hlc, node, origin) values (k, i, b, h, n, o)
        on conflict do nothing;
    if found then
        return 'inserted';
    end if;
    select * into held from records where kind = k and id = i for update;
    if held.hlc = h and held.node = n then
        return 'same';
    end if;
    if (held.hlc, held.node) < (h, n collate "C") then
        insert into record_losers
            (kind, id, body, hlc, node, origin, winner_hlc, winner_node, winner_origin, reason)
            values (k, i, held.body, held.hlc, held.node, held.origin, h, n, o, 'overwritten')
            on conflict do nothing;
        update records set body = b, hlc = h, node = n, origin = o, stored_at = clock_timestamp()
            where kind = k and id = i;
        return 'replaced';
    end if;
    insert into record_losers
        (kind, id, body, hlc, node, origin, winner_hlc, winner_node, winner_origin, reason)
        values (k, i, b, h, n, o, held.hlc, held.node, held.origin, 'late')
        on conflict do nothing;
    return 'late';
end $$;

-- Ends the transaction of who does not lead (any more). The row stays locked until the transaction ends, so nobody else begins to lead meanwhile.
create function fence(e text, wanted bigint, n text)
returns void language plpgsql as $$
begin
    perform 1 from leadership
        where election = e and epoch = wanted and holder = n and expires_at > clock_timestamp()
        for update;
    if not found then
        raise exception '% does not lead % in epoch %', n, e, wanted using errcode = 'VA001';
    end if;
end $$;

-- `15m`, `15m ago`, `30s`, `2h`, `1d`, or whatever PostgreSQL reads as an interval: a moment that long before now. `partition_window` is when
-- the last cut that was seen began.
create function moment(word text)
returns timestamptz language plpgsql stable as $$
declare
    parts text[] := regexp_match(word, '^\s*(\d+)\s*(ms|s|m|h|d)\s*(ago)?\s*$');
    units jsonb := '{"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}';
begin
    if word = 'partition_window' then
        return coalesce((select max(began_at) from partitions), '-infinity');
    end if;
    if parts is null then
        return clock_timestamp() - word::interval;
    end if;
    return clock_timestamp() - (parts[1] || ' ' || (units ->> parts[2]))::interval;
end $$;
