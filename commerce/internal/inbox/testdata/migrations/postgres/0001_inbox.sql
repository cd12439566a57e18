-- +goose Up
CREATE TABLE inbox (
  consumer TEXT COLLATE "C" NOT NULL CHECK (consumer <> ''),
  message TEXT COLLATE "C" NOT NULL CHECK (message <> ''),
  taken_at BIGINT NOT NULL,
  PRIMARY KEY (consumer, message)
);
CREATE INDEX inbox_by_age ON inbox (taken_at);

-- Each effect stands here as often as it has been taken.
CREATE TABLE effect (consumer TEXT COLLATE "C" NOT NULL, message TEXT COLLATE "C" NOT NULL);
