// Package rabbitserver starts a private RabbitMQ from what is installed on the
// machine, for tests, measurements and development. It listens on loopback
// alone and knows no other node.
package rabbitserver

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"crossdock/internal/child"
)

// ErrNone says that the machine has no RabbitMQ to start.
var ErrNone = errors.New("no RabbitMQ is installed: rabbitmq-server is neither in /usr/lib/rabbitmq/bin nor on the PATH")

// A Server is a RabbitMQ of one node.
type Server struct {
	URL string // with the user crossdock and its password

	dir      string
	keep     bool   // the folder stays
	programs string // the folder that they lie in
	owner    *child.Account
	ports    ports
	names    *process // epmd, which knows the node's port
	broker   *process
}

// Nobody but the broker listens there, on 127.0.0.1.
type ports struct{ amqp, node, names int }

// Config says where the broker lies.
type Config struct {
	// Dir keeps its data from one start to the next. Where it is empty they lie
	// in a folder for the time being, which Stop removes.
	Dir  string
	Port int // to listen on; 0: a free one
}

// Start starts a broker and returns when it takes connections. It ends with
// [Server.Stop], or with the process that started it.
func Start(ctx context.Context, cfg Config) (_ *Server, err error) {
	programs, err := find()
	if err != nil {
		return nil, err
	}
	s := &Server{dir: cfg.Dir, keep: cfg.Dir != "", programs: programs}
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "crossdock-rabbitmq-"); err != nil {
			return nil, err
		}
		defer func() {
			if err != nil {
				err = errors.Join(err, os.RemoveAll(s.dir))
			}
		}()
	}
	s.ports = ports{amqp: cfg.Port}
	for _, port := range []*int{&s.ports.amqp, &s.ports.node, &s.ports.names} {
		if *port != 0 {
			continue
		}
		if *port, err = freePort(ctx); err != nil {
			return nil, err
		}
	}
	if err := s.configure(); err != nil {
		return nil, err
	}
	if err := s.begin(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// find returns the folder of the programs. Debian's scripts on the PATH keep
// everyone away but root and the account rabbitmq; those that they call do not.
func find() (string, error) {
	for _, folder := range append([]string{"/usr/lib/rabbitmq/bin"}, filepath.SplitList(os.Getenv("PATH"))...) {
		if child.Executable(filepath.Join(folder, "rabbitmq-server")) && child.Executable(filepath.Join(folder, "rabbitmqctl")) {
			return folder, nil
		}
	}
	return "", ErrNone
}

func freePort(ctx context.Context) (int, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return listener.Addr().(*net.TCPAddr).Port, listener.Close()
}

// configure writes the node's settings. A password that is there already stays
// the one that the node knows.
func (s *Server) configure() (err error) {
	if err := os.MkdirAll(s.dir, 0o750); err != nil {
		return err
	}
	password := rand.Text()
	secret := filepath.Join(s.dir, "password")
	if text, err := os.ReadFile(secret); err == nil {
		password = string(text)
	}
	settings := strings.Join([]string{
		"listeners.tcp.1 = 127.0.0.1:" + strconv.Itoa(s.ports.amqp), "default_user = crossdock", "default_pass = " + password,
		"disk_free_limit.absolute = 50MB", "log.console = true", "log.console.level = info", "",
	}, "\n")
	for name, text := range map[string]string{"password": password, "rabbitmq.conf": settings, "enabled_plugins": "[].\n"} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	s.URL = (&url.URL{Scheme: "amqp", User: url.UserPassword("crossdock", password), Host: "127.0.0.1:" + strconv.Itoa(s.ports.amqp), Path: "/"}).String()
	s.owner, err = child.OwnerOf(s.dir, "rabbitmq", "nobody")
	return err
}

func (s *Server) environment() []string {
	in := func(name string) string { return filepath.Join(s.dir, name) }
	return []string{
		"PATH=" + cmp.Or(os.Getenv("PATH"), "/usr/bin:/bin"), "HOME=" + s.dir, "LANG=C.UTF-8",
		"RABBITMQ_NODENAME=crossdock@localhost", "RABBITMQ_DIST_PORT=" + strconv.Itoa(s.ports.node),
		"RABBITMQ_MNESIA_BASE=" + in("data"), "RABBITMQ_LOGS=-", "RABBITMQ_LOG_BASE=" + in("log"),
		"RABBITMQ_CONFIG_FILE=" + in("rabbitmq.conf"), "RABBITMQ_ENABLED_PLUGINS_FILE=" + in("enabled_plugins"),
		"RABBITMQ_CONF_ENV_FILE=" + in("none"), "RABBITMQ_PID_FILE=" + in("pid"),
		"ERL_EPMD_PORT=" + strconv.Itoa(s.ports.names), "ERL_EPMD_ADDRESS=127.0.0.1",
		// Its script then gives way to the broker, which signals are for.
		"RUNNING_UNDER_SYSTEMD=true",
		// No scheduler waits busily: the machine has others to serve.
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}",
	}
}

