-- Upload links are credentials: from now on the daemon seals them with a key that lies beside the table,
-- and the group that may read the table cannot use them.

-- What the daemon has to do once at its start, since SQL alone cannot. A row goes when it is done.
CREATE TABLE chores (
    name            TEXT    PRIMARY KEY
) STRICT;
-- Links of earlier releases are sealed, and nothing of them is left in unused space.
INSERT INTO chores (name) SELECT 'seal-links' WHERE EXISTS (SELECT 1 FROM jobs);
