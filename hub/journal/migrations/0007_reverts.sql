-- +goose Up

-- A run that puts another one back.
CREATE TABLE run_revert (
  run      TEXT NOT NULL PRIMARY KEY REFERENCES run (id),
  reverts  TEXT NOT NULL REFERENCES run (id),
  asked_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX run_revert_by_run ON run_revert (reverts);
