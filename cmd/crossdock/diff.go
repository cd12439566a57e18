package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"crossdock/hub"
)

// withDiff runs fn with what takes in the changes of a dry run, and writes them
// to a file whose name ends in .csv or .xlsx.
func (a *app) withDiff(ctx context.Context, path string, dryRun bool, fn func(context.Context, func(hub.Change) error) error) error {
	if path == "" {
		return fn(ctx, nil)
	}
	format := strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), ".")
	switch {
	case !dryRun:
		return usagef("--diff goes with --dry-run: it says what a run would change")
	case format != "csv" && format != "xlsx":
		return usagef("--diff %s: the name must end in .csv or .xlsx", path)
	}
	var rejected error // the file is good all the same
	lines := int64(0)
	err := writeFile(path, func(w io.Writer) error {
		file, err := hub.NewDiffFile(w, format)
		if err != nil {
			return err
		}
		err = fn(ctx, func(c hub.Change) error {
			lines++
			return file.Add(c)
		})
		if err != nil && !errors.Is(err, errRejected) {
			return errors.Join(err, file.Close())
		}
		rejected = err
		return file.Close()
	})
	if err != nil {
		return err
	}
	if !a.json {
		fmt.Fprintf(a.stdout, "%s: %s\n", path, plural(lines, "changed field"))
	}
	return rejected
}

// kinds writes what a dry run would do to the rows.
func kinds(s hub.Summary) string {
	return fmt.Sprintf("created %s, updated %s, deleted %s, unchanged %s",
		thousands(s.Created), thousands(s.Updated), thousands(s.Deleted), thousands(s.Unchanged))
}
