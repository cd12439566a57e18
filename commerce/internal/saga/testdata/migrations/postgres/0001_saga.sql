-- +goose Up
CREATE TABLE saga (
  id            TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (id <> ''),
  type          TEXT COLLATE "C" NOT NULL,
  state         TEXT COLLATE "C" NOT NULL CHECK (state IN ('running', 'compensating', 'done', 'compensated')),
  step          TEXT COLLATE "C" NOT NULL, -- the name of the one that it is at
  attempt       BIGINT NOT NULL, -- that were begun at this step
  waiting       BIGINT NOT NULL CHECK (waiting IN (0, 1)), -- for a reply
  due_at        BIGINT NOT NULL, -- microseconds since 1970, UTC, as are all times
  deadline      BIGINT NOT NULL, -- 0: none
  token         BIGINT NOT NULL, -- of the claim made last
  claimed_until BIGINT NOT NULL,
  reason        TEXT COLLATE "C" NOT NULL, -- for which it is compensated
  error         TEXT COLLATE "C" NOT NULL, -- of the attempt made last
  input         TEXT COLLATE "C" NOT NULL, -- JSON
  trace         TEXT COLLATE "C" NOT NULL, -- W3C trace context
  started_at    BIGINT NOT NULL,
  ended_at      BIGINT           -- null: it goes on
);
CREATE INDEX saga_by_due ON saga (due_at) WHERE ended_at IS NULL;
CREATE INDEX saga_by_end ON saga (ended_at) WHERE ended_at IS NOT NULL;
CREATE TABLE saga_step (
  saga    TEXT COLLATE "C" NOT NULL REFERENCES saga (id) ON DELETE CASCADE,
  step    TEXT COLLATE "C" NOT NULL,
  result  TEXT COLLATE "C" NOT NULL, -- JSON
  refusal TEXT COLLATE "C" NOT NULL, -- '' where it was done
  PRIMARY KEY (saga, step)
);
-- What the steps of the tests do. calls of other services are remembered by
-- key, as those services would.
CREATE TABLE remote (key TEXT COLLATE "C" NOT NULL PRIMARY KEY, state TEXT COLLATE "C" NOT NULL, times BIGINT NOT NULL);
CREATE TABLE placed (saga TEXT COLLATE "C" NOT NULL);
CREATE TABLE told (id TEXT COLLATE "C" NOT NULL, type TEXT COLLATE "C" NOT NULL, subject TEXT COLLATE "C" NOT NULL, trace TEXT COLLATE "C" NOT NULL);
