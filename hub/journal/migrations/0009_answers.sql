-- +goose Up

-- What was answered to a request that has an Idempotency-Key, so that the
-- same request a second time is answered alike and does nothing.
CREATE TABLE answer (
  key     TEXT    NOT NULL PRIMARY KEY,
  request TEXT    NOT NULL, -- hash of what was asked for
  body    TEXT    NOT NULL,
  at      INTEGER NOT NULL -- microseconds since 1970, UTC
) STRICT;
CREATE INDEX answer_by_age ON answer (at);
