package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"maps"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// Settings of the connection that writes. Statements of a batch find their rows
// by key or by place. The planner must not think otherwise of a table that it
// believes to be small, since it plans once and the table may have grown a
// thousandfold when the plan is used again.
func writerSettings() map[string]string {
	return map[string]string{
		"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off", "jit": "off",
		"temp_buffers": "32MB",
	}
}

func readerSettings() map[string]string {
	return map[string]string{"default_transaction_read_only": "on", "jit": "off"}
}

// openPostgres opens or creates a schema of a PostgreSQL database. No error and
// no message holds the password of the URL.
func openPostgres(ctx context.Context, address, schema string, migrations fs.FS) (*DB, error) {
	config, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	where := fmt.Sprintf("database %s, schema %s", shownAddress(config), schema)
	db := poolsOf(config, schema)
	if err := db.preparePostgres(ctx, migrations); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", where, unusable(config, err)), db.Close())
	}
	return db, nil
}

// Reach reports why the database cannot be used, where it cannot.
func (db *DB) Reach(ctx context.Context) error {
	err := db.reader.PingContext(ctx)
	if err == nil || !db.Postgres() {
		return err
	}
	return fmt.Errorf("database %s, schema %s: %w", shownAddress(db.config), db.schema, unusable(db.config, err))
}

// poolsOf returns a schema whose connections are made when they are needed.
func poolsOf(config *pgx.ConnConfig, schema string) *DB {
	return &DB{
		schema: schema,
		config: config,
		writer: openPool(config, schema, writerSettings(), 1),
		reader: openPool(config, schema, readerSettings(), max(4, 2*runtime.GOMAXPROCS(0))),
		aside:  openPool(config, schema, writerSettings(), asideConnections),
		locks:  openPool(config, schema, nil, 0),
	}
}

// parseAddress reads the URL of a database. What the parser says of a faulty
// one is not passed on, because it may quote a part of the password.
func parseAddress(address string) (*pgx.ConnConfig, error) {
	var config *pgx.ConnConfig
	err := errors.New("no URL")
	if strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://") {
		config, err = pgx.ParseConfig(address)
	}
	if err != nil {
		return nil, errors.New("the database URL is none of the form postgres://user:password@host:5432/database?sslmode=require: " +
			"correct it, and write special characters of the password percent-encoded, such as %2F for a slash")
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	return config, nil
}

// connectTimeout is how long a server may take to answer, where the URL does
// not say: without, one behind a firewall takes minutes to be given up.
const connectTimeout = 15 * time.Second

// Address returns the URL of a database without its secrets, to be shown.
func Address(address string) (string, error) {
	config, err := parseAddress(address)
	if err != nil {
		return "", err
	}
	return shownAddress(config), nil
}

// shownAddress returns the address of a database without its secrets.
func shownAddress(config *pgx.ConnConfig) string {
	u := url.URL{Scheme: "postgres", Host: config.Host, Path: "/" + config.Database}
	if config.User != "" {
		u.User = url.User(config.User)
	}
	switch {
	case strings.HasPrefix(config.Host, "/"): // the folder of a socket
		u.Host, u.RawQuery = "", "host="+config.Host
	case config.Port != 0:
		u.Host += ":" + strconv.Itoa(int(config.Port))
	}
	return u.String()
}

func openPool(config *pgx.ConnConfig, schema string, settings map[string]string, connections int) *sql.DB {
	own := config.Copy()
	own.RuntimeParams["search_path"] = pgx.Identifier{schema}.Sanitize()
	own.RuntimeParams["application_name"] = "crossdock " + schema
	maps.Copy(own.RuntimeParams, settings)
	db := sql.OpenDB(&pgConnector{stdlib.GetConnector(*own)})
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db
}

