package main

import (
	"context"
	"fmt"
	"io"
	"os/user"
	"strings"

	"github.com/spf13/cobra"

	"crossdock/hub"
	"crossdock/hub/journal"
)

// An actor is who does something that is kept.
type actor struct{ by string }

func (w *actor) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&w.by, "by", "", "who does it; else the user of this machine")
}

func (w *actor) name() string {
	if name := strings.TrimSpace(w.by); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "unknown"
}

// chosenFlags choose errors by ids or by group.
type chosenFlags struct{ group string }

func (c *chosenFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.group, "group", "", "all open rows of one group (crossdock errors list --group)")
}

func (c *chosenFlags) filter(args []string) (journal.ErrorFilter, error) {
	ids, err := findingIDs(args)
	if err != nil {
		return journal.ErrorFilter{}, err
	}
	if (len(ids) > 0) == (c.group != "") {
		return journal.ErrorFilter{}, usagef("give ids of errors, or --group, and not both")
	}
	return journal.ErrorFilter{IDs: ids, Group: c.group}, nil
}

// editFlags say how cells are to be changed.
type editFlags struct {
	set                       []string
	column, where, find, with string
	regexp, dryRun, undo      bool
}

func (a *app) errorsEditCommand() *cobra.Command {
	var flags editFlags
	var chosen chosenFlags
	var by actor
	cmd := &cobra.Command{
		Use: "edit ID... --set COLUMN=VALUE | --group GROUP --set VALUE", Short: "Change cells of rejected rows, to be replayed",
		Long: `Edit changes cells of open rows. The row as it was read stays as it is; a replay
sends it with its edits, and errors show has both. Whether the rows would pass
now is tried at once, without writing.

With ids, --set names the column as the file does, or the cell as a spreadsheet
does (C17). With --group, --set is the new value of the column that the group
blames, or of --column. --find and --replace change what stands within the cell.`,
		Example: `  crossdock errors edit 12 --set 'Gewicht=0,75'
  crossdock errors edit --group gk3x7q2mzap --set A --where-value Z
  crossdock errors edit --group gk3x7q2mzap --find O --replace 0 --dry-run
  crossdock errors edit 12 --undo`,
		RunE: func(cmd *cobra.Command, args []string) error {
			filter, err := chosen.filter(args)
			if err != nil {
				return err
			}
			edit, err := flags.edit(cmd, chosen.group != "")
			if err != nil {
				return err
			}
			edit.By = by.name()
			if flags.undo && len(filter.IDs) == 0 {
				return usagef("--undo goes with ids of errors")
			}
			return a.withHub(cmd.Context(), func(ctx context.Context, h *hub.Hub) error {
				if !flags.undo {
					report, err := h.Edit(ctx, filter, edit)
					return a.printEdit(report, err)
				}
				for _, id := range filter.IDs {
					_, report, err := h.Amend(ctx, id, hub.Amendment{Undo: true, By: edit.By})
					if err := a.printEdit(report, err); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	chosen.add(cmd)
	by.add(cmd)
	cmd.Flags().StringArrayVar(&flags.set, "set", nil, "new value: COLUMN=VALUE with ids, several of them if need be; VALUE with --group")
	cmd.Flags().StringVar(&flags.column, "column", "", "the column to change, where it is not the one that the error blames")
	cmd.Flags().StringVar(&flags.where, "where-value", "", "change only cells that hold this")
	cmd.Flags().StringVar(&flags.find, "find", "", "text to replace within the cell")
	cmd.Flags().StringVar(&flags.with, "replace", "", "what to replace it by")
	cmd.Flags().BoolVar(&flags.regexp, "regex", false, "--find is a regular expression, and $1 in --replace its first group")
	cmd.Flags().BoolVar(&flags.dryRun, "dry-run", false, "say what would change, and change nothing")
	cmd.Flags().BoolVar(&flags.undo, "undo", false, "take the last edit of the row back")
	return cmd
}

func (f *editFlags) edit(cmd *cobra.Command, group bool) (hub.Edit, error) {
	given := cmd.Flags().Changed
	edit := hub.Edit{Column: f.column, DryRun: f.dryRun, Find: f.find, With: f.with, Regexp: f.regexp}
	kinds := 0
	for _, name := range []string{"set", "find", "undo"} {
		if given(name) {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return edit, usagef("give one of --set, --find with --replace, and --undo")
	case given("find") != given("replace"):
		return edit, usagef("--find and --replace go together")
	case given("find") && f.find == "":
		return edit, usagef("--find is empty")
	case f.undo && (f.dryRun || given("column") || given("where-value")):
		return edit, usagef("--undo goes with no other flag")
	case f.regexp && !given("find"):
		return edit, usagef("--regex goes with --find")
	}
	if given("where-value") {
		edit.Where = &f.where
	}
	if !given("set") {
		return edit, nil
	}
	if group || f.column != "" {
		if len(f.set) > 1 {
			return edit, usagef("--set is given twice: here it is the new value of one column")
		}
		edit.Value = &f.set[0]
		return edit, nil
	}
	edit.Set = map[string]string{}
	for _, one := range f.set {
		column, value, ok := strings.Cut(one, "=")
		if _, twice := edit.Set[column]; !ok || column == "" || twice {
			return edit, usagef("--set is %q, but must be COLUMN=VALUE, each column once", one)
		}
		edit.Set[column] = value
	}
	return edit, nil
}

func (a *app) printEdit(r hub.EditReport, err error) error {
	if err != nil {
		return err
	}
	if a.json {
		a.printJSON(r)
		return nil
	}
	changed := "changed"
	if r.DryRun {
		changed = "would change"
	}
	fmt.Fprintf(a.stdout, "%s of %s %s\n", plural(r.Cells, "cell"), plural(r.Rows, "row"), changed)
	a.printTable(func(w io.Writer) {
		for _, c := range r.First {
			fmt.Fprintf(w, "  %d\t%s\t%s\t-> %s\n", c.Error, c.Place, shown(c.Old), shown(c.New))
		}
	})
	if more := r.Cells - int64(len(r.First)); more > 0 {
		fmt.Fprintf(a.stdout, "  and %s more\n", thousands(more))
	}
	if r.Unmendable > 0 {
		fmt.Fprintf(a.stdout, "%s passed over: only their source can mend them\n", plural(r.Unmendable, "row"))
	}
	switch {
	case r.Unchecked != "":
		fmt.Fprintf(a.stdout, "whether they would pass is not known: %s\n", r.Unchecked)
	case r.Rows > 0:
		fmt.Fprintf(a.stdout, "%s would pass now, %s would not\n", thousands(r.Pass), thousands(r.Fail))
	}
	for _, e := range r.Wrong {
		fmt.Fprintf(a.stdout, "  %d  %s\n", e.ID, errorLine(e))
	}
	return nil
}

func (a *app) errorsDiscardCommand() *cobra.Command {
	var chosen chosenFlags
	var by actor
	var reason string
	cmd := &cobra.Command{
		Use: "discard ID... --reason TEXT", Short: "Give rejected rows up, for a reason",
		RunE: func(cmd *cobra.Command, args []string) error {
			filter, err := chosen.filter(args)
			if err != nil {
				return err
			}
			if strings.TrimSpace(reason) == "" {
				return usagef("--reason is missing: whoever asks later shall know why the rows were given up")
			}
			return a.withJournal(cmd.Context(), func(ctx context.Context, h *hub.Hub) error {
				rows, err := h.Discard(ctx, filter, reason, by.name())
				if err != nil {
					return err
				}
				if a.json {
					a.printJSON(map[string]any{"discarded": rows})
					return nil
				}
				fmt.Fprintf(a.stdout, "%s discarded\n", plural(rows, "row"))
				return nil
			})
		},
	}
	chosen.add(cmd)
	by.add(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why they are given up")
	return cmd
}

func (a *app) errorsAssignCommand() *cobra.Command {
	var chosen chosenFlags
	var by actor
	cmd := &cobra.Command{
		Use: "assign ID...|--group GROUP NAME", Short: "Say who is to mend rejected rows",
		Long: `Assign says who is to mend rows, or the rows of a group with those to come.
The empty name '' takes an assignment back.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("name whom to assign it to, behind the ids or the group")
			}
			name := strings.TrimSpace(args[len(args)-1])
			filter, err := chosen.filter(args[:len(args)-1])
			if err != nil {
				return err
			}
			return a.withJournal(cmd.Context(), func(ctx context.Context, h *hub.Hub) error {
				if filter.Group != "" {
					err = h.Journal().AssignGroup(ctx, filter.Group, name, by.name())
				} else {
					err = amendAll(ctx, h, filter.IDs, hub.Amendment{By: by.name(), Assign: &name})
				}
				return a.printDone(err, "assigned to "+name)
			})
		},
	}
	chosen.add(cmd)
	by.add(cmd)
	return cmd
}

// amendAll does the same to the rows of several errors.
func amendAll(ctx context.Context, h *hub.Hub, ids []int64, a hub.Amendment) error {
	for _, id := range ids {
		if _, _, err := h.Amend(ctx, id, a); err != nil {
			return err
		}
	}
	return nil
}

// printDone says that something was done.
func (a *app) printDone(err error, what string) error {
	switch {
	case err != nil:
		return err
	case a.json:
		a.printJSON(map[string]any{"done": true})
	default:
		fmt.Fprintln(a.stdout, what)
	}
	return nil
}

func (a *app) errorsCommentCommand() *cobra.Command {
	var chosen chosenFlags
	var by actor
	cmd := &cobra.Command{
		Use: "comment ID|--group GROUP TEXT", Short: "Add a comment to a rejected row or a group",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || strings.TrimSpace(args[len(args)-1]) == "" {
				return usagef("the comment is missing, behind the id or the group")
			}
			text := args[len(args)-1]
			filter, err := chosen.filter(args[:len(args)-1])
			if err != nil {
				return err
			}
			return a.withJournal(cmd.Context(), func(ctx context.Context, h *hub.Hub) error {
				if filter.Group == "" {
					return a.printDone(amendAll(ctx, h, filter.IDs, hub.Amendment{By: by.name(), Comment: text}), "noted")
				}
				if _, err := h.Journal().Group(ctx, filter.Group); err != nil {
					return err
				}
				return a.printDone(h.Journal().CommentGroup(ctx, filter.Group, text, by.name()), "noted")
			})
		},
	}
	chosen.add(cmd)
	by.add(cmd)
	return cmd
}

func (a *app) errorsHistoryCommand() *cobra.Command {
	return &cobra.Command{
		Use: "history ID", Short: "Show what people did to a rejected row, oldest first",
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
				entries, err := h.Journal().History(ctx, row)
				if err != nil {
					return err
				}
				if a.json {
					a.printJSON(entries)
					return nil
				}
				if len(entries) == 0 {
					fmt.Fprintln(a.stdout, "nothing was done to it")
				}
				a.printTable(func(w io.Writer) {
					for _, e := range entries {
						fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", e.At.Format("2006-01-02 15:04:05Z"), e.By, e.Kind, strings.Join(deed(e), "  "))
					}
				})
				return nil
			})
		},
	}
}

// deed says what an entry of a history did.
func deed(e journal.Entry) []string {
	var parts []string
	if e.Column != "" {
		parts = append(parts, e.Column, shown(e.Old), "-> "+shown(e.New))
	}
	if e.Note != "" {
		parts = append(parts, e.Note)
	}
	if e.Group != "" {
		parts = append(parts, "(the whole group)")
	}
	return parts
}
