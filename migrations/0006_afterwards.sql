-- What becomes of a file once its job has ended, and the notes beside it.

CREATE TABLE afterwards (
    job_id          INTEGER PRIMARY KEY REFERENCES jobs (id),
    -- 'undecided': the job has ended, and nobody has looked yet what is to be done. 'none': nothing.
    -- 'back': to where it lay before it failed.
    action          TEXT    NOT NULL,
    -- When it is to be done; NULL: it is done, or will not be.
    due_at          TEXT,
    attempts        INTEGER NOT NULL DEFAULT 0,
    -- Why it could not be done yet, in words.
    last_error      TEXT,
    -- What became of the file, or why nothing, in words.
    outcome         TEXT,
    done_at         TEXT,
    -- Written before the file gets this name: from here on it may have it.
    going_to        ANY,
    -- Where the file lies now; text, or a blob where the name is not UTF-8.
    moved_to        ANY,
    -- Where it lay before it was moved for its failure.
    came_from       ANY,
    -- The note of a failure beside the file, while it is there.
    note            ANY,
    CONSTRAINT afterwards_action_valid CHECK (action IN ('undecided', 'none', 'keep', 'move', 'trash', 'delete', 'failed-dir', 'back'))
) STRICT;
CREATE INDEX afterwards_due ON afterwards (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX afterwards_noted ON afterwards (job_id) WHERE note IS NOT NULL OR came_from IS NOT NULL;

-- The ingest id of the video whose bytes were compared by MD5 with those that were sent, by the
-- upload server or by the platform.
ALTER TABLE jobs ADD COLUMN verified TEXT;

-- In the transaction that ends a job, whichever verb that is.
CREATE TRIGGER afterwards_begins AFTER UPDATE OF state ON jobs
WHEN NEW.state IN ('done', 'failed', 'duplicate') AND OLD.state <> NEW.state
BEGIN
    INSERT INTO afterwards (job_id, action, due_at) VALUES (NEW.id, 'undecided', NEW.finished_at)
    ON CONFLICT (job_id) DO UPDATE SET action = 'undecided', due_at = excluded.due_at, attempts = 0,
        last_error = NULL, outcome = NULL, done_at = NULL;
END;

-- A move that may be half done is brought to its end all the same.
CREATE TRIGGER afterwards_over AFTER UPDATE OF state ON jobs
WHEN OLD.state IN ('done', 'failed', 'duplicate') AND NEW.state NOT IN ('done', 'failed', 'duplicate')
BEGIN
    UPDATE afterwards SET action = 'none', due_at = NULL, last_error = NULL, outcome = NULL, done_at = NULL
    WHERE job_id = NEW.id AND going_to IS NULL;
END;
