-- The same content is uploaded once, and what replaces it goes where the watch wants it to go.

-- Hash over samples of the content; NULL where it was not looked at.
ALTER TABLE jobs ADD COLUMN fingerprint TEXT;
-- Where the file went in parts: '<bytes of a part>:<MD5 over the MD5s of all parts>'.
ALTER TABLE jobs ADD COLUMN parts_md5 TEXT;
-- A job that is under way with what seems to be the same content: this one goes on after it.
ALTER TABLE jobs ADD COLUMN waits_for INTEGER REFERENCES jobs (id);
-- 1: a person wants it uploaded, whatever it is a copy of and whatever it replaces.
ALTER TABLE jobs ADD COLUMN by_hand INTEGER NOT NULL DEFAULT 0;
-- 1: it has not failed, a person is to decide (on-replace = "hold").
ALTER TABLE jobs ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
-- The job whose video gets this one's content (on-replace = "replace"): that video is never withdrawn.
ALTER TABLE jobs ADD COLUMN replaces INTEGER REFERENCES jobs (id);
