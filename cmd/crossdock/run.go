package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"crossdock/connectors"
	"crossdock/hub"
	"crossdock/hub/journal"
	"crossdock/pipelines"
	"crossdock/schemas"
)

func (a *app) runCommand() *cobra.Command {
	var file, diff string
	var options hub.Options
	var acceptHeader bool
	cmd := &cobra.Command{
		Use: "run PIPELINE...", Short: "Run pipelines, one after another",
		Long: `Run reads each pipeline's source, maps and checks its rows, delivers the good
ones and parks the bad ones. A folder stands for the pipelines in it, in the
order of their file names.`,
		Example: "  crossdock run examples/first-light\n  crossdock run catalog.yaml --file supplier.csv --dry-run",
		Args:    arguments(cobra.MinimumNArgs(1), "pipeline files or folders"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withHub(cmd.Context(), func(ctx context.Context, h *hub.Hub) error {
				if acceptHeader {
					options.Lifted = append(options.Lifted, "header")
				}
				return a.withDiff(ctx, diff, options.DryRun, func(ctx context.Context, changes func(hub.Change) error) error {
					options.Diff = changes
					return a.runPipelines(ctx, h, args, file, options)
				})
			})
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "read this file in place of the one that the pipeline names")
	cmd.Flags().BoolVar(&options.DryRun, "dry-run", false, "find out what would happen, and write nothing")
	cmd.Flags().StringVar(&diff, "diff", "", "with --dry-run: write what would change, field by field, to this .csv or .xlsx file")
	cmd.Flags().BoolVar(&options.Again, "again", false, "apply files again that the pipeline has applied already")
	cmd.Flags().BoolVar(&acceptHeader, "accept-header", false, "go on where the source has other columns than in the run before")
	return cmd
}

// load reads all pipelines named before the first one does anything.
func (a *app) load(h *hub.Hub, paths []string) ([]*pipelines.Pipeline, error) {
	files, err := hub.PipelineFiles(paths)
	if err != nil {
		return nil, usagef("%s", err)
	}
	list := make([]*pipelines.Pipeline, 0, len(files))
	var errs []error
	byName := map[string]string{}
	for _, file := range files {
		p, err := h.Load(file)
		var faults pipelines.Faults
		if err != nil && !errors.As(err, &faults) {
			return nil, usagef("%s", err)
		}
		errs = append(errs, err)
		if err == nil {
			if other, twice := byName[p.Name]; twice {
				return nil, usagef("%s and %s are both called %s: runs and errors are kept by that name, so give each its own", other, file, p.Name)
			}
			byName[p.Name] = file
		}
		list = append(list, p)
	}
	return list, errors.Join(errs...)
}

func input(file string) (*hub.Input, error) {
	if file == "" {
		return nil, nil
	}
	return hub.FileInput(file)
}

func (a *app) runPipelines(ctx context.Context, h *hub.Hub, paths []string, file string, options hub.Options) error {
	list, err := a.load(h, paths)
	if err != nil {
		return err
	}
	if file != "" && len(list) > 1 {
		return usagef("--file goes with one pipeline, not with %d", len(list))
	}
	if options.Input, err = input(file); err != nil {
		return err
	}
	if err := h.CloseDeadRuns(ctx); err != nil {
		return err
	}
	var total journal.Counts
	if options.DryRun && len(list) > 1 {
		options.Planned = hub.Planned{}
	}
	for i, p := range list {
		bar := a.newProgress(p.Name)
		options.Progress = bar.update
		s, err := h.Run(ctx, p, options)
		bar.finish()
		a.printSummary(s)
		if err != nil {
			return errors.Join(err, notRun(list[i+1:]))
		}
		total.Add(s.Counts)
		if s.Rejected > 0 {
			a.printRejected(ctx, h, s)
		}
	}
	if len(list) > 1 && !a.json {
		fmt.Fprintf(a.stdout, "%s: %s\n", plural(int64(len(list)), "pipeline"), identity(total))
	}
	if total.Rejected > 0 {
		return errRejected
	}
	return nil
}

// notRun names the pipelines that a failure keeps from running.
func notRun(list []*pipelines.Pipeline) error {
	if len(list) == 0 {
		return nil
	}
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = p.Name
	}
	return fmt.Errorf("not run for that: %s", strings.Join(names, ", "))
}

