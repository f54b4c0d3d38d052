-- What holds for the whole table, and whose accounts its rows name.

CREATE TABLE settings (
    name            TEXT    PRIMARY KEY,
    value           TEXT    NOT NULL
) STRICT;

-- Which account each name stands for that the rows use: its API, its key or site, and its platform where
-- that is not JW's own.
CREATE TABLE accounts (
    name            TEXT    PRIMARY KEY,
    identity        TEXT    NOT NULL
) STRICT;
