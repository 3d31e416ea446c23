//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-otel/signalbox/e2e/kube"
)

// cluster is the cluster that all tests use.
var cluster *kube.Cluster

func TestMain(m *testing.M) {
	code, err := installed(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// installed runs the tests on a cluster with Signalbox. A bare one is bare again
// afterwards; where somebody has installed Signalbox, the tests use that, and leave
// it as it is.
func installed(m *testing.M) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), waitTimeout)
	defer cancel()
	var err error
	if cluster, err = kube.Running(ctx); err != nil {
		return 1, err
	}
	there, err := cluster.Kubectl(ctx, "", "get", "-n", system, operator, "--ignore-not-found", "-o", "name")
	if err != nil {
		return 1, err
	}
	if there != "" {
		return m.Run(), nil
	}
	before, err := everything(ctx)
	if err != nil {
		return 1, err
	}
	if err := install(ctx); err != nil {
		return 1, err
	}
	code := m.Run()

	ctx, cancel = context.WithTimeout(context.Background(), waitTimeout)
	defer cancel()
	if _, err := program(ctx, "uninstall", "--apply", "--delete-data", "--delete-resources"); err != nil {
		return 1, err
	}
	after, err := everything(ctx)
	if err != nil {
		return 1, err
	}
	if diff := cmp.Diff(before, after); diff != "" {
		return 1, fmt.Errorf("uninstall leaves the cluster as it was not (-before +after):\n%s", diff)
	}
	return code, nil
}

// everything names what is in a cluster and in no namespace.
func everything(ctx context.Context) ([]string, error) {
	out, err := cluster.Kubectl(ctx, "", "get", "namespaces,customresourcedefinitions,clusterroles,clusterrolebindings,mutatingwebhookconfigurations,validatingwebhookconfigurations", "-o", "name")
	return strings.Fields(out), err
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

// applyFile applies a file.
func applyFile(t *testing.T, name string) {
	t.Helper()
	apply(t, readFile(t, name))
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

// await asks until the answer is no error, and fails the test when it never is.
func await(t *testing.T, what string, ask func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitTimeout)
	defer cancel()
	if err := until(ctx, what, ask); err != nil {
		t.Fatal(err)
	}
}

// until asks twice a second until the answer is no error. There is nothing to wait
// on: what it asks for is on its way through other processes.
func until(ctx context.Context, what string, ask func(context.Context) error) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, err)
		case <-tick.C:
		}
	}
}
