-- What becomes of a file once its job has ended, and the notes beside it.

CREATE TABLE afterwards (
    job_id          INTEGER PRIMARY KEY REFERENCES jobs (id),
    -- 'keep', 'move', 'trash', 'delete', 'failed-dir'.
    action          TEXT    NOT NULL,
    -- When it is to be done; NULL: it is done, or will not be.
    due_at          TEXT,
    attempts        INTEGER NOT NULL DEFAULT 0,
    -- What became of the file, or why nothing, in words.
    outcome         TEXT,
    done_at         TEXT,
    -- Where the file lies now; text, or a blob where the name is not UTF-8.
    moved_to        ANY,
    -- The note beside the file, while it is there.
    note            ANY
) STRICT;
CREATE INDEX afterwards_due ON afterwards (due_at) WHERE due_at IS NOT NULL;
