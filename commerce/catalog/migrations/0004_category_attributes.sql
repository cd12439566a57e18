-- +goose Up

-- Which properties the products of a category have.
CREATE TABLE category_attribute (
  category    TEXT    NOT NULL CHECK (category <> ''),
  attribute   TEXT    NOT NULL CHECK (attribute <> ''),
  row_hash    INTEGER NOT NULL,
  changed_seq INTEGER NOT NULL,
  enabled     INTEGER NOT NULL CHECK (enabled IN (0, 1)),
  mandatory   INTEGER NOT NULL CHECK (mandatory IN (0, 1)),
  of_variants INTEGER NOT NULL CHECK (of_variants IN (0, 1)),
  indexable   INTEGER NOT NULL CHECK (indexable IN (0, 1)),
  faceted     INTEGER NOT NULL CHECK (faceted IN (0, 1)),
  searchable  INTEGER NOT NULL CHECK (searchable IN (0, 1)),
  sortable    INTEGER NOT NULL CHECK (sortable IN (0, 1)),
  PRIMARY KEY (category, attribute)
) STRICT, WITHOUT ROWID;
