//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The second seed's first collector, in the three modes that it draws: one for
// the cluster, one on each node, one in each pod.
func TestModesOfTheTutorial(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"deployment", "daemonset", "sidecar"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			namespace := "tutorial-" + mode
			apply(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+namespace+"}}")
			text := readFile(t, seed("002-simplest.yaml"))
			if mode != "deployment" {
				text = strings.Replace(text, "\nspec:\n", "\nspec:\n  mode: "+mode+"\n", 1)
			}
			// The store beside its debug exporter, to see what came.
			text = strings.Replace(text, "    exporters:\n      debug:\n", "    exporters:\n      debug:\n      otlp:\n        endpoint: "+otlp+"\n        tls: {insecure: true}\n", 1)
			text = strings.Replace(text, "exporters: [debug]", "exporters: [debug, otlp]", 1)
			apply(t, text, "-n", namespace)
			ready(t, namespace, "simplest")

			if mode == "sidecar" {
				// The Job completes: the collector beside its program ends with it.
				id := dice(t, namespace, `{sidecar.opentelemetry.io/inject: "true"}`, "http://localhost:4317")
				wantDice(t, id)
				return
			}
			id := dice(t, namespace, "{}", "http://simplest-collector."+namespace+":4317")
			wantDice(t, id)
		})
	}
}

// The collector of the third seed, on every node: its traces go to three places,
// its metrics and logs to one, and browsers may send.
func TestBlogCollector(t *testing.T) {
	t.Parallel()
	jaeger(t, "xxx", "debug: {}")
	text := strings.ReplaceAll(readFile(t, seed("003-collector.yaml")), "xx.xx.x.xxx:8003", otlp)
	apply(t, text, "-n", "xxx")
	ready(t, "xxx", "otelcol")
	wantDice(t, dice(t, "xxx", "{}", "http://otelcol-collector.xxx.svc.cluster.local:4317"))

	metrics := serviceURL(t, "xxx", "otelcol-collector-monitoring", "8888") + "/metrics"
	for _, exporter := range []string{"otlp/jaeger/A", "otlp/jaeger/B", "otlp/python/C", "debug"} {
		await(t, "the spans at "+exporter, func(ctx context.Context) error {
			return atLeast(ctx, metrics, `otelcol_exporter_sent_spans[a-z_]*{[^}]*exporter="`+exporter+`"[^}]*}`, 11)
		})
	}
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

// The chain of the fourth seed: an agent on each node speaks OpenCensus to a
// gateway. The API versions of 2020 that no Kubernetes has any more are those of
// today; the rest is as it was written.
func TestChainOfAgentAndGateway(t *testing.T) {
	t.Parallel()
	apply(t, "{apiVersion: v1, kind: Namespace, metadata: {name: gunicorn}}")
	today := strings.NewReplacer("apps/v1beta2", "apps/v1", "rbac.authorization.k8s.io/v1beta1", "rbac.authorization.k8s.io/v1",
		// The selector, which was optional then.
		"  replicas: 1\n  template:\n", "  replicas: 1\n  selector: {matchLabels: {component: otel-collector}}\n  template:\n")
	for _, name := range []string{"004-gateway.yaml", "004-agent.yaml"} {
		apply(t, today.Replace(readFile(t, seed(name))), "-n", "gunicorn")
	}
	apply(t, `{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: otel-agent},
		roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: otel-agent},
		subjects: [{kind: ServiceAccount, name: default, namespace: gunicorn}]}`)
	rollout(t, "gunicorn", "deployment/otel-collector")
	rollout(t, "gunicorn", "daemonset/otel-agent")

	image, err := goImage("registry.local/opencensusgo:1", t.TempDir(), "../clients/opencensusgo", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := cluster.Load(t.Context(), image); err != nil {
		t.Fatal(err)
	}
	apply(t, `{apiVersion: batch/v1, kind: Job, metadata: {name: shop, namespace: gunicorn}, spec: {backoffLimit: 0, template: {spec: {
		restartPolicy: Never, containers: [{name: shop, image: "registry.local/opencensusgo:1", env: [
			{name: NODE, valueFrom: {fieldRef: {fieldPath: status.hostIP}}},
			{name: OC_AGENT_HOST, value: "$(NODE):55678"}, {name: SERVICE_NAME, value: shop}, {name: OC_AWAIT, value: "1"}]}]}}}}`)
	kubectl(t, "wait", "-n", "gunicorn", "job/shop", "--for=condition=Complete", "--timeout="+waitTimeout.String())
	await(t, "the spans at the gateway", func(ctx context.Context) error {
		logs, err := cluster.Kubectl(ctx, "", "logs", "-n", "gunicorn", "deployment/otel-collector", "--tail=-1")
		if err == nil && !regexp.MustCompile(`"spans": [1-9]`).MatchString(logs) {
			err = fmt.Errorf("it prints none:\n%s", logs)
		}
		return err
	})
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// atLeast wants a sample of Prometheus' text format, by its name and labels as a
// regular expression, to be so much.
func atLeast(ctx context.Context, url, sample string, want float64) error {
	body, err := get(ctx, url)
	if err != nil {
		return err
	}
	found := regexp.MustCompile(`(?m)^` + sample + ` (\S+)$`).FindSubmatch(body)
	if found == nil {
		return fmt.Errorf("%s has no %s", url, sample)
	}
	got, err := strconv.ParseFloat(string(found[1]), 64)
	if err == nil && got < want {
		err = fmt.Errorf("%s is %v; want %v at least", sample, got, want)
	}
	return err
}
