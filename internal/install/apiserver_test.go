package install

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/signalbox-otel/signalbox/e2e/kube"
	"github.com/signalbox-otel/signalbox/e2e/kube/kubetest"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// server is a real API server with controllers and a node.
type server struct {
	*testing.T
	*kube.Cluster
}

// kubectl runs kubectl, which must have nothing to complain of.
func (s server) kubectl(stdin string, args ...string) string {
	s.Helper()
	var stdout, stderr bytes.Buffer
	cmd := s.Command(s.Context(), args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil || stderr.Len() > 0 {
		s.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return stdout.String()
}

// A real API server takes what is printed, with any values and by kubectl's own
// way of applying, without a warning; applied again, nothing is written. The pods
// start in a namespace that keeps others than restricted ones out.
func TestAPIServerTakesAll(t *testing.T) {
	s := server{t, kubetest.Light(t, 1).Cluster}
	objects := objectsOf(t, "store.persistent=false")
	s.kubectl(string(YAML(objects)), "apply", "-f", "-")
	before := s.versions(objects)
	s.kubectl(string(YAML(objects)), "apply", "-f", "-")
	if diff := cmp.Diff(before, s.versions(objects)); diff != "" {
		t.Errorf("applied again (-before +after):\n%s", diff)
	}

	// What the operator makes of the default collector.
	plan, err := render.Collector(defaultCollector(t), render.Facts{CollectorImage: "signalbox:1.2.3", CollectorCommand: []string{"/otelcol"}, RBAC: true})
	if err != nil {
		t.Fatal(err)
	}
	text, err := plan.YAML()
	if err != nil {
		t.Fatal(err)
	}
	s.kubectl(string(text), "apply", "-f", "-")
	for _, workload := range []string{"deployment/" + needs.Deployment, "statefulset/" + StoreName, "deployment/otel-collector"} {
		s.kubectl("", "rollout", "status", "-n", needs.Namespace, workload, "--timeout=60s")
	}

	for name, settings := range variants {
		s.dryRun(name, settings)
	}
}

// versions are the resource versions of the objects that have no status.
func (s server) versions(objects []*unstructured.Unstructured) []string {
	s.Helper()
	var all []string
	for _, o := range objects {
		if kind := o.GetKind(); kind != "Deployment" && kind != "StatefulSet" && kind != "CustomResourceDefinition" {
			all = append(all, s.kubectl("", "get", "-n", needs.Namespace, kind+"/"+o.GetName(), "-o", "jsonpath={.kind} {.metadata.name} {.metadata.resourceVersion}"))
		}
	}
	return all
}

// dryRun shows an installation with other values to the API server, in a namespace
// of its own.
func (s server) dryRun(name string, settings []string) {
	s.Helper()
	objects := objectsOf(s.T, append(slices.Clone(settings), "namespace=tools")...)
	objects = slices.DeleteFunc(objects, func(o *unstructured.Unstructured) bool {
		return o.GroupVersionKind().Group == "cert-manager.io" // which is not here
	})
	s.kubectl(string(YAML(objects[:1])), "apply", "-f", "-")
	if out := s.kubectl(string(YAML(objects)), "apply", "--dry-run=server", "-f", "-"); strings.Count(out, "(server dry run)") != len(objects) {
		s.Errorf("%s: got\n%s\nwant %d objects", name, out, len(objects))
	}
}
