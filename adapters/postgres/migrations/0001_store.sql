-- The event store, the indexes decided by, the vault's keys, tokens and dead letters.
--
-- What a side told us is bytea where it is stored and a 63-bit digest (bigint) where it is looked up by: adapters/postgres/columns.py.

-- The tables of the eventsourcing library's process recorder. Its own numbering (bigserial) leaves a gap for every transaction that
-- was rolled back; ours is given out under the writers' lock, so that a disturbed run ends with the numbers of an undisturbed one.
CREATE TABLE stored_events (
    originator_id uuid NOT NULL,
    originator_version bigint NOT NULL,
    topic text NOT NULL,
    state bytea NOT NULL,
    notification_id bigint NOT NULL,
    PRIMARY KEY (originator_id, originator_version)
);
CREATE UNIQUE INDEX stored_events_notification_id ON stored_events (notification_id);

CREATE TABLE tracking (
    application_name text PRIMARY KEY,
    notification_id bigint NOT NULL
) WITH (fillfactor = 50);  -- every batch updates a row, in place as long as its page has room

CREATE TABLE snapshots (
    originator_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    kind text NOT NULL,
    state bytea NOT NULL
) WITH (fillfactor = 70);

-- One name leads to one meeting; the other indexes have several values a key. Of a value that is longer than an index takes, the hash.
CREATE TABLE identities (k bigint PRIMARY KEY, v bytea NOT NULL);
CREATE TABLE people (k bigint NOT NULL, v bytea NOT NULL);
CREATE UNIQUE INDEX people_entry ON people (k, (CASE WHEN octet_length(v) <= 500 THEN v ELSE sha256(v) END));
CREATE TABLE addresses (k bigint NOT NULL, v bytea NOT NULL);
CREATE UNIQUE INDEX addresses_entry ON addresses (k, (CASE WHEN octet_length(v) <= 500 THEN v ELSE sha256(v) END));
CREATE TABLE likeness (k bigint NOT NULL, v bytea NOT NULL);
CREATE UNIQUE INDEX likeness_entry ON likeness (k, (CASE WHEN octet_length(v) <= 500 THEN v ELSE sha256(v) END));

CREATE TABLE vault_installation (
    one smallint PRIMARY KEY CHECK (one = 1),
    secret bytea NOT NULL,
    erasures bigint NOT NULL DEFAULT 0
);
-- `account` is a digest. No data key: the person is erased.
CREATE TABLE vault_keys (
    account bigint NOT NULL,
    key bytea NOT NULL,
    data_key bytea,
    PRIMARY KEY (account, key)
);

CREATE TABLE tokens (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    digest text NOT NULL UNIQUE,
    account bytea NOT NULL,
    scopes text NOT NULL,
    created bigint NOT NULL,
    label bytea NOT NULL,
    revoked boolean NOT NULL
);

CREATE TABLE dead_letters (
    letter bytea PRIMARY KEY,
    account_digest bigint NOT NULL,
    account bytea NOT NULL,
    partition bytea NOT NULL,
    position bigint NOT NULL,
    recorded_at bigint NOT NULL,
    errors bytea NOT NULL,
    body bytea NOT NULL,
    state text NOT NULL
);
CREATE INDEX dead_letters_account ON dead_letters (account_digest, letter);
