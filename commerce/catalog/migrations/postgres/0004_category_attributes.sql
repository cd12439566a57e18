-- +goose Up

-- Which properties the products of a category have.
CREATE TABLE category_attribute (
  category TEXT COLLATE "C" NOT NULL CHECK (category <> ''),
  attribute TEXT COLLATE "C" NOT NULL CHECK (attribute <> ''),
  row_hash BIGINT NOT NULL,
  changed_seq BIGINT NOT NULL,
  enabled BIGINT NOT NULL CHECK (enabled IN (0, 1)),
  mandatory BIGINT NOT NULL CHECK (mandatory IN (0, 1)),
  of_variants BIGINT NOT NULL CHECK (of_variants IN (0, 1)),
  indexable BIGINT NOT NULL CHECK (indexable IN (0, 1)),
  faceted BIGINT NOT NULL CHECK (faceted IN (0, 1)),
  searchable BIGINT NOT NULL CHECK (searchable IN (0, 1)),
  sortable BIGINT NOT NULL CHECK (sortable IN (0, 1)),
  PRIMARY KEY (category, attribute)
);
