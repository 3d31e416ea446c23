//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// guarded is a namespace with an Instrumentation, and a Deployment whose program
// ends when it is told what an SDK is told.
const guarded = `
apiVersion: v1
kind: Namespace
metadata: {name: %[1]s}
---
apiVersion: opentelemetry.io/v1alpha1
kind: Instrumentation
metadata: {name: all, namespace: %[1]s}
spec: {exporter: {endpoint: "http://otel-collector.opentelemetry-operator-system:4318"}, python: {image: "registry.local/app:1"}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: %[1]s}
spec:
  selector: {matchLabels: {app: cart}}
  template:
    metadata: {labels: {app: cart}, annotations: {%[2]s}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: app, image: "busybox:1", command: [sh, -c, 'if [ -n "$OTEL_SERVICE_NAME" ]; then echo "it was $OTEL_SERVICE_NAME"; exit 3; fi; exec sleep 100000']}
`

// A workload that starts to crash when it is instrumented, and ran without, runs
// without again, and says so; another program is tried again.
func TestInstrumentationThatCrashesIsTakenBack(t *testing.T) {
	t.Parallel()
	const namespace = "guard-crash"
	apply(t, fmt.Sprintf(guarded, namespace, ""))
	rollout(t, namespace, "deployment/cart")
	awhile(t)
	kubectl(t, "patch", "-n", namespace, "deployment/cart", "--type=merge", "-p",
		`{"spec": {"template": {"metadata": {"annotations": {"instrumentation.opentelemetry.io/inject-sdk": "true"}}}}}`)
	await(t, "the guard", func(ctx context.Context) error {
		return said(ctx, "and pods without it ran; pods that crash are replaced by plain ones", "events", "-n", namespace, "--for", "deployment/cart")
	})
	rollout(t, namespace, "deployment/cart")
	await(t, "plain pods only", func(ctx context.Context) error {
		got, err := cluster.Kubectl(ctx, "", "get", "pods", "-n", namespace, "-l", "operator.opentelemetry.io/instrumented=true", "-o", "name")
		if err == nil && got != "" {
			err = fmt.Errorf("instrumented: %s", got)
		}
		return err
	})
	await(t, "the proof", func(ctx context.Context) error {
		return said(ctx, "pods of Deployment "+namespace+"/cart run without sdk of Instrumentation "+namespace+"/all", "events", "-n", namespace, "--for", "otelinst/all")
	})
	await(t, "the reason", func(ctx context.Context) error {
		return said(ctx, "CrashGuard", "get", "-n", namespace, "otelinst/all", "-o", "jsonpath={.status}")
	})

	kubectl(t, "set", "env", "-n", namespace, "deployment/cart", "MENDED=1")
	await(t, "another program", func(ctx context.Context) error {
		return said(ctx, "pod/cart-", "get", "pods", "-n", namespace, "-l", "operator.opentelemetry.io/instrumented=true", "-o", "name")
	})
}

// An agent that cannot be copied does not keep a program from starting.
func TestAgentThatFailsIsTakenBack(t *testing.T) {
	t.Parallel()
	const namespace = "guard-agent"
	apply(t, fmt.Sprintf(guarded, namespace, `instrumentation.opentelemetry.io/inject-python: "true", instrumentation.opentelemetry.io/container-names: app`))
	await(t, "the guard", func(ctx context.Context) error {
		return said(ctx, "python of Instrumentation "+namespace+"/all is no longer added to pods of Deployment "+namespace+"/cart: container opentelemetry-auto-instrumentation-python ended with exit code",
			"events", "-n", namespace, "--for", "deployment/cart")
	})
	rollout(t, namespace, "deployment/cart")
}

