-- +goose NO TRANSACTION
-- +goose Up

-- Runs may be held by a guard, may be scheduled, and may replay a mended file
-- or take another run back; rows may wait for what they refer to. SQLite
-- changes a CHECK only with its table, and drops a table that others refer to
-- only while it does not look at them. All of it is one transaction, and may
-- be done a second time where its process ended before it was noted.
PRAGMA foreign_keys = OFF;
BEGIN IMMEDIATE;

CREATE TABLE run_next (
  id            TEXT    NOT NULL PRIMARY KEY,
  pipeline      TEXT    NOT NULL,
  entity        TEXT    NOT NULL,
  cause         TEXT    NOT NULL CHECK (cause IN ('command', 'upload', 'schedule', 'replay', 'mended', 'revert')),
  status        TEXT    NOT NULL CHECK (status IN ('queued', 'running', 'succeeded', 'partial', 'failed', 'stopped', 'held')),
  pipeline_file TEXT    NOT NULL,
  pipeline_hash TEXT    NOT NULL,
  input_path    TEXT    NOT NULL, -- of a file given for this run, else ''
  input_name    TEXT    NOT NULL, -- what its sender calls it
  error         TEXT    NOT NULL, -- why it failed, stopped or is held, for people
  started_at    INTEGER NOT NULL, -- microseconds since 1970, UTC
  finished_at   INTEGER,
  batches       INTEGER NOT NULL DEFAULT 0,
  cursor        TEXT    NOT NULL DEFAULT '',
  read          INTEGER NOT NULL DEFAULT 0,
  applied       INTEGER NOT NULL DEFAULT 0,
  unchanged     INTEGER NOT NULL DEFAULT 0,
  rejected      INTEGER NOT NULL DEFAULT 0,
  skipped       INTEGER NOT NULL DEFAULT 0,
  warned        INTEGER NOT NULL DEFAULT 0,
  CONSTRAINT every_row_is_accounted_for CHECK (read = applied + unchanged + rejected + skipped)
) STRICT;
INSERT INTO run_next (id, pipeline, entity, cause, status, pipeline_file, pipeline_hash, input_path, input_name, error,
                      started_at, finished_at, batches, cursor, read, applied, unchanged, rejected, skipped, warned)
SELECT id, pipeline, entity, cause, status, pipeline_file, pipeline_hash, input_path, input_name, error,
       started_at, finished_at, batches, cursor, read, applied, unchanged, rejected, skipped, warned
FROM run ORDER BY rowid;
DROP TABLE run;
ALTER TABLE run_next RENAME TO run;
CREATE INDEX run_by_start ON run (started_at DESC, id);

-- A row that was rejected, as it was read and before it was mapped, so that a
-- mended mapping mends the backlog too. Rows that only drew warnings are kept
-- as 'noted': they went on.
CREATE TABLE parked_row_next (
  id         INTEGER NOT NULL PRIMARY KEY,
  run        TEXT    NOT NULL REFERENCES run (id),
  pipeline   TEXT    NOT NULL,
  entity     TEXT    NOT NULL,
  status     TEXT    NOT NULL CHECK (status IN ('open', 'waiting', 'replayed', 'discarded', 'superseded', 'noted')),
  key        TEXT    NOT NULL, -- of the entity, '' where the row has none
  resource   TEXT    NOT NULL,
  version    TEXT    NOT NULL,
  part       TEXT    NOT NULL,
  row        INTEGER NOT NULL,
  cells      TEXT    NOT NULL, -- JSON: columns, values and kinds in source order
  attempts   INTEGER NOT NULL DEFAULT 1,
  first_seen INTEGER NOT NULL,
  last_seen  INTEGER NOT NULL
) STRICT;
INSERT INTO parked_row_next SELECT id, run, pipeline, entity, status, key, resource, version, part, row, cells, attempts, first_seen, last_seen
FROM parked_row;
DROP TABLE parked_row;
ALTER TABLE parked_row_next RENAME TO parked_row;
CREATE INDEX parked_row_by_pipeline ON parked_row (pipeline, status, id);
-- Holds all that is asked of keys, so that rows with their cells are not read for it.
CREATE INDEX parked_row_by_key ON parked_row (pipeline, status, key, run);
CREATE INDEX parked_row_by_run ON parked_row (run, id);

COMMIT;
PRAGMA foreign_keys = ON;
