-- +goose Up

-- What guards compare a run with, and what became of one that they hold.
ALTER TABLE run ADD COLUMN header TEXT NOT NULL DEFAULT '';      -- JSON: the columns of its source, in their order
ALTER TABLE run ADD COLUMN totals TEXT NOT NULL DEFAULT '';      -- JSON: sums over its rows, by name
ALTER TABLE run ADD COLUMN guard TEXT NOT NULL DEFAULT '';       -- the guard that holds it
ALTER TABLE run ADD COLUMN lifted TEXT NOT NULL DEFAULT '';      -- the guards that were lifted for it, separated by commas
ALTER TABLE run ADD COLUMN approved_by TEXT NOT NULL DEFAULT '';
ALTER TABLE run ADD COLUMN approved_at INTEGER;                  -- microseconds since 1970, UTC

-- A file that a run has read, or means to. A pipeline reads a file once: that
-- is told by its contents, whatever it is called.
CREATE TABLE run_file (
  run        TEXT    NOT NULL REFERENCES run (id),
  number     INTEGER NOT NULL, -- in the order of reading, from 1
  pipeline   TEXT    NOT NULL,
  definition TEXT    NOT NULL, -- hash of the pipeline's text and of what it looks up
  path       TEXT    NOT NULL,
  name       TEXT    NOT NULL, -- what messages call it
  version    TEXT    NOT NULL, -- size and time
  size       INTEGER NOT NULL, -- bytes
  hash       TEXT    NOT NULL, -- SHA-256 of the contents in hex, '' until it is known
  state      TEXT    NOT NULL CHECK (state IN ('reading', 'applied', 'skipped', 'left')),
  begun      TEXT    NOT NULL, -- the cursor behind which it was read, '' from its beginning
  cursor     TEXT    NOT NULL, -- behind its last row
  rows       INTEGER NOT NULL,
  move_to    TEXT    NOT NULL, -- the folder that it is to be moved to, '' where it stays
  moved      INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (run, number)
) STRICT;
CREATE INDEX run_file_by_path ON run_file (pipeline, path);
CREATE INDEX run_file_to_move ON run_file (pipeline) WHERE move_to <> '' AND moved = 0;
