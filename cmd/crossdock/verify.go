package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"crossdock/hub"
)

func (a *app) verifyCommand() *cobra.Command {
	var options hub.VerifyOptions
	cmd := &cobra.Command{
		Use: "verify", Short: "See whether what the services hold fits together",
		Long: `Verify reads all that the services hold and writes nothing. It counts the rows of
every entity with a checksum, which is the same on two installations that hold
the same, and looks after every reference: prices without products, stock of
unknown warehouses, variants without a parent.

With --sources every pipeline that was ever run is compared with what its source
holds now, as a dry run does: rows that would change are drift.

Exit code 3 says that something is wrong.`,
		Args: arguments(cobra.NoArgs, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withHub(cmd.Context(), func(ctx context.Context, h *hub.Hub) error {
				bar := a.newProgress("verify")
				options.Progress = bar.update
				v, err := h.Verify(ctx, options)
				bar.finish()
				if err != nil {
					return err
				}
				a.printVerification(v)
				if v.Wrong > 0 {
					return errRejected
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&options.Sources, "sources", false, "compare every pipeline with its source as well")
	return cmd
}

func (a *app) printVerification(v *hub.Verification) {
	if a.json {
		a.printJSON(v)
		return
	}
	a.printTable(func(w io.Writer) {
		fmt.Fprintln(w, "ENTITY\tROWS\tCHECKSUM")
		for _, one := range v.Holdings {
			fmt.Fprintf(w, "%s\t%s\t%s\n", one.Entity, thousands(one.Rows), one.Checksum)
		}
	})
	fmt.Fprintln(a.stdout)
	a.printTable(func(w io.Writer) {
		fmt.Fprintln(w, "CHECK\tLOOKED AT\tWRONG\t")
		for _, f := range v.Checks {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", f.Check, thousands(f.Looked), thousands(f.Wrong), f.What)
		}
	})
	for _, f := range v.Checks {
		if f.Wrong == 0 {
			continue
		}
		fmt.Fprintf(a.stdout, "\n%s: %s wrong\n", f.Check, thousands(f.Wrong))
		for _, example := range f.Examples {
			fmt.Fprintln(a.stdout, "  "+example)
		}
		if f.Error != "" {
			fmt.Fprintln(a.stdout, "  "+f.Error)
		}
		fmt.Fprintln(a.stdout, "  to mend it: "+f.Repair)
	}
	if v.Wrong == 0 {
		fmt.Fprintln(a.stdout, "\nall of it fits together")
	}
}
