package app

import (
	"github.com/spf13/cobra"

	"github.com/signalbox-otel/signalbox/internal/collector"
)

// newCollector is the drop-in for otelcol; its flags and subcommands are the
// distribution's own.
func newCollector() *cobra.Command { return collector.NewCommand(Version) }
