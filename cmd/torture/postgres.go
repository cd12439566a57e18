package main

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"

	_ "github.com/jackc/pgx/v5/stdlib"
)

// tortured is the database of PostgreSQL that is filled again and again.
const tortured = "crossdock_torture"

// fresh makes the database anew where the data lies in PostgreSQL, and has the
// programs that are started from here on use it.
func (t *torture) fresh(ctx context.Context) error {
	if t.server == "" {
		return nil
	}
	db, err := sql.Open("pgx", t.server)
	if err != nil {
		return err
	}
	defer db.Close()
	for _, statement := range []string{"DROP DATABASE IF EXISTS " + tortured + " WITH (FORCE)", "CREATE DATABASE " + tortured + " TEMPLATE template0 ENCODING 'UTF8'"} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	address, err := t.address("")
	if err != nil {
		return err
	}
	return os.Setenv("CROSSDOCK_DATABASE_URL", address)
}

// address returns the URL of the tortured database, with a schema to look into.
func (t *torture) address(schema string) (string, error) {
	u, err := url.Parse(t.server)
	if err != nil {
		return "", errors.New("-postgres is no URL") // the error might show a password
	}
	u.Path = "/" + tortured
	if schema != "" {
		query := u.Query()
		query.Set("search_path", schema)
		u.RawQuery = query.Encode()
	}
	return u.String(), nil
}

// withSchema opens what takes the place of a database file.
func (t *torture) withSchema(name string, fn func(*sql.DB) error) (err error) {
	if name == "journal" {
		name = "hub"
	}
	address, err := t.address(name)
	if err != nil {
		return err
	}
	db, err := sql.Open("pgx", address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return fn(db)
}
