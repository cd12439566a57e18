package pgserver

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"crossdock/internal/child"
)

// Keep starts a server over the cluster in the folder, which stays when the
// server is stopped. Where there is none it makes one, of which postgres has a
// password. It listens on that port of 127.0.0.1 alone.
func Keep(ctx context.Context, dir string, port int) (*Server, error) {
	initdb, postgres, err := find()
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, keep: true, postgres: postgres}
	secret := filepath.Join(dir, "password")
	password, err := os.ReadFile(secret)
	fresh := errors.Is(err, fs.ErrNotExist)
	switch {
	case fresh:
		password = []byte(rand.Text())
		if err := errors.Join(os.MkdirAll(dir, 0o750), os.WriteFile(secret, password, 0o600)); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	}
	if s.owner, err = child.OwnerOf(dir, "postgres", "nobody"); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(s.data(), "PG_VERSION")); fresh || err != nil {
		if err := s.create(ctx, initdb, "-A", "scram-sha-256", "--pwfile", secret); err != nil {
			return nil, err
		}
	}
	s.args = arguments(s.data(), []string{"unix_socket_directories=", "listen_addresses=127.0.0.1", "port=" + strconv.Itoa(port)})
	if err := s.Resume(ctx); err != nil {
		return nil, err
	}
	s.URL = (&url.URL{
		Scheme: "postgres", User: url.UserPassword("postgres", string(password)), Host: "127.0.0.1:" + strconv.Itoa(port), Path: "/postgres",
		RawQuery: "sslmode=disable",
	}).String()
	return s, nil
}
