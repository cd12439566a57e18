package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"crossdock/hub"
	"crossdock/hub/journal"
	"crossdock/pipelines"
)

func scoreOf(r journal.Run) *pipelines.Score {
	if r.Score == nil {
		return nil
	}
	score := pipelines.Score(*r.Score)
	return &score
}

func scoreText(score *pipelines.Score) string {
	if score == nil {
		return "-"
	}
	return score.String()
}

func (a *app) profileCommand() *cobra.Command {
	return &cobra.Command{
		Use: "profile RUN", Short: "Show what the columns of a run held: missing values, how many differ, the most frequent",
		Args: arguments(cobra.ExactArgs(1), "the id of a run"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withJournal(cmd.Context(), func(ctx context.Context, h *hub.Hub) error {
				p, err := h.Profile(ctx, args[0])
				if err != nil {
					return err
				}
				a.printProfile(p)
				return nil
			})
		},
	}
}

func (a *app) printProfile(p *pipelines.Profile) {
	if a.json {
		a.printJSON(p)
		return
	}
	fmt.Fprintf(a.stdout, "%s read, %s passed\n\n", plural(p.Rows, "row"), thousands(p.Passed))
	a.printColumns("COLUMN", p.Columns)
	fmt.Fprintln(a.stdout)
	a.printColumns("FIELD", p.Fields)
}

func (a *app) printColumns(title string, columns []pipelines.ProfiledColumn) {
	a.printTable(func(w io.Writer) {
		fmt.Fprintf(w, "%s\tEMPTY\tDIFFERENT\tFROM\tTO\tLENGTH\tLOOKS LIKE\tMOST FREQUENT\n", title)
		for _, c := range columns {
			if c.From != "" {
				fmt.Fprintf(w, "%s\t%s\tas column %s\n", c.Name, pipelines.Percent(c.NullShare()), c.From)
				continue
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", c.Name, pipelines.Percent(c.NullShare()), distinct(c), brief(c.Min), brief(c.Max),
				lengths(c), shape(c), frequent(c))
		}
	})
}

func distinct(c pipelines.ProfiledColumn) string {
	text := thousands(c.Distinct)
	if !c.Exact {
		text = "about " + text
	}
	if c.Looked < c.Rows-c.Nulls {
		text += " of " + thousands(c.Looked)
	}
	return text
}

func brief(text string) string {
	const most = 16
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

func lengths(c pipelines.ProfiledColumn) string {
	switch {
	case c.Longest == 0:
		return ""
	case c.Shortest == c.Longest:
		return fmt.Sprint(c.Longest)
	}
	return fmt.Sprintf("%d-%d", c.Shortest, c.Longest)
}

func shape(c pipelines.ProfiledColumn) string {
	if len(c.Shapes) == 0 {
		return ""
	}
	return brief(c.Shapes[0].Text)
}

func frequent(c pipelines.ProfiledColumn) string {
	const most = 3
	var parts []string
	for _, v := range c.Top[:min(len(c.Top), most)] {
		parts = append(parts, fmt.Sprintf("%s (%s)", brief(v.Text), thousands(v.Count)))
	}
	return strings.Join(parts, ", ")
}

func (a *app) driftCommand() *cobra.Command {
	var pipeline, run string
	var limit int
	cmd := &cobra.Command{
		Use: "drift", Short: "List columns that were no longer what they had been in earlier runs, newest first",
		Args: arguments(cobra.NoArgs, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withJournal(cmd.Context(), func(ctx context.Context, h *hub.Hub) error {
				found, err := h.Journal().Drifts(ctx, pipeline, run, limit)
				if err != nil {
					return err
				}
				if a.json {
					a.printJSON(append([]journal.Drift{}, found...))
					return nil
				}
				if len(found) == 0 {
					fmt.Fprintln(a.stdout, "no column has moved")
				}
				for _, d := range found {
					fmt.Fprintf(a.stdout, "%s  %s: %s\n", d.Run, d.Pipeline, d.Message)
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&pipeline, "pipeline", "", "of runs of one pipeline")
	cmd.Flags().StringVar(&run, "run", "", "of one run")
	cmd.Flags().IntVar(&limit, "limit", 100, "most entries to list")
	return cmd
}

func (a *app) qualityCommand() *cobra.Command {
	var pipeline string
	var runs int
	cmd := &cobra.Command{
		Use: "quality", Short: "Show how good the rows of each source were, run by run",
		Long: `Quality shows a score from 0 to 100 for each source and run: 80 points for rows
that were not rejected, less a quarter of a row for each that drew a warning,
and 20 points for mapped cells that were filled.`,
		Args: arguments(cobra.NoArgs, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runs < 1 {
				return usagef("--runs must be at least 1, not %d", runs)
			}
			return a.withJournal(cmd.Context(), func(ctx context.Context, h *hub.Hub) error {
				sources, err := h.Quality(ctx, pipeline, runs)
				if err != nil {
					return err
				}
				a.printQuality(sources)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&pipeline, "pipeline", "", "of one pipeline")
	cmd.Flags().IntVar(&runs, "runs", 30, "how many runs to look back")
	return cmd
}

func (a *app) printQuality(sources []hub.QualityOfSource) {
	if a.json {
		a.printJSON(sources)
		return
	}
	if len(sources) == 0 {
		fmt.Fprintln(a.stdout, "no run has a score yet")
		return
	}
	a.printTable(func(w io.Writer) {
		fmt.Fprintln(w, "PIPELINE\tSOURCE\tSCORE\tBEFORE\tRUNS\tOVER TIME")
		for _, s := range sources {
			before, name := "-", s.Source
			if len(s.Runs) > 1 {
				before = s.Runs[1].Score.String()
			}
			if name == "" {
				name = "(all)"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\n", s.Pipeline, name, s.Runs[0].Score, before, len(s.Runs), sparkline(s.Runs))
		}
	})
}

// sparkline draws scores as bars, the oldest first: a full bar is 100, the
// lowest is 50 and less, since a source below that is beyond comparing.
func sparkline(runs []hub.QualityOfRun) string {
	bars := []rune("▁▂▃▄▅▆▇█")
	line := make([]rune, len(runs))
	for i, r := range runs {
		const floor, most = 500, 1000
		at := max(int(r.Score)-floor, 0) * (len(bars) - 1) / (most - floor)
		line[len(runs)-1-i] = bars[at]
	}
	return string(line)
}
