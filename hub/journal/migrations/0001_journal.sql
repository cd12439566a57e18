-- +goose Up

-- A run is one execution of a pipeline. Its counters are those of committed
-- batches, so that read = applied + unchanged + rejected + skipped holds at
-- any moment, not at the end alone.
CREATE TABLE run (
  id            TEXT    NOT NULL PRIMARY KEY,
  pipeline      TEXT    NOT NULL,
  entity        TEXT    NOT NULL,
  cause         TEXT    NOT NULL CHECK (cause IN ('command', 'upload', 'replay')),
  status        TEXT    NOT NULL CHECK (status IN ('queued', 'running', 'succeeded', 'partial', 'failed', 'stopped')),
  pipeline_file TEXT    NOT NULL,
  pipeline_hash TEXT    NOT NULL,
  input_path    TEXT    NOT NULL, -- of a file given for this run, else ''
  input_name    TEXT    NOT NULL, -- what its sender calls it
  error         TEXT    NOT NULL, -- why it failed or stopped, for people
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
CREATE INDEX run_by_start ON run (started_at DESC, id);

-- Where the pipelines that were run are found, for uploads and replays.
CREATE TABLE pipeline (
  name TEXT NOT NULL PRIMARY KEY,
  file TEXT NOT NULL
) STRICT;

-- A row that was rejected, as it was read and before it was mapped, so that a
-- mended mapping mends the backlog too. Rows that only drew warnings are kept
-- as 'noted': they went on.
CREATE TABLE parked_row (
  id         INTEGER NOT NULL PRIMARY KEY,
  run        TEXT    NOT NULL REFERENCES run (id),
  pipeline   TEXT    NOT NULL,
  entity     TEXT    NOT NULL,
  status     TEXT    NOT NULL CHECK (status IN ('open', 'replayed', 'discarded', 'superseded', 'noted')),
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
CREATE INDEX parked_row_by_pipeline ON parked_row (pipeline, status, id);
-- Holds all that is asked of keys, so that rows with their cells are not read for it.
CREATE INDEX parked_row_by_key ON parked_row (pipeline, status, key, run);
CREATE INDEX parked_row_by_run ON parked_row (run, id);

-- One thing that is wrong with a parked row.
CREATE TABLE finding (
  id       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- what people quote; never used again
  parked   INTEGER NOT NULL REFERENCES parked_row (id) ON DELETE CASCADE,
  rule     TEXT    NOT NULL,
  severity TEXT    NOT NULL CHECK (severity IN ('reject', 'warn')),
  field    TEXT    NOT NULL,
  value    TEXT    NOT NULL,
  message  TEXT    NOT NULL,
  position INTEGER NOT NULL, -- of the column in the source, from 0; -1 for none
  header   TEXT    NOT NULL,
  cell     TEXT    NOT NULL
) STRICT;
CREATE INDEX finding_by_row ON finding (parked);
