-- What people can do about an error is stored beside its words: nothing searches the words any more.

ALTER TABLE jobs ADD COLUMN advice TEXT
    CONSTRAINT advice_valid CHECK (advice IN ('fix-cause', 'in-words', 'size-limit', 'then-retry', 'upload-both',
                                             'upload-both-in-words', 'account-paused', 'rest'));

-- Earlier releases had the words alone, and read this from them, in this order.
UPDATE jobs SET advice = CASE
        WHEN state = 'queued' AND last_error GLOB 'account * is paused*' THEN 'account-paused'
        WHEN state = 'queued' AND last_error GLOB 'waits for job *' THEN
            CASE WHEN instr(last_error, 'jw-ingest retry') > 0 THEN 'upload-both-in-words' ELSE 'upload-both' END
        WHEN state = 'queued' AND last_error GLOB 'a program touches the file again and again, last at *' THEN 'rest'
        WHEN held = 0 AND instr(last_error, 'size-limit') > 0 THEN 'size-limit'
        WHEN held = 0 AND instr(last_error, 's3-limit') > 0 THEN 'then-retry'
        WHEN instr(last_error, 'jw-ingest ') > 0 THEN 'in-words'
        ELSE 'fix-cause'
    END
WHERE last_error IS NOT NULL;

-- What a person must see to before a refused account works again.
ALTER TABLE paused_accounts ADD COLUMN need TEXT NOT NULL DEFAULT 'credentials'
    CONSTRAINT need_valid CHECK (need IN ('credentials', 'clock', 'plan', 'certificates'));
UPDATE paused_accounts SET need = CASE
        WHEN instr(lower(reason), 'timedatectl') > 0 THEN 'clock'
        WHEN instr(lower(reason), 'limit exceeded') > 0 OR instr(lower(reason), 'quota') > 0
             OR instr(lower(reason), 'http 402') > 0 THEN 'plan'
        WHEN instr(lower(reason), 'cannot set up https') > 0 THEN 'certificates'
        ELSE 'credentials'
    END;
