package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/signalbox-otel/signalbox/internal/install"
	"github.com/signalbox-otel/signalbox/internal/install/rollout"
)

// operatorPatience is how long the operator gets to clean up after resources.
const operatorPatience = time.Minute

func newUninstall() *cobra.Command {
	var s installSettings
	var r rollout.Removal
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Name what install has made, or remove it from a cluster",
		Long: `Uninstall prints the names of all that install may have made, with any values, in
the order to remove it in.

With --apply it removes it: first the webhooks, then the resources while the
operator is there to clean up after them, then the operator, the store, the
namespace and the definitions. Three things it does not take without being told:

  data         The volume of the store stays, and the namespace that it is in:
               --delete-data removes both. The next install finds it again.
  resources    Those that users made (OpenTelemetryCollector, Instrumentation, …)
               would go with their definitions: it ends with a list of them.
               --delete-resources removes them too; --keep-crds leaves them, and
               their collectors run on with nobody to look after them.
  the rest     A namespace that has anything else in it stays.`,
		Example: `  signalbox uninstall
  signalbox uninstall --apply
  signalbox uninstall --apply --delete-data --delete-resources`,
		Args: exactArgs(0, "none: what to remove is said by flags"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := s.values(cmd.InOrStdin())
			if err != nil {
				return err
			}
			if r.Everything, err = install.Everything(v); err != nil {
				return err
			}
			r.Namespace, r.Patience = v.Namespace, operatorPatience
			if !s.apply {
				slices.Reverse(r.Everything)
				return s.print(cmd.OutOrStdout(), "signalbox uninstall", r.Everything)
			}
			return s.uninstall(cmd.Context(), cmd.OutOrStdout(), r)
		},
	}
	s.register(cmd)
	f := cmd.Flags()
	f.BoolVar(&s.apply, "apply", false, "remove it from the cluster, and wait until it is gone")
	f.BoolVar(&r.KeepDefinitions, "keep-crds", false, "leave the custom resource definitions and the resources of users")
	f.BoolVar(&r.DeleteResources, "delete-resources", false, "remove the resources of users, and their collectors")
	f.BoolVar(&r.DeleteData, "delete-data", false, "remove the volume of the store, with all data")
	cmd.MarkFlagsMutuallyExclusive("keep-crds", "delete-resources")
	return cmd
}

// uninstall removes it.
func (s *installSettings) uninstall(ctx context.Context, progress io.Writer, r rollout.Removal) error {
	cluster, err := s.cluster(progress)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.timeout, errUninstallTimeout)
	defer cancel()
	err = cluster.Remove(ctx, r)
	if users := (*rollout.ResourcesError)(nil); errors.As(err, &users) {
		return fmt.Errorf("%w\n--delete-resources removes them, --keep-crds leaves them", err)
	}
	return err
}

// errUninstallTimeout is why waiting for a cluster ends.
var errUninstallTimeout = errors.New("--timeout is over; the same command goes on from here")
