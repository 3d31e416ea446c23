package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/signalbox-otel/signalbox/internal/install"
	"github.com/signalbox-otel/signalbox/internal/install/rollout"
)

// ownImage is the image of this release.
var ownImage = install.Image(Version)

// installSettings are what the flags of install and uninstall both say: which
// installation, in which cluster.
type installSettings struct {
	namespace, image string
	files, sets      []string
	output           string

	apply               bool
	kubeconfig, context string
	timeout             time.Duration
}

func newInstall() *cobra.Command {
	var s installSettings
	var printValues bool
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Print the manifests of the whole system, or apply them to a cluster",
		Long: `Install prints all that Signalbox needs in a Kubernetes cluster as one manifest:
the custom resource definitions, the operator with its rights and webhooks, the
store with its page and a volume, and a collector that sends to it. Nothing has to
be in the cluster before; certificates are made by the operator.

With --apply it applies the manifest itself, waits until everything is ready, and
says what keeps it. Applied again it changes nothing; with other values it changes
what they say, and removes what is no longer wanted, but never data.

Values come from --values FILE, and over them from --set PATH=VALUE;
--print-values lists them all with what they are for. A value that does not exist
is an error. Some that are often needed:

  store.size=50Gi             room for the data, which is kept for store.retention
  store.persistent=false      in a cluster without volumes; data goes with the pod
  operator.replicas=2         webhooks answer while a node is drained
  operator.webhookPort=443    in a private cluster whose firewall lets through 443
  collector.mode=daemonset    one collector on each node`,
		Example: `  signalbox install | kubectl apply -f -
  signalbox install --apply --set store.size=50Gi --set store.retention=30d
  signalbox install --print-values >values.yaml
  signalbox install --values values.yaml | kubectl diff -f -`,
		Args: exactArgs(0, "none: what to install is said by --values and --set"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if printValues {
				_, err := cmd.OutOrStdout().Write(install.DefaultValues)
				return err
			}
			v, err := s.values(cmd.InOrStdin())
			if err != nil {
				return err
			}
			objects, err := install.Objects(v, ownImage)
			if err != nil {
				return err
			}
			if !s.apply {
				return s.print(cmd.OutOrStdout(), "signalbox install", objects)
			}
			return s.install(cmd.Context(), cmd.OutOrStdout(), v, objects)
		},
	}
	s.register(cmd)
	cmd.Flags().BoolVar(&s.apply, "apply", false, "apply the manifest, and wait until everything is ready")
	cmd.Flags().BoolVar(&printValues, "print-values", false, "print all values as they are when nothing is said, and exit")
	return cmd
}

func (s *installSettings) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&s.namespace, "namespace", "n", "", "`namespace` of operator and store, as --set namespace")
	f.StringVar(&s.image, "image", "", "`image` of all parts, as --set image (default "+ownImage+")")
	f.StringArrayVarP(&s.files, "values", "f", nil, "YAML `file` of values, - is stdin; may be repeated")
	f.StringArrayVar(&s.sets, "set", nil, "one `value`, as store.size=50Gi; may be repeated")
	f.StringVar(&s.kubeconfig, "kubeconfig", "", "kubeconfig `file` for --apply (default: kubectl's)")
	f.StringVar(&s.context, "context", "", "`name` of the context in it (default: the current one)")
	f.DurationVar(&s.timeout, "timeout", 5*time.Minute, "how long --apply waits")
	outputFlag(cmd, &s.output, "yaml", "json")
}

// install applies the objects and waits for them.
func (s *installSettings) install(ctx context.Context, progress io.Writer, v install.Values, objects []*unstructured.Unstructured) error {
	everything, err := install.Everything(v)
	if err != nil {
		return err
	}
	cluster, err := s.cluster(progress)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.timeout, errInstallTimeout)
	defer cancel()
	if err := cluster.Apply(ctx, objects, everything); err != nil {
		return err
	}
	if err := cluster.Wait(ctx, objects); err != nil {
		return err
	}
	if v.Store.Enabled {
		fmt.Fprintf(progress, "\nSignalbox is ready. See its page at http://localhost:4316 while this runs:\n\n  kubectl port-forward -n %s service/%s 4316\n", v.Namespace, install.StoreName)
	}
	if v.Collector.Enabled {
		fmt.Fprintf(progress, "\nPrograms in the cluster send to OTEL_EXPORTER_OTLP_ENDPOINT=http://%s-collector.%s:4318\n", v.Collector.Name, v.Namespace)
	}
	return nil
}

// errInstallTimeout is why waiting for a cluster ends.
var errInstallTimeout = errors.New("--timeout is over; what was applied stays, and the same command goes on from here")

// cluster is the one that the flags name, or the current one of the user.
func (s *installSettings) cluster(progress io.Writer) (*rollout.Cluster, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = s.kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: s.context}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the cluster: %w", err)
	}
	return rollout.New(config, progress)
}

// values are those of the flags.
func (s *installSettings) values(stdin io.Reader) (install.Values, error) {
	var files []install.File
	for _, name := range s.files {
		text, err := readFile(name, stdin)
		if err != nil {
			return install.Values{}, err
		}
		files = append(files, install.File{Name: name, Text: text})
	}
	sets := s.sets
	for _, flag := range []struct{ path, value string }{{"namespace", s.namespace}, {"image", s.image}} {
		if flag.value != "" {
			sets = append(sets, flag.path+"="+flag.value)
		}
	}
	v, err := install.Parse(files, sets)
	if err != nil {
		return v, usageError{err}
	}
	return v, nil
}

// print writes the objects as documents, or as one list.
func (s *installSettings) print(out io.Writer, command string, objects []*unstructured.Unstructured) error {
	if s.output == "json" {
		return writeJSON(out, map[string]any{"apiVersion": "v1", "kind": "List", "items": objects})
	}
	if _, err := fmt.Fprintf(out, "# %s, %s\n", command, Version); err != nil {
		return err
	}
	_, err := out.Write(install.YAML(objects))
	return err
}
