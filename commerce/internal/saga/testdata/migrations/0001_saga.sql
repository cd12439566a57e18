-- +goose Up
CREATE TABLE saga (
  id            TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
  type          TEXT    NOT NULL,
  state         TEXT    NOT NULL CHECK (state IN ('running', 'compensating', 'done', 'compensated')),
  step          TEXT    NOT NULL, -- the name of the one that it is at
  attempt       INTEGER NOT NULL, -- that were begun at this step
  waiting       INTEGER NOT NULL CHECK (waiting IN (0, 1)), -- for a reply
  due_at        INTEGER NOT NULL, -- microseconds since 1970, UTC, as are all times
  deadline      INTEGER NOT NULL, -- 0: none
  token         INTEGER NOT NULL, -- of the claim made last
  claimed_until INTEGER NOT NULL,
  reason        TEXT    NOT NULL, -- for which it is compensated
  error         TEXT    NOT NULL, -- of the attempt made last
  input         TEXT    NOT NULL, -- JSON
  trace         TEXT    NOT NULL, -- W3C trace context
  started_at    INTEGER NOT NULL,
  ended_at      INTEGER           -- null: it goes on
) STRICT;
CREATE INDEX saga_by_due ON saga (due_at) WHERE ended_at IS NULL;
CREATE INDEX saga_by_end ON saga (ended_at) WHERE ended_at IS NOT NULL;
CREATE TABLE saga_step (
  saga    TEXT NOT NULL REFERENCES saga (id) ON DELETE CASCADE,
  step    TEXT NOT NULL,
  result  TEXT NOT NULL, -- JSON
  refusal TEXT NOT NULL, -- '' where it was done
  PRIMARY KEY (saga, step)
) STRICT;
-- What the steps of the tests do. calls of other services are remembered by
-- key, as those services would.
CREATE TABLE remote (key TEXT NOT NULL PRIMARY KEY, state TEXT NOT NULL, times INTEGER NOT NULL) STRICT;
CREATE TABLE placed (saga TEXT NOT NULL) STRICT;
CREATE TABLE told (id TEXT NOT NULL, type TEXT NOT NULL, subject TEXT NOT NULL, trace TEXT NOT NULL) STRICT;
