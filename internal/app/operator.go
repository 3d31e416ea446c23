package app

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/signalbox-otel/signalbox/internal/collector"
	"github.com/signalbox-otel/signalbox/internal/operator"
	"github.com/signalbox-otel/signalbox/internal/operator/settings"
)

// drainTime is how long API servers have to notice that a replica is going.
const drainTime = 3 * time.Second

func newOperator() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "operator",
		Short: "Run the Kubernetes controllers and webhooks",
		Long: `Operator makes collectors, target allocators and OpAMP bridges of the resources of
group opentelemetry.io, keeps them as they should be, checks what is applied, and
adds collectors to pods that ask for one.

It runs in the cluster: signalbox install prints the manifest. It makes its own
certificates, and several replicas answer webhooks while one runs the controllers.
To try a change, run it on your machine with a kubeconfig, and without webhooks,
which the API server could not reach there.

The settings are those of the OpenTelemetry operator: built-in values, over them
the file that --config-file names, over it the environment, over it flags. A
manifest that was written for it starts Signalbox too; flags that are not known
are ignored, and logged. The page docs/operator.md has all settings, also those
that are seldom needed.`,
		Example: `  signalbox operator --kubeconfig ~/.kube/config --enable-webhooks=false
  signalbox operator --watch-namespace shop,web --zap-log-level debug
  signalbox operator --webhook-port 443 --config-file operator.yaml`,
		// Flags that are not known must not end it; settings parses.
		DisableFlagParsing: true,
	}
	flags := settings.Register(cmd.Flags(), Version)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		unknown, err := flags.Parse(args)
		if errors.Is(err, pflag.ErrHelp) {
			return cmd.Help()
		}
		if err != nil {
			return usageError{err}
		}
		if help, _ := cmd.Flags().GetBool("help"); help {
			return cmd.Help()
		}
		if cmd.Flags().NArg() > 0 {
			return usageError{fmt.Errorf("got argument %q; want flags only", cmd.Flags().Arg(0))}
		}
		s, err := flags.Load(os.LookupEnv)
		if err != nil {
			return usageError{err}
		}
		for _, name := range unknown {
			s.Warnings = append(s.Warnings, name+" is not known and is ignored")
		}
		return runOperator(cmd, s)
	}
	return cmd
}

func runOperator(cmd *cobra.Command, s settings.Settings) error {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = s.Kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return fmt.Errorf("finding the cluster: %w", err)
	}
	o := operator.Options{
		Settings: s, REST: config, Version: Version, CollectorVersion: strings.TrimPrefix(readBuildInfo().Collector, "v"),
		Logger: s.Log.Logger(cmd.ErrOrStderr()), Check: collector.Check, Release: collector.ReleaseStartPages,
	}
	if os.Getenv("KUBERNETES_SERVICE_HOST") != "" {
		o.Drain = drainTime
	}
	op, err := operator.New(o)
	if err != nil {
		return err
	}
	return op.Run(cmd.Context())
}
