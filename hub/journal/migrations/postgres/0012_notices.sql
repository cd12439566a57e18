-- +goose Up

ALTER TABLE parked_row ADD COLUMN batch BIGINT NOT NULL DEFAULT 0; -- of its run, from 1; 0: parked before it was kept

-- How far those have been told of rejected rows who are told by a broker.
CREATE TABLE notice (
  one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
  finding BIGINT NOT NULL -- id of the last one
);
INSERT INTO notice VALUES (1, 0);
