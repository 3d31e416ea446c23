//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// auto asks for the agent of whatever language it is.
var auto = map[string]string{"instrumentation.opentelemetry.io/inject": "auto"}

// found is what the probe said of a container of a pod, in short: libc, and the
// languages that it found with what became of them.
func found(t *testing.T, namespace, pod string, number int) string {
	t.Helper()
	out := kubectl(t, "get", "pod", "-n", namespace, pod, "-o", fmt.Sprintf(`jsonpath={.status.initContainerStatuses[?(@.name=="opentelemetry-auto-instrumentation-detect-%d")].state.terminated.message}`, number))
	var v struct {
		Libc     string
		Runtimes []struct {
			Language, Version, Reason string
			Used                      bool
		}
	}
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("%v in the verdict about %s: %s", err, pod, out)
	}
	text := v.Libc
	for _, r := range v.Runtimes {
		if r.Version == "" {
			t.Errorf("the version of %s is not known: %s", r.Language, out)
		}
		text += fmt.Sprintf(" %s:%s%t", r.Language, r.Reason, r.Used)
	}
	return strings.TrimSpace(text)
}

// One annotation instruments applications of every language, in images of both
// libcs, in a namespace of the strictest Pod Security: the probe finds out in each
// image what it is.
func TestAutoFindsTheLanguage(t *testing.T) {
	t.Parallel()
	const namespace = "inject-auto"
	instrumented(t, namespace, "4318")
	for _, c := range []struct {
		app  app
		span string
		want string
	}{
		{app{namespace, "auto-flask", glibcImage, auto, []string{"python3", "server.py"}, nil}, "GET /hello/<name>", "glibc python:true"},
		{app{namespace, "auto-flask-musl", muslImage, auto, []string{"python3", "server.py"}, nil}, "GET /hello/<name>", "musl python:true"},
		{app{namespace, "auto-express", expressImage, auto, []string{"node", "server.mjs", "8080", "handler"}, map[string]string{"HOST": "0.0.0.0"}}, "GET /hello/:name", "glibc nodejs:true"},
		{app{namespace, "auto-spring", springImage, auto, []string{"java", "shop.App"}, map[string]string{"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1"}}, "GET /hello/{name}", "glibc java:true"},
	} {
		t.Run(c.app.name, func(t *testing.T) {
			t.Parallel()
			base := c.app.deploy(t)
			for i := range 3 {
				if _, err := get(t.Context(), fmt.Sprintf("%s/hello/%d", base, i)); err != nil {
					t.Fatal(err)
				}
			}
			if got := found(t, namespace, c.app.podName(t), 0); got != c.want {
				t.Errorf("the probe found %q; want %q", got, c.want)
			}
			wantSpans(t, c.app.name, c.span, 3, c.app.resource(t, "deployment"))
		})
	}
}

// Each container of a pod gets what it is, and the pod the union.
func TestAutoChoosesForEachContainer(t *testing.T) {
	t.Parallel()
	const namespace = "inject-auto-both"
	instrumented(t, namespace, "4318")
	for _, image := range []string{muslImage, expressImage} {
		if err := images[image](); err != nil {
			t.Fatal(err)
		}
	}
	const security = `securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}`
	apply(t, fmt.Sprintf(`{apiVersion: v1, kind: Pod, metadata: {name: both, namespace: %s, annotations: {
		instrumentation.opentelemetry.io/inject: auto, instrumentation.opentelemetry.io/container-names: "flask,express"}}, spec: {
		securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}, volumes: [{name: tmp, emptyDir: {}}],
		containers: [
			{name: flask, image: "%s", command: [python3, server.py], volumeMounts: [{name: tmp, mountPath: /tmp}], env: [{name: OTEL_SERVICE_NAME, value: both-flask}], %s},
			{name: express, image: "%s", command: [node, server.cjs, "8081", handler], env: [{name: OTEL_SERVICE_NAME, value: both-express}, {name: HOST, value: 0.0.0.0}], %s}]}}`,
		namespace, muslImage, security, expressImage, security))
	kubectl(t, "wait", "-n", namespace, "pod/both", "--for=condition=Ready", "--timeout="+waitTimeout.String())
	ip := kubectl(t, "get", "pod", "-n", namespace, "both", "-o", "jsonpath={.status.podIP}")
	for i, c := range []struct{ port, found, service, span string }{
		{"8080", "musl python:true", "both-flask", "GET /hello/<name>"}, {"8081", "glibc nodejs:true", "both-express", "GET /hello/:name"},
	} {
		if got := found(t, namespace, "both", i); got != c.found {
			t.Errorf("the probe found %q; want %q", got, c.found)
		}
		await(t, c.service+" to answer", func(ctx context.Context) error {
			_, err := get(ctx, "http://"+ip+":"+c.port+"/hello/both")
			return err
		})
		wantSpans(t, c.service, c.span, 1, map[string]string{"k8s.pod.name": "both", "k8s.container.name": c.service[len("both-"):]})
	}
}

