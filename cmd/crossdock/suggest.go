package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"crossdock/hub"
	"crossdock/pipelines/suggest"
	"crossdock/schemas"
)

func (a *app) suggestCommand() *cobra.Command {
	var entity, output string
	var settings []string
	cmd := &cobra.Command{
		Use: "suggest FILE", Short: "Propose a pipeline for a file",
		Long: `Suggest looks at the columns of a file and at its first rows, and writes a
pipeline for it: the connector, the entity, which column fills which field and
how numbers, dates and codes are written. Behind each line stand the confidence
in it and the reason; what was not understood is listed at the end.`,
		Example: "  crossdock suggest artikel.csv --output artikel.yaml\n  crossdock suggest prices.xlsx --entity price --source sheet=2026",
		Args:    arguments(cobra.ExactArgs(1), "one file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			req, err := a.suggestRequest(args[0], entity, output, settings)
			if err != nil {
				return err
			}
			return a.withJournal(cmd.Context(), func(ctx context.Context, h *hub.Hub) error {
				p, err := h.Suggest(ctx, req)
				if err != nil {
					return err
				}
				return a.printProposal(p, output)
			})
		},
	}
	cmd.Flags().StringVar(&entity, "entity", "", "what the rows are; else it is guessed (see: crossdock schema list)")
	cmd.Flags().StringVar(&output, "output", "", "write the pipeline to this file, which must not be there")
	cmd.Flags().StringArrayVar(&settings, "source", nil, "a setting of the connector, as in header=3 or columns=sku,name; may be repeated")
	return cmd
}

func (a *app) suggestRequest(file, entity, output string, settings []string) (hub.SuggestRequest, error) {
	req := hub.SuggestRequest{Entity: entity, Dir: filepath.Dir(output)}
	if entity != "" {
		if _, err := schemas.Default().Entity(entity); err != nil {
			return req, usagef("%s", err)
		}
	}
	in, err := hub.FileInput(file)
	if err != nil {
		return req, err
	}
	req.Input, req.Settings = *in, map[string]any{}
	for _, setting := range settings {
		name, value, ok := strings.Cut(setting, "=")
		if !ok || name == "path" || name == "connector" {
			return req, usagef("--source is %q, but must be a setting of the connector and its value, as in header=3", setting)
		}
		req.Settings[name] = any(value)
		if name == "columns" {
			list := []any{}
			for column := range strings.SplitSeq(value, ",") {
				list = append(list, strings.TrimSpace(column))
			}
			req.Settings[name] = list
		}
	}
	return req, nil
}

func (a *app) printProposal(p *suggest.Proposal, output string) error {
	if output != "" {
		// A pipeline that somebody has worked on is not overwritten by a guess.
		if _, err := os.Lstat(output); err == nil {
			return usagef("%s is there already: name another file, or remove it", output)
		}
		if err := writeFile(output, func(w io.Writer) error { _, err := io.WriteString(w, p.YAML); return err }); err != nil {
			return err
		}
	}
	switch {
	case a.json:
		a.printJSON(p)
	case output == "":
		fmt.Fprint(a.stdout, p.YAML)
	default:
		columns := p.Columns()
		fmt.Fprintf(a.stdout, "%s: %d of %s of %s fill fields of %s; see: crossdock preview %s\n", output,
			columns-len(p.Unmatched), plural(int64(columns), "column"), p.File(), strings.ReplaceAll(p.Entity, "_", " "), output)
	}
	if len(p.Missing) > 0 {
		fmt.Fprintf(a.stderr, "crossdock: no column gives %s, without which no %s can be created\n", strings.Join(p.Missing, ", "), strings.ReplaceAll(p.Entity, "_", " "))
	}
	return nil
}
