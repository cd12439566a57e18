-- +goose Up
CREATE TABLE product (
  id                 INTEGER NOT NULL PRIMARY KEY,
  sku                TEXT    NOT NULL UNIQUE,
  row_hash           INTEGER NOT NULL,
  changed_seq        INTEGER NOT NULL,
  status             TEXT    NOT NULL CHECK (status <> ''),
  parent_sku         TEXT,
  gtin               TEXT,
  mpn                TEXT,
  name               TEXT    NOT NULL,
  description        TEXT,
  brand              TEXT,
  manufacturer       TEXT,
  category           TEXT,
  base_unit          TEXT    NOT NULL,
  pack_size          INTEGER,
  min_order_quantity INTEGER,
  order_multiple     INTEGER,
  weight             INTEGER,
  country_of_origin  TEXT,
  customs_tariff     TEXT,
  attributes         TEXT,
  images             TEXT,
  tax_class          TEXT    NOT NULL
) STRICT;

CREATE TABLE price (
  sku          TEXT    NOT NULL,
  list         TEXT    NOT NULL,
  unit         TEXT    NOT NULL,
  min_quantity INTEGER NOT NULL,
  valid_from   INTEGER NOT NULL,
  row_hash     INTEGER NOT NULL,
  changed_seq  INTEGER NOT NULL,
  valid_to     INTEGER,
  amount       INTEGER NOT NULL CONSTRAINT amount_is_not_negative CHECK (amount >= 0),
  currency     TEXT    NOT NULL,
  price_unit   INTEGER NOT NULL,
  PRIMARY KEY (sku, list, unit, min_quantity, valid_from)
) STRICT, WITHOUT ROWID;

CREATE TABLE category (
  category    TEXT    NOT NULL PRIMARY KEY,
  row_hash    INTEGER NOT NULL,
  changed_seq INTEGER NOT NULL,
  name        TEXT    NOT NULL,
  parent      TEXT,
  position    INTEGER,
  status      TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE applied_batch (
  run        TEXT    NOT NULL,
  seq        INTEGER NOT NULL,
  contents   INTEGER NOT NULL, -- a hash of its rows
  outcome    TEXT    NOT NULL,
  applied_at INTEGER NOT NULL,
  PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE change_sequence (value INTEGER NOT NULL) STRICT;
INSERT INTO change_sequence VALUES (0);

CREATE TABLE outbox (
  id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  type       TEXT    NOT NULL,
  batch      TEXT    NOT NULL,
  keys       TEXT    NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
