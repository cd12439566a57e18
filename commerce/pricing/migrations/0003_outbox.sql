-- +goose Up

-- The events of the service, in the order in which they were committed. They
-- leave by the bus, and can be read for some days. Nothing in a row ever changes.
CREATE TABLE event (
  position   INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  created_at INTEGER NOT NULL, -- microseconds since 1970, UTC
  id         TEXT    NOT NULL UNIQUE CHECK (id <> ''),
  type       TEXT    NOT NULL, -- pricing.price.changed.v1
  subject    TEXT    NOT NULL, -- '' where it tells of many
  trace      TEXT    NOT NULL, -- W3C trace context, or ''
  data       TEXT    NOT NULL  -- a JSON object
) STRICT;
INSERT INTO event (position, created_at, id, type, subject, trace, data)
  SELECT id, created_at, type || '/' || created_at || '/' || id, type, '', '', json_object('batch', batch, 'keys', json(keys))
  FROM outbox ORDER BY id;
DROP TABLE outbox;
ALTER TABLE event RENAME TO outbox;

-- How far the events have come.
CREATE TABLE outbox_position (
  name     TEXT    NOT NULL PRIMARY KEY CHECK (name IN ('published', 'forgotten')),
  position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO outbox_position VALUES ('published', 0), ('forgotten', 0);
