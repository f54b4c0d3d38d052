-- When the platform changed a video is kept as finely as the platform tells it: nanoseconds since the epoch, where it
-- was UNIX seconds. What has whole seconds is compared as such.
UPDATE jobs SET updated_before = updated_before * 1000000000, changed_there = changed_there * 1000000000
    WHERE updated_before IS NOT NULL OR changed_there IS NOT NULL;
