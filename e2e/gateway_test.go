//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/signalbox-otel/signalbox/e2e/kube"
)

// The gateway of the second seed runs as it is written, for a collector of 2020:
// its image's name, command and flags, its configuration with exporters that
// upstream has removed. The program of the seed sends to its NodePort, and the
// trace is on the page.
func TestOldGatewayRuns(t *testing.T) {
	t.Parallel()
	jaeger(t, "istio-system", "otlp: {endpoint: \""+otlp+"\", tls: {insecure: true}}")
	apply(t, "{apiVersion: v1, kind: Namespace, metadata: {name: observability}}")
	applyFile(t, seed("002-manifest.yaml"))
	rollout(t, "observability", "deployment/otel-collector")

	node := kubectl(t, "get", "nodes", "-o", `jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}`)
	id := dice(t, "observability", "{}", "http://"+node+":30080")
	wantDice(t, id)
	if logs := kubectl(t, "logs", "-n", "observability", "deployment/otel-collector"); !strings.Contains(logs, "--mem-ballast-size-mib") {
		t.Errorf("the collector does not say what became of its flag:\n%s", logs)
	}
}

// seed is the path of a document's manifest.
func seed(name string) string { return filepath.Join("../internal/migrate/testdata/seeds", name) }

// otlp is where the store takes OTLP over gRPC.
const otlp = "signalbox-otlp." + system + ".svc.cluster.local:4317"

// jaeger is what a document calls Jaeger in a namespace: a collector whose Service
// is jaeger-collector, which speaks Jaeger's protocol and OTLP.
func jaeger(t *testing.T, namespace, exporter string) {
	t.Helper()
	apply(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+namespace+"}}")
	apply(t, fmt.Sprintf(`{apiVersion: opentelemetry.io/v1beta1, kind: OpenTelemetryCollector, metadata: {name: jaeger, namespace: %s}, spec: {config: {
		receivers: {jaeger: {protocols: {grpc: {}}}, otlp: {protocols: {grpc: {}}}}, exporters: {%s},
		service: {pipelines: {traces: {receivers: [jaeger, otlp], exporters: [%s]}}}}}}`, namespace, exporter, strings.Split(exporter, ":")[0]))
	ready(t, namespace, "jaeger")
}

// diceImage is the program of the second seed, built once.
var diceImage = sync.OnceValues(func() (kube.Image, error) {
	dir, err := os.MkdirTemp("", "dice")
	if err != nil {
		return kube.Image{}, err
	}
	return goImage("registry.local/gosdk:1", dir, "../clients/gosdk", ".")
})

// dice runs the program of the second seed as a Job, which must complete, and
// returns the id of its trace. Where it sends to, its pod says unless endpoint is
// empty.
func dice(t *testing.T, namespace, annotations, endpoint string) string {
	t.Helper()
	image, err := diceImage()
	if err != nil {
		t.Fatal(err)
	}
	if err := cluster.Load(t.Context(), image); err != nil {
		t.Fatal(err)
	}
	env := ""
	if endpoint != "" {
		env = `{name: OTEL_EXPORTER_OTLP_ENDPOINT, value: "` + endpoint + `"}`
	}
	apply(t, fmt.Sprintf(`{apiVersion: batch/v1, kind: Job, metadata: {name: dice, namespace: %s}, spec: {
		backoffLimit: 0,
		template: {metadata: {annotations: %s}, spec: {restartPolicy: Never,
			securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}},
			containers: [{name: dice, image: "registry.local/gosdk:1", args: [-work, 10ms], env: [%s],
				securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]}}}}`, namespace, annotations, env))
	_, err = cluster.Kubectl(t.Context(), "", "wait", "-n", namespace, "job/dice", "--for=condition=Complete", "--timeout="+waitTimeout.String())
	logs := kubectl(t, "logs", "-n", namespace, "job/dice", "-c", "dice")
	if err != nil {
		describe, _ := cluster.Kubectl(t.Context(), "", "describe", "-n", namespace, "pods", "-l", "job-name=dice")
		t.Fatalf("%v\n%s\n%s", err, logs, describe)
	}
	id := regexp.MustCompile(`(?m)^[0-9a-f]{32}$`).FindString(logs)
	if id == "" {
		t.Fatalf("the program names no trace: %s", logs)
	}
	return id
}

// wantDice wants the program's trace on the page, whole.
func wantDice(t *testing.T, id string) {
	t.Helper()
	url := uiURL(t) + "/api/traces/" + id
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
}

// goImage is an image of a Go program, built into dir: pkg as it is called in the
// folder module.
func goImage(name, dir, module, pkg string) (kube.Image, error) {
	base := path.Base(pkg)
	if pkg == "." {
		base = filepath.Base(module)
	}
	program := filepath.Join(dir, base)
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", program, pkg)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return kube.Image{}, fmt.Errorf("building %s in %s: %w\n%s", pkg, module, err, out)
	}
	return kube.Image{
		Names:  []string{name},
		Files:  []kube.File{{Source: program, Target: "/" + base}},
		Config: kube.Config{Entrypoint: []string{"/" + base}},
	}, nil
}
