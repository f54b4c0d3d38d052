-- A sidecar stayed because the platform was not told of it, and its video went: 'moved' to where `moved_to` says, or
-- 'deleted'. Once the platform was told, the row is due again, and the sidecar follows.
ALTER TABLE afterwards ADD COLUMN sidecar_left TEXT CHECK (sidecar_left IN ('moved', 'deleted'));
CREATE INDEX afterwards_sidecars ON afterwards (job_id) WHERE sidecar_left IS NOT NULL;
