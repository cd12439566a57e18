-- +goose Up

-- Quantities are millionths, times are microseconds since 1970 in UTC.
-- row_hash is that of the fields sent last; changed_seq the number of the batch.

CREATE TABLE warehouse (
  warehouse   TEXT    NOT NULL PRIMARY KEY CHECK (warehouse <> ''),
  row_hash    INTEGER NOT NULL,
  changed_seq INTEGER NOT NULL,
  name        TEXT    NOT NULL,
  country     TEXT,
  city        TEXT,
  postal_code TEXT,
  status      TEXT    NOT NULL CHECK (status IN ('active', 'inactive'))
) STRICT, WITHOUT ROWID;

-- Narrow rows lie in their key. That the warehouse exists is seen to by the
-- function that writes, once for a warehouse and not once for a row.
CREATE TABLE stock_level (
  sku         TEXT    NOT NULL,
  warehouse   TEXT    NOT NULL,
  row_hash    INTEGER NOT NULL,
  changed_seq INTEGER NOT NULL,
  on_hand     INTEGER NOT NULL CHECK (on_hand >= 0),
  unit        TEXT    NOT NULL,
  as_of       INTEGER,
  PRIMARY KEY (sku, warehouse)
) STRICT, WITHOUT ROWID;

-- The outcome of every batch applied of late, so that a repeat is recognised.
CREATE TABLE applied_batch (
  run        TEXT    NOT NULL,
  seq        INTEGER NOT NULL,
  contents   INTEGER NOT NULL, -- a hash of its rows
  outcome    TEXT    NOT NULL,
  applied_at INTEGER NOT NULL, -- microseconds since 1970, UTC
  PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

-- The number of the last batch that changed anything.
CREATE TABLE change_sequence (value INTEGER NOT NULL) STRICT;
INSERT INTO change_sequence VALUES (0);

-- Events that were caused and have yet to leave.
CREATE TABLE outbox (
  id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  type       TEXT    NOT NULL, -- inventory.stock_level.changed.v1
  batch      TEXT    NOT NULL, -- run and number
  keys       TEXT    NOT NULL, -- JSON array
  created_at INTEGER NOT NULL  -- microseconds since 1970, UTC
) STRICT;
