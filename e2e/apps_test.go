//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-otel/signalbox/e2e/kube"
	"github.com/signalbox-otel/signalbox/e2e/runtimes"
)

// loaded loads an image under a name when it is asked for first. With cold caches
// that builds it, which for Python on musl takes minutes.
func loaded(name string, build func(ctx context.Context) (kube.Image, error), sources ...string) func() error {
	return sync.OnceValue(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		image, err := build(ctx)
		if err != nil {
			return err
		}
		image.Names = []string{name}
		for _, source := range sources {
			image.Files = append(image.Files, kube.File{Source: source, Target: "/app/" + filepath.Base(source)})
		}
		return cluster.Load(ctx, image)
	})
}

// python is an image of Python with packages.
func python(libc runtimes.Libc, requirements string) func(ctx context.Context) (kube.Image, error) {
	return func(ctx context.Context) (kube.Image, error) {
		return runtimes.Python(ctx, os.Stderr, libc, requirements)
	}
}

// Images of applications.
const (
	glibcImage   = "registry.local/flask:glibc"
	muslImage    = "registry.local/flask:musl"
	oldImage     = "registry.local/oldurllib3:1"
	expressImage = "registry.local/express:1"
	springImage  = "registry.local/spring:1"
	pathImage    = "registry.local/path:1" // with a PYTHONPATH of its own
)

// images load what they are the names of.
var images = map[string]func() error{
	glibcImage: loaded(glibcImage, python(runtimes.Glibc, "../clients/gunicorn/requirements.txt"), "testdata/python/server.py", "testdata/python/job.py"),
	muslImage:  loaded(muslImage, python(runtimes.Musl, "../clients/gunicorn/requirements.txt"), "testdata/python/server.py", "testdata/python/job.py"),
	oldImage:   loaded(oldImage, python(runtimes.Musl, "../clients/oldurllib3/requirements.txt"), "../clients/oldurllib3/app.py"),
	expressImage: loaded(expressImage, func(ctx context.Context) (kube.Image, error) {
		return runtimes.Node(ctx, os.Stderr, "../clients/express")
	}, "../clients/express/server.cjs", "../clients/express/server.mjs"),
	springImage: loaded(springImage, func(ctx context.Context) (kube.Image, error) {
		return runtimes.Java(ctx, os.Stderr, "testdata/spring")
	}),
	pathImage: loaded(pathImage, func(ctx context.Context) (kube.Image, error) {
		image, err := runtimes.Python(ctx, os.Stderr, runtimes.Glibc, "../clients/gunicorn/requirements.txt")
		image.Env = append(slices.Clone(image.Env), "PYTHONPATH=/opt/own")
		return image, err
	}),
}

// app is an application in a namespace of instrumented.
type app struct {
	namespace, name, image string
	annotations            map[string]string
	command                []string
	env                    map[string]string
}

// instrumented is a namespace whose Pod Security is the strictest, with an
// Instrumentation that sends everything, soon, to a port of the default collector.
func instrumented(t *testing.T, namespace, port string) {
	t.Helper()
	ready(t, system, "otel")
	apply(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+namespace+", labels: {pod-security.kubernetes.io/enforce: restricted}}}")
	apply(t, fmt.Sprintf(`{apiVersion: opentelemetry.io/v1alpha1, kind: Instrumentation, metadata: {name: all, namespace: %s}, spec: {
		exporter: {endpoint: "http://otel-collector.%s:%s"}, propagators: [tracecontext, baggage], sampler: {type: parentbased_always_on},
		env: [{name: OTEL_BSP_SCHEDULE_DELAY, value: "500"}, {name: OTEL_BLRP_SCHEDULE_DELAY, value: "500"}, {name: OTEL_METRIC_EXPORT_INTERVAL, value: "3000"}]}}`,
		namespace, system, port))
}

