-- +goose Up

-- The latest turn in which each pipeline wrote here, where several hubs take
-- turns: one that has an earlier turn was taken for dead, and is refused.
CREATE TABLE turn (
  pipeline TEXT    NOT NULL PRIMARY KEY,
  number   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
