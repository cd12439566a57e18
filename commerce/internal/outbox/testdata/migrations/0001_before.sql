-- +goose Up
CREATE TABLE outbox (
  id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  type       TEXT    NOT NULL,
  batch      TEXT    NOT NULL,
  keys       TEXT    NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
INSERT INTO outbox (type, batch, keys, created_at) VALUES ('shop.thing.changed.v1', 'run"1/1', '["a"]', 1795240800000000);
