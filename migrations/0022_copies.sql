-- Hidden copies at `move-to` and `failed-dir` on another disk.

-- Written before the first byte of a copy: where it is under its hidden name. NULL: there is none; it has its name, or
-- was removed.
ALTER TABLE afterwards ADD COLUMN copy ANY;
CREATE INDEX afterwards_copied ON afterwards (job_id) WHERE copy IS NOT NULL;
