-- Where a job stands, in one word, for people who read the table.

-- `state` and `step` are what the daemon works by; this is what they and the flags beside them come to. It is
-- worked out when it is read. `Job::standing` is the same rule in Rust, and a test holds the two together.
ALTER TABLE jobs ADD COLUMN phase TEXT GENERATED ALWAYS AS (
    CASE
        WHEN state IN ('queued', 'running') AND step = 'confirm' THEN
            CASE WHEN video_key IS NULL THEN 'seeking-key' ELSE 'confirming' END
        WHEN state = 'queued' THEN CASE WHEN waits_for IS NULL THEN 'turn' ELSE 'waiting-for-copy' END
        WHEN state = 'running' THEN CASE WHEN step = 'create' THEN 'creating' ELSE 'uploading' END
        WHEN state = 'done' AND replaced_by IS NOT NULL AND replaced IS NOT NULL THEN
            CASE replaced WHEN 'sending' THEN 'being-replaced' WHEN 'perhaps' THEN 'maybe-replaced' ELSE 'replaced' END
        WHEN state = 'done' THEN CASE WHEN video_key IS NULL THEN 'done-without-key' ELSE 'done' END
        WHEN state = 'failed' THEN CASE WHEN superseded = 1 THEN 'gone' WHEN held = 1 THEN 'held' ELSE 'failed' END
        WHEN state = 'cancelled' THEN CASE WHEN superseded = 1 THEN 'superseded' ELSE 'cancelled' END
        ELSE state
    END
) VIRTUAL;
