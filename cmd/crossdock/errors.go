package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"crossdock/hub"
	"crossdock/hub/journal"
	"crossdock/schemas"
)

func (a *app) errorsCommand() *cobra.Command {
	return group("errors", "See, mend, export, replay or discard what was rejected",
		a.errorsListCommand(), a.errorsShowCommand(), a.errorsEditCommand(), a.errorsReplayCommand(), a.errorsExportCommand(), a.errorsImportCommand(),
		a.errorsDiscardCommand(), a.errorsAssignCommand(), a.errorsCommentCommand(), a.errorsHistoryCommand())
}

// filterFlags are the flags by which errors are chosen.
type filterFlags struct{ run, pipeline, status, severity string }

func (f *filterFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.run, "run", "", "those of one run")
	cmd.Flags().StringVar(&f.pipeline, "pipeline", "", "those of one pipeline")
}

// filter returns the filter that the flags make, or what is wrong with them.
func (f *filterFlags) filter() (journal.ErrorFilter, error) {
	filter := journal.ErrorFilter{Run: f.run, Pipeline: f.pipeline, Status: journal.RowStatus(f.status), Severity: schemas.Severity(f.severity)}
	switch filter.Status {
	case "", journal.OpenRow, journal.WaitingRow, journal.ReplayedRow, journal.DiscardedRow, journal.SupersededRow:
	default:
		return filter, usagef("--status is %q, but must be open, waiting, replayed, discarded or superseded", f.status)
	}
	if s := filter.Severity; s != "" && s != schemas.Warn && s != schemas.Reject {
		return filter, usagef("--severity is %q, but must be reject or warn", f.severity)
	}
	if filter.Severity == schemas.Warn && f.status != "" {
		return filter, usagef("--status goes with rejected rows: those of --severity warn went on, and are neither open nor closed")
	}
	return filter, nil
}

// known refuses a run or a pipeline that there is not: that it has no errors
// would be taken for good news.
func (f *filterFlags) known(ctx context.Context, j *journal.Journal) error {
	if f.pipeline != "" {
		files, err := j.PipelineFiles(ctx)
		if err != nil {
			return err
		}
		if _, ok := files[f.pipeline]; !ok {
			return unknownPipeline(f.pipeline, slices.Sorted(maps.Keys(files)))
		}
	}
	if f.run == "" {
		return nil
	}
	run, err := j.Run(ctx, f.run)
	if err == nil && f.pipeline != "" && run.Pipeline != f.pipeline {
		return usagef("run %s is one of %s, not of %s", run.ID, run.Pipeline, f.pipeline)
	}
	return err
}

func unknownPipeline(name string, known []string) error {
	there := "none has run yet"
	if len(known) > 0 {
		there = "known are " + strings.Join(known, ", ")
	}
	return usagef("unknown pipeline %s%s (%s)", quote(name), schemas.DidYouMean(name, known), there)
}