// identity writes the accounting of every run.
func identity(c journal.Counts) string {
	return fmt.Sprintf("%s rows read = %s applied + %s unchanged + %s rejected + %s skipped",
		thousands(c.Read), thousands(c.Applied), thousands(c.Unchanged), thousands(c.Rejected), thousands(c.Skipped))
}

func (a *app) printSummary(s hub.Summary) {
	if a.json {
		a.printJSON(s)
		return
	}
	if s.Run == "" {
		return
	}
	would := ""
	if s.DryRun {
		would = " (dry run: nothing was written)"
	}
	fmt.Fprintf(a.stdout, "%s: %s%s\n", s.Pipeline, s.Status, would)
	if s.Read > 0 || s.Error == "" { // else the error says it all
		fmt.Fprintf(a.stdout, "  %s", identity(s.Counts))
		if s.Warned > 0 {
			fmt.Fprintf(a.stdout, "; %s", plural(s.Warned, "warning"))
		}
		if s.Waiting > 0 {
			fmt.Fprintf(a.stdout, "; %s of the rejected waiting", thousands(s.Waiting))
		}
		fmt.Fprintf(a.stdout, "  (%s, %s rows/s)\n", seconds(s.Seconds), thousands(int64(s.RowsPerSecond)))
	}
	if s.DryRun && s.Created+s.Updated+s.Deleted > 0 {
		fmt.Fprintf(a.stdout, "  %s\n", kinds(s))
	}
	if s.Quality != nil {
		fmt.Fprintf(a.stdout, "  quality %s of 100\n", s.Quality)
	}
	if s.Deactivated > 0 {
		fmt.Fprintf(a.stdout, "  deactivated %s that the source no longer holds\n", plural(s.Deactivated, "row"))
	}
	for _, notice := range s.Notices {
		fmt.Fprintf(a.stdout, "  note: %s\n", notice)
	}
	for _, e := range s.Examples {
		fmt.Fprintf(a.stdout, "  would be rejected: %s\n", errorLine(e))
	}
	if more := s.Rejected - int64(len(s.Examples)); s.DryRun && more > 0 {
		fmt.Fprintf(a.stdout, "  ... and %s\n", plural(more, "more row"))
	}
	if s.Superseded > 0 {
		fmt.Fprintf(a.stdout, "  %s of the same files superseded\n", plural(s.Superseded, "older error"))
	}
}

// shownRejects bounds what a run prints of its rejected rows.
const shownRejects = 10

// printRejected shows the first rows that a run has rejected, like a compiler.
func (a *app) printRejected(ctx context.Context, h *hub.Hub, s hub.Summary) {
	if a.json || s.DryRun {
		return
	}
	rows, err := h.Journal().Rows(ctx, journal.ErrorFilter{Run: s.Run, Limit: shownRejects})
	if err != nil {
		fmt.Fprintln(a.stderr, "crossdock: "+err.Error())
		return
	}
	for _, r := range rows {
		for _, e := range r.Errors() {
			fmt.Fprintf(a.stdout, "  %s%s\n", warnPrefix(e), errorLine(e))
		}
	}
	if more := s.Rejected - s.Waiting - int64(len(rows)); more > 0 {
		fmt.Fprintf(a.stdout, "  ... and %s\n", plural(more, "more row"))
	}
	if s.Rejected > s.Waiting {
		fmt.Fprintf(a.stdout, "  see: crossdock errors list --run %s\n", s.Run)
	}
	if s.Waiting > 0 {
		fmt.Fprintf(a.stdout, "  what waits: crossdock errors list --status waiting --run %s\n", s.Run)
	}
}

// warnPrefix sets a warning apart from what has kept its row back.
func warnPrefix(e journal.Error) string {
	if e.Severity == schemas.Warn {
		return "warn: "
	}
	return ""
}

// errorLine writes an entry of the error queue in one line.
func errorLine(e journal.Error) string {
	line := e.Origin.String() + ": "
	if e.Field != "" {
		line += e.Field + ": "
	}
	if e.Value != "" {
		line += quote(e.Value) + " "
	}
	return fmt.Sprintf("%s%s (%s)", line, e.Message, e.Rule)
}

