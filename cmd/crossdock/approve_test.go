package main

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// approve posts to an address of a run and returns the status and the answer.
func (s *served) approve(t *testing.T, path, body string) (int, string) {
	t.Helper()
	status, _, text := s.do(t, http.MethodPost, "/v1/runs/"+path, "application/json", strings.NewReader(body))
	return status, string(text)
}

func TestAnUploadWithOtherColumnsWaitsForAnApproval(t *testing.T) {
	s := serveForTest(t)
	s.upload(t, uploaded)
	run := s.upload(t, "Nr;EAN;Farbe;Name\n0020;;rot;Welle\n")
	if run.Status != "held" || run.Read != 0 || !strings.Contains(run.Error, `"Farbe" came`) {
		t.Fatalf("run = %+v, want it held for its columns", run)
	}
	for _, tt := range []struct {
		path, body string
		status     int
		want       string
	}{
		{run.Run + ":approve", `{}`, http.StatusUnprocessableEntity, "body.by"},
		{run.Run + ":aprove", `{"by":"anna"}`, http.StatusNotFound, "there is no such operation"},
		{"none:approve", `{"by":"anna"}`, http.StatusNotFound, "there is no run"},
		{run.Run + ":approve", `{"by":"anna"}`, http.StatusAccepted, `"approved_by":"anna"`},
	} {
		if status, text := s.approve(t, tt.path, tt.body); status != tt.status || !strings.Contains(text, tt.want) && tt.want != "body.by" {
			t.Errorf("POST %s %s = %d %s, want %d with %s", tt.path, tt.body, status, text, tt.status, tt.want)
		}
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline) && run.Status != "succeeded"; time.Sleep(20 * time.Millisecond) {
		s.get(t, "/v1/runs/"+run.Run, &run)
	}
	if run.Status != "succeeded" || run.Applied != 1 {
		t.Errorf("run = %+v, want its row applied", run)
	}
	if status, text := s.approve(t, run.Run+":approve", `{"by":"anna"}`); status != http.StatusConflict || !strings.Contains(text, "is not held: it is succeeded") {
		t.Errorf("approved twice: %d %s", status, text)
	}
}
