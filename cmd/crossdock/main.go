// Crossdock is a self-hosted B2B integration hub: rows come in from ERPs, CRMs
// and spreadsheets, are mapped and checked, and are delivered to the commerce
// services or parked on an error queue. This command opens, connects, runs and
// closes; all the rest is in the packages that it introduces to each other.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata" // pipelines name zones, and a small container has none

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/trace"

	"crossdock/commerce"
	"crossdock/hub"
	"crossdock/internal/logs"
	"crossdock/internal/store"
	"crossdock/schemas"
)

// The exit codes. They are a contract.
const (
	exitDone        = 0
	exitFailed      = 1   // it failed, or a guard stopped it
	exitUsage       = 2   // the command was wrong
	exitRejected    = 3   // it finished, and rows were rejected
	exitInterrupted = 130 // Ctrl-C, or asked to stop
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	boundGarbage()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a := &app{stdout: stdout, stderr: stderr, clock: time.Now, log: slog.New(slog.NewTextHandler(stderr, nil))}
	root := a.root()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	if errors.Is(err, errRejected) {
		return exitRejected
	}
	a.complain(err)
	var wrong *usageError
	switch {
	case errors.As(err, &wrong):
		return exitUsage
	case ctx.Err() != nil:
		return exitInterrupted
	}
	return exitFailed
}

// complain tells why the command failed, in the form that all of its lines have.
func (a *app) complain(err error) {
	hint := hub.Hint(err)
	if store.Lost(err) {
		hint = "see that PostgreSQL runs, and do it again: what is committed stays, and nothing is doubled"
	}
	if a.settings.Observing.LogFormat == logs.JSON {
		attrs := []any{"error", err}
		if hint != "" {
			attrs = append(attrs, "hint", hint)
		}
		a.log.Error("crossdock ends", attrs...)
		return
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(a.stderr, "crossdock: "+line)
	}
	if hint != "" {
		fmt.Fprintln(a.stderr, "hint: "+hint)
	}
}

// errRejected ends a command that finished and has already said which rows it
// rejected.
var errRejected = errors.New("rows were rejected")

// A usageError says that the command line is wrong.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// app is one command line on its way.
type app struct {
	stdout, stderr io.Writer
	clock          func() time.Time
	log            *slog.Logger
	settings       settings
	json           bool

	tracer trace.Tracer // nil where no traces are sent
	bus    commerce.Bus // of a process that serves; events of others wait for one that does
}

const rootHelp = `Crossdock brings rows from ERPs, CRMs and spreadsheets into the commerce
services: mapped, checked, and parked with their very cell where they are wrong.

  crossdock check   examples/first-light/catalog.yaml   compare a pipeline with its source
  crossdock preview examples/first-light/catalog.yaml   see the first rows mapped and judged
  crossdock run     examples/first-light                run the pipelines of a folder
  crossdock errors list                                 see what was rejected, and why
  crossdock serve                                       serve it all on http://127.0.0.1:8080

Exit codes: 0 done, 1 failed or stopped, 2 the command was wrong, 3 finished but
rows were rejected, 130 interrupted.`

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "crossdock", Short: "B2B integration hub", Long: rootHelp,
		SilenceUsage: true, SilenceErrors: true, Version: version(),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.loadSettings(cmd) },
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%s (see: %s --help)", err, cmd.CommandPath())
	})
	flags := root.PersistentFlags()
	flags.String("data", "", "folder that holds the databases (default ./data; CROSSDOCK_DATA)")
	flags.BoolVar(&a.json, "json", false, "print JSON for programs to read")
	flags.String("log-format", "", "text or json (CROSSDOCK_LOG_FORMAT)")
	flags.String("log-level", "", "debug, info, warn or error: the least that is logged (CROSSDOCK_LOG_LEVEL)")
	root.AddCommand(
		a.suggestCommand(), a.checkCommand(), a.previewCommand(), a.runCommand(), a.errorsCommand(), a.runsCommand(), a.qualityCommand(),
		a.connectorsCommand(), a.schemaCommand(), a.serveCommand(), a.versionCommand(),
		a.exportCommand(), a.verifyCommand(), a.healthCommand(), a.eventsCommand(), a.moveCommand(),
		a.backupCommand(), a.restoreCommand(), a.migrateCommand(),
	)
	return root
}

func unknownCommand(cmd *cobra.Command, name string) error {
	names := []string{}
	for _, sub := range cmd.Commands() {
		names = append(names, sub.Name())
	}
	return usagef("unknown command %s%s (see: %s --help)", name, schemas.DidYouMean(name, names), cmd.CommandPath())
}

// arguments wraps a check of cobra's so that its failure is a wrong command.
func arguments(check cobra.PositionalArgs, expected string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usagef("%s expects %s (see: %s --help)", cmd.CommandPath(), expected, cmd.CommandPath())
		}
		return nil
	}
}

// group makes a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(commands...)
	return cmd
}
