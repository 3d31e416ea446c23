//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/signalbox-otel/signalbox/e2e/kube"
)

// The gateway of the second seed runs as it is written, for a collector of 2020:
// its image's name, command and flags, its configuration with exporters that
// upstream has removed. The program of the seed sends to its NodePort, and the
// trace is in what it calls Jaeger.
func TestOldGatewayRuns(t *testing.T) {
	t.Parallel()
	image := goImage(t, "registry.local/gosdk:1", "../clients/gosdk")
	if err := cluster.Load(t.Context(), image); err != nil {
		t.Fatal(err)
	}
	applyFile(t, "seed-002/jaeger.yaml")
	rollout(t, "istio-system", "deployment/jaeger")
	apply(t, "{apiVersion: v1, kind: Namespace, metadata: {name: observability}}")
	applyFile(t, "seed-002/gateway.yaml")
	rollout(t, "observability", "deployment/otel-collector")

	node := kubectl(t, "get", "nodes", "-o", `jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}`)
	apply(t, fmt.Sprintf(`{apiVersion: batch/v1, kind: Job, metadata: {name: dice, namespace: observability}, spec: {
		backoffLimit: 0,
		template: {spec: {restartPolicy: Never, containers: [{name: dice, image: "registry.local/gosdk:1", args: [-work, 10ms],
			env: [{name: OTEL_EXPORTER_OTLP_ENDPOINT, value: "http://%s:30080"}]}]}}}}`, node))
	_, err := cluster.Kubectl(t.Context(), "", "wait", "-n", "observability", "job/dice", "--for=condition=Complete", "--timeout="+waitTimeout.String())
	logs := kubectl(t, "logs", "-n", "observability", "job/dice")
	if err != nil {
		t.Fatalf("%v\n%s", err, logs)
	}
	id := regexp.MustCompile(`(?m)^[0-9a-f]{32}$`).FindString(logs)
	if id == "" {
		t.Fatalf("the program names no trace: %s", logs)
	}
	url := serviceURL(t, "istio-system", "jaeger-query", "80") + "/api/traces/" + id
	await(t, "the trace "+id, func(ctx context.Context) error {
		body, err := get(ctx, url)
		if err != nil {
			return err
		}
		var answer struct {
			Data []struct {
				Spans     []struct{ OperationName string }
				Processes map[string]struct{ ServiceName string }
			}
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return err
		}
		if len(answer.Data) != 1 || len(answer.Data[0].Spans) != 11 || answer.Data[0].Processes["p1"].ServiceName != "test-service" {
			return fmt.Errorf("got %s; want 11 spans of test-service", body)
		}
		return nil
	})
	if logs := kubectl(t, "logs", "-n", "observability", "deployment/otel-collector"); !strings.Contains(logs, "--mem-ballast-size-mib") {
		t.Errorf("the collector does not say what became of its flag:\n%s", logs)
	}
}

// goImage is an image of a Go program of this repository.
func goImage(t *testing.T, name, pkg string) kube.Image {
	t.Helper()
	program := filepath.Join(t.TempDir(), filepath.Base(pkg))
	cmd := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", program, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", pkg, err, out)
	}
	target := "/" + filepath.Base(program)
	return kube.Image{
		Names:  []string{name},
		Files:  []kube.File{{Source: program, Target: target}},
		Config: kube.Config{Entrypoint: []string{target}},
	}
}
