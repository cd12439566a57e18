package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"crossdock/connectors"
	"crossdock/connectors/all"
	"crossdock/hub"
	"crossdock/hub/journal"
	"crossdock/schemas"
)

func dirOf(path string) string { return filepath.Dir(path) }

func (a *app) runsCommand() *cobra.Command {
	var filter journal.RunFilter
	var status string
	list := &cobra.Command{
		Use: "list", Short: "List runs, newest first",
		Args: arguments(cobra.NoArgs, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withJournal(cmd.Context(), func(ctx context.Context, h *hub.Hub) error {
				if err := h.CloseDeadRuns(ctx); err != nil {
					return err
				}
				filter.Status = journal.Status(status)
				if known := journal.Statuses(); status != "" && !slices.Contains(known, status) {
					return usagef("--status is %q, but must be one of %s%s", status, strings.Join(known, ", "), schemas.DidYouMean(status, known))
				}
				runs, err := h.Journal().Runs(ctx, filter)
				if err != nil {
					return err
				}
				a.printRuns(runs)
				return nil
			})
		},
	}
	list.Flags().StringVar(&filter.Pipeline, "pipeline", "", "those of one pipeline")
	list.Flags().StringVar(&status, "status", "", "queued, running, succeeded, partial, failed, stopped or held")
	list.Flags().IntVar(&filter.Limit, "limit", 50, "most runs to list")
	show := &cobra.Command{
		Use: "show RUN", Short: "Show one run",
		Args: arguments(cobra.ExactArgs(1), "the id of a run"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withJournal(cmd.Context(), func(ctx context.Context, h *hub.Hub) error {
				if err := h.CloseDeadRuns(ctx); err != nil {
					return err
				}
				run, err := h.Journal().Run(ctx, args[0])
				if err != nil {
					return err
				}
				open, err := h.Journal().CountRows(ctx, run.ID, journal.OpenRow)
				if err != nil {
					return err
				}
				waiting, err := h.Journal().CountRows(ctx, run.ID, journal.WaitingRow)
				if err != nil {
					return err
				}
				a.printRun(run, open, waiting)
				return a.printReverts(ctx, h, run.ID)
			})
		},
	}
	return group("runs", "See what ran, approve what a guard holds, and put runs back", list, show,
		a.approveCommand(), a.revertCommand(), a.profileCommand(), a.driftCommand())
}

// summaryOf returns what `run --json` printed of a run.
func (a *app) summaryOf(r journal.Run) hub.Summary {
	s := hub.Summary{
		Run: r.ID, Pipeline: r.Pipeline, Entity: r.Entity, Status: r.Status, Counts: r.Counts,
		Seconds: r.Seconds(a.clock()), Error: r.Error, Deactivated: r.Deactivated,
	}
	if s.Seconds > 0 {
		s.RowsPerSecond = float64(s.Read) / s.Seconds
	}
	s.Quality = scoreOf(r)
	return s
}

func (a *app) printRuns(runs []journal.Run) {
	if a.json {
		list := make([]hub.Summary, len(runs))
		for i, r := range runs {
			list[i] = a.summaryOf(r)
		}
		a.printJSON(list)
		return
	}
	if len(runs) == 0 {
		fmt.Fprintln(a.stdout, "no runs")
		return
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RUN\tPIPELINE\tSTATUS\tREAD\tAPPLIED\tUNCHANGED\tREJECTED\tSKIPPED\tQUALITY\tTOOK")
	for _, r := range runs {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Pipeline, r.Status, thousands(r.Read), thousands(r.Applied),
			thousands(r.Unchanged), thousands(r.Rejected), thousands(r.Skipped), scoreText(scoreOf(r)), seconds(r.Seconds(a.clock())))
	}
	_ = w.Flush()
}

