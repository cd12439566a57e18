-- +goose Up

-- The order in which runs were accepted, which is that in which they wait.
ALTER TABLE run ADD COLUMN number INTEGER NOT NULL DEFAULT 0; -- from 1
UPDATE run SET number = rowid;
CREATE UNIQUE INDEX run_by_number ON run (number);
