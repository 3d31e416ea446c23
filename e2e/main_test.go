//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signalbox-otel/signalbox/e2e/kube"
)

// cluster is the cluster that all tests use.
var cluster *kube.Cluster

func TestMain(m *testing.M) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var err error
	if cluster, err = kube.Running(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// waitTimeout bounds each wait. What is waited for takes seconds; on a machine
// that does much else it takes a minute.
const waitTimeout = 3 * time.Minute

// kubectl runs kubectl, which must succeed, and returns what it prints.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := cluster.Kubectl(t.Context(), "", args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// apply applies manifests, and removes what they name when the test is over.
func apply(t *testing.T, manifests string, args ...string) {
	t.Helper()
	if _, err := cluster.Kubectl(t.Context(), manifests, append([]string{"apply", "-f", "-"}, args...)...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), waitTimeout)
		defer cancel()
		// Two may name a namespace; the second need not find it.
		if _, err := cluster.Kubectl(ctx, manifests, append([]string{"delete", "--ignore-not-found", "--grace-period=1", "-f", "-"}, args...)...); err != nil {
			t.Error(err)
		}
	})
}

// applyFile applies a file of testdata.
func applyFile(t *testing.T, name string) {
	t.Helper()
	manifests, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	apply(t, string(manifests))
}

// rollout waits until all pods of a workload are ready; with what they say when
// they are not.
func rollout(t *testing.T, namespace, workload string) {
	t.Helper()
	_, err := cluster.Kubectl(t.Context(), "", "rollout", "status", "-n", namespace, workload, "--timeout="+waitTimeout.String())
	if err != nil {
		describe, _ := cluster.Kubectl(t.Context(), "", "describe", "-n", namespace, "pods")
		logs, _ := cluster.Kubectl(t.Context(), "", "logs", "-n", namespace, workload, "--tail=50")
		t.Fatalf("%v\n%s\n%s", err, describe, logs)
	}
}

// inPod runs the test application in a pod of its own, which must succeed, and
// returns what it prints.
func inPod(t *testing.T, namespace, name string, args ...string) string {
	t.Helper()
	apply(t, fmt.Sprintf(`{apiVersion: v1, kind: Pod, metadata: {name: %s, namespace: %s}, spec: {
		restartPolicy: Never, terminationGracePeriodSeconds: 1,
		containers: [{name: app, image: "registry.local/app:1", args: ["%s"]}]}}`, name, namespace, strings.Join(args, `", "`)))
	_, err := cluster.Kubectl(t.Context(), "", "wait", "-n", namespace, "pod/"+name, "--for=jsonpath={.status.phase}=Succeeded", "--timeout="+waitTimeout.String())
	logs := kubectl(t, "logs", "-n", namespace, name)
	if err != nil {
		t.Fatalf("%v\n%s", err, logs)
	}
	return strings.TrimSpace(logs)
}

// serviceURL is where a Service is reached from outside of pods, which the node is
// too.
func serviceURL(t *testing.T, namespace, name, port string) string {
	t.Helper()
	ip := kubectl(t, "get", "service", "-n", namespace, name, "-o", "jsonpath={.spec.clusterIP}")
	return "http://" + ip + ":" + port
}

// get returns the answer of a URL, which must be 200.
func get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", url, resp.Status, body)
	}
	return body, err
}

// await asks twice a second until the answer is no error. There is nothing to wait
// on: what it asks for is on its way through other processes.
func await(t *testing.T, what string, ask func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitTimeout)
	defer cancel()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waiting for %s: %v", what, err)
		case <-tick.C:
		}
	}
}
