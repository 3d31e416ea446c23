package app

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/signalbox-otel/signalbox/internal/install"
)

// ownImage is the image of this release.
const ownImage = "signalbox:" + Version

// installSettings are what the flags of install and uninstall both say: which
// installation, in which cluster.
type installSettings struct {
	namespace, image string
	files, sets      []string
	output           string
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

Values change what is printed. They come from --values FILE, and over them from
--set PATH=VALUE; --print-values lists them all with what they are for. A value
that does not exist is an error.`,
		Example: `  signalbox install | kubectl apply -f -
  signalbox install --set store.size=50Gi --set store.retention=30d | kubectl apply -f -
  signalbox install --print-values >values.yaml
  signalbox install --values values.yaml | kubectl diff -f -
  signalbox install --set store.persistent=false   a cluster without volumes
  signalbox install --set operator.webhookPort=443 a private cluster with a firewall`,
		Args: exactArgs(0, "none: what to install is said by --values and --set"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if printValues {
				_, err := cmd.OutOrStdout().Write(install.DefaultValues)
				return err
			}
			objects, err := s.objects(cmd.InOrStdin())
			if err != nil {
				return err
			}
			return s.print(cmd.OutOrStdout(), objects)
		},
	}
	s.register(cmd)
	cmd.Flags().BoolVar(&printValues, "print-values", false, "print all values as they are when nothing is said, and exit")
	return cmd
}

func (s *installSettings) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&s.namespace, "namespace", "n", "", "`namespace` of operator and store, as --set namespace")
	f.StringVar(&s.image, "image", "", "`image` of all parts, as --set image (default "+ownImage+")")
	f.StringArrayVarP(&s.files, "values", "f", nil, "YAML `file` of values, - is stdin; may be repeated")
	f.StringArrayVar(&s.sets, "set", nil, "one `value`, as store.size=50Gi; may be repeated")
	outputFlag(cmd, &s.output, "yaml", "json")
}

// objects are what the flags ask for.
func (s *installSettings) objects(stdin io.Reader) ([]*unstructured.Unstructured, error) {
	v, err := s.values(stdin)
	if err != nil {
		return nil, err
	}
	return install.Objects(v, ownImage)
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
func (s *installSettings) print(out io.Writer, objects []*unstructured.Unstructured) error {
	if s.output == "json" {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(map[string]any{"apiVersion": "v1", "kind": "List", "items": objects})
	}
	if _, err := fmt.Fprint(out, "# signalbox install, "+Version+"\n"); err != nil {
		return err
	}
	_, err := out.Write(install.YAML(objects))
	return err
}
