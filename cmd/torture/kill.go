package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// killsPerFolder is how often one data folder is hit before its load may end.
const killsPerFolder = 10

// killRuns kills `crossdock run` at random moments, again and again over the
// same data folder, until the load has come to its end there. A run that ends
// before its moment comes is none that was killed.
func (t *torture) killRuns(ctx context.Context) (string, error) {
	hit, folders := 0, 0
	for ; hit < t.kills; folders++ {
		data := filepath.Join(t.dir, fmt.Sprintf("run-%d", folders))
		if err := t.fresh(ctx); err != nil {
			return "", err
		}
		for range killsPerFolder {
			ended, err := t.killRun(ctx, data)
			if err != nil {
				return "", err
			}
			if ended {
				break
			}
			hit++
		}
		if err := t.complete(ctx, data); err != nil {
			return "", err
		}
		if err := t.verify(ctx, data); err != nil {
			return "", fmt.Errorf("after kill %d: %w", hit, err)
		}
		if err := os.RemoveAll(data); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d kills in the middle of a run, over %d data folders", hit, folders), nil
}

// killRun starts a run and kills it. It reports whether the run was faster.
func (t *torture) killRun(ctx context.Context, data string) (ended bool, err error) {
	cmd := exec.CommandContext(ctx, t.binary, "--data", data, "run", t.pipes)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		return false, err
	}
	timer := time.AfterFunc(t.moment(), func() { _ = cmd.Process.Kill() }) // fails where it has ended
	defer timer.Stop()
	_ = cmd.Wait()
	switch code := cmd.ProcessState.ExitCode(); code {
	case -1:
		return false, nil
	case exitDone, exitRejected:
		return true, nil
	default:
		return false, fmt.Errorf("run exits %d: %s", code, output.String())
	}
}

// The exit codes of crossdock that mean that a run has finished.
const (
	exitDone     = 0
	exitRejected = 3
)

// complete lets the load run to its end.
func (t *torture) complete(ctx context.Context, data string) error {
	cmd := exec.CommandContext(ctx, t.binary, "--data", data, "run", t.pipes)
	out, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != exitDone && code != exitRejected {
		return fmt.Errorf("%w: run exits %d: %s", errors.Join(errIncomplete, err), code, out)
	}
	return nil
}

// errIncomplete tells that a load did not run to its end.
var errIncomplete = errors.New("the load did not end")

// verify holds what is in the data folder to what an undisturbed load leaves,
// and every run to its accounting.
func (t *torture) verify(ctx context.Context, data string) error {
	got, err := t.readState(ctx, data)
	if err != nil {
		return err
	}
	if err := got.compare(t.want); err != nil {
		return err
	}
	_, err = t.runs(ctx, data)
	return err
}

// A run is what `runs list --json` tells of one.
type run struct {
	Run                                         string `json:"run"`
	Pipeline                                    string `json:"pipeline"`
	Status                                      string `json:"status"`
	Read, Applied, Unchanged, Rejected, Skipped int64
}

// runs lists the runs, newest first, none of which may seem alive, and each of
// which must account for its rows.
func (t *torture) runs(ctx context.Context, data string) ([]run, error) {
	out, err := exec.CommandContext(ctx, t.binary, "--data", data, "--json", "runs", "list", "--limit", "500").Output()
	if err != nil {
		return nil, fmt.Errorf("runs list: %w", err)
	}
	var list []run
	if err := json.Unmarshal(out, &list); err != nil {
		return nil, err
	}
	for _, r := range list {
		if r.Read != r.Applied+r.Unchanged+r.Rejected+r.Skipped {
			return nil, fmt.Errorf("run %s does not add up: %+v", r.Run, r)
		}
		if r.Status == "running" || r.Status == "queued" {
			return nil, fmt.Errorf("run %s of %s is %s, though nobody works on it", r.Run, r.Pipeline, r.Status)
		}
	}
	return list, nil
}
