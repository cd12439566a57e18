-- +goose Up

-- Open columns are JSON objects, lists are JSON arrays. row_hash is that of the
-- fields sent last; changed_seq the number of the batch.

CREATE TABLE account (
  account             TEXT    NOT NULL PRIMARY KEY CHECK (account <> ''),
  row_hash            INTEGER NOT NULL,
  changed_seq         INTEGER NOT NULL,
  name                TEXT    NOT NULL,
  legal_name          TEXT,
  registration_number TEXT,
  vat_number          TEXT,
  website             TEXT,
  manager             TEXT,
  tags                TEXT,
  price_list          TEXT,
  attributes          TEXT,
  status              TEXT    NOT NULL CHECK (status IN ('active', 'inactive'))
) STRICT, WITHOUT ROWID;

-- That the account exists is seen to by the function that writes, once for an
-- account and not once for a row.
CREATE TABLE address (
  account     TEXT    NOT NULL,
  address     TEXT    NOT NULL CHECK (address <> ''),
  row_hash    INTEGER NOT NULL,
  changed_seq INTEGER NOT NULL,
  label       TEXT,
  recipient   TEXT,
  street      TEXT    NOT NULL,
  street2     TEXT,
  postal_code TEXT,
  city        TEXT    NOT NULL,
  region      TEXT,
  country     TEXT    NOT NULL,
  phone       TEXT,
  shipping    INTEGER NOT NULL CHECK (shipping IN (0, 1)),
  billing     INTEGER NOT NULL CHECK (billing IN (0, 1)),
  PRIMARY KEY (account, address)
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
  type       TEXT    NOT NULL, -- accounts.account.changed.v1
  batch      TEXT    NOT NULL, -- run and number
  keys       TEXT    NOT NULL, -- JSON array
  created_at INTEGER NOT NULL  -- microseconds since 1970, UTC
) STRICT;
