// Package app is the composition root: the command tree, what each command
// wires together, and signals. Only main imports it.
//
// A command takes flags that say where things are; what they do is collector
// configuration. Results go to stdout, logs and errors to stderr. Exit codes:
// 0 done, 1 failed, 2 wrong usage, 130 interrupted before it was done.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/signalbox-otel/signalbox/internal/collector"
)

// Main runs the command that os.Args names and returns the exit code.
func Main() int {
	args := arguments(os.Args)
	tuneMemory(args)
	collector.RegisterCompressors()
	ctx, stop := interruptible(context.Background())
	defer stop()
	return run(ctx, args, os.Stdout, os.Stderr)
}

// interruptible returns a context that the first SIGINT or SIGTERM cancels, so
// that commands drain; the second one ends the process at once.
func interruptible(parent context.Context) (context.Context, func()) {
	ctx, stop := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// usageError is a mistake in the command line.
type usageError struct{ error }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return 130
	}
	fmt.Fprintf(stderr, "Error: %v\n", err)
	if usage := (usageError{}); errors.As(err, &usage) {
		fmt.Fprintf(stderr, "Run '%s --help' for usage.\n", cmd.CommandPath())
		return 2
	}
	return 1
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "signalbox",
		Short: "OpenTelemetry in one binary: collector, store, queries and page",
		Long: `Signalbox takes OpenTelemetry data in, keeps it, and answers questions about it.

On this machine, start with:

  signalbox up            everything at once, on localhost
  signalbox up --demo     the same, with an application to look at
  signalbox query traces  what has arrived
  signalbox store inspect  what is kept on disk
  signalbox doctor --local  why nothing arrives

In a Kubernetes cluster:

  signalbox install --apply      operator, store, page and a collector
  signalbox explain deploy/NAME  why it is instrumented, or not
  signalbox doctor               what is wrong, and what mends it

Every command has examples: signalbox COMMAND --help.`,
		Example: `  signalbox up
  signalbox query traces '{ status = error }'
  signalbox query metrics 'sum by (service_name) (rate(traces_span_metrics_calls_total[5m]))'
  signalbox collector --config collector.yaml`,
		Args: noCommand,

		SuggestionsMinimumDistance: 2,
		SilenceUsage:               true,
		SilenceErrors:              true,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newUp(), newCollector(), newAllocator(), newMigrate(), newRender(), newInstall(), newUninstall(), newOperator(), newExplain(), newQuery(), newDemo(), newLoad(), newDoctor(), newStore(), newVersion())
	return root
}

// noCommand refuses words that name no command, with cobra's suggestions.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("unknown command %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		err = fmt.Errorf("%w; did you mean %q?", err, near[0])
	}
	return usageError{err}
}

// exactArgs is cobra.ExactArgs with a usage error that says what is missing.
func exactArgs(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != n {
			return usageError{fmt.Errorf("got %d arguments; want %s", len(args), what)}
		}
		return nil
	}
}
