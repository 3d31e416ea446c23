package inject

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/e2e/kube"
)

// TestAPIServerTakesPods shows every golden pod to a real API server, which
// validates more than types can, and to its levels of Pod Security.
func TestAPIServerTakesPods(t *testing.T) {
	if testing.Short() {
		t.Skip("starts an API server")
	}
	// The build has its own target, make kube; a cold one takes minutes.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	c, err := kube.Light(ctx, t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	}()
	kubectl := func(stdin string, args ...string) {
		t.Helper()
		if out, err := c.Kubectl(ctx, stdin, args...); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
	for _, namespace := range []string{"shop", "restricted"} {
		kubectl("", "create", "namespace", namespace)
		kubectl("", "wait", "--for=create", "--timeout=60s", "-n", namespace, "serviceaccount/default")
	}
	kubectl("", "label", "namespace", "restricted", podSecurityLevel+"=restricted")
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
			if name == "strict" || name == "auto" {
				pod.Namespace = "restricted"
			}
			manifest, err := yaml.Marshal(pod)
			if err != nil {
				t.Fatal(err)
			}
			out, err := c.Kubectl(ctx, string(manifest), "create", "--dry-run=server", "-f", "-")
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
