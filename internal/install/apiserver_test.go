package install

import (
	"context"
	"testing"
	"time"

	"github.com/signalbox-otel/signalbox/e2e/kube"
)

// lightCluster is an API server for the test, and kubectl for it, which gives what
// it prints and what it complains of.
func lightCluster(t *testing.T) (*kube.Cluster, context.Context) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts an API server")
	}
	// The build has its own target, make kube; a cold one takes minutes.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	t.Cleanup(cancel)
	c, err := kube.Light(ctx, t.TempDir(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c, ctx
}

func TestKubectlAppliesAll(t *testing.T) {
	c, ctx := lightCluster(t)
	v, err := Parse(nil, []string{"operator.replicas=2", "operator.networkPolicy=true", "store.networkPolicy=true"})
	if err != nil {
		t.Fatal(err)
	}
	objects, err := Objects(v, "signalbox:1")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		out, err := c.Kubectl(ctx, string(YAML(objects)), "apply", "-f", "-")
		if err != nil {
			t.Fatal(err)
		}
		t.Log(out)
	}
}
