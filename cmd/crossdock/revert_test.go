package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"crossdock/hub"
	"crossdock/hub/journal"
)

// scriptLatest keeps the id of the newest run: latest VARIABLE.
func scriptLatest(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: latest VARIABLE")
	}
	ts.Check(ts.Exec("crossdock", "runs", "list", "--limit", "1", "--json"))
	var runs []struct{ Run string }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &runs))
	if len(runs) == 0 {
		ts.Fatalf("there is no run")
	}
	ts.Setenv(args[0], runs[0].Run)
}

// A revert that is interrupted between two of its steps goes on where it was,
// under its id, and counts as if nothing had happened.
func TestARevertGoesOnWhereItWas(t *testing.T) {
	const rows, bad = 10_000, 10
	pipeline, data := manyProducts(t, rows), t.TempDir()
	if out, code := crossdock(t, data, "run", pipeline); code != exitRejected {
		t.Fatalf("exit code %d: %s", code, out)
	}
	a := &app{stdout: io.Discard, stderr: io.Discard, clock: time.Now, log: slog.New(slog.DiscardHandler)}
	a.settings.Data = data
	s, err := a.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	runs, err := s.hub.Journal().Runs(t.Context(), journal.RunFilter{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	steps := 0
	first, err := s.hub.Revert(ctx, runs[0].ID, hub.RevertOptions{Progress: func(p hub.Progress) {
		if steps++; p.Applied > 0 {
			cancel()
		}
	}})
	if !errors.Is(err, hub.ErrStopped) || first.Status != journal.Stopped || first.Applied == 0 || first.Applied == rows-bad {
		t.Fatalf("interrupted after %d steps: %+v, %v", steps, first, err)
	}
	second, err := s.hub.Revert(t.Context(), runs[0].ID, hub.RevertOptions{})
	if err != nil || second.Run != first.Run || second.Status != journal.Succeeded {
		t.Fatalf("%+v, %v", second, err)
	}
	want := journal.Counts{Read: rows - bad, Applied: rows - bad}
	if diff := cmp.Diff(want, second.Counts); diff != "" {
		t.Error(diff)
	}
	kept, err := s.hub.Journal().Run(t.Context(), second.Run)
	if diff := cmp.Diff(want, kept.Counts); diff != "" || err != nil || kept.Cause != "revert" {
		t.Errorf("journal: %+v, %v, %s", kept, err, diff)
	}
}

func TestAServedRunIsPutBack(t *testing.T) {
	s := serveForTest(t)
	run := s.upload(t, uploaded)
	for _, tt := range []struct {
		path   string
		status int
		want   string
	}{
		{"none:revert", http.StatusNotFound, "there is no run"},
		{run.Run + ":revert", http.StatusAccepted, `"pipeline":"served"`},
	} {
		status, text := s.approve(t, tt.path, `{"by":"anna"}`)
		if status != tt.status || !strings.Contains(text, tt.want) {
			t.Fatalf("POST %s = %d %s, want %d with %s", tt.path, status, text, tt.status, tt.want)
		}
		_ = json.Unmarshal([]byte(text), &run)
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline) && run.Status != "succeeded"; time.Sleep(20 * time.Millisecond) {
		s.get(t, "/v1/runs/"+run.Run, &run)
	}
	if run.Status != "succeeded" || run.Read != 1 || run.Applied != 1 {
		t.Errorf("run = %+v, want its row put back", run)
	}
	if status, _, text := s.do(t, http.MethodGet, "/v1/products/0017", "", nil); status != http.StatusNotFound {
		t.Errorf("the product is still there: %d %s", status, text)
	}
	again := s.upload(t, "Nr;Name;EAN\n0018;;\n")
	if status, text := s.approve(t, again.Run+":revert", `{"by":"anna"}`); status != http.StatusConflict || !strings.Contains(text, "it has changed nothing") {
		t.Errorf("a run that has changed nothing: %d %s", status, text)
	}
}
