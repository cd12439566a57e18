package journal

import (
	"context"
	"database/sql"
	"errors"
	"io"
)

// uploadPart is how much of an upload is kept in one row.
const uploadPart = 1 << 20

// KeepUpload keeps the file of a run that is to be queued, where other hubs can
// read it: in a shared journal alone.
func (j *Journal) KeepUpload(ctx context.Context, run string, content io.Reader) error {
	return j.db.Tx(ctx, func(tx *sql.Tx) error {
		part := make([]byte, uploadPart)
		for number := 0; ; number++ {
			n, err := io.ReadFull(content, part)
			if n > 0 {
				if _, err := tx.ExecContext(ctx, `INSERT INTO upload (run, number, content) VALUES (?, ?, ?)`, run, number, part[:n]); err != nil {
					return err
				}
			}
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return nil
			}
			if err != nil {
				return err
			}
		}
	})
}

// WriteUpload writes the file of a run to w. One that is not there is ErrNotFound.
func (j *Journal) WriteUpload(ctx context.Context, run string, w io.Writer) error {
	for number := 0; ; number++ {
		var part []byte
		err := j.db.Read().QueryRowContext(ctx, `SELECT content FROM upload WHERE run = ? AND number = ?`, run, number).Scan(&part)
		if errors.Is(err, sql.ErrNoRows) {
			if number == 0 {
				return ErrNotFound
			}
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
}

// DropUpload forgets the file of a run.
func (j *Journal) DropUpload(ctx context.Context, run string) error {
	return j.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM upload WHERE run = ?`, run)
		return err
	})
}

// DropLostUploads forgets the files that no run came for. Runs are named by
// their time: those from the one given on may yet come.
func (j *Journal) DropLostUploads(ctx context.Context, before string) error {
	return j.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM upload WHERE run < ? AND run NOT IN (SELECT id FROM run)`, before)
		return err
	})
}
