-- Whether the platform has what was sent is asked anew before a file is moved, deleted or called a copy.

-- When the platform changed the job's video last, by its own clock, as far as that was at the moment when it
-- was ready with what was sent, or was this program's own doing since: any later change is somebody else's.
ALTER TABLE jobs ADD COLUMN changed_there INTEGER;

-- The file came back, or was touched: the ctime that it has now. The platform is asked whether the video is
-- there, whatever is to be done with the file.
ALTER TABLE afterwards ADD COLUMN returned INTEGER;
-- The grace counts from here where that is later than the end of the job: the file, or its watch, came back.
ALTER TABLE afterwards ADD COLUMN counts_from TEXT;
