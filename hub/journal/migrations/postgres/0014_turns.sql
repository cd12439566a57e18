-- +goose Up

-- The turn of its pipeline in which a run is written: who has an earlier one was
-- taken for dead, and must not write any more.
ALTER TABLE run ADD COLUMN turn BIGINT NOT NULL DEFAULT 0;

-- Who may run a pipeline now, of all hubs that share the database.
CREATE TABLE lease (
  name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  holder TEXT COLLATE "C" NOT NULL, -- for people
  turn BIGINT NOT NULL, -- one more each time that it is taken
  expires_at BIGINT NOT NULL
);

-- Uploads that wait, for whichever hub runs them: a file comes before its run.
CREATE TABLE upload (
  run TEXT COLLATE "C" NOT NULL,
  number BIGINT NOT NULL,
  content BYTEA NOT NULL,
  PRIMARY KEY (run, number)
);
ALTER TABLE upload ALTER COLUMN content SET STORAGE EXTERNAL; -- most of them are packed, or read once
