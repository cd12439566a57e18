// Package pgserver starts a private PostgreSQL from what is installed on the
// machine, for tests and measurements. It listens on a socket in a folder of
// its own, and nothing of it is left when it is stopped.
package pgserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"crossdock/internal/child"
)

// ErrNone says that the machine has no PostgreSQL to start.
var ErrNone = errors.New("no PostgreSQL is installed: neither initdb nor postgres is on the PATH or in /usr/lib/postgresql")

// A Server is a running PostgreSQL with the superuser postgres, who needs no
// password, and the database postgres.
type Server struct {
	URL string

	dir      string
	keep     bool   // the folder stays
	postgres string // the program
	args     []string
	owner    *child.Account
	cmd      *exec.Cmd
	done     chan struct{} // closed when it has ended
}

// Start makes a new cluster and starts a server over it, with the settings
// given beside, such as fsync=off. It returns when the server takes
// connections. The server ends with [Server.Stop], or with the process that
// started it.
func Start(ctx context.Context, settings ...string) (_ *Server, err error) {
	initdb, postgres, err := find()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "crossdock-postgres-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, postgres: postgres}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if s.owner, err = child.OwnerOf(dir, "postgres", "nobody"); err != nil { // it refuses to run as root
		return nil, err
	}
	if err := s.create(ctx, initdb, "-A", "trust", "--no-sync"); err != nil {
		return nil, err
	}
	s.args = arguments(s.data(), append([]string{"unix_socket_directories=" + dir, "listen_addresses="}, settings...))
	if err := s.Resume(ctx); err != nil {
		return nil, err
	}
	s.URL = (&url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/postgres", RawQuery: "host=" + url.QueryEscape(dir)}).String()
	return s, nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// create makes a cluster.
func (s *Server) create(ctx context.Context, initdb string, options ...string) error {
	cmd := exec.CommandContext(ctx, initdb, append([]string{"-D", s.data(), "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-instructions"}, options...)...)
	cmd.Dir = s.dir
	child.Prepare(cmd, s.owner, syscall.SIGINT)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

func arguments(data string, settings []string) []string {
	args := []string{"-D", data}
	for _, one := range settings {
		args = append(args, "-c", one)
	}
	return args
}

// find returns the programs: those on the PATH, else Debian's newest.
func find() (initdb, postgres string, err error) {
	folders := filepath.SplitList(os.Getenv("PATH"))
	installed, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is well formed
	slices.SortFunc(installed, func(a, b string) int { return major(b) - major(a) })
	for _, folder := range append(folders, installed...) {
		initdb, postgres = filepath.Join(folder, "initdb"), filepath.Join(folder, "postgres")
		if child.Executable(initdb) && child.Executable(postgres) {
			return initdb, postgres, nil
		}
	}
	return "", "", ErrNone
}

func major(folder string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(folder))) // a name that is no number comes last
	return n
}

// Resume starts a server that was halted, and returns when it takes connections.
func (s *Server) Resume(ctx context.Context) error {
	s.cmd = exec.Command(s.postgres, s.args...) //nolint:noctx // it ends by Stop, in its own way
	s.cmd.Dir, s.done = s.dir, make(chan struct{})
	child.Prepare(s.cmd, s.owner, syscall.SIGINT)
	messages, err := s.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	ready, ended := make(chan struct{}), make(chan string, 1)
	go func() { // ends with the server
		defer close(s.done)
		ended <- s.follow(messages, ready)
		_ = s.cmd.Wait() // what it said is the reason
	}()
	select {
	case <-ready:
		return nil
	case said := <-ended:
		<-s.done
		return fmt.Errorf("PostgreSQL ended before it was ready: %s", said)
	case <-ctx.Done():
		_ = s.cmd.Process.Kill()
		<-s.done
		return ctx.Err()
	}
}

// follow reads what the server says to its end, and returns the beginning.
func (s *Server) follow(messages io.Reader, ready chan<- struct{}) string {
	const kept = 4000
	var said strings.Builder
	lines := bufio.NewScanner(messages)
	isReady := false
	for lines.Scan() {
		if !isReady && strings.Contains(lines.Text(), "ready to accept connections") {
			isReady = true
			close(ready)
		}
		if said.Len() < kept {
			said.WriteString(lines.Text() + "\n")
		}
	}
	return said.String()
}

// Halt ends the server as a crash would, but for what the disk would lose; its
// data stays.
func (s *Server) Halt() error { return s.end(syscall.SIGQUIT) }

// Stop ends the server and removes its folder where that is not to stay.
func (s *Server) Stop() error {
	// Asked to stop fast, it ends its connections and writes nothing more than it must.
	err := s.end(os.Interrupt)
	if s.keep {
		return err
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

func (s *Server) end(how os.Signal) error {
	err := s.cmd.Process.Signal(how)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	<-s.done
	return err
}
