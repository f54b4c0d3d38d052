-- The file has the hidden name of `going_to` and is unlinked next: if it has no name any more, it was deleted. Until
-- then a file that is not there was taken away by a person.
ALTER TABLE afterwards ADD COLUMN unlinks INTEGER NOT NULL DEFAULT 0 CHECK (unlinks IN (0, 1));
