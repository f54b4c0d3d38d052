-- A pause may be nobody's fault: the platform cannot be reached.

-- 1: it ends as soon as the platform answers; nobody needs to mend the account.
ALTER TABLE paused_accounts ADD COLUMN unreachable INTEGER NOT NULL DEFAULT 0
    CONSTRAINT unreachable_valid CHECK (unreachable IN (0, 1));
