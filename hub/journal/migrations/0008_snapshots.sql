-- +goose Up

-- Rows of the target that a snapshot no longer held, and that its run has
-- deactivated. They were not read from the source, and are counted apart.
ALTER TABLE run ADD COLUMN deactivated INTEGER NOT NULL DEFAULT 0;
