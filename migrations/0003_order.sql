-- Which job goes first.

-- The greater goes first: that of the watch when the job was queued, or what a bump made of it.
ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