// Pods that started before their Instrumentation get it where that asks for it.
func TestPodsOfBeforeAreInstrumented(t *testing.T) {
	t.Parallel()
	const namespace = "guard-before"
	parts := strings.SplitN(fmt.Sprintf(guarded, namespace, `instrumentation.opentelemetry.io/inject-sdk: "true"`), "---", 3)
	program := strings.Replace(parts[2], "exit 3; fi;", "fi;", 1)
	apply(t, parts[0])
	apply(t, program)
	rollout(t, namespace, "deployment/cart")
	if got := kubectl(t, "get", "pods", "-n", namespace, "-l", "operator.opentelemetry.io/instrumented=true", "-o", "name"); got != "" {
		t.Errorf("pods are instrumented, and there is nothing to do so with: %s", got)
	}
	apply(t, strings.Replace(parts[1], "name: all,", `annotations: {instrumentation.opentelemetry.io/rollout: "true"}, name: all,`, 1))
	await(t, "the event", func(ctx context.Context) error {
		return said(ctx, "they started without what Instrumentation "+namespace+"/all says now", "events", "-n", namespace, "--for", "deployment/cart")
	})
	rollout(t, namespace, "deployment/cart")
	await(t, "an instrumented program", func(ctx context.Context) error {
		return said(ctx, "it was cart", "logs", "-n", namespace, "deployment/cart")
	})
}

// mixed are two workloads that ask for an Instrumentation: the first crashes with
// it, and has no old pod left when its new one starts.
const mixed = `
apiVersion: v1
kind: Namespace
metadata: {name: guard-stop}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: guard-stop}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}, annotations: {instrumentation.opentelemetry.io/inject-sdk: "true"}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: app, image: "busybox:1", command: [sh, -c, 'if [ -n "$OTEL_SERVICE_NAME" ]; then exit 3; fi; exec sleep 100000']}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: store, namespace: guard-stop}
spec:
  serviceName: store
  selector: {matchLabels: {app: store}}
  template:
    metadata: {labels: {app: store}, annotations: {instrumentation.opentelemetry.io/inject-sdk: "true"}}
    spec: {terminationGracePeriodSeconds: 1, containers: [{name: app, image: "registry.local/app:1", args: [serve]}]}
`

// When a workload crashes with what it is restarted for, it runs without again,
// and others are not restarted.
func TestRolloutStopsAtACrash(t *testing.T) {
	t.Parallel()
	const namespace = "guard-stop"
	apply(t, mixed)
	rollout(t, namespace, "daemonset/agent")
	rollout(t, namespace, "statefulset/store")
	awhile(t)
	apply(t, `{apiVersion: opentelemetry.io/v1alpha1, kind: Instrumentation, metadata: {name: all, namespace: guard-stop, annotations: {instrumentation.opentelemetry.io/rollout: "true"}},
		spec: {exporter: {endpoint: "http://otel-collector.opentelemetry-operator-system:4318"}}}`)
	await(t, "the end of the rollout", func(ctx context.Context) error {
		return said(ctx, "pods of DaemonSet guard-stop/agent crashed with it, so no more workloads are restarted", "events", "-n", namespace, "--for", "otelinst/all")
	})
	rollout(t, namespace, "daemonset/agent")
	await(t, "plain pods", func(ctx context.Context) error {
		return said(ctx, `"guarded":1,"injected":0`, "get", "-n", namespace, "otelinst/all", "-o", "jsonpath={.status.pods}")
	})
	const stamp = `jsonpath={.spec.template.metadata.annotations.operator\.opentelemetry\.io/instrumented-sha256}`
	if got := kubectl(t, "get", "-n", namespace, "statefulset/store", "-o", stamp); got != "" {
		t.Errorf("the second workload was restarted for %s", got)
	}
}

// awhile waits until what runs has run for as long as it has to for that to count.
func awhile(t *testing.T) {
	t.Helper()
	since := time.Now()
	await(t, "half a minute", func(context.Context) error {
		if time.Since(since) < 35*time.Second {
			return errors.New("not yet over")
		}
		return nil
	})
}

// said asks kubectl, and is an error where it does not say what is wanted.
func said(ctx context.Context, want string, args ...string) error {
	out, err := cluster.Kubectl(ctx, "", args...)
	if err == nil && !strings.Contains(out, want) {
		err = fmt.Errorf("got %q; want %q in it", out, want)
	}
	return err
}