func (a *app) errorsListCommand() *cobra.Command {
	var flags filterFlags
	var limit int
	var groups bool
	cmd := &cobra.Command{
		Use: "list", Short: "List rejected rows, with an entry for each thing that is wrong",
		Args: arguments(cobra.NoArgs, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := flags.filter()
			if err != nil {
				return err
			}
			if filter.Limit = limit; limit < 0 {
				return usagef("--limit must be 0 or more, not %d", limit)
			}
			return a.withJournal(cmd.Context(), func(ctx context.Context, h *hub.Hub) error {
				if err := flags.known(ctx, h.Journal()); err != nil {
					return err
				}
				switch {
				case groups:
					return a.printGroups(ctx, h.Journal(), filter)
				case a.json:
					return a.printErrorsJSON(ctx, h.Journal(), filter)
				}
				return a.printErrors(ctx, h.Journal(), filter)
			})
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&flags.status, "status", "", "open (the default), waiting, replayed, discarded or superseded")
	cmd.Flags().StringVar(&flags.severity, "severity", "", "reject (the default), or warn for rows that went on")
	cmd.Flags().IntVar(&limit, "limit", 0, "most rows to list; 0 lists them all")
	cmd.Flags().BoolVar(&groups, "group", false, "list problems in place of rows: what has the same rule, field and shape of value")
	return cmd
}

// pageEntries is how many entries of the error queue share the widths of their
// columns, and wait for each other in memory.
const pageEntries = 1_000

func (a *app) printErrors(ctx context.Context, j *journal.Journal, filter journal.ErrorFilter) error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	entries := 0
	err := j.EachError(ctx, filter, func(e journal.Error) error {
		if entries == 0 {
			fmt.Fprintln(w, "ID\tPIPELINE\tPLACE\tFIELD\tVALUE\tWHAT IS WRONG\tRULE")
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", e.ID, e.Pipeline, e.Origin, e.Field, quote(e.Value), e.Message, e.Rule)
		if entries++; entries%pageEntries == 0 {
			return w.Flush()
		}
		return nil
	})
	if err == nil && entries == 0 {
		fmt.Fprintln(w, "no errors")
	}
	return errors.Join(err, w.Flush())
}

// printErrorsJSON writes one array on one line. Where it fails the array is
// left open, so that no program takes a part for the whole.
func (a *app) printErrorsJSON(ctx context.Context, j *journal.Journal, filter journal.ErrorFilter) error {
	w := bufio.NewWriter(a.stdout)
	separator := "["
	err := j.EachError(ctx, filter, func(e journal.Error) error {
		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(e); err != nil {
			return err
		}
		_, err := fmt.Fprintf(w, "%s%s", separator, bytes.TrimSpace(b.Bytes()))
		separator = ","
		return err
	})
	if err != nil {
		return errors.Join(err, w.Flush())
	}
	if separator == "[" { // there was none
		fmt.Fprint(w, separator)
	}
	fmt.Fprintln(w, "]")
	return w.Flush()
}

func findingID(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0, usagef("%q is not the id of an error (crossdock errors list)", text)
	}
	return id, nil
}

// findingIDs reads all ids before anything is done with the first.
func findingIDs(args []string) ([]int64, error) {
	ids := make([]int64, len(args))
	for i, arg := range args {
		var err error
		if ids[i], err = findingID(arg); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

func (a *app) errorsShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show ID|GROUP", Short: "Show one rejected row with all its cells, or the bad values of a group",
		Args: arguments(cobra.ExactArgs(1), "the id of an error or a group"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.HasPrefix(args[0], "g") {
				return a.withJournal(cmd.Context(), func(ctx context.Context, h *hub.Hub) error {
					return a.printGroup(ctx, h.Journal(), args[0])
				})
			}
			id, err := findingID(args[0])
			if err != nil {
				return err
			}
			return a.withJournal(cmd.Context(), func(ctx context.Context, h *hub.Hub) error {
				row, err := h.Journal().RowOf(ctx, id)
				if err != nil {
					return err
				}
				a.printRow(id, row)
				return nil
			})
		},
	}
}

func (a *app) printRow(id int64, row *journal.Row) {
	if a.json {
		for _, e := range row.Errors() {
			if e.ID == id {
				a.printJSON(e)
			}
		}
		return
	}
	fmt.Fprintf(a.stdout, "error %d: %s row of %s, run %s, %s, attempt %d\n", id, row.Entity, row.Pipeline, row.Run, row.Status, row.Attempts)
	fmt.Fprintf(a.stdout, "first seen %s, last seen %s\n", row.FirstSeen.Format("2006-01-02 15:04:05Z"), row.LastSeen.Format("2006-01-02 15:04:05Z"))
	for _, e := range row.Errors() {
		fmt.Fprintf(a.stdout, "%s: %s\n", e.Severity, errorLine(e))
	}
	if row.Assignee != "" {
		fmt.Fprintf(a.stdout, "assigned to %s\n", row.Assignee)
	}
	a.printTable(func(w io.Writer) {
		mended := row.Shown()
		for i, name := range row.Cells.Names {
			mark := " "
			for _, f := range row.Findings {
				if f.Position == i {
					mark = ">"
				}
			}
			value := cellAt(row.Cells, i)
			if now := cellAt(mended, i); now != value || row.Cells.IsMasked(i) && row.IsEdited(i) {
				value += "\t-> " + now
			}
			fmt.Fprintf(w, "%s %s\t%s\n", mark, name, value)
		}
	})
}

// cellAt shows a cell, an empty one as a dash.
func cellAt(cells journal.Cells, i int) string {
	if i >= len(cells.Values) {
		return "-"
	}
	return shown(cells.Values[i])
}

