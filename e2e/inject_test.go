//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// injects are the annotations that ask for an agent.
func injects(language string, more ...string) map[string]string {
	all := map[string]string{"instrumentation.opentelemetry.io/inject-" + language: "true"}
	for i := 0; i < len(more); i += 2 {
		all["instrumentation.opentelemetry.io/"+more[i]] = more[i+1]
	}
	return all
}

// wantInstrumented deploys applications beside each other, asks them, and wants
// spans, metrics and log records of each, and a quick end.
func wantInstrumented(t *testing.T, span string, apps ...app) {
	t.Helper()
	for _, a := range apps {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			base := a.deploy(t)
			for i := range 3 {
				if _, err := get(t.Context(), fmt.Sprintf("%s/hello/%d", base, i)); err != nil {
					t.Fatal(err)
				}
			}
			resource := a.resource(t, "deployment")
			if strings.HasPrefix(a.name, "gunicorn") {
				delete(resource, "service.instance.id") // each worker has its own
			}
			wantSpans(t, a.name, span, 3, resource)
			wantMetrics(t, a, "http_server_.*_count")
			wantLogs(t, a, "greeting")
			// What the agent has to say it says on stderr, and it has nothing to say.
			if logs := kubectl(t, "logs", "-n", a.namespace, "deployment/"+a.name); strings.Contains(logs, "signalbox:") {
				t.Errorf("it says:\n%s", logs)
			}
			wantEnd(t, a)
		})
	}
}

// Flask, on its own server and behind gunicorn, which forks: the same payload
// serves images of glibc and of musl, also where the pod says which it is.
func TestFlaskIsInstrumented(t *testing.T) {
	t.Parallel()
	const namespace = "inject-python"
	instrumented(t, namespace, "4318")
	gunicorn := []string{"python3", "-m", "gunicorn", "--workers", "2", "--bind", ":8080"}
	wantInstrumented(t, "GET /hello/<name>",
		app{namespace, "flask", glibcImage, injects("python"), []string{"python3", "server.py"}, nil},
		app{namespace, "gunicorn", glibcImage, injects("python"), append(gunicorn, "server:app"), nil},
		app{namespace, "gunicorn-preload", glibcImage, injects("python"), append(gunicorn, "--preload", "server:app"), nil},
		app{namespace, "flask-musl", muslImage, injects("python"), []string{"python3", "server.py"}, nil},
		app{namespace, "gunicorn-musl", muslImage, injects("python", "otel-python-platform", "musl"), append(gunicorn, "server:app"), nil},
	)
}

// Express in both module systems.
func TestExpressIsInstrumented(t *testing.T) {
	t.Parallel()
	const namespace = "inject-nodejs"
	instrumented(t, namespace, "4318")
	everywhere := map[string]string{"HOST": "0.0.0.0"}
	wantInstrumented(t, "GET /hello/:name",
		app{namespace, "express-cjs", expressImage, injects("nodejs"), []string{"node", "server.cjs", "8080", "handler"}, everywhere},
		app{namespace, "express-esm", expressImage, injects("nodejs"), []string{"node", "server.mjs", "8080", "handler"}, everywhere},
	)
}

// Spring Boot, whose variable for options of the JVM has a value already.
func TestSpringIsInstrumented(t *testing.T) {
	t.Parallel()
	const namespace = "inject-java"
	instrumented(t, namespace, "4318")
	wantInstrumented(t, "GET /hello/{name}",
		app{namespace, "spring", springImage, injects("java"), []string{"java", "shop.App"}, map[string]string{"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1"}},
	)
}

// A program that has the SDK for Go built in is told where to send, who it is and
// where it runs.
func TestGoProgramIsTold(t *testing.T) {
	t.Parallel()
	const namespace = "inject-sdk"
	instrumented(t, namespace, "4317")
	dice(t, namespace, `{instrumentation.opentelemetry.io/inject-sdk: "true"}`, "")
	pod := kubectl(t, "get", "pods", "-n", namespace, "-l", "job-name=dice", "-o", "jsonpath={.items[0].metadata.name}")
	wantSpans(t, "dice", "Sample-0", 1, map[string]string{
		"k8s.namespace.name": namespace, "k8s.pod.name": pod, "k8s.container.name": "dice", "k8s.node.name": "node1", "k8s.job.name": "dice",
		"service.namespace": namespace, "service.version": "1",
	})
}

// A Job completes as it does without an agent, and what it did has been sent.
func TestInstrumentedJobCompletes(t *testing.T) {
	t.Parallel()
	const namespace = "inject-job"
	instrumented(t, namespace, "4318")
	a := app{namespace, "once", glibcImage, injects("python"), []string{"python3", "job.py"}, nil}
	apply(t, fmt.Sprintf(`{apiVersion: batch/v1, kind: Job, metadata: {name: once, namespace: %s}, spec: {backoffLimit: 0, template: {%s}}}`, namespace, a.pod(t, "Never")))
	kubectl(t, "wait", "-n", namespace, "job/once", "--for=condition=Complete", "--timeout="+waitTimeout.String())
	wantSpans(t, "once", "GET /hello/<name>", 3, a.resource(t, "job"))
	if logs := kubectl(t, "logs", "-n", namespace, "job/once", "-c", "app"); !strings.Contains(logs, "200 OK") || strings.Contains(logs, "signalbox:") {
		t.Errorf("it says:\n%s", logs)
	}
}

// An application with a package that the payload cannot work with runs on the
// packages that it brings, and one line says why it is not instrumented.
func TestConflictStepsAside(t *testing.T) {
	t.Parallel()
	const namespace = "inject-conflict"
	instrumented(t, namespace, "4318")
	a := app{namespace, "old", oldImage, injects("python"), []string{"python3", "app.py"}, nil}
	apply(t, fmt.Sprintf(`{apiVersion: v1, kind: Pod, metadata: {name: old, namespace: %s, %s}`, namespace, strings.TrimPrefix(a.pod(t, "Never"), "metadata: {")+"}"))
	kubectl(t, "wait", "-n", namespace, "pod/old", "--for=jsonpath={.status.containerStatuses[0].state.terminated.exitCode}=3", "--timeout="+waitTimeout.String())
	want := []string{
		"signalbox: this Python program is not instrumented: it has urllib3 1.25.11, and OpenTelemetry needs >=1.26",
		"1.25.11 None",
	}
	logs := kubectl(t, "logs", "-n", namespace, "old", "-c", "app")
	if got := strings.Split(strings.TrimSpace(logs), "\n"); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("it says %q; want %q", got, want)
	}
	// The operator knows it too, when it is asked.
	w, err := known(t.Context(), t, token(t), namespace, "Pod", "old")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(w.Pods), "[{[{app "+strings.TrimPrefix(want[0], "signalbox: ")+"}]}]"; got != want {
		t.Errorf("the operator knows %s; want %s", got, want)
	}
}
