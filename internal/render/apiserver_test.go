package render

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/signalbox-otel/signalbox/api/crds"
	"github.com/signalbox-otel/signalbox/e2e/kube/kubetest"
)

// TestAPIServerTakesPlans shows every golden plan to a real API server, which
// validates more than types can: names of ports, types of Services, selectors.
func TestAPIServerTakesPlans(t *testing.T) {
	c := kubetest.Light(t, 0)
	allocators, err := crds.Files.ReadFile("opentelemetry.io_targetallocators.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c.Run(string(allocators), "apply", "--server-side", "-f", "-")
	c.Established()
	for _, namespace := range []string{"observability", "shop", "otel-collector"} {
		c.Run("", "create", "namespace", namespace)
	}
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// The API server of the test has none of the optional APIs.
		objects := slices.DeleteFunc(strings.Split(string(member(archive, "want.yaml")), "---\n"), func(o string) bool {
			return !strings.HasPrefix(o, "apiVersion:") || slices.ContainsFunc([]string{"monitoring.coreos.com", "cert-manager.io", "gateway.networking.k8s.io", "route.openshift.io"},
				func(api string) bool { return strings.HasPrefix(o, "apiVersion: "+api) })
		})
		if len(objects) == 0 {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			c.In(t).Run(strings.Join(objects, "---\n"), "apply", "--server-side", "--dry-run=server", "-f", "-")
		})
	}
}
