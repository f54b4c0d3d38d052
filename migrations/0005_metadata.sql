-- What the platform was told of a video beside its bytes.

CREATE TABLE metadata (
    job_id          INTEGER PRIMARY KEY REFERENCES jobs (id),
    -- Distinct for what the sidecar said that the platform was told; NULL: there was none that could
    -- be used. What the configuration says is left out: a change of it concerns new videos.
    digest          TEXT,
    -- When to compare it with the sidecar again; NULL: not before that changes.
    due_at          TEXT,
    -- Tries of an update in vain, and since when all of them were.
    attempts        INTEGER NOT NULL DEFAULT 0,
    failing_since   TEXT,
    -- What was not told and why, in words for the operator.
    last_error      TEXT,
    updated_at      TEXT
) STRICT;
CREATE INDEX metadata_due ON metadata (due_at) WHERE due_at IS NOT NULL;
