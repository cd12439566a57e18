package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var shellBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)^```")

// TestTheCommandsOfTheREADMEWork pastes the shell blocks of README.md into one
// shell, in a folder that holds the examples and a crossdock.
func TestTheCommandsOfTheREADMEWork(t *testing.T) {
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skipf("the README uses %s, which is not installed", tool)
		}
	}
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := shellBlock.FindAllSubmatch(text, -1)
	if len(blocks) < 5 {
		t.Fatalf("README.md has %d shell blocks", len(blocks))
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "examples"), os.DirFS("../../examples")); err != nil {
		t.Fatal(err)
	}
	// The test binary is a crossdock under that name.
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o750); err != nil {
		t.Fatal(err)
	}
	crossdock, err := exec.LookPath("crossdock") // made by testscript.Main
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(crossdock, filepath.Join(dir, "bin", "crossdock")); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	script := "set -e\nset -m\n"
	for _, block := range blocks {
		for line := range strings.Lines(string(block[1])) {
			if strings.HasPrefix(line, "make ") { // the Makefile has its own proof: CI runs it
				continue
			}
			line = strings.ReplaceAll(line, "localhost:8080", address)
			script += strings.Replace(line, "curl -s ", "curl -sS --fail-with-body ", 1)
		}
	}
	out := runShell(t, dir, script, "CROSSDOCK_LISTEN="+address)
	for _, want := range []string{
		"first-light-catalog", `"sku":"AR-5381"`, `"status":"partial"`, "nothing was written", `"on_hand":`, `"status":"queued"`, `"cause":"upload","status":"partial"`, "Rillenkugellager",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the output does not contain %s", want)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}

// TestTheREADMENamesWhatIsThere holds links and file names to the truth.
func TestTheREADMENamesWhatIsThere(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join("../..", string(link[1]))); err != nil {
			t.Errorf("README.md links to %s, which is not there", link[1])
		}
	}
}

func runShell(t *testing.T, dir, script string, env ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return out.String()
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
