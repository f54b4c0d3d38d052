-- What the platform was told of a video beside its bytes.

CREATE TABLE metadata (
    job_id          INTEGER PRIMARY KEY REFERENCES jobs (id),
    -- SHA-256 of what the platform was told, lower-case hex.
    digest          TEXT,
    -- When to compare it with the sidecar again; NULL: not before that changes.
    due_at          TEXT,
    attempts        INTEGER NOT NULL DEFAULT 0,
    last_error      TEXT,
    updated_at      TEXT
) STRICT;
CREATE INDEX metadata_due ON metadata (due_at) WHERE due_at IS NOT NULL;
