// Services runs a RabbitMQ and a PostgreSQL of the project's own, from what is
// installed on the machine, on loopback alone. What they hold stays in the
// folder .services when they are stopped, or in one under /var/tmp where root
// starts them and their accounts may not enter it.
//
//	services start   starts them in the background, and prints what to set
//	services stop    ends them
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"crossdock/internal/rabbitserver"
	"crossdock/internal/store/pgserver"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "services: "+err.Error())
		os.Exit(1)
	}
}

func run(args []string) error {
	dir, err := filepath.Abs(".services")
	if err != nil {
		return err
	}
	s := services{dir}
	switch strings.Join(args, " ") {
	case "start":
		return s.start()
	case "stop":
		return s.stop()
	case "hold": // what start leaves in the background
		return s.hold()
	}
	return errors.New("usage: services start | stop")
}

// services lie in a folder: pid, while they run; exports, what to set; log, what
// went wrong; ports, which stay from one start to the next.
type services struct{ dir string }

func (s services) file(name string) string { return filepath.Join(s.dir, name) }

// patience is how long they may take to start, or to end.
const patience = 2 * time.Minute

// start prints what to set once both take connections.
func (s services) start() error {
	if err := os.MkdirAll(s.dir, 0o755); err != nil { //nolint:gosec // the accounts of the servers have to get by it
		return err
	}
	if s.pid() == 0 {
		if err := s.leave(); err != nil {
			return err
		}
	}
	exports, err := os.ReadFile(s.file("exports"))
	if err != nil {
		return err
	}
	fmt.Print(string(exports))
	return nil
}

// leave starts a process in the background that holds them, and waits until
// they are there.
func (s services) leave() error {
	if err := os.Remove(s.file("exports")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.Create(s.file("log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(self, "hold") //nolint:noctx // it goes on when this process has ended
	cmd.Dir, cmd.Stdout, cmd.Stderr = filepath.Dir(s.dir), log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { // ends with that process, or with this one
		_ = cmd.Wait() // its log says why
		close(ended)
	}()
	deadline := time.After(patience)
	for tick := time.Tick(100 * time.Millisecond); ; {
		if _, err := os.Stat(s.file("exports")); err == nil {
			return nil
		}
		select {
		case <-tick:
		case <-ended:
			said, _ := os.ReadFile(s.file("log"))
			return fmt.Errorf("they did not start: %s", strings.TrimSpace(string(said)))
		case <-deadline:
			return errors.Join(fmt.Errorf("they did not start within %s: see %s", patience, s.file("log")), cmd.Process.Kill())
		}
	}
}

// hold runs both until it is asked to end.
func (s services) hold() (err error) {
	// They end with the thread that started them, which must be there to the end.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := os.WriteFile(s.file("pid"), []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(s.file("pid"))) }() // when both have ended
	ports, err := s.ports(ctx)
	if err != nil {
		return err
	}
	data, err := s.data()
	if err != nil {
		return err
	}
	database, err := pgserver.Keep(ctx, filepath.Join(data, "postgresql"), ports[0])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, database.Stop()) }()
	rabbit, err := rabbitserver.Start(ctx, rabbitserver.Config{Dir: filepath.Join(data, "rabbitmq"), Port: ports[1]})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rabbit.Stop()) }()
	exports := fmt.Sprintf("export CROSSDOCK_DATABASE_URL='%s'\nexport CROSSDOCK_AMQP_URL='%s'\n", database.URL, rabbit.URL)
	whole := s.file("exports.part") // so that nobody reads half of it
	if err := errors.Join(os.WriteFile(whole, []byte(exports), 0o600), os.Rename(whole, s.file("exports"))); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// data returns the folder of what they hold. Servers that root starts run as
// accounts of their own, which may not enter every folder that root may.
func (s services) data() (string, error) {
	if os.Getuid() != 0 {
		return s.dir, nil
	}
	for folder := s.dir; ; folder = filepath.Dir(folder) {
		info, err := os.Stat(folder)
		if err != nil {
			return "", err
		}
		if info.Mode().Perm()&0o001 == 0 {
			break
		}
		if folder == filepath.Dir(folder) {
			return s.dir, nil
		}
	}
	sum := sha256.Sum256([]byte(s.dir))
	elsewhere := filepath.Join("/var/tmp", "crossdock-services-"+hex.EncodeToString(sum[:4]))
	return elsewhere, os.MkdirAll(elsewhere, 0o755) //nolint:gosec // for their accounts too
}

// ports returns those that they listen on, which are chosen once.
func (s services) ports(ctx context.Context) (ports [2]int, err error) {
	if text, err := os.ReadFile(s.file("ports")); err == nil {
		if _, err := fmt.Sscan(string(text), &ports[0], &ports[1]); err == nil {
			return ports, nil
		}
	}
	for i := range ports {
		var config net.ListenConfig
		listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return ports, err
		}
		defer listener.Close()
		ports[i] = listener.Addr().(*net.TCPAddr).Port
	}
	return ports, os.WriteFile(s.file("ports"), fmt.Appendf(nil, "%d %d\n", ports[0], ports[1]), 0o600)
}

// stop ends them and waits until they have.
func (s services) stop() error {
	pid := s.pid()
	if pid == 0 {
		fmt.Println("they do not run")
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return err
	}
	deadline := time.After(patience)
	for tick := time.Tick(100 * time.Millisecond); ; {
		if s.pid() == 0 {
			return nil
		}
		select {
		case <-tick:
		case <-deadline:
			return fmt.Errorf("process %d does not end: see %s", pid, s.file("log"))
		}
	}
}

// pid returns the process that holds them, 0 where none does.
func (s services) pid() int {
	text, err := os.ReadFile(s.file("pid"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil || syscall.Kill(pid, 0) != nil {
		return 0 // it was killed, and could not remove the file
	}
	return pid
}
