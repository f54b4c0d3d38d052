-- How often the platform was about to be asked for something that may outlast this table: a video, other content for
-- one, the last byte of a file. The marker beside the table gets the same number, so that a table which is older than
-- that (a restored backup) is recognised.
CREATE TABLE high_water (
    one             INTEGER PRIMARY KEY,
    count           INTEGER NOT NULL,
    CONSTRAINT one_row CHECK (one = 1)
) STRICT;
INSERT INTO high_water (one, count) VALUES (1, 0);

-- In triggers, so that no verb can forget it. They count a repetition too: a verb whose marker could not be written is
-- tried again, and must fail again while it cannot.
CREATE TRIGGER jobs_create_is_counted AFTER UPDATE OF create_sent_at ON jobs
WHEN NEW.create_sent_at IS NOT NULL AND NEW.step = 'create'
BEGIN
    UPDATE high_water SET count = count + 1;
END;
CREATE TRIGGER jobs_replacement_is_counted AFTER UPDATE OF replaced_at ON jobs
WHEN NEW.replaced_at IS NOT NULL AND NEW.replaced IS NOT 'yes'
BEGIN
    UPDATE high_water SET count = count + 1;
END;
CREATE TRIGGER tickets_last_byte_is_counted AFTER UPDATE OF last_byte_at ON tickets
WHEN NEW.last_byte_at IS NOT NULL
BEGIN
    UPDATE high_water SET count = count + 1;
END;
