-- +goose Up

-- What findings of one kind share: rule, field, and the shapes of the value
-- and of the message. Its id is a hash of these, so that a problem keeps its
-- id, and whom it is assigned to, from run to run.
CREATE TABLE error_group (
  id       TEXT NOT NULL PRIMARY KEY,
  pipeline TEXT NOT NULL,
  rule     TEXT NOT NULL,
  severity TEXT NOT NULL,
  field    TEXT NOT NULL,
  shape    TEXT NOT NULL, -- of the value: 12,5O is 9,9a
  message  TEXT NOT NULL, -- with what differs from row to row left out
  assignee TEXT NOT NULL DEFAULT ''
) STRICT;

ALTER TABLE finding ADD COLUMN problem TEXT NOT NULL DEFAULT ''; -- id of its error_group; '' until the journal is opened
DROP INDEX finding_by_row;
-- Both hold all that is asked of groups, so that values and messages are not read for it.
CREATE INDEX finding_by_row ON finding (parked, problem);
CREATE INDEX finding_by_problem ON finding (problem, parked);

ALTER TABLE parked_row ADD COLUMN assignee TEXT NOT NULL DEFAULT ''; -- '': that of its group
-- Counts what people have done to the row; a writer names the one it has seen.
ALTER TABLE parked_row ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
-- The revision that the last attempt was made with.
ALTER TABLE parked_row ADD COLUMN tried INTEGER NOT NULL DEFAULT 0;
DROP INDEX parked_row_by_pipeline;
CREATE INDEX parked_row_by_status ON parked_row (status, pipeline, id, run, first_seen, last_seen);

-- What people did to the error queue. A row is never overwritten: what is sent
-- to the service is the row as read, with the edits that nobody has undone.
CREATE TABLE row_history (
  id       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  parked   INTEGER REFERENCES parked_row (id) ON DELETE CASCADE, -- NULL: done to a group as a whole
  problem  TEXT    NOT NULL, -- id of the group that it was done to, or ''
  at       INTEGER NOT NULL, -- microseconds since 1970, UTC
  by       TEXT    NOT NULL,
  kind     TEXT    NOT NULL CHECK (kind IN ('edit', 'undo', 'discard', 'assign', 'comment', 'replay')),
  position INTEGER NOT NULL DEFAULT -1, -- of the column, from 0
  header   TEXT    NOT NULL DEFAULT '',
  old      TEXT, -- NULL is an empty cell
  new      TEXT,
  note     TEXT    NOT NULL DEFAULT '', -- reason, comment, name, or the file that an edit came from
  step     INTEGER NOT NULL DEFAULT 0, -- revision of the row that this made
  undone   INTEGER NOT NULL DEFAULT 0, -- revision that took the edit back, or 0
  secret   INTEGER NOT NULL DEFAULT 0  -- the cell is a sensitive one: its value goes when the row is closed
) STRICT;
CREATE INDEX row_history_by_row ON row_history (parked, id);
CREATE INDEX row_history_by_problem ON row_history (problem, id) WHERE parked IS NULL;
CREATE INDEX row_history_of_secrets ON row_history (parked) WHERE secret = 1;