func shown(value *string) string {
	if value == nil {
		return "-"
	}
	return quote(*value)
}

func (a *app) errorsExportCommand() *cobra.Command {
	var flags filterFlags
	var format, output string
	cmd := &cobra.Command{
		Use: "export", Short: "Write rejected rows in the layout of the file they came from",
		Example: "  crossdock errors export --format xlsx --pipeline acme-catalog --output mend.xlsx",
		Args:    arguments(cobra.NoArgs, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			format, err := fileFormat(format, output)
			if err != nil {
				return err
			}
			filter, err := flags.filter()
			if err != nil {
				return err
			}
			return a.withJournal(cmd.Context(), func(ctx context.Context, h *hub.Hub) error {
				if err := flags.known(ctx, h.Journal()); err != nil {
					return err
				}
				write := h.ExportCSV
				if format == "xlsx" {
					write = h.ExportXLSX
				}
				rows, err := a.export(output, func(w io.Writer) (int64, error) { return write(ctx, w, filter) })
				if err != nil {
					return err
				}
				fmt.Fprintf(a.stderr, "%s written\n", plural(rows, "rejected row"))
				return nil
			})
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&format, "format", "", "csv or xlsx; else by the name of the file, else csv")
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write; else the standard output")
	return cmd
}

// export writes to a file, or to the standard output where none is named.
func (a *app) export(output string, write func(io.Writer) (int64, error)) (rows int64, err error) {
	if output == "" {
		return write(a.stdout)
	}
	err = writeFile(output, func(w io.Writer) (err error) {
		rows, err = write(w)
		return err
	})
	return rows, err
}

// writeFile writes a file under another name first, so that a failure leaves
// what was there.
func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.CreateTemp(dirOf(path), ".crossdock-*")
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", path, err)
	}
	defer os.Remove(file.Name()) // fails once it is renamed
	if err := write(file); err != nil {
		_ = file.Close()
		return err
	}
	// What has its name is on the disk, whole, whatever happens next.
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("%s cannot be written: %w", path, err)
	}
	if err := os.Chmod(file.Name(), 0o640); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	return syncFolder(dirOf(path))
}

// syncFolder makes a rename last: it is the folder that holds the name.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

func (a *app) errorsReplayCommand() *cobra.Command {
	var flags filterFlags
	var group string
	var by actor
	cmd := &cobra.Command{
		Use: "replay [ID...]", Short: "Send rejected rows through their pipelines as they are today",
		Long: `Replay maps, checks and applies rejected rows once more, after the rows, the
mapping, the rule or the data that they refer to was mended. Rows that pass are closed; the
others stay, with what is wrong with them now. Rows that the pipeline's filter
now passes over are closed as well, and so are those for which a later run has
parked a newer row of the same key: they count as skipped.

Without ids, --group, --run or --pipeline all open rows are replayed, pipeline by pipeline.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			filter, err := flags.filter()
			if err != nil {
				return err
			}
			if filter.IDs, err = findingIDs(args); err != nil {
				return err
			}
			if filter.Group = group; len(filter.IDs) > 0 && (flags.run != "" || flags.pipeline != "" || group != "") {
				return usagef("give ids, or --group, --run or --pipeline, not both")
			}
			return a.withHub(cmd.Context(), func(ctx context.Context, h *hub.Hub) error {
				if err := flags.known(ctx, h.Journal()); err != nil {
					return err
				}
				return a.replay(ctx, h, filter, by.name())
			})
		},
	}
	flags.add(cmd)
	by.add(cmd)
	cmd.Flags().StringVar(&group, "group", "", "those of one group")
	return cmd
}

func (a *app) replay(ctx context.Context, h *hub.Hub, filter journal.ErrorFilter, by string) error {
	summaries, err := h.Replay(ctx, filter, &hub.ReplayOptions{By: by})
	rejected := false
	for _, s := range summaries {
		a.printSummary(s)
		rejected = rejected || s.Rejected > 0
	}
	if err != nil {
		return err
	}
	if len(summaries) == 0 && !a.json {
		fmt.Fprintln(a.stdout, "no open errors to replay")
	}
	if rejected {
		return errRejected
	}
	return nil
}
