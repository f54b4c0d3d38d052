-- The key of a video that came by FTP is found by its looks, and may turn out to be another's.

-- Videos that were taken for a job's and are not: they are not taken again.
CREATE TABLE not_ours (
    job_id          INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    video_key       TEXT    NOT NULL,
    let_go_at       TEXT    NOT NULL,
    PRIMARY KEY (job_id, video_key)
) STRICT;

-- When the job's file got its name on the FTP server: no video of it is older.
ALTER TABLE jobs ADD COLUMN delivered_at TEXT;
UPDATE jobs
SET delivered_at = coalesce(
        iif(video_key IS NULL, sent_at, NULL),
        (SELECT min(started_at) FROM attempts WHERE job_id = jobs.id AND step = 'transfer'),
        sent_at)
WHERE method = 'ftp' AND step = 'confirm';
