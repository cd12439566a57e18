package brokertest

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"crossdock/hub/broker"
)

// victimVariable tells a test binary that it is to be a consumer that is killed,
// and where its broker is.
const victimVariable = "CROSSDOCK_TEST_VICTIM"

// victim is the consumer that is killed.
func victim() broker.Consumer {
	return broker.Consumer{Name: "victim", Keys: []string{"#"}, Prefetch: 50}
}

// Victim makes this process a consumer that never finishes its first message,
// where [Killed] has started it for that; it does not return then. Call it
// first in TestMain.
func Victim(open func(where string) (broker.Broker, error)) {
	where := os.Getenv(victimVariable)
	if where == "" {
		return
	}
	b, err := open(where)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	err = b.Consume(context.Background(), victim(), func(context.Context, broker.Message) error {
		fmt.Fprintln(os.Stdout, "has messages in hand")
		select {}
	})
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// Killed kills a process with messages in hand as often as given. All of them
// come again afterwards, in their first attempt, and none lies on the error
// queue: that their consumer died says nothing about them.
func Killed(t *testing.T, place Place, where string, times int) {
	b := place.Open(t, Settings{})
	Declare(t, b, victim())
	const n = 60
	Publish(t, b, Messages("k", n)...)
	for range times {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), victimVariable+"="+where)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = t.Output()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for lines.Scan() && !strings.Contains(lines.Text(), "in hand") {
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
	}
	seen := map[string]bool{}
	r := Consume(t, b, victim(), nil)
	for len(seen) < n {
		m := r.Next(1)[0]
		seen[m.ID] = true
		if m.Attempt != 1 {
			t.Errorf("message %s comes in attempt %d", m.ID, m.Attempt)
		}
	}
	if dead := ErrorQueue(t, b); len(dead) > 0 {
		t.Errorf("on the error queue: %+v", dead)
	}
}
