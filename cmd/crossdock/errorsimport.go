package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"crossdock/hub"
)

func (a *app) errorsImportCommand() *cobra.Command {
	var by actor
	var dryRun bool
	cmd := &cobra.Command{
		Use: "import FILE", Short: "Take back an export of rejected rows that was mended, and replay its rows",
		Long: `Import reads a workbook or CSV file that errors export has written and that was
mended since. Each row is known by its _row_token, so that rows may be sorted
anew and columns deleted. Cells that differ from what was exported are recorded
as edits, and exactly these rows are replayed. The same file a second time
changes nothing.`,
		Example: "  crossdock errors import mended.xlsx",
		Args:    arguments(cobra.ExactArgs(1), "the mended file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			input, err := hub.FileInput(args[0])
			if err != nil {
				return err
			}
			return a.withHub(cmd.Context(), func(ctx context.Context, h *hub.Hub) error {
				report, err := h.Mend(ctx, *input, hub.MendOptions{By: by.name(), DryRun: dryRun})
				a.printMended(report, err)
				if err == nil && report.Failing+report.Unknown > 0 {
					err = errRejected
				}
				return err
			})
		},
	}
	by.add(cmd)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would happen, and change nothing")
	return cmd
}

func (a *app) printMended(r hub.MendReport, err error) {
	if a.json {
		if err == nil {
			a.printJSON(r)
		}
		return
	}
	for _, n := range r.Notices {
		fmt.Fprintln(a.stderr, "note: "+n)
	}
	if err != nil {
		return
	}
	would := ""
	if r.DryRun {
		would = "would be "
	}
	fmt.Fprintf(a.stdout, "%s, %s changed\n", plural(r.Rows, "row"), plural(r.Cells, "cell"))
	fmt.Fprintf(a.stdout, "  %s %sfixed, %s %sstill failing, %s untouched, %s closed already, %s refused\n", thousands(r.Fixed), would,
		thousands(r.Failing), would, thousands(r.Untouched), thousands(r.Closed), thousands(r.Unknown))
	for _, s := range r.Runs {
		fmt.Fprintf(a.stdout, "  replayed by run %s of %s\n", s.Run, s.Pipeline)
	}
	for _, e := range r.Wrong {
		fmt.Fprintf(a.stdout, "  still failing: %d  %s\n", e.ID, errorLine(e))
	}
	for _, one := range r.Refused {
		fmt.Fprintf(a.stdout, "  refused: %s %s\n", one.Place, one.Message)
	}
	if r.Unchecked != "" {
		fmt.Fprintf(a.stdout, "whether they would pass is not known: %s\n", r.Unchecked)
	}
}
