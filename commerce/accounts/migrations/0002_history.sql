-- +goose Up

-- Who made which number of change_sequence.
CREATE TABLE change (
  seq        INTEGER NOT NULL PRIMARY KEY,
  run        TEXT    NOT NULL,
  entity     TEXT    NOT NULL,
  reverts    TEXT,             -- the run that it puts back
  images     INTEGER NOT NULL, -- its rows in pre_image
  changed_at INTEGER NOT NULL  -- microseconds since 1970, UTC
) STRICT;
CREATE INDEX change_by_run ON change (run);

-- Rows as they were before a batch updated or deleted them. A row that a batch
-- has created has none, so that a first load writes nothing here. Many rows lie
-- in one block, because one by one they would cost as much as the updates do.
CREATE TABLE pre_image (
  id     INTEGER NOT NULL PRIMARY KEY,
  seq    INTEGER NOT NULL, -- of change
  images BLOB    NOT NULL  -- packed JSON lines: key, changed_seq and row_hash then, columns
) STRICT;
CREATE INDEX pre_image_by_seq ON pre_image (seq);

-- The last deletion of each key, which may have been created again since. Keys
-- are JSON as events have them.
CREATE TABLE tombstone (
  entity TEXT    NOT NULL,
  key    TEXT    NOT NULL,
  seq    INTEGER NOT NULL,
  PRIMARY KEY (entity, key)
) STRICT, WITHOUT ROWID;

-- What changed after this number is all in the three tables above.
ALTER TABLE change_sequence ADD COLUMN kept_after INTEGER NOT NULL DEFAULT 0;
UPDATE change_sequence SET kept_after = value;
