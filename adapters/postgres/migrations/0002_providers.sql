-- What is remembered of providers between two calls: grants, cursors, channels, the inbox, what may happen once, buckets, deliveries.
--
-- A link is looked up by the SHA-256 of its three parts (link), which stand beside it as bytea to be listed by. Every box is sealed by
-- adapters/envelope.py. `until` is when a lease runs out (ms), `lease` a number that is new with each claim; 0: nobody has it.

CREATE TABLE grants (
    link bytea PRIMARY KEY,
    account bytea NOT NULL,
    provider text NOT NULL,
    user_id bytea NOT NULL,
    tenant bytea,
    version bigint NOT NULL,
    box bytea NOT NULL
);
CREATE INDEX grants_tenant ON grants (provider, sha256(tenant));

CREATE TABLE cursors (
    link bytea NOT NULL,
    feed text NOT NULL,
    account bytea NOT NULL,
    provider text NOT NULL,
    user_id bytea NOT NULL,
    value bytea,
    due_at bigint NOT NULL,
    read_at bigint,
    failures integer NOT NULL DEFAULT 0,
    reason bytea,
    until bigint NOT NULL DEFAULT 0,
    lease bigint NOT NULL DEFAULT 0,
    woken bigint,  -- the earliest time that it was woken for since it was claimed
    PRIMARY KEY (link, feed)
) WITH (fillfactor = 70);  -- every reading of a feed updates its row several times
CREATE INDEX cursors_due ON cursors (due_at);

-- `name` is the SHA-256 of the id.
CREATE TABLE channels (
    provider text NOT NULL,
    name bytea NOT NULL,
    id bytea NOT NULL,
    link bytea NOT NULL,
    account bytea NOT NULL,
    user_id bytea NOT NULL,
    feed text NOT NULL,
    resource bytea NOT NULL,
    secret bytea NOT NULL,
    expires_at bigint NOT NULL,
    state text NOT NULL,
    made_at bigint NOT NULL,
    PRIMARY KEY (provider, name)
);
CREATE INDEX channels_link ON channels (link);
CREATE INDEX channels_ending ON channels (expires_at);

-- `name` is the SHA-256 of account, provider and id. No body: it was read. `place` orders what came in one call.
CREATE TABLE inbox (
    name bytea PRIMARY KEY,
    account bytea NOT NULL,
    provider text NOT NULL,
    id bytea NOT NULL,
    body bytea,
    at bigint NOT NULL,
    place integer NOT NULL,
    until bigint NOT NULL DEFAULT 0
);
CREATE INDEX inbox_waiting ON inbox (at, place, name) WHERE body IS NOT NULL;
CREATE INDEX inbox_known ON inbox (at) WHERE body IS NULL;

-- `name` is the SHA-256 of kind and key. No value: it was only asked after.
CREATE TABLE once (
    name bytea PRIMARY KEY,
    value bytea,
    until bigint NOT NULL
);
CREATE INDEX once_until ON once (until);

-- `key` is a SHA-256; `full_at` when the bucket will be full again (ms); `shut_until` until when the provider wants to hear nothing.
-- Not logged: after a crash of the server the buckets are full, which costs a refusal.
CREATE UNLOGGED TABLE buckets (
    key bytea PRIMARY KEY,
    full_at double precision NOT NULL,
    shut_until bigint NOT NULL
) WITH (fillfactor = 50);

-- `request` is JSON; people stand in it as sealed tokens. What it said is taken out when it is over. `n` is the order in which they were asked for.
CREATE TABLE deliveries (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id bytea NOT NULL UNIQUE,
    link bytea NOT NULL,
    account_digest bigint NOT NULL,
    account bytea NOT NULL,
    meeting uuid NOT NULL,
    request bytea NOT NULL,
    state text NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    due_at bigint NOT NULL,
    reason bytea,
    until bigint NOT NULL DEFAULT 0,
    lease bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 80);
CREATE INDEX deliveries_waiting ON deliveries (link, n) WHERE state = 'waiting';
CREATE INDEX deliveries_account ON deliveries (account_digest, id);
CREATE INDEX deliveries_over ON deliveries (due_at) WHERE state IN ('done', 'superseded');
CREATE INDEX deliveries_open ON deliveries (meeting, link) WHERE state IN ('waiting', 'failed');

-- One row a link, locked by whoever changes what waits for it. `due_at` is its oldest waiting delivery's, none if nothing waits; `until`
-- as long as one of it is in flight.
CREATE TABLE delivery_links (
    link bytea PRIMARY KEY,
    due_at bigint,
    until bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE INDEX delivery_links_due ON delivery_links (due_at) WHERE due_at IS NOT NULL;
