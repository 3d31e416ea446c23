// Package kubetest gives tests of any room a light cluster: a real API server
// with etcd and controllers, and nodes whose pods run in name only.
//
// Invariants: the cluster ends with the test that started it. In short runs such
// a test is skipped.
package kubetest

import (
	"context"
	"testing"
	"time"

	"github.com/signalbox-otel/signalbox/e2e/kube"
)

// coldBuild bounds a test whose Kubernetes is not built yet. The build has its
// own target, make kube, and takes minutes.
const coldBuild = 20 * time.Minute

// Cluster is the light cluster of a test.
type Cluster struct {
	*kube.Cluster
	t   testing.TB
	ctx context.Context
}

// Light starts a light cluster with so many nodes.
func Light(t testing.TB, nodes int) *Cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("starts an API server")
	}
	ctx, cancel := context.WithTimeout(t.Context(), coldBuild)
	t.Cleanup(cancel)
	c, err := kube.Light(ctx, t.TempDir(), nodes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return &Cluster{c, t, ctx}
}

// Context ends with the test, or after the time that a cold build takes.
func (c *Cluster) Context() context.Context { return c.ctx }

// Run is what kubectl prints, which reads stdin. The test fails with it.
func (c *Cluster) Run(stdin string, args ...string) string {
	c.t.Helper()
	out, err := c.Kubectl(c.ctx, stdin, args...)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

// In is the cluster for a part of the test.
func (c *Cluster) In(t testing.TB) *Cluster { return &Cluster{c.Cluster, t, c.ctx} }

// Established waits until the API server knows all custom resources that were
// defined.
func (c *Cluster) Established() {
	c.t.Helper()
	// kubectl does not wait for conditions while there are none yet: ask again.
	for {
		_, err := c.Kubectl(c.ctx, "", "wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
		if err == nil {
			return
		}
		if c.ctx.Err() != nil {
			c.t.Fatal(err)
		}
	}
}
