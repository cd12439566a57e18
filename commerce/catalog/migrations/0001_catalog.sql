-- +goose Up

-- Localised and open columns are JSON objects, decimals are millionths.
-- row_hash is that of the fields sent last; changed_seq the number of the batch.

CREATE TABLE category (
  category    TEXT    NOT NULL PRIMARY KEY CHECK (category <> ''),
  row_hash    INTEGER NOT NULL,
  changed_seq INTEGER NOT NULL,
  name        TEXT    NOT NULL,
  parent      TEXT    REFERENCES category (category) CHECK (parent <> category),
  position    INTEGER,
  status      TEXT    NOT NULL CHECK (status IN ('active', 'inactive'))
) STRICT, WITHOUT ROWID;

CREATE INDEX category_by_parent ON category (parent);

-- Wide rows lie in the order of their arrival, which is cheapest to write, and
-- the key is the only index: every further one would be paid for by each row of
-- an import. product_facet and product_search are maintained apart. The hash
-- stands in front, so that it is found without reading the row.
CREATE TABLE product (
  id                 INTEGER NOT NULL PRIMARY KEY,
  sku                TEXT    NOT NULL UNIQUE CHECK (sku <> ''),
  row_hash           INTEGER NOT NULL,
  changed_seq        INTEGER NOT NULL,
  -- Spelt out, because SQLite builds a table of its own for a longer IN at every
  -- row that it checks, which costs as much as half the insert.
  status             TEXT    NOT NULL CHECK (status = 'active' OR status = 'draft' OR status = 'inactive' OR status = 'discontinued'),
  parent_sku         TEXT    CONSTRAINT a_product_is_no_variant_of_itself CHECK (parent_sku <> sku),
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

-- What products are filtered by, a little behind product (table unindexed).
CREATE TABLE product_facet (
  id       INTEGER NOT NULL PRIMARY KEY,
  sku      TEXT    NOT NULL,
  status   TEXT    NOT NULL,
  category TEXT,
  brand    TEXT,
  gtin     TEXT
) STRICT;
CREATE INDEX product_by_category ON product_facet (category, sku) WHERE category IS NOT NULL;
CREATE INDEX product_by_brand ON product_facet (brand, sku) WHERE brand IS NOT NULL;
CREATE INDEX product_by_gtin ON product_facet (gtin, sku) WHERE gtin IS NOT NULL;

-- What products are searched by; the rowid is the product's id. The texts
-- themselves are not kept a second time.
CREATE VIRTUAL TABLE product_search USING fts5 (
  sku, gtin, mpn, name, description, brand,
  content = '', contentless_delete = 1, prefix = '2 3', tokenize = "unicode61 remove_diacritics 2"
);

-- Runs of product ids that were inserted, updated or deleted and that an index
-- has yet to take in. A bulk load adds one row a batch.
CREATE TABLE unindexed (
  part     TEXT    NOT NULL CHECK (part IN ('facet', 'search')),
  first_id INTEGER NOT NULL,
  last_id  INTEGER NOT NULL CHECK (last_id >= first_id),
  PRIMARY KEY (part, first_id)
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
  type       TEXT    NOT NULL, -- catalog.product.changed.v1
  batch      TEXT    NOT NULL, -- run and number
  keys       TEXT    NOT NULL, -- JSON array
  created_at INTEGER NOT NULL  -- microseconds since 1970, UTC
) STRICT;
