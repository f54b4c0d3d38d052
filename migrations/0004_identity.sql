-- The same content is uploaded once, and what replaces it goes where the watch wants it to go.

-- Hash over samples of the content; NULL where it was not looked at, or is to be looked at again.
ALTER TABLE jobs ADD COLUMN fingerprint TEXT;
-- Where the file went in parts: '<bytes of a part>:<MD5 over the MD5s of all parts>'.
ALTER TABLE jobs ADD COLUMN parts_md5 TEXT;
-- A job that is under way with what seems to be the same content: this one goes on after it.
ALTER TABLE jobs ADD COLUMN waits_for INTEGER REFERENCES jobs (id);
-- 1: a person wants it uploaded, whatever it is a copy of and whatever it replaces.
ALTER TABLE jobs ADD COLUMN by_hand INTEGER NOT NULL DEFAULT 0 CONSTRAINT by_hand_valid CHECK (by_hand IN (0, 1));
-- 1: it has not failed, a person is to decide (on-replace = "hold").
ALTER TABLE jobs ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
-- When the platform changed that job's video last before it got the new bytes, UNIX seconds.
ALTER TABLE jobs ADD COLUMN updated_before INTEGER;
-- The job whose video gets this one's content (on-replace = "replace"): that video is never withdrawn.
ALTER TABLE jobs ADD COLUMN replaces INTEGER REFERENCES jobs (id);

-- Copies find each other by these; the second is for jobs of before, which have no fingerprint. Without
-- those that nobody looks for: ten thousand copies must not all be passed over by each of them.
CREATE INDEX jobs_by_fingerprint ON jobs (account, size, fingerprint)
    WHERE fingerprint IS NOT NULL AND state <> 'duplicate';
CREATE INDEX jobs_by_size ON jobs (account, size) WHERE fingerprint IS NULL AND md5 IS NOT NULL;
CREATE INDEX jobs_duplicates ON jobs (duplicate_of) WHERE duplicate_of IS NOT NULL;
CREATE INDEX jobs_waiters ON jobs (waits_for) WHERE waits_for IS NOT NULL;
CREATE INDEX jobs_replacing ON jobs (replaces) WHERE replaces IS NOT NULL;

-- What one job means for its copies. In triggers, so that no way of changing a job can forget it.
-- A job that is to go on is due at once: its `created_at` is a time that is over.

-- The bytes are on the platform, or never will be by this job: whoever waits for it looks again.
CREATE TRIGGER jobs_waiters_go_on AFTER UPDATE OF state, step ON jobs
WHEN NEW.step = 'confirm' OR NEW.state IN ('done', 'failed', 'cancelled', 'duplicate')
BEGIN
    UPDATE jobs SET waits_for = NULL, last_error = NULL, run_at = created_at WHERE waits_for = NEW.id;
END;

-- Who has come to an end waits for nobody.
CREATE TRIGGER jobs_waiting_ends AFTER UPDATE OF state ON jobs
WHEN NEW.waits_for IS NOT NULL AND NEW.state NOT IN ('queued', 'running')
BEGIN
    UPDATE jobs SET waits_for = NULL WHERE id = NEW.id;
END;

-- A content is never lost because its first copy was: the others are uploaded themselves.
CREATE TRIGGER jobs_duplicates_go_on AFTER UPDATE OF state ON jobs
WHEN NEW.state IN ('failed', 'cancelled')
BEGIN
    UPDATE jobs SET state = 'queued', duplicate_of = NULL, fingerprint = NULL, finished_at = NULL, attempts = 0,
           run_at = created_at,
           last_error = 'job ' || NEW.id || ', which has the same content, came to nothing: this one is uploaded'
    WHERE duplicate_of = NEW.id;
END;

-- The same where its video got other content. The file before it, put back, is another one then: no
-- file has an inode below zero.
CREATE TRIGGER jobs_replaced AFTER UPDATE OF step ON jobs
WHEN NEW.replaces IS NOT NULL AND NEW.step = 'confirm'
BEGIN
    UPDATE jobs SET state = 'queued', duplicate_of = NULL, fingerprint = NULL, finished_at = NULL, attempts = 0,
           run_at = created_at,
           last_error = 'the video of job ' || NEW.replaces || ', which had the same content, was replaced: this one is uploaded'
    WHERE duplicate_of = NEW.replaces;
    UPDATE jobs SET ino = -id WHERE id = NEW.replaces;
END;

-- A duplicate points to the job that has the video, never to another duplicate.
CREATE TRIGGER jobs_duplicates_follow AFTER UPDATE OF state ON jobs
WHEN NEW.state = 'duplicate'
BEGIN
    UPDATE jobs SET duplicate_of = NEW.duplicate_of WHERE duplicate_of = NEW.id;
END;
