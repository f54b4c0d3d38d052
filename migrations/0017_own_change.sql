-- When this program called for a change of the job's video itself, by the platform's clock, in nanoseconds since the
-- epoch: a change of about then may be its own. NULL once that is known, or where it never called.
ALTER TABLE jobs ADD COLUMN own_change INTEGER;
