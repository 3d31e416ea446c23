//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-otel/signalbox/e2e/kube"
	"github.com/signalbox-otel/signalbox/images/payload"
)

// The third seed: its collector on every node, whose traces go to three places, and
// its instrumented microservice, which describes itself as the document's does.
func TestBlog(t *testing.T) {
	t.Parallel()
	jaeger(t, "xxx", "debug: {}")
	text := strings.ReplaceAll(readFile(t, seed("003-collector.yaml")), "xx.xx.x.xxx:8003", otlp)
	apply(t, text, "-n", "xxx")
	ready(t, "xxx", "otelcol")
	wantDice(t, dice(t, "xxx", "{}", "http://otelcol-collector.xxx.svc.cluster.local:4317"))
	wantEverywhere(t)
	wantBrowsers(t)

	load(t, "visits:1", "lgcat/exp_test:v1")
	load(t, "redis:7")
	upstreamPython(t)
	apply(t, readFile(t, seed("003-instrumentation.yaml")), "-n", "xxx")
	applyFile(t, "testdata/seed-003/others.yaml")
	apply(t, strings.Replace(readFile(t, "testdata/seed-003/deployment.yaml"), "10.20.1.231", "node1", 1))
	for _, name := range []string{"redis", "test1", "test"} {
		rollout(t, "xxx", "deployment/"+name)
	}
	wantDescribed(t)

	users := serviceURL(t, "xxx", "test1-service", "8001")
	await(t, "the users", func(ctx context.Context) error {
		_, err := get(ctx, users+"/healthz")
		return err
	})
	began := time.Now()
	visit(t, users, blogService(t))
	wantWay(t, began, "test: GET /visits/<int:number>", "test: GET", "test1: GET /users/<int:number>", "test1: HGET")
	wantWay(t, began, "test: GET /visits/<int:number>", "test: INCRBY")
}

// wantEverywhere wants the spans at all the places that the collector sends to.
func wantEverywhere(t *testing.T) {
	t.Helper()
	metrics := serviceURL(t, "xxx", "otelcol-collector-monitoring", "8888") + "/metrics"
	for _, exporter := range []string{"otlp/jaeger/A", "otlp/jaeger/B", "otlp/python/C", "debug"} {
		await(t, "the spans at "+exporter, func(ctx context.Context) error {
			return atLeast(ctx, metrics, `otelcol_exporter_sent_spans[a-z_]*{[^}]*exporter="`+exporter+`"[^}]*}`, 11)
		})
	}
}

// wantBrowsers wants pages of any site to be allowed to send.
func wantBrowsers(t *testing.T) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, serviceURL(t, "xxx", "otelcol-collector", "4318")+"/v1/traces", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "https://shop.example")
	req.Header.Set("Access-Control-Request-Method", http.MethodPost)
	req.Header.Set("Access-Control-Request-Headers", "content-type")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := resp.Header.Get("Access-Control-Allow-Origin"); got != "https://shop.example" {
		t.Errorf("a browser's question is answered with %s, origin %q; want its own", resp.Status, got)
	}
}

// upstreamPython loads our payload under the name that the document's Instrumentation
// gives.
func upstreamPython(t *testing.T) {
	t.Helper()
	root, err := kube.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := payload.Build(t.Context(), root, "python", t.Output())
	if err != nil {
		t.Fatal(err)
	}
	img, err := kube.FromDockerfile(filepath.Join(root, "images", "python", "Dockerfile"), "python", map[string]string{"build": dir, "copy": dir})
	if err != nil {
		t.Fatal(err)
	}
	img.Names = []string{"ghcr.io/open-telemetry/opentelemetry-operator/autoinstrumentation-python:latest"}
	if err := cluster.Load(t.Context(), img); err != nil {
		t.Fatal(err)
	}
}

// blogService applies the document's Service. As it is written no cluster takes it:
// its port of the node is none that nodes give away. And what it leads to is a port
// where nobody listens.
func blogService(t *testing.T) string {
	t.Helper()
	text := readFile(t, "testdata/seed-003/service.yaml")
	if _, err := cluster.Kubectl(t.Context(), text, "apply", "-f", "-"); err == nil || !strings.Contains(err.Error(), "provided port is not in the valid range") {
		t.Errorf("applying the Service as it is: got %v; want the range of ports", err)
	}
	apply(t, strings.NewReplacer("nodePort: 8000", "nodePort: 30800", "targetPort: 8004", "targetPort: 8000").Replace(text))
	url := "http://" + nodeAddress(t) + ":30800"
	await(t, "the microservice", func(ctx context.Context) error {
		_, err := get(ctx, url+"/healthz")
		return err
	})
	return url
}

// wantDescribed compares what kubectl describe says of the pod with the document,
// line by line. The lines that differ are kept in a file, and docs/workshops/visits.md
// says why each does.
func wantDescribed(t *testing.T) {
	t.Helper()
	const golden = "testdata/seed-003/described.diff"
	_, says, found := strings.Cut(kubectl(t, "describe", "pods", "-n", "xxx", "-l", "app=test"), "\nInit Containers:")
	says, _, ended := strings.Cut("Init Containers:"+says, "\nConditions:")
	if !found || !ended {
		t.Fatalf("kubectl describe has no containers: %s", says)
	}
	got := strings.Join(changes(describedLines(readFile(t, "testdata/seed-003/described.txt")), describedLines(says)), "\n") + "\n"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(readFile(t, golden), got); diff != "" {
		t.Errorf("what differs between the document's pod and ours (-want +got):\n%s\nkubectl describe says:\n%s", diff, says)
	}
}

// volatile is what no two pods have alike, and what stands for it.
var volatile = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`^(Container ID|Image ID|Started|Finished): .*`), "$1: ..."},
	{regexp.MustCompile(`kube-api-access-[a-z0-9]{5}`), "kube-api-access-..."},
	{regexp.MustCompile(`\btest-[a-z0-9]{8,10}\b`), "test-HASH"},
	{regexp.MustCompile(`\btest-HASH-[a-z0-9]{5}\b`), "test-HASH-POD"},
}

// describedLines are the lines of a description, without how they are indented and
// without what no two pods have alike.
func describedLines(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.Join(strings.Fields(line), " ")
		for _, a := range volatile {
			line = a.pattern.ReplaceAllString(line, a.instead)
		}
		if line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// changes are the lines that are only in a, with a minus, and only in b, with a
// plus, where a longest common subsequence leaves them.
func changes(a, b []string) []string {
	common := make([][]int, len(a)+1) // of a[i:] and b[j:]
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var lines []string
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			lines, i = append(lines, fmt.Sprintf("- %s", a[i])), i+1
		default:
			lines, j = append(lines, fmt.Sprintf("+ %s", b[j])), j+1
		}
	}
	return lines
}