func (a *app) printRun(r journal.Run, open, waiting int64) {
	if a.json {
		a.printJSON(a.summaryOf(r))
		return
	}
	fmt.Fprintf(a.stdout, "run %s by %s, started %s\n", r.ID, r.Cause, r.Started.Format("2006-01-02 15:04:05Z"))
	fmt.Fprintf(a.stdout, "pipeline file %s (%.12s)\n", r.PipelineFile, r.PipelineHash)
	if r.InputName != "" {
		fmt.Fprintf(a.stdout, "input %s\n", r.InputName)
	}
	if r.ApprovedBy != "" {
		fmt.Fprintf(a.stdout, "approved by %s at %s, without guard %s\n", r.ApprovedBy, r.ApprovedAt.Format("2006-01-02 15:04:05Z"), r.Lifted)
	}
	a.printSummary(a.summaryOf(r))
	if r.Error != "" {
		fmt.Fprintf(a.stdout, "  %s\n", r.Error)
	}
	if waiting > 0 {
		fmt.Fprintf(a.stdout, "  %s rows are still waiting; see: crossdock errors list --status waiting --run %s\n", thousands(waiting), r.ID)
	}
	if open > 0 {
		fmt.Fprintf(a.stdout, "  %s rows are still open; see: crossdock errors list --run %s\n", thousands(open), r.ID)
	}
}

func (a *app) connectorsCommand() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "List the connectors",
		Args: arguments(cobra.NoArgs, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			if a.json {
				a.printJSON(connectorViews(all.Types()))
				return nil
			}
			w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
			for _, t := range all.Types() {
				fmt.Fprintf(w, "%s\t%s\n", t.Name, t.Doc)
			}
			return w.Flush()
		},
	}
	describe := &cobra.Command{
		Use: "describe CONNECTOR", Short: "Describe the settings of a connector",
		Args: arguments(cobra.ExactArgs(1), "the name of a connector"),
		RunE: func(_ *cobra.Command, args []string) error {
			names := []string{}
			for _, t := range all.Types() {
				names = append(names, t.Name)
				if t.Name == args[0] {
					return a.describeConnector(t)
				}
			}
			return usagef("unknown connector %s%s (there are %s)", args[0], schemas.DidYouMean(args[0], names), strings.Join(names, ", "))
		},
	}
	return group("connectors", "See what can be read", list, describe)
}

type connectorView struct {
	Name     string        `json:"name"`
	Doc      string        `json:"doc"`
	Settings []settingView `json:"settings"`
}

type settingView struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"`
	Doc      string   `json:"doc"`
	Required bool     `json:"required"`
	Default  string   `json:"default,omitempty"`
	Example  string   `json:"example,omitempty"`
	Values   []string `json:"values,omitempty"`
}

func connectorViews(types []connectors.Type) []connectorView {
	views := make([]connectorView, len(types))
	for i, t := range types {
		views[i] = connectorView{Name: t.Name, Doc: t.Doc}
		for _, s := range t.Settings {
			views[i].Settings = append(views[i].Settings, settingView{
				Name: s.Name, Type: s.Kind, Doc: s.Doc, Required: s.Required, Default: s.Default, Example: s.Example, Values: s.Values,
			})
		}
	}
	return views
}

