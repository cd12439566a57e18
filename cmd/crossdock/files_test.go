package main

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestAnUploadThatWasSentBeforeIsAnsweredWithItsRun(t *testing.T) {
	s := serveForTest(t)
	post := func(content string, more ...[2]string) (int, runView) {
		t.Helper()
		contentType, body := form(t, append(more, [2]string{"pipeline", "served"}, [2]string{"@file", content})...)
		status, _, text := s.do(t, http.MethodPost, "/v1/imports", contentType, body)
		var run runView
		if err := json.Unmarshal(text, &run); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		return status, run
	}
	first := s.upload(t, uploaded)
	if status, run := post(uploaded); status != http.StatusOK || run.Run != first.Run || run.Applied != 1 {
		t.Errorf("the same again = %d %+v, want 200 and run %s", status, run, first.Run)
	}
	// Sent twice before the first was run, as by a client that lost the answer.
	other := strings.Replace(uploaded, "Mutter", "Bolzen", 1)
	status, waiting := post(other)
	if status != http.StatusAccepted {
		t.Errorf("another file = %d, want 202", status)
	}
	if status, run := post(other); status != http.StatusOK || run.Run != waiting.Run {
		t.Errorf("another file twice = %d %+v, want 200 and run %s", status, run, waiting.Run)
	}
	// The first is no longer what was applied last: its sender went back to it.
	if status, run := post(uploaded); status != http.StatusAccepted || run.Run == first.Run {
		t.Errorf("the first after another = %d %+v, want a run of its own", status, run)
	}
	if status, _ := post(uploaded, [2]string{"again", "true"}); status != http.StatusAccepted {
		t.Errorf("with again=true = %d, want 202", status)
	}
	contentType, body := form(t, [2]string{"pipeline", "served"}, [2]string{"again", "yes"}, [2]string{"@file", uploaded})
	if status, _, text := s.do(t, http.MethodPost, "/v1/imports", contentType, body); status != http.StatusUnprocessableEntity {
		t.Errorf("with again=yes = %d %s, want 422", status, text)
	}
}

// TestAFileThatChangesWhileItIsReadStopsItsRun replaces the file of a run that
// is under way, as a program does that writes in place.
func TestAFileThatChangesWhileItIsReadStopsItsRun(t *testing.T) {
	const rows = 60_000
	pipeline := manyProducts(t, rows)
	data := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "crossdock", "--data", data, "run", pipeline)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	applying(t, data)
	source := filepath.Join(filepath.Dir(pipeline), "products.csv")
	f, err := os.OpenFile(source, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("B-1,Late,1\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(stderr.String(), "products.csv: changed while it was read") {
		t.Fatalf("the run ended with %v: %s; want it to say that the file has changed", err, stderr.String())
	}
	// Nothing of it counts as read: the next run takes the file as it is now.
	out, code := crossdock(t, data, "run", pipeline)
	var s struct{ Read, Applied, Unchanged, Rejected int64 }
	if err := json.Unmarshal(out, &s); err != nil {
		t.Fatal(err)
	}
	if code != exitRejected || s.Read != rows+1 || s.Applied+s.Unchanged != rows+1-s.Rejected || s.Unchanged == 0 {
		t.Errorf("the next run = %d %+v, want all %d rows, some of them unchanged", code, s, rows+1)
	}
}
