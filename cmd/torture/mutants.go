package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A mutant is a mistake that one could make, put back into the program to see
// that the torture finds it. A torture that finds nothing proves nothing.
type mutant struct {
	name     string
	file     string // of the module
	old, new string
	scenario string // that must find it
}

func mutants() []mutant {
	return []mutant{
		{
			name: "commits are not written through to the disk", file: "internal/store/sqlite.go",
			old: `_synchronous=FULL`, new: `_synchronous=OFF`, scenario: "power",
		},
		{
			name: "a source that changed is read on", file: "connectors/files.go",
			old: `if now.Path != "" && now.Version == f.Version {`, new: `if now, f = f, now; true {`, scenario: "source",
		},
		{
			name: "an upload whose process died is given up", file: "hub/uploads.go",
			old: `if run.Cause == "upload" ||`, new: `if run.Cause == "nothing" ||`, scenario: "serve",
		},
		{
			name: "what a killed run has parked stays open beside what the next one parks", file: "hub/journal/journal.go",
			old: `status IN ('open', 'waiting') AND key <> '' AND key IN (`, new: `status = 'none' AND key <> '' AND key IN (`, scenario: "run",
		},
		{
			name: "an upload that begins anew keeps what it had parked", file: "hub/journal/journal.go",
			old: "DELETE FROM parked_row WHERE run = ?`", new: "DELETE FROM parked_row WHERE run = ? AND 1 = 0`", scenario: "serve",
		},
		{
			name: "services forget the batches that they have applied", file: "commerce/internal/upsert/upsert.go",
			old: "if err != nil || text == \"\" {\n\t\treturn false, err", new: "if err != nil || text != \"never\" {\n\t\treturn false, err", scenario: "serve",
		},
	}
}

// catchMutants builds each mutant and has its scenario find it.
func (t *torture) catchMutants(ctx context.Context, module string) error {
	escaped := 0
	for i, m := range mutants() {
		binary := filepath.Join(t.dir, fmt.Sprintf("mutant-%d", i))
		if err := m.build(ctx, module, binary); err != nil {
			return fmt.Errorf("mutant %q: %w", m.name, err)
		}
		sick := *t
		sick.binary, sick.dir = binary, binary+"-data"
		found, err := sick.finds(ctx, m.scenario)
		if err != nil {
			return fmt.Errorf("mutant %q: %w", m.name, err)
		}
		if found == nil {
			escaped++
			fmt.Fprintf(t.out, "ESCAPED   %s\n", m.name)
			continue
		}
		line, _, _ := strings.Cut(found.Error(), "\n")
		fmt.Fprintf(t.out, "caught    %s: %s\n", m.name, line)
	}
	if escaped > 0 {
		return fmt.Errorf("%d of %d mutants escaped", escaped, len(mutants()))
	}
	return nil
}

// finds runs a scenario over a program that is sick, and returns what it finds.
func (t *torture) finds(ctx context.Context, name string) (found, err error) {
	if err := t.prepare(ctx); err != nil {
		return nil, err
	}
	for _, s := range scenarios() {
		if s.name == name {
			_, found := s.run(t, ctx)
			if errors.Is(found, errUnable) {
				return nil, found
			}
			return found, nil
		}
	}
	return nil, fmt.Errorf("there is no scenario %s", name)
}

// mutated returns the text of the file with the mistake in it.
func (m mutant) mutated(module string) (string, error) {
	text, err := os.ReadFile(filepath.Join(module, m.file))
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(text), m.old); n != 1 {
		return "", fmt.Errorf("%s holds %q %d times, want once: the mutant needs to follow the code", m.file, m.old, n)
	}
	return strings.Replace(string(text), m.old, m.new, 1), nil
}

// build builds the program with the mistake laid over its file.
func (m mutant) build(ctx context.Context, module, binary string) error {
	text, err := m.mutated(module)
	if err != nil {
		return err
	}
	full, err := filepath.Abs(filepath.Join(module, m.file))
	if err != nil {
		return err
	}
	sick := binary + filepath.Ext(m.file)
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{full: sick}})
	if err != nil {
		return err
	}
	if err := errors.Join(os.WriteFile(sick, []byte(text), 0o600), os.WriteFile(binary+".json", overlay, 0o600)); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "sqlite_fts5", "-overlay", binary+".json", "-o", binary, "./cmd/crossdock")
	cmd.Dir = module
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}
