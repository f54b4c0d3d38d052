-- Which job goes first.

-- The greater goes first: that of the watch, from -100 to 100; from 1000 on, what a bump made of it.
ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
-- 1: too large for the lane that clips have beside feature films (100 MB or more).
ALTER TABLE jobs ADD COLUMN is_large INTEGER GENERATED ALWAYS AS (size >= 100000000) VIRTUAL;

-- When each watch had its last turn: the greater, the later. Among watches with equally many jobs
-- under way, the one that waits longest is next.
CREATE TABLE turns (
    watch           TEXT    PRIMARY KEY,
    turn            INTEGER NOT NULL
) STRICT;

-- The shape of the claim: from priority to priority, from watch to watch, and in each the oldest; what
-- has to wait (an account's backlog, all the large files) is leapt over inside the index. State and
-- step are there because the statement asks for them.
DROP INDEX jobs_due;
CREATE INDEX jobs_due ON jobs (priority DESC, watch, account, is_large, run_at, id, state, step)
    WHERE state = 'queued' AND step <> 'confirm';
-- Those that were put off: once they are due, they go by their age again.
CREATE INDEX jobs_put_off ON jobs (run_at, id, created_at, state, step)
    WHERE state = 'queued' AND step <> 'confirm' AND run_at > created_at;
