package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"crossdock/hub"
	"crossdock/hub/journal"
	"crossdock/internal/store"
)

// manyProducts writes a file that takes a while to load.
func manyProducts(t *testing.T, rows int) (pipeline string) {
	t.Helper()
	dir := t.TempDir()
	file, err := os.Create(filepath.Join(dir, "products.csv"))
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(file)
	fmt.Fprintln(w, "Nr,Name,Menge")
	for i := range rows {
		quantity := "1"
		if i%1000 == 999 {
			quantity = "1O"
		}
		fmt.Fprintf(w, "A-%d,Product number %d,%s\n", i, i, quantity)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	pipeline = filepath.Join(dir, "products.yaml")
	text := "pipeline: products\nsource: { connector: csv, path: products.csv }\nentity: product\n" +
		"map: { sku: Nr, name.en: Name, min_order_quantity: Menge }\n"
	if err := os.WriteFile(pipeline, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return pipeline
}

func crossdock(t *testing.T, data string, args ...string) (out []byte, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "crossdock", append([]string{"--json", "--data", data}, args...)...)
	out, err := cmd.Output()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out, cmd.ProcessState.ExitCode()
}

// applying waits until the run that is under way has applied a batch. It reads
// the journal itself: a command would take as long to start as the run has left.
func applying(t *testing.T, data string) {
	t.Helper()
	j, err := journal.Open(t.Context(), store.Place{Dir: data}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		runs, err := j.Runs(t.Context(), journal.RunFilter{Limit: 1})
		if err == nil && len(runs) > 0 && runs[0].Applied > 0 {
			return
		}
	}
	t.Fatal("the run has applied nothing within a minute")
}

// TestStoppingARunLosesAndDoublesNothing ends a run in its middle, by Ctrl-C
// and by kill -9, and lets another run finish the work.
func TestStoppingARunLosesAndDoublesNothing(t *testing.T) {
	const rows, bad = 400_000, 400
	pipeline := manyProducts(t, rows)
	for _, tt := range []struct {
		name   string
		signal syscall.Signal
		code   int
		status string
	}{
		{"Ctrl-C", syscall.SIGINT, exitInterrupted, "stopped"},
		{"kill -9", syscall.SIGKILL, -1, "stopped"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data := t.TempDir()
			cmd := exec.CommandContext(t.Context(), "crossdock", "--data", data, "run", pipeline)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			applying(t, data)
			if out, code := crossdock(t, data, "run", pipeline); code != exitFailed {
				t.Errorf("a second run beside the first exits %d: %s", code, out)
			}
			if err := cmd.Process.Signal(tt.signal); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != tt.code {
				t.Fatalf("exit code %d, want %d (if 3, the run was too short to be stopped)", code, tt.code)
			}
			var runs []hub.Summary
			out, _ := crossdock(t, data, "runs", "list")
			if err := json.Unmarshal(out, &runs); err != nil {
				t.Fatal(err)
			}
			first := runs[0]
			if string(first.Status) != tt.status || !first.Balanced() || first.Applied == 0 {
				t.Errorf("stopped run = %+v, want it %s, with rows, and adding up", first, tt.status)
			}
			out, code := crossdock(t, data, "run", pipeline)
			var second hub.Summary
			if err := json.Unmarshal(out, &second); err != nil || code != exitRejected {
				t.Fatalf("next run exits %d, %v: %s", code, err, out)
			}
			if second.Read != rows || second.Rejected != bad || second.Applied+second.Unchanged != rows-bad || second.Unchanged < first.Applied {
				t.Errorf("next run = %+v behind %+v, want what was applied to be unchanged", second.Counts, first.Counts)
			}
			var errs []json.RawMessage
			out, _ = crossdock(t, data, "errors", "list")
			if err := json.Unmarshal(out, &errs); err != nil || len(errs) != bad {
				t.Errorf("%d open errors, want %d: none doubled", len(errs), bad)
			}
		})
	}
}