// pod is the pod of the application as a template: with no more rights than the
// namespace allows, and a root that it cannot write to.
func (a app) pod(t *testing.T, restartPolicy string) string {
	t.Helper()
	if err := images[a.image](); err != nil {
		t.Fatal(err)
	}
	env := []map[string]string{}
	for name, value := range a.env {
		env = append(env, map[string]string{"name": name, "value": value})
	}
	text := func(v any) string {
		t.Helper()
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	return fmt.Sprintf(`metadata: {labels: {app: %s}, annotations: %s}, spec: {restartPolicy: %s, terminationGracePeriodSeconds: 120,
		securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}},
		containers: [{name: app, image: "%s", command: %s, env: %s, volumeMounts: [{name: tmp, mountPath: /tmp}],
			securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}}],
		volumes: [{name: tmp, emptyDir: {}}]}`, a.name, text(a.annotations), restartPolicy, a.image, text(a.command), text(env))
}

// deploy runs the application until it answers at 8080, and returns where.
func (a app) deploy(t *testing.T) string {
	t.Helper()
	apply(t, fmt.Sprintf(`{apiVersion: apps/v1, kind: Deployment, metadata: {name: %[1]s, namespace: %[2]s}, spec: {
		selector: {matchLabels: {app: %[1]s}}, template: {%[3]s}}}
---
{apiVersion: v1, kind: Service, metadata: {name: %[1]s, namespace: %[2]s}, spec: {selector: {app: %[1]s}, ports: [{port: 80, targetPort: 8080}]}}`,
		a.name, a.namespace, a.pod(t, "Always")))
	rollout(t, a.namespace, "deployment/"+a.name)
	base := serviceURL(t, a.namespace, a.name, "80")
	await(t, a.name+" to listen", func(ctx context.Context) error {
		_, err := get(ctx, base+"/hello/first")
		return err
	})
	return base
}

// podName is the application's only pod.
func (a app) podName(t *testing.T) string {
	t.Helper()
	names := strings.Fields(kubectl(t, "get", "pods", "-n", a.namespace, "-l", "app="+a.name, "-o", "jsonpath={.items[*].metadata.name}"))
	if len(names) != 1 {
		t.Fatalf("%s has the pods %q; want one", a.name, names)
	}
	return names[0]
}

// resource is what the operator says of the pod to what it sends. owner is the kind
// of what the pod belongs to.
func (a app) resource(t *testing.T, owner string) map[string]string {
	t.Helper()
	pod := a.podName(t)
	return map[string]string{
		"k8s.namespace.name":     a.namespace,
		"k8s.pod.name":           pod,
		"k8s.container.name":     "app",
		"k8s.node.name":          "node1",
		"k8s." + owner + ".name": a.name,
		"service.namespace":      a.namespace,
		"service.instance.id":    a.namespace + "." + pod + ".app",
		"service.version":        a.image[strings.LastIndex(a.image, ":")+1:],
	}
}

// jaegerTraces are traces as the API of Jaeger has them.
type jaegerTraces struct {
	Data []struct {
		Spans []struct {
			OperationName, ProcessID string
		}
		Processes map[string]struct {
			ServiceName string
			Tags        []struct {
				Key   string
				Value any
			}
		}
	}
}

// wantSpans wants spans of a name from a service, n at least, with what the
// resource must have: the name of the pod, and more.
func wantSpans(t *testing.T, service, name string, n int, resource map[string]string) {
	t.Helper()
	address := uiURL(t) + "/api/traces?limit=200&service=" + url.QueryEscape(service)
	await(t, fmt.Sprintf("%d spans %s of %s", n, name, service), func(ctx context.Context) error {
		body, err := get(ctx, address)
		if err != nil {
			return err
		}
		var answer jaegerTraces
		if err := json.Unmarshal(body, &answer); err != nil {
			return err
		}
		found := 0
		for _, trace := range answer.Data {
			for _, s := range trace.Spans {
				if s.OperationName != name || trace.Processes[s.ProcessID].ServiceName != service {
					continue
				}
				got := map[string]string{}
				for _, tag := range trace.Processes[s.ProcessID].Tags {
					if _, ok := resource[tag.Key]; ok {
						got[tag.Key] = fmt.Sprint(tag.Value)
					}
				}
				if got["k8s.pod.name"] != resource["k8s.pod.name"] {
					continue // of an earlier run
				}
				if diff := cmp.Diff(resource, got); diff != "" {
					t.Fatalf("the resource of %s (-want +got):\n%s", service, diff)
				}
				found++
			}
		}
		if found < n {
			return fmt.Errorf("there are %d: %.2000s", found, body)
		}
		return nil
	})
}

// wantMetrics wants series of a name, which is an expression, from the pod.
func wantMetrics(t *testing.T, a app, name string) {
	t.Helper()
	query := fmt.Sprintf(`{__name__=~"%s", job="%s/%s", k8s_pod_name="%s"}`, name, a.namespace, a.name, a.podName(t))
	base := uiURL(t)
	await(t, "metrics "+query, func(ctx context.Context) error {
		got, err := series(ctx, base, query)
		if err == nil && len(got) == 0 {
			err = fmt.Errorf("no series")
		}
		return err
	})
}

// wantLogs wants records with a text, and a trace, from the application's pod.
func wantLogs(t *testing.T, a app, text string) {
	t.Helper()
	condition := fmt.Sprintf("resource.service.name = %q resource.k8s.pod.name = %q", a.name, a.podName(t))
	address := uiURL(t) + "/api/signalbox/v1/logs?limit=200&q=" + url.QueryEscape(condition)
	await(t, "log records of "+a.name, func(ctx context.Context) error {
		body, err := get(ctx, address)
		if err != nil {
			return err
		}
		var answer struct {
			Logs []struct{ Body, TraceID string }
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return err
		}
		for _, r := range answer.Logs {
			if strings.Contains(r.Body, text) && r.TraceID != "" {
				return nil
			}
		}
		return fmt.Errorf("of %d records, none has %q and a trace: %s", len(answer.Logs), text, body)
	})
}

// wantEnd wants the application's pod to end when it is told to, and not when its
// time is up.
func wantEnd(t *testing.T, a app) {
	t.Helper()
	pod := a.podName(t)
	started := time.Now()
	kubectl(t, "scale", "-n", a.namespace, "deployment/"+a.name, "--replicas=0")
	kubectl(t, "wait", "-n", a.namespace, "pod/"+pod, "--for=delete", "--timeout="+waitTimeout.String())
	took := time.Since(started)
	t.Logf("%s ended after %.1f s", a.name, took.Seconds())
	if took > time.Minute {
		t.Errorf("%s ended after %s; want it to end when it is told to", a.name, took)
	}
}
