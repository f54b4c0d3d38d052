-- How far this machine's clock is from the platform's.

-- Accounts on whose platform the time differs by more than is well. No row: it does not, or is not
-- known.
CREATE TABLE clocks (
    account         TEXT    PRIMARY KEY,
    -- Seconds by which this machine is ahead; negative: it is behind.
    ahead_s         INTEGER NOT NULL,
    measured_at     TEXT    NOT NULL
) STRICT;
