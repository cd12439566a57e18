package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// unusable says in a sentence why a database cannot be used, and what to do.
// What the driver says names neither, and is long.
func unusable(config *pgx.ConnConfig, err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		if said := refused(config, e); said != "" {
			return errors.New(said)
		}
		return err
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); !ok {
		return err
	}
	const correct = "correct host and port of the URL"
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Errorf("there is no host %s: %s", e.Name, correct)
	}
	if strings.Contains(err.Error(), "refused TLS") {
		return errors.New("the server has no TLS: give it a certificate, or add sslmode=disable to the URL where nobody can listen on the way")
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the server does not answer within %s: start it, let connections through to it, or %s", config.ConnectTimeout, correct)
	}
	reason := err
	if e, ok := errors.AsType[*net.OpError](err); ok {
		reason = e.Err
		if inner := errors.Unwrap(e.Err); inner != nil { // without the name of the system call
			reason = inner
		}
	}
	return fmt.Errorf("the server cannot be reached: %w: start it, or %s", reason, correct)
}

// refused says why the server has refused, "" where there is nothing to add to
// its own words.
func refused(config *pgx.ConnConfig, e *pgconn.PgError) string {
	switch e.Code {
	case "28P01", "28000":
		return fmt.Sprintf("the server does not let the user %s in: %s: correct user and password of the URL, or pg_hba.conf of the server", config.User, e.Message)
	case "3D000":
		return fmt.Sprintf("there is no database %s on the server: create it with createdb --encoding UTF8 %[1]s, or correct the URL", config.Database)
	case "42501":
		return fmt.Sprintf("%s: let the user %s make schemas, with GRANT CREATE ON DATABASE %s TO %[2]s, or make him the owner of the schema", e.Message, config.User, config.Database)
	case "53300":
		return "the server takes no more connections: raise max_connections, or stop others that use it"
	case "57P03":
		return "the server is starting or stopping: try again"
	}
	return ""
}

// Lost reports whether an error says that the connection to the server broke,
// or could not be had again, and not that anything was wrong with a statement.
func Lost(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch e.Code {
		case "57P01", "57P02", "57P03": // stopped, crashed, not up yet
			return true
		}
		return strings.HasPrefix(e.Code, "08")
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return true
	}
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, driver.ErrBadConn) || err != nil && strings.Contains(err.Error(), "conn closed")
}
