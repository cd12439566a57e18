-- +goose Up

CREATE TABLE supplier (
  supplier TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (supplier <> ''),
  row_hash BIGINT NOT NULL,
  changed_seq BIGINT NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  description TEXT COLLATE "C",
  logo TEXT COLLATE "C",
  banner TEXT COLLATE "C",
  rating BIGINT CHECK (rating BETWEEN 0 AND 5000000),
  return_policy TEXT COLLATE "C",
  accounts TEXT COLLATE "C",
  attributes TEXT COLLATE "C",
  status TEXT COLLATE "C" NOT NULL CHECK (status IN ('active', 'inactive'))
);
