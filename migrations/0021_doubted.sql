-- What was sent of a file is told apart from what the file has become since.

-- The file got another ctime after bytes of it were sent: what the platform, or the server, has of it may be of
-- other bytes. It is asked about and compared, and never continued.
ALTER TABLE tickets ADD COLUMN doubted INTEGER NOT NULL DEFAULT 0;
-- An earlier release said so by a number that no file has.
UPDATE tickets SET doubted = 1, confirmed_bytes = 0 WHERE confirmed_bytes = 9223372036854775807;

-- MD5 of all that was sent, noted with the last byte.
ALTER TABLE tickets ADD COLUMN md5 TEXT;
