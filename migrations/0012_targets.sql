-- The folders that files are moved to, as they were when they were there: what is mounted elsewhere or
-- not at all is recognised by that.
CREATE TABLE targets (
    -- Text, or a blob where the name is not UTF-8.
    folder          ANY     PRIMARY KEY NOT NULL,
    -- The mount that it lay on, by what stays the same at the next mount; NULL: none of its own.
    source          TEXT,
    kind            TEXT,
    root            TEXT,
    point           ANY,
    -- Why it is offline, in words; NULL: it was there when it was looked at last.
    offline         TEXT,
    CONSTRAINT targets_mount_whole CHECK ((source IS NULL) = (kind IS NULL) AND (source IS NULL) = (root IS NULL)
        AND (source IS NULL) = (point IS NULL))
) STRICT;
