-- A video belongs to one file at a time: to the one whose content it has.

-- The job whose content was sent into this job's video. While it is set, this job's own content does
-- not count as uploaded, its file is another one when it comes back, and no job replaces it.
ALTER TABLE jobs ADD COLUMN replaced_by INTEGER REFERENCES jobs (id);
-- 'sending': the last byte is on its way, and may arrive. 'perhaps': it may have arrived, and that job
-- ended or began anew without an answer that settles it. 'yes': the platform took all of it.
ALTER TABLE jobs ADD COLUMN replaced TEXT
    CONSTRAINT replaced_valid CHECK (replaced IS NULL OR replaced IN ('sending', 'perhaps', 'yes'));
-- Since when.
ALTER TABLE jobs ADD COLUMN replaced_at TEXT;
-- When the job's file was given its present name, if that is not its first one.
ALTER TABLE jobs ADD COLUMN renamed_at TEXT;

CREATE INDEX jobs_by_path ON jobs (path);
DROP INDEX jobs_superseded;
CREATE INDEX jobs_by_video ON jobs (video_key) WHERE video_key IS NOT NULL;
CREATE INDEX jobs_replaced_by ON jobs (replaced_by) WHERE replaced_by IS NOT NULL;
CREATE INDEX jobs_in_doubt ON jobs (id) WHERE replaced_by IS NOT NULL AND replaced <> 'yes';

-- What was replaced before this column was there: each video has the content of its newest job.
UPDATE jobs SET replaced = 'yes', (replaced_by, replaced_at) = (
        SELECT id, coalesce(sent_at, created_at) FROM jobs AS later
        WHERE later.video_key = jobs.video_key AND later.id > jobs.id AND later.replaces IS NOT NULL AND later.step = 'confirm'
        ORDER BY later.id DESC LIMIT 1)
    WHERE video_key IN (SELECT video_key FROM jobs WHERE replaces IS NOT NULL AND step = 'confirm')
      AND EXISTS (SELECT 1 FROM jobs AS later
                  WHERE later.video_key = jobs.video_key AND later.id > jobs.id AND later.replaces IS NOT NULL AND later.step = 'confirm');
UPDATE jobs SET replaced = 'sending', (replaced_by, replaced_at) = (
        SELECT later.id, last_byte_at FROM jobs AS later JOIN tickets ON job_id = later.id
        WHERE later.replaces = jobs.id AND last_byte_at IS NOT NULL ORDER BY later.id DESC LIMIT 1)
    WHERE replaced_by IS NULL
      AND EXISTS (SELECT 1 FROM jobs AS later JOIN tickets ON job_id = later.id
                  WHERE later.replaces = jobs.id AND last_byte_at IS NOT NULL);

-- A file whose video has got other content is enqueued anew when it comes back.
DROP INDEX jobs_once;
CREATE UNIQUE INDEX jobs_once ON jobs (path, size, mtime_ns, ino) WHERE superseded = 0 AND replaced_by IS NULL;

DROP INDEX jobs_replacing;

-- The bytes of a replacement are there. Whatever counted on what the video had before is uploaded
-- itself, and every other job of that video gives it up.
DROP TRIGGER jobs_replaced;
CREATE TRIGGER jobs_replaced AFTER UPDATE OF step ON jobs
WHEN NEW.replaces IS NOT NULL AND NEW.step = 'confirm'
BEGIN
    UPDATE jobs SET state = 'queued', duplicate_of = NULL, fingerprint = NULL, finished_at = NULL, attempts = 0,
           run_at = created_at,
           last_error = 'the video of job ' || duplicate_of || ', which had the same content, was replaced: this one is uploaded'
    WHERE duplicate_of IN (SELECT id FROM jobs AS former WHERE former.video_key = NEW.video_key AND former.id <> NEW.id);
    UPDATE jobs SET replaced_by = NEW.id, replaced = 'yes', replaced_at = NEW.sent_at
    WHERE video_key = NEW.video_key AND id <> NEW.id AND (replaced IS NOT 'yes' OR id = NEW.replaces);
END;

-- A replacement ended, or began anew, and does not have the video: what that holds is not known.
CREATE TRIGGER jobs_replacement_ended AFTER UPDATE OF state, replaces ON jobs
WHEN NEW.state IN ('failed', 'cancelled', 'duplicate') OR OLD.replaces IS NOT NULL AND NEW.replaces IS NULL
BEGIN
    UPDATE jobs SET replaced = 'perhaps' WHERE replaced_by = NEW.id AND video_key IS NOT NEW.video_key;
    UPDATE jobs SET state = 'queued', duplicate_of = NULL, fingerprint = NULL, finished_at = NULL, attempts = 0,
           run_at = created_at,
           last_error = 'the video of job ' || duplicate_of || ', which had the same content, may have been replaced: this one is uploaded'
    WHERE duplicate_of IN (SELECT id FROM jobs AS former
                           WHERE former.replaced_by = NEW.id AND former.video_key IS NOT NEW.video_key);
END;
