-- +goose Up

CREATE TABLE queue (
  name     TEXT    NOT NULL PRIMARY KEY,
  messages INTEGER NOT NULL DEFAULT 0, -- counted here, since there may be a million
  CONSTRAINT no_message_leaves_twice CHECK (messages >= 0)
) STRICT, WITHOUT ROWID;

-- Which messages reach a queue.
CREATE TABLE binding (
  queue    TEXT NOT NULL REFERENCES queue (name) ON DELETE CASCADE,
  exchange TEXT NOT NULL,
  pattern  TEXT NOT NULL,
  PRIMARY KEY (queue, exchange, pattern)
) STRICT, WITHOUT ROWID;

CREATE TABLE message (
  id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- the order of the queue
  queue        TEXT    NOT NULL REFERENCES queue (name) ON DELETE CASCADE,
  message_id   TEXT    NOT NULL,
  type         TEXT    NOT NULL,
  key          TEXT    NOT NULL,
  content_type TEXT    NOT NULL,
  time         INTEGER NOT NULL, -- microseconds since 1970, UTC
  headers      TEXT    NOT NULL, -- JSON
  body         BLOB    NOT NULL,
  failures     INTEGER NOT NULL DEFAULT 0, -- deliveries that ended in an error
  due          INTEGER NOT NULL DEFAULT 0, -- microseconds since 1970 from which on it may be delivered; 0: it may
  owner        TEXT    NOT NULL DEFAULT '', -- the process that has it in hand
  origin       TEXT    NOT NULL DEFAULT '', -- on the error queue: the queue that it came from
  error_code   TEXT    NOT NULL DEFAULT '',
  error        TEXT    NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX message_ready ON message (queue, id) WHERE due = 0 AND owner = '';
CREATE INDEX message_delayed ON message (queue, due) WHERE due > 0;
CREATE INDEX message_in_hand ON message (owner, queue, id) WHERE owner <> '';
