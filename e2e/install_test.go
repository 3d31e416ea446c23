//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// system is the namespace that Signalbox is installed in.
const system = "opentelemetry-operator-system"

// operator is the operator's Deployment.
const operator = "deployment/opentelemetry-operator-controller-manager"

// volume is the disk of the store: the cluster makes none by itself.
const volume = `{apiVersion: v1, kind: PersistentVolume, metadata: {name: signalbox}, spec: {
	capacity: {storage: 100Gi}, accessModes: [ReadWriteOnce], persistentVolumeReclaimPolicy: Delete,
	hostPath: {path: /var/lib/signalbox-e2e, type: DirectoryOrCreate}}}`

// program runs the binary that the image holds, and returns what it prints.
func program(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "../bin/signalbox", args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+cluster.Kubeconfig)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("running signalbox %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out), err
}

// manifest is what a user pipes into kubectl.
func manifest(ctx context.Context) (string, error) {
	return program(ctx, "install", "--image", "registry.local/signalbox:dev")
}

// install installs Signalbox as its README says: one command, and no other.
func install(ctx context.Context) error {
	if _, err := cluster.Kubectl(ctx, volume, "apply", "-f", "-"); err != nil {
		return err
	}
	text, err := manifest(ctx)
	if err != nil {
		return err
	}
	if _, err = cluster.Kubectl(ctx, text, "apply", "-f", "-"); err != nil {
		return err
	}
	// What is applied before the operator is there to answer is refused; its Service
	// leads to it a moment after it is ready.
	probe, err := os.ReadFile(seed("002-simplest.yaml"))
	if err != nil {
		return err
	}
	return until(ctx, "the operator to answer", func(ctx context.Context) error {
		_, err := cluster.Kubectl(ctx, string(probe), "apply", "--dry-run=server", "-f", "-")
		return err
	})
}

// What one command has installed is ready: the operator, whose webhooks answer to
// its own certificate, the store, and the collector that comes with them.
func TestInstalled(t *testing.T) {
	t.Parallel()
	rollout(t, system, operator)
	rollout(t, system, "statefulset/signalbox")
	ready(t, system, "otel")
	if version := kubectl(t, "get", "otelcol", "-n", system, "otel", "-o", "jsonpath={.status.version}"); version == "" {
		t.Error("the collector has no version in its status")
	}
	// Installing again is no change.
	text, err := manifest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, err := cluster.Kubectl(t.Context(), text, "apply", "-f", "-")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out) {
		if !strings.HasSuffix(strings.TrimSpace(line), " unchanged") {
			t.Errorf("installing again: %s", line)
		}
	}
}

// ready waits until a collector is ready; with what is known of it when it is not.
func ready(t *testing.T, namespace, name string) {
	t.Helper()
	_, err := cluster.Kubectl(t.Context(), "", "wait", "-n", namespace, "otelcol/"+name, "--for=condition=Ready", "--timeout="+waitTimeout.String())
	if err != nil {
		describe, _ := cluster.Kubectl(t.Context(), "", "describe", "-n", namespace, "otelcol/"+name)
		pods, _ := cluster.Kubectl(t.Context(), "", "describe", "-n", namespace, "pods", "-l", "app.kubernetes.io/instance="+namespace+"."+name)
		logs, _ := cluster.Kubectl(t.Context(), "", "logs", "-n", system, operator, "--tail=50")
		t.Fatalf("%v\n%s\n%s\n%s", err, describe, pods, logs)
	}
}

// uiURL is the page and the query APIs of what is installed.
func uiURL(t *testing.T) string {
	t.Helper()
	return serviceURL(t, system, "signalbox", "4316")
}
