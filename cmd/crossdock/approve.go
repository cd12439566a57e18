package main

import (
	"context"

	"github.com/spf13/cobra"

	"crossdock/hub"
)

func (a *app) approveCommand() *cobra.Command {
	var by actor
	var loss int64
	cmd := &cobra.Command{
		Use: "approve RUN...", Short: "Run what a guard holds, with that guard lifted",
		Long: `Approve runs exactly the runs that a guard holds, with the guard that holds them
lifted: by the same text of the pipeline and over the same files. Where one of
these has changed since, it refuses.`,
		Example: "  crossdock runs list --status held\n  crossdock runs approve 20261121-141058-k7qd",
		Args:    arguments(cobra.MinimumNArgs(1), "the ids of runs"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withHub(cmd.Context(), func(ctx context.Context, h *hub.Hub) error {
				if cmd.Flags().Changed("max-loss") {
					if len(args) > 1 {
						return usagef("--max-loss goes with one run, not with %d", len(args))
					}
					if err := h.AllowLoss(ctx, args[0], loss); err != nil {
						return err
					}
				}
				return a.approve(ctx, h, args, by.name())
			})
		},
	}
	by.add(cmd)
	cmd.Flags().Int64Var(&loss, "max-loss", 0, "how many rows a snapshot may deactivate; unset, as many as when it was held")
	return cmd
}

func (a *app) approve(ctx context.Context, h *hub.Hub, ids []string, by string) error {
	var rejected bool
	for _, id := range ids {
		bar := a.newProgress(id)
		s, err := h.Approve(ctx, id, by, bar.update)
		bar.finish()
		a.printSummary(s)
		if err != nil {
			return err
		}
		if s.Rejected > 0 {
			rejected = true
			a.printRejected(ctx, h, s)
		}
	}
	if rejected {
		return errRejected
	}
	return nil
}
