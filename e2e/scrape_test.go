//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Pods that ask for it with annotations are scraped, with their labels on every
// series; others are not. The collector finds them with no more rights than the
// seed's RBAC gives it.
func TestAnnotatedPodIsScraped(t *testing.T) {
	t.Parallel()
	applyFile(t, "seed-000/apps.yaml")
	rollout(t, "shop", "deployment/frontend")
	rollout(t, "shop", "deployment/backend")
	applyFile(t, "seed-000/rbac.yaml")
	// The strictest rules that a namespace can have for its pods.
	kubectl(t, "label", "namespace", "otel-collector", "pod-security.kubernetes.io/enforce=restricted")
	applyFile(t, "seed-000/collector.yaml")
	rollout(t, "otel-collector", "deployment/otel-collector")

	base := serviceURL(t, "otel-collector", "otel-collector", "4316")
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
	up, err := series(t.Context(), base, `up{job="k8s_pods"} == 1`)
	if err != nil {
		t.Fatal(err)
	}
	if len(up) != 1 {
		t.Errorf("got %d targets that are up; want the annotated pod alone: %v", len(up), up)
	}
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
