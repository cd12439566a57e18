package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"crossdock/hub"
	"crossdock/hub/journal"
	"crossdock/schemas"
)

func (a *app) errorsCommand() *cobra.Command {
	return group("errors", "See, export, replay or discard what was rejected",
		a.errorsListCommand(), a.errorsShowCommand(), a.errorsExportCommand(), a.errorsReplayCommand(), a.errorsDiscardCommand())
}

// filterFlags are the flags by which errors are chosen.
type filterFlags struct{ run, pipeline, status, severity string }

func (f *filterFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.run, "run", "", "those of one run")
	cmd.Flags().StringVar(&f.pipeline, "pipeline", "", "those of one pipeline")
}

func (f *filterFlags) filter() (journal.ErrorFilter, error) {
	filter := journal.ErrorFilter{Run: f.run, Pipeline: f.pipeline, Status: journal.RowStatus(f.status), Severity: schemas.Severity(f.severity)}
	switch filter.Status {
	case "", journal.OpenRow, journal.ReplayedRow, journal.DiscardedRow, journal.SupersededRow:
	default:
		return filter, usagef("--status is %q, but must be open, replayed, discarded or superseded", f.status)
	}
	if s := filter.Severity; s != "" && s != schemas.Warn && s != schemas.Reject {
		return filter, usagef("--severity is %q, but must be reject or warn", f.severity)
	}
	return filter, nil
}

func (a *app) errorsListCommand() *cobra.Command {
	var flags filterFlags
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List rejected rows, with an entry for each thing that is wrong",
		Args: arguments(cobra.NoArgs, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withJournal(cmd.Context(), func(ctx context.Context, h *hub.Hub) error {
				filter, err := flags.filter()
				if err != nil {
					return err
				}
				filter.Limit = limit
				list, err := h.Journal().Errors(ctx, filter)
				if err != nil {
					return err
				}
				a.printErrors(list)
				return nil
			})
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&flags.status, "status", "", "open (the default), replayed, discarded or superseded")
	cmd.Flags().StringVar(&flags.severity, "severity", "", "reject (the default), or warn for rows that went on")
	cmd.Flags().IntVar(&limit, "limit", 0, "most rows to list; 0 lists them all")
	return cmd
}

func (a *app) printErrors(list []journal.Error) {
	if a.json {
		a.printJSON(list)
		return
	}
	if len(list) == 0 {
		fmt.Fprintln(a.stdout, "no errors")
		return
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tPIPELINE\tPLACE\tFIELD\tVALUE\tWHAT IS WRONG\tRULE")
	for _, e := range list {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", e.ID, e.Pipeline, e.Origin, e.Field, quote(e.Value), e.Message, e.Rule)
	}
	_ = w.Flush()
}

func findingID(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0, usagef("%q is not the id of an error (crossdock errors list)", text)
	}
	return id, nil
}

func (a *app) errorsShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one rejected row with all its cells",
		Args: arguments(cobra.ExactArgs(1), "the id of an error"),
		RunE: func(cmd *cobra.Command, args []string) error {
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
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for i, name := range row.Cells.Names {
		mark := " "
		for _, f := range row.Findings {
			if f.Position == i {
				mark = ">"
			}
		}
		value := "-"
		if i < len(row.Cells.Values) && row.Cells.Values[i] != nil {
			value = quote(*row.Cells.Values[i])
		}
		fmt.Fprintf(w, "%s %s\t%s\n", mark, name, value)
	}
	_ = w.Flush()
}

func (a *app) errorsExportCommand() *cobra.Command {
	var flags filterFlags
	var format, output string
	cmd := &cobra.Command{
		Use: "export", Short: "Write rejected rows in the layout of the file they came from",
		Example: "  crossdock errors export --format xlsx --pipeline acme-catalog --output mend.xlsx",
		Args:    arguments(cobra.NoArgs, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "csv" && format != "xlsx" {
				return usagef("--format is %q, but must be csv or xlsx", format)
			}
			filter, err := flags.filter()
			if err != nil {
				return err
			}
			return a.withJournal(cmd.Context(), func(ctx context.Context, h *hub.Hub) error {
				rows, err := h.Journal().Rows(ctx, filter)
				if err != nil {
					return err
				}
				if err := a.export(rows, format, output); err != nil {
					return err
				}
				fmt.Fprintf(a.stderr, "%s written\n", plural(int64(len(rows)), "rejected row"))
				return nil
			})
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&format, "format", "csv", "csv or xlsx")
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write; else the standard output")
	return cmd
}

func (a *app) export(rows []*journal.Row, format, output string) error {
	write := hub.ExportCSV
	if format == "xlsx" {
		write = hub.ExportXLSX
	}
	if output == "" {
		return write(a.stdout, rows)
	}
	return writeFile(output, func(w io.Writer) error { return write(w, rows) })
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
	if err := file.Close(); err != nil {
		return err
	}
	if err := os.Chmod(file.Name(), 0o640); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

func (a *app) errorsReplayCommand() *cobra.Command {
	var flags filterFlags
	cmd := &cobra.Command{
		Use: "replay [ID...]", Short: "Send rejected rows through their pipelines as they are today",
		Long: `Replay maps, checks and applies rejected rows once more, after the mapping, the
rule or the data that they refer to was mended. Rows that pass are closed; the
others stay, with what is wrong with them now.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			filter, err := flags.filter()
			if err != nil {
				return err
			}
			for _, arg := range args {
				id, err := findingID(arg)
				if err != nil {
					return err
				}
				filter.IDs = append(filter.IDs, id)
			}
			if len(filter.IDs) > 0 && (flags.run != "" || flags.pipeline != "") {
				return usagef("give ids, or --run or --pipeline, not both")
			}
			return a.withHub(cmd.Context(), func(ctx context.Context, h *hub.Hub) error {
				return a.replay(ctx, h, filter)
			})
		},
	}
	flags.add(cmd)
	return cmd
}

func (a *app) replay(ctx context.Context, h *hub.Hub, filter journal.ErrorFilter) error {
	summaries, err := h.Replay(ctx, filter, nil)
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

func (a *app) errorsDiscardCommand() *cobra.Command {
	return &cobra.Command{
		Use: "discard ID...", Short: "Give rejected rows up",
		Args: arguments(cobra.MinimumNArgs(1), "ids of errors"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withJournal(cmd.Context(), func(ctx context.Context, h *hub.Hub) error {
				for _, arg := range args {
					id, err := findingID(arg)
					if err != nil {
						return err
					}
					row, err := h.Journal().Discard(ctx, id)
					if err != nil {
						return err
					}
					if a.json {
						a.printJSON(map[string]any{"id": id, "status": journal.DiscardedRow})
						continue
					}
					fmt.Fprintf(a.stdout, "discarded row %s with %s\n", row.Place, plural(int64(len(row.Findings)), "error"))
				}
				return nil
			})
		},
	}
}
