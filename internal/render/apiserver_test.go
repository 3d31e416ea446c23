package render

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/signalbox-otel/signalbox/api/crds"
	"github.com/signalbox-otel/signalbox/e2e/kube"
)

// TestAPIServerTakesPlans shows every golden plan to a real API server, which
// validates more than types can: names of ports, types of Services, selectors.
func TestAPIServerTakesPlans(t *testing.T) {
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
	allocators, err := crds.Files.ReadFile("opentelemetry.io_targetallocators.yaml")
	if err != nil {
		t.Fatal(err)
	}
	kubectl(string(allocators), "apply", "--server-side", "-f", "-")
	// kubectl does not wait for conditions while there are none yet: ask again.
	for {
		_, err := c.Kubectl(ctx, "", "wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	for _, namespace := range []string{"observability", "shop", "otel-collector"} {
		kubectl("", "create", "namespace", namespace)
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
			if out, err := c.Kubectl(ctx, strings.Join(objects, "---\n"), "apply", "--server-side", "--dry-run=server", "-f", "-"); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
