package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"crossdock/hub"
)

func (a *app) revertCommand() *cobra.Command {
	var options hub.RevertOptions
	var by actor
	cmd := &cobra.Command{
		Use: "revert RUN", Short: "Put back what a run has changed",
		Long: `Revert puts rows back to what they were before a run: rows that it has updated
get their values back, those that it has created are deleted, and those that it
has deleted are there again. Rows that something newer has changed since are
kept as they are, and named. It is itself a run, which can be put back in turn;
one that was interrupted goes on where it was.`,
		Example: "  crossdock runs revert 20261121-141058-k7qd --dry-run",
		Args:    arguments(cobra.ExactArgs(1), "the id of a run"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withHub(cmd.Context(), func(ctx context.Context, h *hub.Hub) error {
				if err := h.CloseDeadRuns(ctx); err != nil {
					return err
				}
				bar := a.newProgress(args[0])
				options.Progress, options.By = bar.update, by.name()
				s, err := h.Revert(ctx, args[0], options)
				bar.finish()
				a.printRevert(s)
				if err == nil && s.Rejected > 0 {
					return errRejected
				}
				return err
			})
		},
	}
	by.add(cmd)
	cmd.Flags().BoolVar(&options.DryRun, "dry-run", false, "find out what would happen, and write nothing")
	return cmd
}

func (a *app) printRevert(s hub.RevertSummary) {
	switch {
	case a.json:
		a.printJSON(s)
		return
	case s.Status == "":
		return // the error says it all
	case s.DryRun:
		fmt.Fprintf(a.stdout, "run %s of %s: %s (dry run: nothing was written)\n", s.Reverts, s.Pipeline, s.Status)
	default:
		fmt.Fprintf(a.stdout, "run %s of %s put back by run %s: %s\n", s.Reverts, s.Pipeline, s.Run, s.Status)
	}
	fmt.Fprintf(a.stdout, "  %s changed = %s put back + %s back already + %s kept\n",
		plural(s.Read, "row"), thousands(s.Applied), thousands(s.Unchanged), thousands(s.Rejected))
	if s.Applied > 0 {
		fmt.Fprintf(a.stdout, "  updated %s, deleted %s that it had created, created %s that it had deleted\n",
			thousands(s.Updated), thousands(s.Deleted), thousands(s.Created))
	}
	for i, k := range s.Kept {
		if i == shownRejects {
			break
		}
		fmt.Fprintf(a.stdout, "  kept %s: %s\n", k.Key, k.Message)
	}
	if more := s.Rejected - shownRejects; more > 0 {
		fmt.Fprintf(a.stdout, "  ... and %s\n", plural(more, "more row"))
	}
}

// printReverts says of a run which one it puts back, and which one puts it back.
func (a *app) printReverts(ctx context.Context, h *hub.Hub, id string) error {
	if a.json {
		return nil
	}
	r, there, err := h.Journal().Revert(ctx, id)
	if err != nil {
		return err
	}
	if there {
		fmt.Fprintf(a.stdout, "  puts back run %s, as %s asked\n", r.Reverts, r.By)
	}
	if r, there, err = h.Journal().LastRevert(ctx, id); there && err == nil {
		fmt.Fprintf(a.stdout, "  put back by run %s (%s), as %s asked\n", r.ID, r.Status, r.By)
	}
	return err
}
