-- +goose Up

-- Whose data this database holds.
CREATE TABLE installation (
  place BIGINT NOT NULL PRIMARY KEY CHECK (place = 1), -- there is one
  id TEXT COLLATE "C" NOT NULL CHECK (id <> ''),
  state TEXT COLLATE "C" NOT NULL CHECK (state IN ('moving', 'ready')) -- moving: its data is on the way here
);
