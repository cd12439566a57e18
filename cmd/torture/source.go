package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// changeSource changes the file under a run, in each way in which files change,
// and holds the run to stopping and saying so, and the next one to a target as
// if nothing had been.
func (t *torture) changeSource(ctx context.Context) (string, error) {
	changes := []struct {
		name   string
		change func(path string) error
	}{
		{"another file under its name", func(path string) error {
			if err := writeRows(path+".new", "sku,name,gtin,category,pack,colour", sourceRows, productLine); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		}},
		{"a row added", func(path string) error {
			file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintln(file, productLine(sourceRows)); err != nil {
				return err
			}
			return file.Close()
		}},
		{"its end cut off", func(path string) error { return os.Truncate(path, sourceRows) }},
		{"gone", os.Remove},
	}
	calm, err := t.calmSource(ctx)
	if err != nil {
		return "", err
	}
	for i, c := range changes {
		if err := calm.changeUnder(ctx, filepath.Join(t.dir, fmt.Sprintf("source-data-%d", i)), c.change); err != nil {
			return "", fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return fmt.Sprintf("%d ways in which a file changes", len(changes)), nil
}

// sourceRows is more than a run reads ahead of what it has applied.
const sourceRows = 100_000

// calmSource makes a workload of so many rows, and loads it undisturbed.
func (t *torture) calmSource(ctx context.Context) (*torture, error) {
	calm := &torture{binary: t.binary, pipes: filepath.Join(t.dir, "source")}
	if err := writeWorkload(calm.pipes, sourceRows); err != nil {
		return nil, err
	}
	// Prices are no part of it: the fewer files, the shorter the wait.
	for _, name := range []string{"40-prices.yaml", "prices.csv"} {
		if err := os.Remove(filepath.Join(calm.pipes, name)); err != nil {
			return nil, err
		}
	}
	undisturbed := filepath.Join(t.dir, "source-undisturbed")
	if err := calm.complete(ctx, undisturbed); err != nil {
		return nil, err
	}
	var err error
	calm.want, err = t.readState(ctx, undisturbed)
	return calm, err
}

// changeUnder changes the products under a run into a data folder, puts them
// back, and has the next run end the work.
func (t *torture) changeUnder(ctx context.Context, data string, change func(string) error) error {
	products := filepath.Join(t.pipes, "products.csv")
	original, err := os.ReadFile(products)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, t.binary, "--data", data, "run", t.pipes)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		return err
	}
	if _, err := inItsMiddle(ctx, cmd, data, func() error { return change(products) }); err != nil {
		return errors.Join(err, cmd.Process.Kill())
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(output.String(), "products.csv") {
		return fmt.Errorf("run exits %d, want 1 with the name of the file: %s", code, output.String())
	}
	if err := os.WriteFile(products, original, 0o600); err != nil {
		return err
	}
	if err := t.complete(ctx, data); err != nil {
		return err
	}
	return t.verify(ctx, data)
}

// inItsMiddle waits until a run has applied some products, holds its process
// while fn does its work, and lets it go on. It returns how many were applied.
func inItsMiddle(ctx context.Context, cmd *exec.Cmd, data string, fn func() error) (applied int64, err error) {
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(data, "journal.db")+"?mode=ro")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	for deadline := time.Now().Add(patience); applied == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("the run has applied nothing within %s", patience)
		}
		err := db.QueryRowContext(ctx, `SELECT applied FROM run WHERE pipeline = 'products' ORDER BY started_at DESC LIMIT 1`).Scan(&applied)
		if err != nil {
			applied = 0 // it has not begun
		}
	}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return 0, fmt.Errorf("the run ended before anything could happen to it: %w", err)
	}
	err = fn()
	return applied, errors.Join(err, cmd.Process.Signal(syscall.SIGCONT))
}