// preparePostgres makes the schema and brings it up to date. Several processes
// may start at once: one does it, and the others wait for it.
func (db *DB) preparePostgres(ctx context.Context, migrations fs.FS) (err error) {
	lock, err := db.reader.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	var encoding string
	if err := lock.QueryRowContext(ctx, `SELECT current_setting('server_encoding')`).Scan(&encoding); err != nil {
		return err
	}
	if encoding != "UTF8" {
		return fmt.Errorf("its encoding is %s: create it with ENCODING 'UTF8'", encoding)
	}
	turn := turnOf(db.schema + " migrations")
	if _, err := lock.ExecContext(ctx, `SELECT pg_advisory_lock(?)`, turn); err != nil {
		return err
	}
	defer func() {
		_, unlocked := lock.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock(?)`, turn)
		err = errors.Join(err, unlocked)
	}()
	// The schema may have been made by someone who may make schemas.
	var there bool
	if err := lock.QueryRowContext(ctx, `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = ?)`, db.schema).Scan(&there); err != nil {
		return err
	}
	if !there {
		if _, err := db.writer.ExecContext(ctx, `CREATE SCHEMA `+pgx.Identifier{db.schema}.Sanitize()); err != nil {
			return err
		}
	}
	return db.migrate(ctx, goose.DialectPostgres, migrations, "migrations/postgres")
}

// lockWait is how long a lock is waited for that is held: the server notices in
// far less that the process is gone that held it.
const lockWait = time.Second

// Lock takes the lock of a name, which one process of all that use the database
// has at a time. It is false where another has it. The lock ends with the
// process, or with its connection. In SQLite there is nothing to lock: what one
// machine shares it locks by files.
func (db *DB) Lock(ctx context.Context, name string) (release func(), taken bool, err error) {
	if !db.Postgres() {
		return func() {}, true, nil
	}
	conn, err := db.locks.Conn(ctx)
	if err != nil {
		return nil, false, err
	}
	_, err = conn.ExecContext(ctx, fmt.Sprintf(`SET lock_timeout = %d; SELECT pg_advisory_lock(%d)`, lockWait.Milliseconds(), turnOf(db.schema+" lock "+name)))
	if err == nil {
		return func() { _ = conn.Close() }, true, nil // none is kept open, so that this unlocks it
	}
	_ = conn.Close()
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "55P03" {
		return nil, false, nil
	}
	return nil, false, err
}

// takeTurn returns the statement by which a writing transaction waits for those
// of other connections to end, as SQLite has it by itself.
func takeTurn(schema string) string {
	return fmt.Sprintf("SELECT pg_advisory_xact_lock(%d)", turnOf(schema))
}

// turnOf returns the number under which the writers of a name take turns.
func turnOf(name string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("crossdock " + name)) // a hash takes every text
	return int64(h.Sum64())
}

// pgConnector opens connections on which statements are written as for SQLite.
type pgConnector struct{ driver.Connector }

// Connect implements driver.Connector.
func (c *pgConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &pgDriverConn{conn.(*stdlib.Conn)}, nil
}

// pgDriverConn is a connection for database/sql.
type pgDriverConn struct{ *stdlib.Conn }

// PrepareContext implements driver.ConnPrepareContext.
func (c *pgDriverConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	return c.Conn.PrepareContext(ctx, rebind(query))
}

// ExecContext implements driver.ExecerContext.
func (c *pgDriverConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if len(args) > 0 { // a migration has none, and is left as it is
		query = rebind(query)
	}
	return c.Conn.ExecContext(ctx, query, args)
}

// QueryContext implements driver.QueryerContext.
func (c *pgDriverConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.Conn.QueryContext(ctx, rebind(query), args)
}

// CheckNamedValue makes a text to compare with one that the database can hold:
// nothing that is stored has a NUL or bytes that are not UTF-8.
func (c *pgDriverConn) CheckNamedValue(v *driver.NamedValue) error {
	if s, ok := v.Value.(string); ok {
		v.Value = Storable(s)
	}
	return c.Conn.CheckNamedValue(v)
}

// storable reports whether PostgreSQL can hold the text.
func storable(s string) bool { return strings.IndexByte(s, 0) < 0 && utf8.ValidString(s) }

// Storable returns the text as PostgreSQL can hold it.
func Storable(s string) string {
	if storable(s) {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// rebind writes the places of arguments, ? and ?1, as PostgreSQL has them: $1.
func rebind(query string) string {
	if strings.IndexByte(query, '?') < 0 {
		return query
	}
	b := make([]byte, 0, len(query)+16)
	last := 0 // the number of the place before, as SQLite counts them
	for i := 0; i < len(query); i++ {
		switch c := query[i]; c {
		case '\'', '"':
			end := strings.IndexByte(query[i+1:], c)
			if end < 0 {
				return string(append(b, query[i:]...))
			}
			b = append(b, query[i:i+end+2]...) // a doubled quote begins the next text at once
			i += end + 1
		case '?':
			end := i + 1
			for end < len(query) && query[end] >= '0' && query[end] <= '9' {
				end++
			}
			n, err := strconv.Atoi(query[i+1 : end])
			if err != nil {
				n = last + 1
			}
			last = max(last, n)
			b = strconv.AppendInt(append(b, '$'), int64(n), 10)
			i = end - 1
		default:
			b = append(b, c)
		}
	}
	return string(b)
}
