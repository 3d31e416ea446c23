package inject

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/e2e/kube/kubetest"
)

// TestAPIServerTakesPods shows every golden pod to a real API server, which
// validates more than types can, and to its levels of Pod Security.
func TestAPIServerTakesPods(t *testing.T) {
	c := kubetest.Light(t, 0)
	for _, namespace := range []string{"shop", "restricted"} {
		c.Run("", "create", "namespace", namespace)
		c.Run("", "wait", "--for=create", "--timeout=60s", "-n", namespace, "serviceaccount/default")
	}
	c.Run("", "label", "namespace", "restricted", podSecurityLevel+"=restricted")
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			_, text, _ := strings.Cut(string(member(archive, "want.yaml")), "---\n")
			var pod corev1.Pod
			if err := yaml.UnmarshalStrict([]byte(text), &pod); err != nil {
				t.Fatal(err)
			}
			pod.Name, pod.GenerateName, pod.OwnerReferences, pod.APIVersion, pod.Kind = name, "", nil, "v1", "Pod"
			pod.Namespace = "shop"
			if name == "strict" || name == "auto" || strings.Contains(string(member(archive, "namespace.yaml")), podSecurityLevel+": restricted") {
				pod.Namespace = "restricted"
			}
			manifest, err := yaml.Marshal(pod)
			if err != nil {
				t.Fatal(err)
			}
			c.In(t).Run(string(manifest), "create", "--dry-run=server", "-f", "-")
		})
	}
}
