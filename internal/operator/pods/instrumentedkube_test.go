package pods

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/inject"
)

const instrumentationCR = `
apiVersion: opentelemetry.io/v1alpha1
kind: Instrumentation
metadata: {name: all, annotations: {instrumentation.opentelemetry.io/rollout: %q}}
spec: {exporter: {endpoint: "http://localhost:4318"}, python: {image: %q}}
`

// pythonDeployment is one whose pods ask for Python. Its old pods stay for long
// while it is rolled out, as those of programs that need time to start.
func pythonDeployment(name, annotations, image string) string {
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s}
spec:
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}, annotations: {%[2]s}}
    spec: {containers: [{name: app, image: %[3]q}]}
`, name, annotations, image)
}

const askPython = `instrumentation.opentelemetry.io/inject-python: "true"`

// Workloads that started before their Instrumentation are restarted when it asks
// for that, some at a time; those that crash with it and did not without are kept
// from it, and no more are restarted.
func TestInstrumented(t *testing.T) {
	c := up(t)
	c.kubectl("", "create", "namespace", "shop")
	c.kubectl("", "create", "namespace", c.guards.namespace)
	for _, name := range []string{"a", "b", "out"} {
		c.kubectl(pythonDeployment(name, askPython, "app:1"), "apply", "-n", "shop", "-f", "-")
	}
	c.kubectl("", "annotate", "-n", "shop", "deployment/out", "instrumentation.opentelemetry.io/rollout=false")
	for _, name := range []string{"a", "b", "out"} {
		c.kubectl("", "rollout", "status", "-n", "shop", "deployment/"+name, "--timeout=60s")
	}
	c.kubectl(fmt.Sprintf(instrumentationCR, "false", "python:1"), "apply", "-n", "shop", "-f", "-")

	t.Run("rolled out", func(t *testing.T) {
		c.kubectl("", "annotate", "--overwrite", "-n", "shop", "otelinst/all", "instrumentation.opentelemetry.io/rollout=true")
		for _, name := range []string{"a", "b"} {
			until(c, new(corev1.PodList), "shop", instrumented(name))
			e := c.event("shop", "Deployment", name, "InstrumentationRollout")
			if want := "pods are replaced: they started without what Instrumentation shop/all says now"; e.Note != want {
				t.Errorf("got event %q; want %q", e.Note, want)
			}
		}
		var out appsv1.Deployment
		if err := c.client.Get(c.ctx, client.ObjectKey{Namespace: "shop", Name: "out"}, &out); err != nil {
			t.Fatal(err)
		}
		if stamp, ok := out.Spec.Template.Annotations[v1beta1.AnnotationInstrumentationStamp]; ok {
			t.Errorf("the deployment that opted out was restarted for %s", stamp)
		}
	})
	t.Run("crashes", func(t *testing.T) {
		slow := strings.Replace(pythonDeployment("cart", "", "app:1"), "spec:\n", "spec:\n  minReadySeconds: 3000\n  progressDeadlineSeconds: 6000\n", 1)
		c.kubectl(slow, "apply", "-n", "shop", "-f", "-")
		c.ran(until(c, new(corev1.PodList), "shop", pod("cart")))
		c.kubectl(strings.Replace(slow, "annotations: {}", "annotations: {"+askPython+"}", 1), "apply", "-n", "shop", "-f", "-")
		first := until(c, new(corev1.PodList), "shop", instrumented("cart"))
		c.crash(first)
		e := c.event("shop", "Deployment", "cart", "CrashGuard")
		want := "python of Instrumentation shop/all is no longer added to pods of Deployment shop/cart: container app ended with exit code 1, restarted 3 times in pod " + first.Name + ", and pods without it ran; pods that crash are replaced by plain ones."
		if !strings.HasPrefix(e.Note, want) {
			t.Errorf("got event %q; want %q", e.Note, want)
		}
		c.event("shop", "Instrumentation", "all", "CrashGuard")
		plain := func(p *corev1.Pod) bool {
			return p.Labels["app"] == "cart" && p.CreationTimestamp.After(first.CreationTimestamp.Time) && p.Name != first.Name
		}
		second := until(c, new(corev1.PodList), "shop", plain)
		if len(second.Spec.InitContainers) > 0 || second.Annotations[v1beta1.AnnotationInstrumented] != "" {
			t.Errorf("the pod that follows is instrumented: %v", second.Annotations)
		}
		c.ran(second)
		c.event("shop", "Deployment", "cart", "CrashGuardMended")
		c.event("shop", "Instrumentation", "all", "InstrumentationRolloutStopped")
		guards, err := ReadGuards(c.ctx, c.client, c.guards.namespace)
		if err != nil {
			t.Fatal(err)
		}
		if len(guards) != 1 || guards[0].Kind != inject.Python || guards[0].Name != "cart" || guards[0].Source != "shop/all" || guards[0].Proof != inject.Mended {
			t.Errorf("got guards %+v", guards)
		}
	})
	t.Run("another program", func(t *testing.T) {
		c.kubectl("", "set", "image", "-n", "shop", "deployment/cart", "app=app:2")
		until(c, new(corev1.PodList), "shop", func(p *corev1.Pod) bool {
			return instrumented("cart")(p) && p.Spec.Containers[0].Image == "app:2"
		})
	})
	t.Run("gone", func(t *testing.T) {
		c.kubectl("", "delete", "-n", "shop", "deployment/cart")
		if _, err := c.guard.Reconcile(c.ctx, target{"Deployment", "shop", "cart"}); err != nil {
			t.Fatal(err)
		}
		if guards := c.guards.All(c.ctx); len(guards) > 0 {
			t.Errorf("got guards %+v of a workload that is no more", guards)
		}
	})
}

// instrumented reports whether a pod of an app has the agent for Python.
func instrumented(app string) func(*corev1.Pod) bool {
	return func(p *corev1.Pod) bool {
		return p.Labels["app"] == app && p.Labels[v1beta1.LabelInstrumented] == "true"
	}
}

// crash writes what a kubelet says of a pod whose program ends again and again.
func (c *cluster) crash(p *corev1.Pod) {
	c.t.Helper()
	now := time.Now().UTC().Format(time.RFC3339)
	c.container(p, map[string]any{
		"ready": false, "restartCount": 3, "state": map[string]any{"waiting": map[string]any{"reason": "CrashLoopBackOff"}},
		"lastState": map[string]any{"terminated": map[string]any{"exitCode": 1, "startedAt": now, "finishedAt": now}},
	})
}

// ran writes what a kubelet says of a pod that has run for a while.
func (c *cluster) ran(p *corev1.Pod) {
	c.t.Helper()
	since := time.Now().Add(-10 * time.Minute).UTC().Format(time.RFC3339)
	c.container(p, map[string]any{"ready": true, "restartCount": 0, "state": map[string]any{"running": map[string]any{"startedAt": since}}})
}

// container writes the status of a pod's container app.
func (c *cluster) container(p *corev1.Pod, status map[string]any) {
	c.t.Helper()
	until(c, new(corev1.PodList), p.Namespace, func(o *corev1.Pod) bool { return o.Name == p.Name && o.Status.Phase == corev1.PodRunning })
	for k, v := range map[string]any{"name": "app", "image": "app", "imageID": "app"} {
		status[k] = v
	}
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"containerStatuses": []any{status}}})
	if err != nil {
		c.t.Fatal(err)
	}
	c.kubectl("", "patch", "-n", p.Namespace, "pod/"+p.Name, "--subresource=status", "--type=merge", "-p", string(patch))
}

// asking are the workloads that started before the Instrumentation, as they are
// known from before it: what was done about them since is not.
func asking(instrumentation string) ([]Asking, time.Time) {
	i := &v1alpha1.Instrumentation{}
	i.Spec.Exporter.Endpoint, i.Spec.Python.Image = "http://localhost:4318", "python:1"
	marks := []inject.Mark{{Kind: inject.Python, Source: instrumentation, Sum: inject.Sum(inject.Python, i, v1alpha1.Images{})}}
	var all []Asking
	for _, name := range []string{"b", "a", "out"} {
		all = append(all, Asking{Kind: "Deployment", Namespace: "shop", Name: name, Marks: marks, Due: true})
	}
	return all, noon
}
