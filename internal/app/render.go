package app

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/migrate"
	"github.com/signalbox-otel/signalbox/internal/operator/settings"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// renderSettings is what the flags of `signalbox render` say.
type renderSettings struct {
	facts, namespace, image, output string
}

func newRender() *cobra.Command {
	var s renderSettings
	cmd := &cobra.Command{
		Use:   "render FILE...",
		Short: "Print the Kubernetes objects that a resource stands for",
		Long: `Render prints what the operator would apply for the resources of group
opentelemetry.io in FILE, without a cluster: workloads, configurations, Services,
rights. It is the function that the operator itself calls.

The objects go to stdout and the findings to stderr, one on each line: what was
rewritten in an old configuration, and what cannot be had as it is asked for.
Documents of other kinds are left out.

Nothing is known of your cluster, so the optional APIs of others are taken as
absent: --facts names a file that says what is there.

  rbac: true               the operator may grant what collectors need (default)
  serviceMonitors: true    the cluster has prometheus-operator's kinds
  podMonitors: true
  httpRoutes: true         … the Gateway API
  routes: true             … OpenShift's routes
  certManager: true        … cert-manager
  collectorImage: NAME     images of what names none
  allocatorImage: NAME

- is stdin. The exit code is 1 when a resource cannot be rendered, or when a
finding is an error: the collector would not start.`,
		Example: `  signalbox render collector.yaml
  signalbox render collector.yaml | kubectl diff -f -
  kubectl get otelcol gateway -o yaml | signalbox render -
  signalbox render manifests/*.yaml -o json | jq '.items[].kind'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("no file given; - is stdin")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return s.run(cmd, args) },
	}
	f := cmd.Flags()
	f.StringVar(&s.facts, "facts", "", "YAML `file` that says what the cluster has")
	f.StringVarP(&s.namespace, "namespace", "n", "default", "`namespace` of resources that name none")
	f.StringVar(&s.image, "collector-image", "", "`image` of collectors that name none (default signalbox:"+Version+")")
	outputFlag(cmd, &s.output, "yaml", "json")
	return cmd
}

// errNotStarting ends the command when the objects are of no use. Why was printed.
var errNotStarting = errors.New("a collector would not start so; what is marked as error needs your hand")

// rendering is the resources of all files at work.
type rendering struct {
	facts      render.Facts
	namespace  string
	collectors []resource[*v1beta1.OpenTelemetryCollector]
	allocators []resource[*v1alpha1.TargetAllocator]
	bridges    []resource[*v1alpha1.OpAMPBridge]

	plans []filePlan
}

// resource is a resource and the file that it is in.
type resource[T any] struct {
	file string
	cr   T
}

// filePlan is what a resource in a file stands for.
type filePlan struct {
	file, kind, name string
	render.Plan
}

func (s *renderSettings) run(cmd *cobra.Command, files []string) error {
	r := rendering{namespace: s.namespace}
	var err error
	if r.facts, err = s.readFacts(); err != nil {
		return err
	}
	for _, file := range files {
		text, err := readFile(file, cmd.InOrStdin())
		if err != nil {
			return err
		}
		if err := r.read(file, text); err != nil {
			return fmt.Errorf("reading %s: %w", file, err)
		}
	}
	if len(r.collectors)+len(r.allocators)+len(r.bridges) == 0 {
		return errors.New("no OpenTelemetryCollector, TargetAllocator or OpAMPBridge is in these files")
	}
	if err := r.render(); err != nil {
		return err
	}
	var all render.Plan
	failed := false
	for _, p := range r.plans {
		for _, f := range p.Findings {
			f.File, f.Path = p.file, append([]string{p.kind + " " + p.name}, f.Path...)
			fmt.Fprintln(cmd.ErrOrStderr(), f)
		}
		all.Objects = append(all.Objects, p.Objects...)
		failed = failed || migrate.Failed(p.Findings)
	}
	if err := s.print(cmd.OutOrStdout(), all); err != nil {
		return err
	}
	if failed {
		return errNotStarting
	}
	return nil
}

// print writes the objects as documents, or as one list.
func (s *renderSettings) print(out io.Writer, all render.Plan) error {
	if s.output == "json" {
		return writeJSON(out, map[string]any{"apiVersion": "v1", "kind": "List", "items": all.Objects})
	}
	text, err := all.YAML()
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}

// readFacts are those of a cluster with nothing but Kubernetes, in which the
// operator may grant rights, changed by the file.
func (s *renderSettings) readFacts() (render.Facts, error) {
	defaults := settings.Default(Version)
	facts := defaults.Facts()
	facts.RBAC = true
	if s.facts != "" {
		text, err := readFile(s.facts, nil)
		if err != nil {
			return facts, err
		}
		var told struct {
			CollectorImage string `json:"collectorImage"`
			AllocatorImage string `json:"allocatorImage"`
		}
		// Another image starts its own program.
		if err := yaml.Unmarshal(text, &told); err == nil {
			if told.CollectorImage != "" {
				facts.CollectorCommand = nil
			}
			if told.AllocatorImage != "" {
				facts.AllocatorCommand = nil
			}
		}
		if err := yaml.UnmarshalStrict(text, &facts); err != nil {
			return facts, fmt.Errorf("reading %s: %w", s.facts, err)
		}
	}
	if s.image != "" {
		facts.CollectorImage, facts.CollectorCommand = s.image, nil
	}
	return facts, nil
}

// read takes the resources out of the documents of a file.
func (r *rendering) read(file string, text []byte) error {
	docs := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		doc, err := docs.Read()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = r.document(file, doc)
		}
		if err != nil {
			return err
		}
	}
}

// document takes a resource out of a document, or the resources of a list.
func (r *rendering) document(file string, doc []byte) error {
	var head struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Items      []json.RawMessage `json:"items"`
	}
	if err := yaml.Unmarshal(doc, &head); err != nil {
		return err
	}
	for _, item := range head.Items {
		if err := r.document(file, item); err != nil {
			return err
		}
	}
	switch head.APIVersion + " " + head.Kind {
	case v1alpha1.GroupVersion.String() + " OpenTelemetryCollector":
		// Decoded as what it is first, for fields that it does not have.
		if err := decodeStrict(doc, new(v1alpha1.OpenTelemetryCollector)); err != nil {
			return err
		}
		var object map[string]any
		if err := yaml.Unmarshal(doc, &object); err != nil {
			return err
		}
		now, err := json.Marshal(v1alpha1.Convert(object, v1beta1.GroupVersion.Version))
		if err != nil {
			return err
		}
		return decode(now, file, r.namespace, &r.collectors)
	case v1beta1.GroupVersion.String() + " OpenTelemetryCollector":
		return decode(doc, file, r.namespace, &r.collectors)
	case v1alpha1.GroupVersion.String() + " TargetAllocator":
		return decode(doc, file, r.namespace, &r.allocators)
	case v1alpha1.GroupVersion.String() + " OpAMPBridge":
		return decode(doc, file, r.namespace, &r.bridges)
	}
	return nil
}

// decode adds the resource in a document to all.
func decode[T any, P interface {
	*T
	metav1.Object
}](doc []byte, file, namespace string, all *[]resource[P]) error {
	v := P(new(T))
	if err := decodeStrict(doc, v); err != nil {
		return err
	}
	v.SetNamespace(cmp.Or(v.GetNamespace(), namespace))
	*all = append(*all, resource[P]{file, v})
	return nil
}

// decodeStrict refuses keys that v does not have, and says where they are.
func decodeStrict(doc []byte, v any) error {
	data, err := yaml.YAMLToJSONStrict(doc)
	if err != nil {
		return err
	}
	unknown, err := kjson.UnmarshalStrict(data, v)
	return errors.Join(append(unknown, err)...)
}

// render renders the resources, each with what it has to know of the others.
func (r *rendering) render() error {
	for _, c := range r.collectors {
		facts := r.facts
		for _, a := range r.allocators {
			if a.cr.Namespace == c.cr.Namespace && a.cr.Name == c.cr.Labels[v1beta1.LabelTargetAllocator] {
				facts.Allocator = &render.AllocatorFacts{Name: a.cr.Name, MTLS: a.cr.Spec.MTLS}
			}
		}
		plan, err := render.Collector(c.cr, facts)
		if err != nil {
			return fmt.Errorf("%s: %w", c.file, err)
		}
		r.plans = append(r.plans, filePlan{c.file, "OpenTelemetryCollector", c.cr.Name, plan})
		if c.cr.Spec.TargetAllocator.Enabled {
			if err := r.allocator(c.file, render.EmbeddedAllocator(c.cr), []*v1beta1.OpenTelemetryCollector{c.cr}); err != nil {
				return err
			}
		}
	}
	for _, a := range r.allocators {
		var served []*v1beta1.OpenTelemetryCollector
		for _, c := range r.collectors {
			if a.cr.Namespace == c.cr.Namespace && a.cr.Name == c.cr.Labels[v1beta1.LabelTargetAllocator] {
				served = append(served, c.cr)
			}
		}
		if err := r.allocator(a.file, a.cr, served); err != nil {
			return err
		}
	}
	for _, b := range r.bridges {
		plan, err := render.Bridge(b.cr, r.facts)
		if err != nil {
			return fmt.Errorf("%s: %w", b.file, err)
		}
		r.plans = append(r.plans, filePlan{b.file, "OpAMPBridge", b.cr.Name, plan})
	}
	return nil
}

func (r *rendering) allocator(file string, a *v1alpha1.TargetAllocator, served []*v1beta1.OpenTelemetryCollector) error {
	plan, err := render.Allocator(a, served, r.facts)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	r.plans = append(r.plans, filePlan{file, "TargetAllocator", a.Name, plan})
	return nil
}