func (a *app) describeConnector(t connectors.Type) error {
	if a.json {
		a.printJSON(connectorViews([]connectors.Type{t})[0])
		return nil
	}
	fmt.Fprintf(a.stdout, "%s: %s\n\n", t.Name, t.Doc)
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, s := range t.Settings {
		note := s.Doc
		switch {
		case s.Required:
			note += " Required."
		case s.Default != "":
			note += " Default: " + s.Default + "."
		}
		if len(s.Values) > 0 {
			note += " One of: " + strings.Join(s.Values, ", ") + "."
		}
		if s.Example != "" {
			note += " Example: " + s.Example
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", s.Name, s.Kind, note)
	}
	return w.Flush()
}

func (a *app) schemaCommand() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "List the entities",
		Args: arguments(cobra.NoArgs, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			if a.json {
				a.printJSON(schemas.Default().Entities())
				return nil
			}
			w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
			for _, e := range schemas.Default().Entities() {
				fmt.Fprintf(w, "%s\t%s\t%s\n", e.Name, e.Service, e.Doc)
			}
			return w.Flush()
		},
	}
	show := &cobra.Command{
		Use: "show ENTITY", Short: "Show the fields and rules of an entity; with --json its JSON Schema",
		Long: "Show the fields and rules of an entity; with --json its JSON Schema. The name\npipeline shows the JSON Schema of pipeline files, for editors.",
		Args: arguments(cobra.ExactArgs(1), "the name of an entity"),
		RunE: func(_ *cobra.Command, args []string) error {
			if args[0] == "pipeline" {
				_, err := a.stdout.Write(schemas.PipelineSchema())
				return err
			}
			e, err := schemas.Default().Entity(args[0])
			if err != nil {
				return usagef("%s", err)
			}
			if a.json {
				a.printJSON(e.JSONSchema())
				return nil
			}
			return a.printEntity(e)
		},
	}
	return group("schema", "See what can be filled, and take templates", list, show, a.templateCommand(),
		a.schemaEventsCommand(), a.asyncAPICommand())
}

func (a *app) printEntity(e *schemas.Entity) error {
	fmt.Fprintf(a.stdout, "%s (%s): %s\n\n", e.Name, e.Service, e.Doc)
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, f := range e.Fields {
		notes := []string{}
		switch {
		case f.Key && f.Required:
			notes = append(notes, "key")
		case f.Key:
			notes = append(notes, "key, "+f.Default+" where absent")
		case f.Required:
			notes = append(notes, "required at creation")
		case f.Default != "":
			notes = append(notes, f.Default+" at creation where absent")
		}
		if f.Entity != "" {
			notes = append(notes, "refers to "+f.Entity)
		}
		if len(f.Values) > 0 {
			notes = append(notes, strings.Join(f.Values, ", "))
		}
		name := f.Name
		switch {
		case f.Type == schemas.LocalisedText:
			name += ".LANGUAGE"
		case f.Open:
			name += ".NAME"
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", name, f.Type, f.Doc, strings.Join(notes, "; "))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(a.stdout, "\nrules that always hold:")
	for _, rule := range e.Rules {
		text, err := json.Marshal(rule)
		if err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "  %s\n", text)
	}
	return nil
}

func (a *app) templateCommand() *cobra.Command {
	var format, output, languages string
	cmd := &cobra.Command{
		Use: "template ENTITY", Short: "Write a file to fill in",
		Example: "  crossdock schema template product --format xlsx --output products.xlsx",
		Args:    arguments(cobra.ExactArgs(1), "the name of an entity"),
		RunE: func(_ *cobra.Command, args []string) error {
			e, err := schemas.Default().Entity(args[0])
			if err != nil {
				return usagef("%s", err)
			}
			format, err := fileFormat(format, output)
			if err != nil {
				return err
			}
			write := e.TemplateCSV
			if format == "xlsx" {
				write = e.TemplateXLSX
			}
			to := func(w io.Writer) error { return write(w, strings.Split(languages, ",")) }
			if output == "" {
				return to(a.stdout)
			}
			return writeFile(output, to)
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "csv or xlsx; else by the name of the file, else csv")
	cmd.Flags().StringVar(&languages, "languages", "en", "languages of localised fields, separated by commas")
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write; else the standard output")
	return cmd
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version",
		Args: arguments(cobra.NoArgs, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			if a.json {
				a.printJSON(map[string]string{"version": version(), "go": runtime.Version()})
				return nil
			}
			fmt.Fprintf(a.stdout, "crossdock %s (%s, %s/%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}

// release is stamped by the linker: -ldflags "-X main.release=v1.2.3".
var release string //nolint:gochecknoglobals // the linker can stamp nothing else

func version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "unstamped"
}
