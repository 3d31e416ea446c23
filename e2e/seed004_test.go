//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The fourth seed from gunicorn to Google: an agent on each node scrapes what
// gunicorn told a statsd-exporter, takes OpenCensus, and speaks OpenCensus to a
// gateway, which sends to Cloud Trace and Cloud Monitoring. The API versions of 2020
// that no Kubernetes has any more are those of today, and the images of the
// collectors come from another registry; the rest is as it was written.
func TestWorkshopOf2020(t *testing.T) {
	t.Parallel()
	const namespace = "workshop-2020"
	google := startGoogle(t)
	google.image(t, "registry.local/workshop-2020/opentelemetry-collector-contrib:0.7.0")
	for _, name := range []string{"flask-app:1", "orders:1", "prom/statsd-exporter:v0.28.0"} {
		load(t, name)
	}
	apply(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+namespace+"}}")
	today := strings.NewReplacer("apps/v1beta2", "apps/v1", "rbac.authorization.k8s.io/v1beta1", "rbac.authorization.k8s.io/v1",
		// The selector, which was optional then.
		"  replicas: 1\n  template:\n", "  replicas: 1\n  selector: {matchLabels: {component: otel-collector}}\n  template:\n",
		" otel/", " registry.local/workshop-2020/")
	for _, name := range []string{"004-gateway.yaml", "004-agent.yaml"} {
		apply(t, today.Replace(readFile(t, seed(name))), "-n", namespace)
	}
	apply(t, `{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: otel-agent},
		roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: otel-agent},
		subjects: [{kind: ServiceAccount, name: default, namespace: `+namespace+`}]}`)
	logsIfFailed(t, namespace, "deployment/otel-collector", "daemonset/otel-agent")
	rollout(t, namespace, "deployment/otel-collector")
	rollout(t, namespace, "daemonset/otel-agent")
	apply(t, readFile(t, "testdata/seed-004/apps.yaml"), "-n", namespace)
	rollout(t, namespace, "deployment/flask-app-tutorial")
	rollout(t, namespace, "deployment/custom-metrics-example")

	url := serviceURL(t, namespace, "flask-app-tutorial", "80")
	answering(t, url)
	if out, err := program(t.Context(), "load", "--host", url, "--tasks", examples+"/gunicorn/load.yaml",
		"--users", "5", "--spawn-rate", "5", "--wait", "100ms,500ms", "--run-time", "5s", "--web="); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	await(t, "Flask's trace at Google", func(context.Context) error {
		const want = "GET / > greet"
		if ways := google.ways("greet"); !slices.Contains(ways, want) {
			return fmt.Errorf("got %q; want %q", ways, want)
		}
		return nil
	})
	for _, metric := range []string{
		"flask_app_tutorial_gunicorn_workers", "flask_app_tutorial_gunicorn_requests", "flask_app_tutorial_gunicorn_request_status_200",
		"flask_app_hellos", "custom_metric_example",
	} {
		await(t, metric+" at Google", func(context.Context) error {
			if len(google.labels(metric)) == 0 {
				return errors.New("there is no series of it")
			}
			return nil
		})
	}
	// The gateway prints what passes, too.
	await(t, "the spans that the gateway prints", func(ctx context.Context) error {
		logs, err := cluster.Kubectl(ctx, "", "logs", "-n", namespace, "deployment/otel-collector", "--tail=-1")
		if err == nil && !regexp.MustCompile(`"spans": [1-9]`).MatchString(logs) {
			err = errors.New("it prints none")
		}
		return err
	})
}
