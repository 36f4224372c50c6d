-- What the system knows. PostgreSQL is the truth; everything in Redis can be made again from here.
--
-- `hlc` is a hybrid logical clock: milliseconds shifted by 16 bits, plus a counter. With `node` it orders all writes.

-- Every request that was answered, by its idempotency key. Written in the transaction of the request's effect.
create table answers (
    key text primary key,
    fingerprint text not null,
    status integer,
    body jsonb,
    -- What the request stored, as `record:write:ID`; `find_lost_writes` looks for it.
    target text,
    answered_at timestamptz not null default clock_timestamp()
);

-- Markers and test writes: whoever wrote last, by clock and node, wins.
create table records (
    kind text not null check (kind in ('marker', 'write')),
    id text not null,
    body jsonb not null,
    hlc bigint not null,
    node text collate "C" not null,
    origin text not null check (origin in ('direct', 'journal', 'reconcile')),
    stored_at timestamptz not null default clock_timestamp(),
    primary key (kind, id)
);

-- What did not win, kept for ever: nobody's write is thrown away in silence.
create table record_losers (
    seq bigint generated always as identity primary key,
    kind text not null,
    id text not null,
    body jsonb not null,
    hlc bigint not null,
    node text collate "C" not null,
    origin text not null,
    winner_hlc bigint not null,
    winner_node text collate "C" not null,
    winner_origin text not null,
    -- `overwritten` by a later write, or itself `late`: a later one was there when it arrived.
    reason text not null check (reason in ('overwritten', 'late')),
    lost_at timestamptz not null default clock_timestamp(),
    unique (kind, id, hlc, node)
);

create table registers (
    key text primary key,
    value jsonb,
    version bigint not null
);

create table lists (
    key text primary key,
    elements bigint[] not null default '{}'
);

-- What was appended, beside the lists themselves: the two are compared.
create table list_appends (
    seq bigint generated always as identity primary key,
    key text not null,
    element bigint not null
);

create table set_elements (
    name text not null,
    element bigint not null,
    primary key (name, element)
);

create table counters (
    name text primary key,
    value bigint not null
);

-- What was added, beside the sums: the two are compared.
create table counter_additions (
    seq bigint generated always as identity primary key,
    name text not null,
    amount bigint not null
);

create table id_source (
    one boolean primary key default true check (one),
    next bigint not null
);
insert into id_source (next) values (1);

create table minted_ids (
    seq bigint generated always as identity primary key,
    id bigint not null,
    -- The id once more; null where a broken variant mints.
    guard bigint unique,
    node text collate "C" not null
);

create table documents (
    id text primary key,
    version bigint not null,
    body jsonb not null
);

create table document_versions (
    document_id text not null references documents (id) on delete cascade,
    version bigint not null,
    body jsonb not null,
    hlc bigint not null,
    node text collate "C" not null,
    primary key (document_id, version)
);
create sequence shared_versions;

create table jobs (
    id text primary key,
    queue text not null,
    payload jsonb not null,
    state text not null check (state in ('pending', 'running', 'done', 'dead', 'cleared')),
    -- Deliveries, and those of them that ended in an error of the job itself: only these lead to `dead`.
    attempts integer not null default 0,
    failures integer not null default 0,
    lease_owner text,
    lease_token bigint,
    lease_until timestamptz,
    hlc bigint not null,
    node text collate "C" not null,
    created_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz
);
create index jobs_ready on jobs (queue, created_at) where state in ('pending', 'running');
create sequence lease_tokens;

-- Wake-ups that are to be published in Redis; written with the job.
create table outbox (
    seq bigint generated always as identity primary key,
    job_id text not null references jobs (id) on delete cascade,
    written_at timestamptz not null default clock_timestamp(),
    published_at timestamptz
);
create index outbox_open on outbox (seq) where published_at is null;

-- Each time that a job was given to somebody.
create table deliveries (
    seq bigint generated always as identity primary key,
    job_id text not null,
    worker text not null,
    token bigint not null,
    at timestamptz not null default clock_timestamp()
);
create index deliveries_of on deliveries (job_id);

-- What jobs did. A job's effect and its id are one row of one transaction.
create table effects (
    seq bigint generated always as identity primary key,
    job_id text not null,
    -- The job's id once more; null where a broken variant works.
    guard text unique,
    worker text not null,
    value jsonb not null,
    at timestamptz not null default clock_timestamp()
);
create index effects_of on effects (job_id);

-- Who leads, for each election. The database's clock decides; an epoch is never used twice.
create table leadership (
    election text primary key,
    epoch bigint not null default 0,
    holder text,
    expires_at timestamptz
);

create table epochs (
    seq bigint generated always as identity primary key,
    election text not null,
    epoch bigint not null,
    holder text,
    how text not null,
    began_at timestamptz not null default clock_timestamp()
);

create table leader_actions (
    seq bigint generated always as identity primary key,
    election text not null,
    epoch bigint not null,
    node text not null,
    what text not null,
    at timestamptz not null default clock_timestamp()
);

-- Processes, as they told of themselves last.
create table nodes (
    node text primary key,
    role text not null,
    hlc bigint not null,
    believes_epoch bigint,
    links jsonb not null,
    journal_pending bigint not null,
    seen_at timestamptz not null default clock_timestamp()
);

-- Cuts that processes saw, written when they could write again.
create table partitions (
    node text not null,
    link text not null,
    began_at timestamptz not null,
    detected_after_ms bigint not null,
    ended_at timestamptz,
    primary key (node, link, began_at)
);

create table settings (
    name text primary key,
    value jsonb not null
);

create table sessions (
    token text primary key,
    who text not null,
    expires_at timestamptz not null
);
