package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"crossdock/hub/journal"
)

func (a *app) printGroups(ctx context.Context, j *journal.Journal, filter journal.ErrorFilter) error {
	groups, err := j.Groups(ctx, filter)
	if err != nil {
		return err
	}
	if filter.Limit > 0 {
		groups = groups[:min(len(groups), filter.Limit)]
	}
	if a.json {
		if groups == nil {
			groups = []journal.Group{}
		}
		a.printJSON(groups)
		return nil
	}
	if len(groups) == 0 {
		fmt.Fprintln(a.stdout, "no errors")
		return nil
	}
	a.printTable(func(w io.Writer) {
		fmt.Fprintln(w, "GROUP\tPIPELINE\tROWS\tSHARE\tFIELD\tEXAMPLE\tRULE\tLAST SEEN\tASSIGNED TO\tWHAT IS WRONG")
		for _, g := range groups {
			fmt.Fprintf(w, "%s\t%s\t%s\t%.1f%%\t%s\t%s\t%s\t%s\t%s\t%s\n", g.ID, g.Pipeline, thousands(g.Rows), g.Share*100,
				g.Field, quote(g.Example), g.Rule, g.LastSeen.Format("2006-01-02 15:04"), g.Assignee, g.Message)
		}
	})
	return nil
}

// shownValues bounds the distinct values that are shown of a group.
const shownValues = 50

func (a *app) printGroup(ctx context.Context, j *journal.Journal, id string) error {
	g, err := j.Group(ctx, id)
	if err != nil {
		return err
	}
	values, distinct, err := j.BadValues(ctx, id, shownValues)
	if err != nil {
		return err
	}
	if a.json {
		if values == nil {
			values = []journal.BadValue{}
		}
		a.printJSON(struct {
			journal.Group
			Distinct int64              `json:"distinct"`
			Values   []journal.BadValue `json:"values"`
		}{g, distinct, values})
		return nil
	}
	where := g.Field
	if g.Column != "" {
		where = strings.TrimPrefix(where+", column "+g.Column, ", ")
	}
	fmt.Fprintf(a.stdout, "group %s: %s of %s, %.1f%% of its open rows\n", g.ID, plural(g.Rows, "row"), g.Pipeline, g.Share*100)
	fmt.Fprintln(a.stdout, strings.TrimPrefix(where+": "+g.Message+" ("+g.Rule+")", ": "))
	if g.Assignee != "" {
		fmt.Fprintf(a.stdout, "assigned to %s\n", g.Assignee)
	}
	a.printTable(func(w io.Writer) {
		fmt.Fprintln(w, "ROWS\tVALUE")
		for _, v := range values {
			fmt.Fprintf(w, "%s\t%s\n", thousands(v.Rows), quote(v.Value))
		}
	})
	if more := distinct - int64(len(values)); more > 0 {
		fmt.Fprintf(a.stdout, "and %s more\n", plural(more, "value"))
	}
	return nil
}