// Where there is nothing to instrument, as in an image with one static program and
// nothing else, the pod starts as it would without, and the verdict says so.
func TestAutoLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	const namespace = "inject-auto-none"
	instrumented(t, namespace, "4318")
	apply(t, fmt.Sprintf(`{apiVersion: v1, kind: Pod, metadata: {name: static, namespace: %s, annotations: {instrumentation.opentelemetry.io/inject: auto}}, spec: {
		securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}},
		containers: [{name: app, image: "registry.local/app:1", args: [serve],
			securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}}]}}`, namespace))
	kubectl(t, "wait", "-n", namespace, "pod/static", "--for=condition=Ready", "--timeout="+waitTimeout.String())
	if got, want := found(t, namespace, "static", 0), "go:NoAgentfalse"; got != want {
		t.Errorf("the probe found %q; want %q", got, want)
	}
	ip := kubectl(t, "get", "pod", "-n", namespace, "static", "-o", "jsonpath={.status.podIP}")
	await(t, "the program to answer", func(ctx context.Context) error {
		_, err := get(ctx, "http://"+ip+":8080/")
		return err
	})
	variables := kubectl(t, "get", "pod", "-n", namespace, "static", "-o", `jsonpath={.spec.containers[0].env[?(@.name=="JAVA_TOOL_OPTIONS")].valueFrom.fileKeyRef.path}`)
	if variables != "env/app" {
		t.Errorf("the option of Java comes from %q; want the file of the container", variables)
	}
}

// An agent that cannot be copied is one that no runtime is told to load: the
// program starts without, and the pod says so.
func TestAutoStartsWithoutTheAgent(t *testing.T) {
	t.Parallel()
	const namespace = "inject-auto-broken"
	instrumented(t, namespace, "4318")
	// This image has nothing to copy, and nothing to copy it with.
	apply(t, `{apiVersion: opentelemetry.io/v1alpha1, kind: Instrumentation, metadata: {name: broken, namespace: `+namespace+`}, spec: {nodejs: {image: "registry.local/app:1"}}}`)
	a := app{namespace, "auto-broken", expressImage, map[string]string{"instrumentation.opentelemetry.io/inject": "auto:broken"}, []string{"node", "server.cjs", "8080", "handler"}, map[string]string{"HOST": "0.0.0.0"}}
	a.deploy(t)
	pod := a.podName(t)
	if got, want := found(t, namespace, pod, 0), "glibc nodejs:true"; got != want {
		t.Errorf("the probe found %q; want %q", got, want)
	}
	said := kubectl(t, "get", "pod", "-n", namespace, pod, "-o", `jsonpath={.status.initContainerStatuses[?(@.name=="opentelemetry-auto-instrumentation-nodejs")].state.terminated.message}`)
	if !strings.Contains(said, `"failed":["app"]`) {
		t.Errorf("what copies the agent says %s; want that the container goes without", said)
	}
	if restarts := kubectl(t, "get", "pod", "-n", namespace, pod, "-o", "jsonpath={.status.containerStatuses[0].restartCount}"); restarts != "0" {
		t.Errorf("the program started again %s times", restarts)
	}
}

// says is what a pod's program of Python prints until it ends.
func says(t *testing.T, a app) string {
	t.Helper()
	apply(t, fmt.Sprintf(`{apiVersion: v1, kind: Pod, metadata: {name: %s, namespace: %s, %s}`, a.name, a.namespace, strings.TrimPrefix(a.pod(t, "Never"), "metadata: {")+"}"))
	kubectl(t, "wait", "-n", a.namespace, "pod/"+a.name, "--for=jsonpath={.status.phase}=Succeeded", "--timeout="+waitTimeout.String())
	return strings.TrimSpace(kubectl(t, "logs", "-n", a.namespace, a.name, "-c", "app"))
}

// What an image has in a variable of its own is kept beside what an agent needs in
// it.
func TestAutoKeepsTheImagesVariables(t *testing.T) {
	t.Parallel()
	const namespace = "inject-auto-path"
	instrumented(t, namespace, "4318")
	a := app{namespace, "path", pathImage, auto, []string{"python3", "-c", "import sys; print('/opt/own' in sys.path, 'opentelemetry.sdk' in sys.modules)"}, nil}
	if got, want := says(t, a), "True True"; got != want {
		t.Errorf("its own path and the agent are there: %s; want %s", got, want)
	}
}

// The profiler of .NET is made for one libc: a link in the agent's volume leads to
// the one for the container's image. The agent's image here is another's; its files
// do not matter.
func TestProfilerFitsTheImage(t *testing.T) {
	t.Parallel()
	const namespace = "inject-dotnet"
	instrumented(t, namespace, "4318")
	apply(t, `{apiVersion: opentelemetry.io/v1alpha1, kind: Instrumentation, metadata: {name: dotnet, namespace: `+namespace+`}, spec: {dotnet: {image: "registry.local/signalbox-python:dev"}}}`)
	wants := map[string]string{"instrumentation.opentelemetry.io/inject-dotnet": "dotnet"}
	for libc, c := range map[string]struct{ image, want string }{"glibc": {glibcImage, "../linux"}, "musl": {muslImage, "../linux-musl"}} {
		a := app{namespace, libc, c.image, wants, []string{"python3", "-c", "import os; print(os.readlink(os.path.dirname(os.environ['CORECLR_PROFILER_PATH'])))"}, nil}
		if got := says(t, a); got != c.want {
			t.Errorf("%s: the link leads to %s; want %s", libc, got, c.want)
		}
	}
}
