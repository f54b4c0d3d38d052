-- More ways in: why a way was taken, and what is done of an upload in parts.

-- Why the bytes went, or go, by `method`: in words for the operator.
ALTER TABLE jobs ADD COLUMN method_why TEXT;

-- Bytes of each part but the last, of an upload in parts. The parts on the platform have that size,
-- whatever a later version of the program would choose.
ALTER TABLE tickets ADD COLUMN part_size INTEGER;

-- The parts that have arrived.
CREATE TABLE parts (
    job_id          INTEGER NOT NULL REFERENCES jobs (id),
    -- From 1.
    number          INTEGER NOT NULL,
    -- MD5 of its bytes, lower-case hex: what was sent, and what the server said.
    md5             TEXT    NOT NULL,
    PRIMARY KEY (job_id, number),
    CONSTRAINT part_number_valid CHECK (number BETWEEN 1 AND 10000)
) STRICT, WITHOUT ROWID;