func (a *app) checkCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "check PIPELINE...", Short: "Compare pipelines with their sources, and report every fault",
		Args: arguments(cobra.MinimumNArgs(1), "pipeline files or folders"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withHub(cmd.Context(), func(ctx context.Context, h *hub.Hub) error {
				list, err := a.load(h, args)
				if err != nil {
					return err
				}
				in, err := input(file)
				if err != nil {
					return err
				}
				for _, p := range list {
					r, err := h.Check(ctx, p, in)
					if err != nil {
						r.Error = err.Error()
					}
					if err == nil || len(r.Probes) > 0 || a.json {
						a.printReport(r)
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "read this file in place of the one that the pipeline names")
	return cmd
}

func (a *app) printReport(r *hub.Report) {
	if a.json {
		a.printJSON(r)
		return
	}
	fmt.Fprintf(a.stdout, "%s (%s, %s)\n", r.Pipeline, r.Entity, r.File)
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, probe := range r.Probes {
		result := "ok"
		if probe.Err != nil {
			result = "FAILED"
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", probe.Name, result, probe.Detail)
	}
	if len(r.Columns) > 0 {
		fmt.Fprintf(w, "  mapping\tok\t%d fields from the %d columns of the source: %s\n", len(r.Mapped), len(r.Columns), strings.Join(r.Mapped, ", "))
		fmt.Fprintf(w, "  rules\tok\t%d\n", r.Rules)
	}
	if len(r.Columns) == 0 && allPassed(r.Probes) {
		fmt.Fprintf(w, "  mapping\tFAILED\n")
	}
	_ = w.Flush()
	if len(r.Columns) > 0 && len(r.Unmapped) > 0 {
		fmt.Fprintf(a.stdout, "  not mapped, so kept as they are: %s\n", strings.Join(r.Unmapped, ", "))
	}
}

func allPassed(probes []connectors.Probe) bool {
	return !slices.ContainsFunc(probes, func(p connectors.Probe) bool { return p.Err != nil })
}

func (a *app) previewCommand() *cobra.Command {
	var file string
	var rows int
	cmd := &cobra.Command{
		Use: "preview PIPELINE", Short: "Show the first rows as read, as mapped and as judged; nothing is written",
		Args: arguments(cobra.ExactArgs(1), "one pipeline file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if rows < 1 || rows > 1000 {
				return usagef("--rows must be from 1 to 1000, not %d", rows)
			}
			return a.withHub(cmd.Context(), func(ctx context.Context, h *hub.Hub) error {
				list, err := a.load(h, args)
				if err != nil {
					return err
				}
				in, err := input(file)
				if err != nil {
					return err
				}
				p, err := h.Preview(ctx, list[0], in, rows)
				if err != nil {
					return err
				}
				a.printPreview(p)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "read this file in place of the one that the pipeline names")
	cmd.Flags().IntVar(&rows, "rows", 20, "how many rows to show")
	return cmd
}

// printPreview shows a row a block: each field with the cell it was read from,
// its value, and what the rules say of it.
func (a *app) printPreview(p *hub.Preview) {
	if a.json {
		a.printJSON(p)
		return
	}
	counts := map[string]int{}
	for _, row := range p.Rows {
		counts[row.Outcome]++
		fmt.Fprintf(a.stdout, "%s  %s\n", row.Origin, row.Outcome)
		shown := map[int]bool{}
		a.printTable(func(w io.Writer) {
			for i, column := range p.Columns {
				if row.Values[i] != nil || row.Read[i] != nil || blames(row.Findings, column) {
					fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", column, cell(row.Read[i]), arrow(row.Read[i], row.Values[i]), verdicts(row.Findings, column, shown))
				}
			}
		})
		for i, f := range row.Findings {
			if !shown[i] {
				fmt.Fprintf(a.stdout, "  %s: %s (%s)\n", f.Severity, f.Message, f.Rule)
			}
		}
	}
	fmt.Fprintf(a.stdout, "%d rows of %s: %d pass, %d would be rejected, %d skipped; nothing was written\n",
		len(p.Rows), p.Pipeline, counts["passes"], counts["rejected"], counts["skipped"])
}

func blames(findings []hub.PreviewFinding, column string) bool {
	for _, f := range findings {
		if f.Field == column {
			return true
		}
	}
	return false
}

func cell(value *string) string {
	if value == nil {
		return "-"
	}
	return quote(*value)
}

func arrow(read, value *string) string {
	if read != nil && value != nil && *read == *value {
		return "="
	}
	return "-> " + cell(value)
}

func verdicts(findings []hub.PreviewFinding, column string, shown map[int]bool) string {
	var parts []string
	for i, f := range findings {
		if f.Field == column {
			shown[i] = true
			parts = append(parts, fmt.Sprintf("%s: %s (%s)", f.Severity, f.Message, f.Rule))
		}
	}
	return strings.Join(parts, "; ")
}
