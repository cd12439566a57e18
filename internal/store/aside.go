package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5"
)

// asideConnections are one that listens and one that works.
const asideConnections = 2

// Aside runs fn in a writing transaction that takes no turn, which it commits
// when fn returns nil. It is for work that waits for others, such as a broker,
// on rows that no transaction of [DB.Tx] writes: those go on beside it. It is
// there in PostgreSQL alone; in SQLite a transaction that writes stops all others.
func (db *DB) Aside(ctx context.Context, fn func(*sql.Tx) error) error {
	if db.aside == nil {
		return errors.New("a file of SQLite has one writer: nothing can be written aside")
	}
	tx, err := db.aside.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // does nothing after a commit
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// Listen calls heard whenever a transaction of any process has committed a
// NOTIFY of the channel with the name of this schema for its payload, and once
// when it has begun to listen. It returns when ctx ends, with nil, or when the
// connection is lost. SQLite has no such thing: there it only waits for ctx to end.
func (db *DB) Listen(ctx context.Context, channel string, heard func()) error {
	if db.aside == nil {
		<-ctx.Done()
		return nil
	}
	conn, err := db.aside.Conn(ctx)
	if err != nil {
		return quiet(ctx, err)
	}
	defer conn.Close()
	err = conn.Raw(func(raw any) error {
		c := raw.(*pgDriverConn).Conn.Conn()
		// Whoever gets the connection next shall not gather notices that nobody reads.
		defer c.Exec(context.WithoutCancel(ctx), "UNLISTEN *") //nolint:errcheck // a connection that was interrupted is closed, and listens no more
		if _, err := c.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
			return err
		}
		heard()
		for {
			notice, err := c.WaitForNotification(ctx)
			if err != nil {
				return err
			}
			if notice.Payload == db.schema {
				heard()
			}
		}
	})
	return quiet(ctx, err)
}

// quiet takes the error away that comes of being asked to stop.
func quiet(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}
