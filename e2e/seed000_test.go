//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The first seed from its first command to its last picture: RBAC, collector and
// Instrumentation as they are applied there, but for the registry of the collector's
// image; the guestbook with its annotations; Locust with its tasks. Google has the
// traces, of every fourth request and then of all, with guestbook.insert at their
// end, and the backend's requests by status.
func TestWorkshopOf2024(t *testing.T) {
	t.Parallel()
	const namespace, collector, repository = "guestbook-1", "otel-collector", "registry.local/my-project/my-repo/"
	google := startGoogle(t)
	google.image(t, "registry.local/workshop-2024/opentelemetry-collector-contrib:latest")
	load(t, "guestbook-backend:1", repository+"python-guestbook-backend:latest")
	load(t, "guestbook-frontend:1", repository+"python-guestbook-frontend:latest")
	load(t, "guestbook-loadtest:1", repository+"locust-tasks:latest")
	load(t, "mongo:7")

	applyFile(t, "testdata/seed-000/rbac.yaml")
	text := readFile(t, seed("000-collector-applied.yaml"))
	apply(t, strings.Replace(text, " otel/", " registry.local/workshop-2024/", 1))
	// The same once more with the store in the place of Google, for PromQL.
	apply(t, strings.NewReplacer("name: otel\n", "name: store\n",
		"   exporters:\n     debug:", "   exporters:\n     otlp: {endpoint: \""+otlp+"\", tls: {insecure: true}}\n     debug:",
		"[debug, googlecloud]", "[debug]", "[googlemanagedprometheus]", "[otlp]").Replace(text))
	logsIfFailed(t, collector, "deployment/otel-collector")
	ready(t, collector, "otel")
	ready(t, collector, "store")
	apply(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+namespace+"}}")
	instrumentation := readFile(t, seed("000-instrumentation.yaml"))
	apply(t, instrumentation, "-n", namespace)
	apply(t, readFile(t, "testdata/seed-000/guestbook.yaml"), "-n", namespace)
	apply(t, readFile(t, "testdata/seed-000/locust.yaml"), "-n", namespace)
	for _, name := range []string{"python-guestbook-mongodb", "python-guestbook-backend", "python-guestbook-frontend", "locust-master", "locust-worker"} {
		rollout(t, namespace, "deployment/"+name)
	}
	wantNoSidecar(t, namespace)
	pages := []string{serviceURL(t, namespace, "python-guestbook-backend", "8080"), serviceURL(t, namespace, "python-guestbook-frontend", "80")}
	answering(t, pages...)

	locust := serviceURL(t, namespace, "locust-master", "8089")
	requests := swarm(t, locust, 2, 30, 150)
	wantInsert(t, google)
	wantStatusAtGoogle(t, google)
	wantStatuses(t, pages[0], `job="k8s_pods",tier="backend",k8s_namespace_name="`+namespace+`"`)
	roots := func(context.Context) (int, error) { return google.roots("GET /", "POST /post"), nil }
	before := settled(t, "the traces at 0.25", roots)
	sampled(t, before, requests, 0.25)

	apply(t, strings.Replace(instrumentation, `argument: "0.25"`, `argument: "1"`, 1), "-n", namespace)
	kubectl(t, "rollout", "restart", "-n", namespace, "deployment/python-guestbook-backend", "deployment/python-guestbook-frontend")
	rollout(t, namespace, "deployment/python-guestbook-backend")
	rollout(t, namespace, "deployment/python-guestbook-frontend")
	answering(t, pages...)
	before = settled(t, "the traces before requests are counted", roots) // with those of asking for the pages
	requests = swarm(t, locust, 2, 30, 60)
	sampled(t, settled(t, "the traces at 1", roots)-before, requests, 1)
}

// wantInsert waits for a trace from the page to the database.
func wantInsert(t *testing.T, google *googleCloud) {
	t.Helper()
	await(t, "guestbook.insert at Google", func(context.Context) error {
		const want = "POST /post > POST > POST /messages > guestbook.insert"
		if ways := google.ways("guestbook.insert"); !slices.Contains(ways, want) {
			return fmt.Errorf("got %q; want %q", ways, want)
		}
		return nil
	})
}

// wantStatusAtGoogle waits for the backend's counter, with the labels that the
// document's page groups by.
func wantStatusAtGoogle(t *testing.T, google *googleCloud) {
	t.Helper()
	want := map[string]string{"method": "POST", "status": "201", "app": "python-guestbook", "tier": "backend"}
	await(t, "flask_http_request_total at Google", func(context.Context) error {
		err := errors.New("there is none")
		for _, labels := range google.labels("flask_http_request_total/counter") {
			got := maps.Clone(labels)
			maps.DeleteFunc(got, func(name, _ string) bool { return want[name] == "" })
			if err = nil; cmp.Equal(want, got) {
				return nil
			}
			err = fmt.Errorf("got labels %v; want %v among them", labels, want)
		}
		return err
	})
}

// wantNoSidecar wants the pods, which ask for a sidecar that nobody has defined, to
// run without one, and an event to say so.
func wantNoSidecar(t *testing.T, namespace string) {
	t.Helper()
	containers := strings.Fields(kubectl(t, "get", "pods", "-n", namespace, "-l", "app=python-guestbook", "-o", "jsonpath={.items[*].spec.containers[*].name}"))
	slices.Sort(containers)
	if diff := cmp.Diff([]string{"backend", "frontend", "mongo"}, containers); diff != "" {
		t.Errorf("containers of the guestbook (-want +got):\n%s", diff)
	}
	await(t, "what becomes of the sidecar", func(ctx context.Context) error {
		events, err := cluster.Kubectl(ctx, "", "events", "-n", namespace, "--for=deployment/python-guestbook-backend")
		if err == nil && !strings.Contains(events, "NoneInNamespace") {
			err = fmt.Errorf("no event says it:\n%s", events)
		}
		return err
	})
}
