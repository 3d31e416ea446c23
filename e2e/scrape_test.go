//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The workshop's collector runs as it is written, with no more rights than its
// RBAC gives it. Pods that ask for it with annotations are scraped, with their
// labels on every series; others are not.
func TestAnnotatedPodIsScraped(t *testing.T) {
	t.Parallel()
	applyFile(t, "testdata/seed-000/apps.yaml")
	rollout(t, "shop", "deployment/frontend")
	rollout(t, "shop", "deployment/backend")
	// The document's own namespace is that of another test.
	elsewhere := strings.NewReplacer("otel-collector-demo", "scraper-demo", "otel-collector", "scraper").Replace
	apply(t, elsewhere(readFile(t, "testdata/seed-000/rbac.yaml")))
	kubectl(t, "label", "namespace", "scraper", "pod-security.kubernetes.io/enforce=restricted")
	apply(t, elsewhere(readFile(t, "testdata/seed-000/collector.yaml")))
	ready(t, "scraper", "scraper")

	base := serviceURL(t, "scraper", "scraper-collector", "4316")
	await(t, "the application's metrics", func(ctx context.Context) error {
		got, err := series(ctx, base, "app_requests_total")
		if err == nil && len(got) == 0 {
			err = fmt.Errorf("no series yet")
		}
		return err
	})
	field := func(path string) string {
		t.Helper()
		return kubectl(t, "get", "pods", "-n", "shop", "-l", "app=guestbook", "-o", "jsonpath={.items[0]."+path+"}")
	}
	hash := field("metadata.labels.pod-template-hash")
	want := map[string]string{
		"__name__": "app_requests_total",
		"job":      "k8s_pods",
		"instance": field("status.podIP") + ":8080",
		// The pod's labels, by the labelmap rule.
		"app":                         "guestbook",
		"app_kubernetes_io_component": "frontend",
		"pod_template_hash":           hash,
		// What the receiver knows of a target in a cluster.
		"k8s_container_name":  "app",
		"k8s_namespace_name":  "shop",
		"k8s_node_name":       "node1",
		"k8s_pod_name":        field("metadata.name"),
		"k8s_replicaset_name": "frontend-" + hash,
	}
	// Both pods were there before the collector was: when one has been scraped
	// twice, the other would have been too.
	await(t, "two scrapes", func(ctx context.Context) error {
		got, err := series(ctx, base, "count_over_time(app_requests_total[1m]) > 1")
		if err == nil && len(got) == 0 {
			err = fmt.Errorf("one at most")
		}
		return err
	})
	got, err := series(t.Context(), base, "app_requests_total")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]map[string]string{want}, got); diff != "" {
		t.Errorf("series of app_requests_total (-want +got):\n%s", diff)
	}
	// It scrapes the pods of other tests, too.
	up, err := series(t.Context(), base, `up{job="k8s_pods", k8s_namespace_name="shop"} == 1`)
	if err != nil {
		t.Fatal(err)
	}
	if len(up) != 1 {
		t.Errorf("got %d targets that are up; want the annotated pod alone: %v", len(up), up)
	}
}

// The workshop's collector runs as it is written. Its cloud is not to be had, and
// what it can do without goes on: it scrapes, and prints the spans that come.
func TestWorkshopCollector(t *testing.T) {
	t.Parallel()
	elsewhere := strings.NewReplacer("namespace: otel-collector", "namespace: workshop", "name: otel-collector-demo", "name: workshop-demo",
		"serviceAccount: otel-collector-demo", "serviceAccount: workshop-demo", "  name: otel-collector\n---", "  name: workshop\n---").Replace
	apply(t, elsewhere(readFile(t, "testdata/seed-000/rbac.yaml")))
	apply(t, elsewhere(readFile(t, seed("000-collector-applied.yaml"))))
	ready(t, "workshop", "otel")
	id := dice(t, "workshop", "{}", "http://otel-collector.workshop.svc.cluster.local:4317")
	await(t, "the spans that it prints", func(ctx context.Context) error {
		logs, err := cluster.Kubectl(ctx, "", "logs", "-n", "workshop", "deployment/otel-collector", "--tail=-1")
		if err == nil && !strings.Contains(logs, id) {
			err = fmt.Errorf("it prints no %s", id)
		}
		return err
	})
	// Its own pod has the annotations, so there is always one to scrape.
	metrics := serviceURL(t, "workshop", "otel-collector-monitoring", "8888") + "/metrics"
	await(t, "what it scrapes", func(ctx context.Context) error {
		return atLeast(ctx, metrics, `otelcol_receiver_accepted_metric_points[a-z_]*{[^}]*receiver="prometheus"[^}]*}`, 1)
	})
}

// series returns the labels of the series that a query of PromQL gives now.
func series(ctx context.Context, base, query string) ([]map[string]string, error) {
	body, err := get(ctx, base+"/api/v1/query?query="+url.QueryEscape(query))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data struct {
			Result []struct{ Metric map[string]string }
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	var all []map[string]string
	for _, r := range answer.Data.Result {
		all = append(all, r.Metric)
	}
	return all, nil
}
