-- +goose Up

-- A row that refers to rows which are not there yet waits for them until a
-- deadline, at which it becomes an error.
ALTER TABLE run ADD COLUMN waiting INTEGER NOT NULL DEFAULT 0; -- of the rejected rows
ALTER TABLE parked_row ADD COLUMN waits_until INTEGER NOT NULL DEFAULT 0; -- microseconds since 1970, UTC; 0: it does not
CREATE INDEX parked_row_by_deadline ON parked_row (waits_until) WHERE status = 'waiting';

-- What a waiting row waits for.
CREATE TABLE awaited (
  entity  TEXT    NOT NULL,
  key     TEXT    NOT NULL,
  parked  INTEGER NOT NULL REFERENCES parked_row (id) ON DELETE CASCADE,
  arrived INTEGER NOT NULL DEFAULT 0, -- it is there by now, and the row is to be replayed
  PRIMARY KEY (entity, key, parked)
) STRICT, WITHOUT ROWID;
CREATE INDEX awaited_by_row ON awaited (parked);
CREATE INDEX awaited_arrived ON awaited (parked) WHERE arrived = 1;
