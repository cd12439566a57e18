-- +goose Up
CREATE TABLE inbox (
  consumer TEXT    NOT NULL CHECK (consumer <> ''),
  message  TEXT    NOT NULL CHECK (message <> ''),
  taken_at INTEGER NOT NULL,
  PRIMARY KEY (consumer, message)
) STRICT, WITHOUT ROWID;
CREATE INDEX inbox_by_age ON inbox (taken_at);

-- Each effect stands here as often as it has been taken.
CREATE TABLE effect (consumer TEXT NOT NULL, message TEXT NOT NULL) STRICT;