func (s *Server) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...) //nolint:noctx // it ends by Stop, in its own way
	cmd.Dir, cmd.Env = s.dir, s.environment()
	child.Prepare(cmd, s.owner, syscall.SIGTERM)
	return cmd
}

// begin starts the broker, and what it needs beside. The broker would start
// the latter by itself, and leave it behind.
func (s *Server) begin(ctx context.Context) (err error) {
	if s.names == nil {
		epmd, err := exec.LookPath("epmd")
		if err != nil {
			return fmt.Errorf("epmd, which comes with Erlang: %w", err)
		}
		if s.names, err = start(s.command(epmd, "-port", strconv.Itoa(s.ports.names), "-address", "127.0.0.1"), ""); err != nil {
			return err
		}
	}
	if s.broker, err = start(s.command(filepath.Join(s.programs, "rabbitmq-server")), "Server startup complete"); err != nil {
		return err
	}
	return s.broker.await(ctx)
}

// Stop ends the broker in its own way, and removes its folder where that is
// not to stay.
func (s *Server) Stop() error {
	for _, p := range []*process{s.broker, s.names} {
		p.end(syscall.SIGTERM)
	}
	if s.keep {
		return nil
	}
	return os.RemoveAll(s.dir)
}

// Kill ends the broker at once. Whatever it has not yet written it never will.
func (s *Server) Kill() { s.broker.end(syscall.SIGKILL) }

// Restart starts the broker again over what it has left, after Kill or a stop
// by [Server.Control].
func (s *Server) Restart(ctx context.Context) error { return s.begin(ctx) }

// Control runs rabbitmqctl and returns what it says.
func (s *Server) Control(args ...string) (string, error) {
	cmd := s.command(filepath.Join(s.programs, "rabbitmqctl"), append([]string{"--quiet"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("rabbitmqctl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// A process is a program that runs.
type process struct {
	cmd   *exec.Cmd
	ready chan struct{} // closed when it has said that it is
	ended chan struct{} // closed when it has ended
	said  strings.Builder
}

// start starts the program. It is ready when it says the word.
func start(cmd *exec.Cmd, word string) (*process, error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = cmd.Stdout
	p := &process{cmd: cmd, ready: make(chan struct{}), ended: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() { // ends with the program
		defer close(p.ended)
		p.follow(out, word)
		_ = cmd.Wait() // what it said is the reason
	}()
	return p, nil
}

// follow reads what the program says to its end, and keeps the beginning.
func (p *process) follow(out io.Reader, word string) {
	const kept = 8_000
	lines := bufio.NewScanner(out)
	for isReady := false; lines.Scan(); {
		if !isReady && word != "" && strings.Contains(lines.Text(), word) {
			isReady = true
			close(p.ready)
		}
		if p.said.Len() < kept {
			p.said.WriteString(lines.Text() + "\n")
		}
	}
	_, _ = io.Copy(io.Discard, out) // after a line that is too long; else it would wait to be read
}

func (p *process) await(ctx context.Context) error {
	select {
	case <-p.ready:
		return nil
	case <-p.ended:
		return fmt.Errorf("RabbitMQ ended before it was ready: %s", p.said.String())
	case <-ctx.Done():
		return fmt.Errorf("RabbitMQ is not ready: %w", ctx.Err())
	}
}

// stopTime is how long a program may take to end when it is asked to.
const stopTime = 20 * time.Second

// end sends the signal to the program and waits until it and all that it has
// started have ended.
func (p *process) end(signal syscall.Signal) {
	if p == nil {
		return
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, signal) // it has ended already, where there is none
	select {
	case <-p.ended:
	case <-time.After(stopTime):
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.ended
	}
}
