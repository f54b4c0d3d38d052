-- What the daemon knows of itself and of its watch folders, for people and for commands that cannot look themselves.

-- How each watch folder was when the daemon looked at it last.
CREATE TABLE watches (
    name            TEXT    PRIMARY KEY,
    -- 'ok', or why it is offline.
    state           TEXT    NOT NULL,
    -- Since when it is so.
    since           TEXT    NOT NULL,
    -- In words: how its files are found, or what the system said.
    detail          TEXT    NOT NULL,
    -- When its watch began to look.
    began_at        TEXT    NOT NULL,
    -- 0: it has not answered since then, and all of this was seen earlier.
    answered        INTEGER NOT NULL,
    CONSTRAINT watches_state_valid CHECK (state IN ('ok', 'missing', 'denied', 'linked', 'unmounted', 'taken', 'failing'))
) STRICT;

-- The daemon that runs, or ran last.
CREATE TABLE daemon (
    id              INTEGER PRIMARY KEY CHECK (id = 1),
    started_at      TEXT    NOT NULL,
    -- Since when the configuration on disk is refused at each reload, and why the last time; NULL: it is in use.
    refused_at      TEXT,
    refused_why     TEXT,
    CONSTRAINT daemon_refused_whole CHECK ((refused_at IS NULL) = (refused_why IS NULL))
) STRICT;
