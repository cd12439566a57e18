-- +goose Up

-- Localised columns are JSON objects, decimals are millionths, times are
-- microseconds since 1970 in UTC. row_hash is that of the fields sent last;
-- changed_seq the number of the batch.

CREATE TABLE price_list (
  list        TEXT    NOT NULL PRIMARY KEY CHECK (list <> ''),
  row_hash    INTEGER NOT NULL,
  changed_seq INTEGER NOT NULL,
  name        TEXT,
  currency    TEXT    NOT NULL,
  status      TEXT    NOT NULL CHECK (status IN ('active', 'inactive'))
) STRICT, WITHOUT ROWID;

-- Narrow rows lie in their key: it is most of the row, and would have to be
-- written twice otherwise. That the list exists and has the currency is seen
-- to by the function that writes, once for a list and not once for a row.
CREATE TABLE price (
  sku          TEXT    NOT NULL,
  list         TEXT    NOT NULL,
  unit         TEXT    NOT NULL,
  min_quantity INTEGER NOT NULL CHECK (min_quantity > 0),
  valid_from   INTEGER NOT NULL,
  row_hash     INTEGER NOT NULL,
  changed_seq  INTEGER NOT NULL,
  valid_to     INTEGER CHECK (valid_to > valid_from),
  amount       INTEGER NOT NULL CHECK (amount >= 0),
  currency     TEXT    NOT NULL,
  price_unit   INTEGER NOT NULL CHECK (price_unit > 0),
  PRIMARY KEY (sku, list, unit, min_quantity, valid_from)
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
  type       TEXT    NOT NULL, -- pricing.price.changed.v1
  batch      TEXT    NOT NULL, -- run and number
  keys       TEXT    NOT NULL, -- JSON array
  created_at INTEGER NOT NULL  -- microseconds since 1970, UTC
) STRICT;
