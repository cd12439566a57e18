-- +goose Up
CREATE TABLE event_log (
  position    INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  stream      TEXT    NOT NULL CHECK (stream <> ''),
  version     INTEGER NOT NULL CHECK (version > 0),
  type        TEXT    NOT NULL CHECK (type <> ''),
  data        TEXT    NOT NULL,
  trace       TEXT    NOT NULL,
  recorded_at INTEGER NOT NULL,
  UNIQUE (stream, version)
) STRICT;
CREATE TABLE projection (
  name     TEXT    NOT NULL PRIMARY KEY CHECK (name <> ''),
  position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A read model: the balance of each stream.
CREATE TABLE balance (stream TEXT NOT NULL PRIMARY KEY, amount INTEGER NOT NULL) STRICT;
