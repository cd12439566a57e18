-- +goose Up

-- The trace that a run belongs to, so that one that waits is found under the
-- request that has queued it.
ALTER TABLE run ADD COLUMN trace TEXT COLLATE "C" NOT NULL DEFAULT ''; -- W3C trace context, '' for none
