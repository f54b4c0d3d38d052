-- The job table and what belongs to it.
--
-- `jobs` is read by people with the sqlite3 command line, Debian 12's 3.40 among them: nothing in
-- this schema may need a newer one. Times are RFC 3339 text, UTC, three decimals, so that sorting
-- the text sorts the times; the program computes them, SQLite never does.
-- A CHECK has a name, so that the error says which rule was broken. A check that comes to NULL counts
-- as kept: columns that may be NULL are compared by IS.

CREATE TABLE jobs (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    watch           TEXT    NOT NULL,
    account         TEXT    NOT NULL,
    -- Text; a blob where the name is not UTF-8.
    path            ANY     NOT NULL,
    size            INTEGER NOT NULL,
    state           TEXT    NOT NULL DEFAULT 'queued',
    step            TEXT    NOT NULL DEFAULT 'create',
    method          TEXT,
    video_key       TEXT,
    attempts        INTEGER NOT NULL DEFAULT 0,
    last_error      TEXT,
    -- Not tried before this moment; for step 'confirm', not looked at before it.
    run_at          TEXT    NOT NULL,
    created_at      TEXT    NOT NULL,
    finished_at     TEXT,
    -- Sent to the platform as custom.ingest_id; a new one for every video that is begun.
    ingest_id       TEXT    NOT NULL,

    -- Which file this is, beside its size.
    dev             INTEGER NOT NULL,
    ino             INTEGER NOT NULL,
    mtime_ns        INTEGER NOT NULL,
    ctime_ns        INTEGER NOT NULL,
    -- 1: the file changed or went away; this job speaks for no file any more.
    superseded      INTEGER NOT NULL DEFAULT 0,

    lease_id        TEXT,
    lease_until     TEXT,
    -- Since when every try has failed; giving up is by this age. Progress resets it.
    failing_since   TEXT,
    -- Written before the create call: from here on a video with our ingest id may exist.
    create_sent_at  TEXT,
    -- When the platform had taken the last byte.
    sent_at         TEXT,
    -- MD5 of the bytes that were sent, lower-case hex.
    md5             TEXT,
    -- As the platform sees the video.
    status          TEXT,
    duration        REAL,
    platform_size   INTEGER,
    duplicate_of    INTEGER REFERENCES jobs (id),

    CONSTRAINT state_valid CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled', 'duplicate')),
    CONSTRAINT step_valid CHECK (step IN ('create', 'transfer', 'confirm')),
    CONSTRAINT path_is_text_or_blob CHECK (typeof(path) IN ('text', 'blob')),
    CONSTRAINT lease_iff_running CHECK ((state = 'running') = (lease_id IS NOT NULL) AND (lease_id IS NULL) = (lease_until IS NULL)),
    CONSTRAINT finished_iff_final CHECK ((state IN ('done', 'failed', 'cancelled', 'duplicate')) = (finished_at IS NOT NULL)),
    CONSTRAINT done_has_key CHECK (state <> 'done' OR video_key IS NOT NULL OR method IS 'ftp'),
    CONSTRAINT done_is_confirmed CHECK (state <> 'done' OR step = 'confirm'),
    CONSTRAINT sent_has_key CHECK (step = 'create' OR video_key IS NOT NULL OR method IS 'ftp'),
    CONSTRAINT duplicate_has_original CHECK ((state = 'duplicate') = (duplicate_of IS NOT NULL)),
    CONSTRAINT superseded_is_over CHECK (superseded IN (0, 1) AND (superseded = 0 OR state IN ('cancelled', 'failed'))),
    CONSTRAINT size_not_negative CHECK (size >= 0 AND attempts >= 0)
) STRICT;

