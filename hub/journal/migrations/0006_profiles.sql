-- +goose Up

-- How good the rows of a run were, as a whole (source '') and by the file or
-- address that they came from.
CREATE TABLE quality (
  run      TEXT    NOT NULL REFERENCES run (id) ON DELETE CASCADE,
  pipeline TEXT    NOT NULL,
  source   TEXT    NOT NULL,
  score    INTEGER NOT NULL CHECK (score BETWEEN 0 AND 1000), -- tenths
  read     INTEGER NOT NULL,
  skipped  INTEGER NOT NULL,
  rejected INTEGER NOT NULL,
  warned   INTEGER NOT NULL, -- rows
  cells    INTEGER NOT NULL, -- mapped fields of the rows that passed
  filled   INTEGER NOT NULL,
  PRIMARY KEY (run, source)
) STRICT;
CREATE INDEX quality_by_pipeline ON quality (pipeline, source, run);

-- What the columns of a run held. Those of the latest runs of each pipeline are kept.
CREATE TABLE profile (
  run      TEXT    NOT NULL PRIMARY KEY REFERENCES run (id) ON DELETE CASCADE,
  pipeline TEXT    NOT NULL,
  content  TEXT    NOT NULL -- JSON
) STRICT;
CREATE INDEX profile_by_pipeline ON profile (pipeline, run);

-- A column that was no longer what it had been in earlier runs.
CREATE TABLE drift (
  id       INTEGER NOT NULL PRIMARY KEY,
  run      TEXT    NOT NULL REFERENCES run (id) ON DELETE CASCADE,
  pipeline TEXT    NOT NULL,
  name     TEXT    NOT NULL, -- of the column
  kind     TEXT    NOT NULL,
  before   TEXT    NOT NULL,
  now      TEXT    NOT NULL,
  message  TEXT    NOT NULL
) STRICT;
CREATE INDEX drift_by_run ON drift (run);
