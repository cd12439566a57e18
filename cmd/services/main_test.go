package main

import (
	"database/sql"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver
	amqp "github.com/rabbitmq/amqp091-go"

	"crossdock/internal/rabbitserver"
	"crossdock/internal/store/pgserver"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && (os.Args[1] == "start" || os.Args[1] == "stop" || os.Args[1] == "hold") {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// command runs services in the folder.
func command(t *testing.T, dir, verb string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], verb)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		for _, none := range []error{pgserver.ErrNone, rabbitserver.ErrNone} {
			if strings.Contains(string(out), none.Error()) && os.Getenv("CI") != "true" {
				t.Skip(none)
			}
		}
		t.Fatalf("services %s: %v: %s", verb, err, out)
	}
	return string(out)
}

func TestServicesKeepWhatTheyHold(t *testing.T) {
	dir := t.TempDir()
	exports := command(t, dir, "start")
	t.Cleanup(func() {
		command(t, dir, "stop")
		if elsewhere, err := (services{filepath.Join(dir, ".services")}).data(); err != nil || os.RemoveAll(elsewhere) != nil {
			t.Errorf("%s is left: %v", elsewhere, err)
		}
	})
	lines := regexp.MustCompile(`^export CROSSDOCK_DATABASE_URL='(.*)'\nexport CROSSDOCK_AMQP_URL='(.*)'\n$`).FindStringSubmatch(exports)
	if lines == nil {
		t.Fatalf("printed %s", exports)
	}
	execute(t, lines[1], `CREATE TABLE kept (n int)`)
	if again := command(t, dir, "start"); again != exports {
		t.Errorf("printed %s, and before %s", again, exports)
	}
	conn, err := amqp.Dial(lines[2])
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	command(t, dir, "stop")
	for _, address := range lines[1:] {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if conn, err := net.Dial("tcp", u.Host); err == nil {
			_ = conn.Close()
			t.Errorf("%s is still listened on", u.Host)
		}
	}
	if out := command(t, dir, "stop"); out != "they do not run\n" {
		t.Errorf("printed %s", out)
	}
	if again := command(t, dir, "start"); again != exports {
		t.Errorf("printed %s, and before %s", again, exports)
	}
	execute(t, lines[1], `INSERT INTO kept VALUES (1)`)
}

func execute(t *testing.T, address, statement string) {
	t.Helper()
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Error(err)
	}
}
