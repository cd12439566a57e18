-- +goose Up

-- The turn of its pipeline in which a run is written: who has an earlier one was
-- taken for dead, and must not write any more.
ALTER TABLE run ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;