-- A file is enqueued once. ctime is left out: a chmod does not make another file of it; and so is
-- dev: many filesystems get another number at each boot.
CREATE UNIQUE INDEX jobs_once ON jobs (path, size, mtime_ns, ino) WHERE superseded = 0;
-- A renamed file is found by its inode.
CREATE INDEX jobs_by_inode ON jobs (ino) WHERE superseded = 0;
-- The rest of a path's jobs, for who asks by path.
CREATE INDEX jobs_superseded ON jobs (path) WHERE superseded = 1;
-- The shape of the claim; with all that it looks at, so that a paused backlog is passed over inside
-- the index.
CREATE INDEX jobs_due ON jobs (run_at, id, account, state, step) WHERE state = 'queued' AND step <> 'confirm';
-- The shape of the look at what waits for `ready`.
CREATE INDEX jobs_waiting ON jobs (account, run_at) WHERE state = 'queued' AND step = 'confirm';
CREATE INDEX jobs_running ON jobs (account) WHERE state = 'running';
CREATE INDEX jobs_by_state ON jobs (state, id);

-- What it takes to send the bytes. Apart from `jobs`, since the link is a credential.
CREATE TABLE tickets (
    job_id          INTEGER PRIMARY KEY REFERENCES jobs (id),
    link            TEXT    NOT NULL,
    expires_at      TEXT,
    -- Written before the last byte is handed out: from here on the platform may have the file.
    last_byte_at    TEXT,
    -- What the platform said last that it has of a resumable upload.
    confirmed_bytes INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Every try of every step.
CREATE TABLE attempts (
    id              INTEGER PRIMARY KEY,
    job_id          INTEGER NOT NULL REFERENCES jobs (id),
    step            TEXT    NOT NULL,
    method          TEXT,
    started_at      TEXT    NOT NULL,
    ended_at        TEXT,
    bytes_sent      INTEGER NOT NULL DEFAULT 0,
    -- NULL while it runs.
    outcome         TEXT,
    message         TEXT,
    request_id      TEXT,
    CONSTRAINT ended_iff_outcome CHECK ((ended_at IS NULL) = (outcome IS NULL)),
    CONSTRAINT attempt_step_valid CHECK (step IN ('create', 'transfer', 'confirm'))
) STRICT;
CREATE INDEX attempts_by_job ON attempts (job_id, id);

-- How far the uploads are that run now. Written about once a second, not synchronised to disk.
CREATE TABLE progress (
    job_id           INTEGER PRIMARY KEY REFERENCES jobs (id),
    bytes_sent       INTEGER NOT NULL,
    bytes_per_second INTEGER NOT NULL,
    updated_at       TEXT    NOT NULL
) STRICT;

-- Accounts that are paused. No row: the account works.
CREATE TABLE paused_accounts (
    account         TEXT    PRIMARY KEY,
    reason          TEXT    NOT NULL,
    since           TEXT    NOT NULL,
    -- When the next probe is due.
    probe_at        TEXT    NOT NULL,
    probes          INTEGER NOT NULL DEFAULT 0,
    -- 1: a probe was answered; one job at a time may try.
    trying          INTEGER NOT NULL DEFAULT 0,
    CONSTRAINT trying_valid CHECK (trying IN (0, 1))
) STRICT;

-- Videos that we began and that must not stay: half uploaded, cancelled, or their link expired.
CREATE TABLE withdrawals (
    id              INTEGER PRIMARY KEY,
    job_id          INTEGER NOT NULL REFERENCES jobs (id),
    account         TEXT    NOT NULL,
    ingest_id       TEXT    NOT NULL,
    -- NULL: the create call's answer was lost; the video is looked for by its ingest id.
    video_key       TEXT,
    reason          TEXT    NOT NULL,
    created_at      TEXT    NOT NULL,
    run_at          TEXT    NOT NULL,
    attempts        INTEGER NOT NULL DEFAULT 0,
    last_error      TEXT,
    finished_at     TEXT
) STRICT;
CREATE INDEX withdrawals_due ON withdrawals (run_at) WHERE finished_at IS NULL;

-- Files in the folders that have not settled yet, and what each waits for.
CREATE TABLE settling (
    path            ANY     PRIMARY KEY,
    watch           TEXT    NOT NULL,
    size            INTEGER NOT NULL,
    since           TEXT    NOT NULL,
    seen_by         TEXT    NOT NULL,
    waiting_for     TEXT    NOT NULL,
    CONSTRAINT settling_path_is_text_or_blob CHECK (typeof(path) IN ('text', 'blob'))
) STRICT;
