-- One set of read models, in a schema of its own: made whole, and thrown away whole when a rebuilt set takes its place. Hence it is
-- no numbered migration; its form is a number in `state` (adapters/postgres/view_tables.py), to be raised with every change here.
--
-- What a side told us is bytea; accounts, timelines (a contact's), contacts and connections are called by their 63-bit digest:
-- adapters/postgres/columns.py. Each table begins with its fixed columns, so that they are found without looking at the others.

-- `made` tells sets apart. The row is locked by whoever writes, from his first statement to his last. Every form has `form` and `last_id`.
CREATE TABLE state (
    one smallint PRIMARY KEY CHECK (one = 1),
    form integer NOT NULL,
    made bigint NOT NULL,
    position bigint NOT NULL,
    recorded_at bigint NOT NULL,
    last_id bigint NOT NULL,
    last_common bigint NOT NULL,
    unclean boolean NOT NULL
) WITH (fillfactor = 10);

CREATE TABLE accounts (id bigint PRIMARY KEY, account bytea NOT NULL);

-- `longest` is the length of the longest entry there ever was: an entry that overlaps a time starts no earlier before it.
-- `touched` is the id given last when its versions changed.
CREATE TABLE timelines (
    id bigint PRIMARY KEY,
    account bigint NOT NULL,
    longest bigint NOT NULL,
    touched bigint NOT NULL,
    contact bytea NOT NULL
) WITH (fillfactor = 50);  -- every batch updates many, in place as long as their page has room

-- What entries of one event say alike. Its versions have the ids `first` to `last`, though not all of these need be its own; a meeting
-- refers to one of its own. One without versions (`first` above `last`) that no meeting refers to is deleted.
CREATE TABLE commons (
    id bigint PRIMARY KEY,
    account bigint NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    position bigint NOT NULL,
    recorded_from bigint NOT NULL,
    meeting uuid NOT NULL,
    series boolean NOT NULL,
    status text NOT NULL,
    times text NOT NULL,
    people text NOT NULL,
    title text NOT NULL,
    about text NOT NULL,
    frame text NOT NULL
);
CREATE INDEX commons_of_meeting ON commons (account, meeting);

-- `recorded_to` is the greatest bigint while it is current.
CREATE TABLE versions (
    id bigint PRIMARY KEY,
    common bigint NOT NULL,
    timeline bigint NOT NULL,
    occurrence bigint NOT NULL,
    start bigint NOT NULL,
    "end" bigint NOT NULL,
    recorded_to bigint NOT NULL,
    version integer NOT NULL
);
CREATE INDEX versions_of_timeline ON versions (timeline, recorded_to, start);

-- What live readers are told beside versions; ids are of one row with theirs.
CREATE TABLE leavings (
    id bigint PRIMARY KEY,
    account bigint NOT NULL,
    timeline bigint NOT NULL,
    occurrence bigint NOT NULL,
    position bigint NOT NULL,
    meeting uuid NOT NULL
);
CREATE INDEX leavings_of_timeline ON leavings (timeline, id);

CREATE TABLE meetings (
    account bigint NOT NULL,
    meeting uuid NOT NULL,
    position bigint NOT NULL,
    recorded_at bigint NOT NULL,
    series_to bigint,
    common bigint,
    start bigint,
    "end" bigint,
    into_ text,
    contacts text,
    rules text,
    view bytea NOT NULL,
    PRIMARY KEY (account, meeting)
) WITH (fillfactor = 80);
CREATE INDEX meetings_to_extend ON meetings (account, series_to) WHERE series_to IS NOT NULL;

CREATE TABLE contacts (
    id bigint PRIMARY KEY,
    account bigint NOT NULL,
    into_digest bigint,
    contact bytea NOT NULL,
    into_ bytea,
    key text,
    state text NOT NULL,
    body bytea NOT NULL
);
CREATE INDEX contacts_by_key ON contacts (account, key) WHERE key IS NOT NULL;
CREATE INDEX contacts_merged ON contacts (into_digest) WHERE into_digest IS NOT NULL;

-- The marks are what decisions are found by; those found are compared.
CREATE TABLE decisions (
    account bigint NOT NULL,
    position bigint NOT NULL,
    recorded_at bigint NOT NULL,
    event_mark bigint NOT NULL,
    subject_mark bigint NOT NULL,
    meeting_mark bigint,
    event bytea NOT NULL,
    subject bytea NOT NULL,
    meeting bytea,
    body bytea NOT NULL,
    PRIMARY KEY (account, position)
);
CREATE INDEX decisions_by_event ON decisions (event_mark, position);
CREATE INDEX decisions_by_subject ON decisions (subject_mark, position);
CREATE INDEX decisions_by_meeting ON decisions (meeting_mark, position) WHERE meeting_mark IS NOT NULL;

CREATE TABLE connections (
    id bigint PRIMARY KEY,
    account bigint NOT NULL,
    calendar_digest bigint,
    user_ bytea NOT NULL,
    calendar bytea,
    body bytea NOT NULL
);
CREATE INDEX connections_of_account ON connections (account);
CREATE INDEX connections_by_calendar ON connections (calendar_digest) WHERE calendar_digest IS NOT NULL;

CREATE TABLE clocks (
    account bigint PRIMARY KEY,
    ticked bigint NOT NULL,
    before_days bigint NOT NULL,
    after_days bigint NOT NULL
);
