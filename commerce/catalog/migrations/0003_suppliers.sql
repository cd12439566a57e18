-- +goose Up

CREATE TABLE supplier (
  supplier      TEXT    NOT NULL PRIMARY KEY CHECK (supplier <> ''),
  row_hash      INTEGER NOT NULL,
  changed_seq   INTEGER NOT NULL,
  name          TEXT    NOT NULL,
  description   TEXT,
  logo          TEXT,
  banner        TEXT,
  rating        INTEGER CHECK (rating BETWEEN 0 AND 5000000),
  return_policy TEXT,
  accounts      TEXT,
  attributes    TEXT,
  status        TEXT    NOT NULL CHECK (status IN ('active', 'inactive'))
) STRICT, WITHOUT ROWID;
