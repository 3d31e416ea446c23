package collector

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/collector/featuregate"
	"go.opentelemetry.io/collector/otelcol"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/signalbox-otel/signalbox/internal/migrate"
)

// NewCommand returns `signalbox collector` with its subcommands: the flags and
// commands of the upstream collector. The context of the command ends the
// collector; SIGHUP reloads its configuration.
func NewCommand(version string) *cobra.Command {
	flags := newFlags()
	cmd := &cobra.Command{
		Use:   "collector",
		Short: "Run an OpenTelemetry collector: a drop-in for otelcol",
		Long: `Runs an OpenTelemetry collector with the given configuration, as otelcol does.

Configurations of every collector since 0.6 run, also as the ConfigMap or
OpenTelemetryCollector that holds them: what later releases removed is rewritten
when it is loaded, and told. 'signalbox migrate' rewrites the file.

SIGHUP reads the configuration again. When it is invalid or does not start, the
collector says why and goes on with the one it has.`,
		Example: `  signalbox collector --config config.yaml
  signalbox collector --config config.yaml --set exporters.debug.verbosity=detailed
  signalbox collector validate --config config.yaml`,
		Version:      version,
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			reload := make(chan os.Signal, 1)
			signal.Notify(reload, syscall.SIGHUP)
			defer signal.Stop(reload)
			s := flags.settings(version)
			s.Reload = reload
			return Run(cmd.Context(), s)
		},
	}
	flags.addTo(cmd)
	cmd.AddCommand(newValidateCommand(version), newPrintCommand(version))
	addUpstream(cmd, version)
	return cmd
}

// flags are the flags that say which configuration is meant.
type flags struct {
	set     *flag.FlagSet
	config  []string
	sets    []string
	migrate migrate.Options
	found   []migrate.Finding // in old flags
}

func newFlags() *flags {
	f := &flags{set: flag.NewFlagSet("collector", flag.ContinueOnError)}
	f.set.Func("config", "`location` of a configuration: a path, or file:, env:, http:, https: or yaml: and what follows; repeat to merge several", func(v string) error {
		f.config = append(f.config, v)
		return nil
	})
	f.set.Func("set", "`key=value` put over the configuration, as processors.batch.timeout=2s; maps are merged, lists replaced", func(v string) error {
		if _, err := setURI(v); err != nil {
			return errors.New("missing equal sign")
		}
		f.sets = append(f.sets, v)
		return nil
	})
	f.addGates()
	f.addOld()
	return f
}

// addGates adds the flag of feature gates. Those that upstream has removed are
// findings.
func (f *flags) addGates() {
	registry := flag.NewFlagSet("", flag.ContinueOnError)
	featuregate.GlobalRegistry().RegisterFlags(registry)
	f.set.Func("feature-gates", "comma-separated `ids` of features to switch on, or off with - before the id; the featuregate command lists them", func(v string) error {
		kept, found := migrate.Gates(v, &f.migrate)
		f.found = append(f.found, found...)
		if kept == "" {
			return nil
		}
		return registry.Set("feature-gates", kept)
	})
}

// addOld adds the flags that collectors of old had.
func (f *flags) addOld() {
	for name, boolean := range migrate.Flags() {
		add := f.set.Func
		if boolean {
			add = f.set.BoolFunc
		}
		add(name, "a flag of old collectors", func(v string) error {
			settings, found, _ := migrate.Flag(name, v)
			if found.Severity == migrate.Error {
				return errors.New(found.Why)
			}
			for _, s := range settings {
				f.sets = append(f.sets, s.String())
			}
			f.found = append(f.found, found)
			return nil
		})
	}
}

// addTo adds the flags to those of a command.
func (f *flags) addTo(cmd *cobra.Command) {
	cmd.Flags().AddGoFlagSet(f.set)
	for name := range migrate.Flags() {
		cmd.Flags().Lookup(name).Hidden = true
	}
}

func (f *flags) settings(version string) Settings {
	o := f.migrate
	o.InPod = o.InPod || InPod()
	return Settings{ConfigURIs: f.config, Sets: f.sets, Version: version, Migrate: o, Findings: f.found}
}

func newValidateCommand(version string) *cobra.Command {
	flags := newFlags()
	cmd := &cobra.Command{
		Use:          "validate",
		Short:        "Check a configuration and report everything wrong with it",
		Example:      "  signalbox collector validate --config config.yaml",
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			factories, err := Factories()
			if err != nil {
				return err
			}
			config, err := load(cmd.Context(), flags.settings(version), factories)
			if err != nil {
				return err
			}
			printFindings(cmd.ErrOrStderr(), config.found)
			for _, w := range config.warnings.kept.list {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning:", text(w))
			}
			return nil
		},
	}
	flags.addTo(cmd)
	return cmd
}

// text is a log entry for people.
func text(e keptEntry) string {
	fields := zapcore.NewMapObjectEncoder()
	for _, f := range e.fields {
		f.AddTo(fields)
	}
	var b strings.Builder
	b.WriteString(e.entry.Message)
	for _, key := range slices.Sorted(maps.Keys(fields.Fields)) {
		fmt.Fprintf(&b, " %s=%v", key, fields.Fields[key])
	}
	return b.String()
}

// addUpstream adds the subcommands that upstream's otelcol has and that serve
// as they are.
func addUpstream(cmd *cobra.Command, version string) {
	s := Settings{Version: version}
	upstream := otelcol.NewCommand(otelcol.CollectorSettings{
		BuildInfo: s.buildInfo(),
		Factories: Factories,
		ConfigProviderSettings: otelcol.ConfigProviderSettings{
			ResolverSettings: resolverSettings(nil, zap.NewNop()),
		},
		ProviderModules: providerModules(),
	})
	for _, sub := range upstream.Commands() {
		if name := sub.Name(); name == "components" || name == "featuregate" {
			sub.Example = "  signalbox collector " + name
			upstream.RemoveCommand(sub)
			cmd.AddCommand(sub)
		}
	}
}
