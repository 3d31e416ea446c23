package explain

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/operator/review"
	"github.com/signalbox-otel/signalbox/internal/operator/settings"
)

// The state of a workload is that of the pods that most want somebody to act,
// unless the operator could not decide at all.
func TestStandings(t *testing.T) {
	decision := func(o inject.Outcome, r inject.Reason) []inject.Decision {
		return []inject.Decision{{Kind: inject.Python, Outcome: o, Reason: r, Message: "decided"}}
	}
	counts := func(pods int, states ...inject.State) []review.Count {
		var all []review.Count
		for _, s := range states {
			all = append(all, review.Count{Kind: inject.Python, State: s, Pods: pods})
		}
		return all
	}
	for name, c := range map[string]struct {
		w    review.Workload
		want Standing
	}{
		"injected": {review.Workload{Decisions: decision(inject.Injected, inject.AsAsked), Counts: counts(2, inject.StateInjected)},
			Standing{State: inject.StateInjected, Injected: 2, Pods: 2, Reason: inject.AsAsked, Message: "decided"}},
		"half": {review.Workload{Decisions: decision(inject.Injected, inject.AsAsked), Counts: counts(1, inject.StateInjected, inject.StateMissed, inject.StateStale)},
			Standing{State: inject.StateMissed, Injected: 1, Pods: 3, Reason: inject.AsAsked, Message: "decided"}},
		"undecided": {review.Workload{Decisions: decision(inject.Failed, inject.Internal), Counts: counts(1, inject.StateInjected)},
			Standing{State: Failed, Injected: 1, Pods: 1, Reason: inject.Internal, Message: "decided"}},
		"guarded, without pods": {review.Workload{Decisions: decision(inject.Refused, inject.CrashGuard)},
			Standing{State: inject.StateGuarded, Reason: inject.CrashGuard, Message: "decided"}},
		"refused, without pods": {review.Workload{Decisions: decision(inject.Refused, inject.NotFound)},
			Standing{State: inject.StateRefused, Reason: inject.NotFound, Message: "decided"}},
		"idle": {review.Workload{Decisions: decision(inject.Injected, inject.AsAsked)}, Standing{State: Idle, Reason: inject.AsAsked, Message: "decided"}},
		"off":  {review.Workload{Decisions: decision(inject.Unchanged, inject.SwitchedOff)}, Standing{State: inject.StateOff, Reason: inject.SwitchedOff, Message: "decided"}},
		"left from before": {review.Workload{Counts: counts(1, inject.StateStale), Pods: []review.Pod{{Standings: []inject.Standing{{Kind: inject.Python, State: inject.StateStale, Message: "has it"}}}}},
			Standing{State: inject.StateStale, Pods: 1, Message: "has it"}},
	} {
		c.want.Kind = inject.Python
		if diff := cmp.Diff([]Standing{c.want}, standings(&c.w)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// What is wrong with the operator is said with what to do.
func TestOperatorState(t *testing.T) {
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	set, off := settings.Default("1"), settings.Default("1")
	off.Webhooks.Enabled = false
	none := int32(0)
	for name, c := range map[string]struct {
		replicas  *int32
		available int32
		set       *settings.Settings
		want, fix string
	}{
		"runs":   {nil, 1, &set, "", ""},
		"down":   {nil, 0, &set, "the operator does not run (0 of 1 replicas are available, since 12 minutes ago)", "signalbox doctor"},
		"scaled": {&none, 0, &set, "the operator is scaled to 0", "kubectl scale -n observability deployment/operator --replicas=1"},
		"deaf":   {nil, 1, &off, "the operator runs without webhooks", "ENABLE_WEBHOOKS=true"},
	} {
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "observability", Name: "operator"}}
		d.Spec.Replicas, d.Status.AvailableReplicas = c.replicas, c.available
		d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "manager", Image: "signalbox:1"}}
		d.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionFalse, LastTransitionTime: metav1.NewTime(now.Add(-12 * time.Minute))}}
		o := stateOf(d, c.set, now)
		if !strings.HasPrefix(o.Message, c.want) || (c.want == "") != (o.Message == "") || !strings.Contains(o.Fix, c.fix) || o.Image != "signalbox:1" {
			t.Errorf("%s: got %+v; want message %q and fix %q", name, o, c.want, c.fix)
		}
	}
	for d, want := range map[time.Duration]string{30 * time.Second: "less than a minute ago", time.Hour: "60 minutes ago", 5 * time.Hour: "5 hours ago", 100 * time.Hour: "4 days ago"} {
		if got := ago(metav1.NewTime(now.Add(-d)), now); got != want {
			t.Errorf("%s ago: got %q; want %q", d, got, want)
		}
	}
}

const tightPod = `
spec:
  initContainers:
  - {name: opentelemetry-auto-instrumentation-java, image: "java:1"}
  - {name: opentelemetry-auto-instrumentation-nodejs, image: "nodejs:1"}
  containers:
  - name: app
    env:
    - {name: OTEL_SERVICE_NAME, value: cart}
    - {name: OTEL_EXPORTER_OTLP_ENDPOINT, valueFrom: {secretKeyRef: {name: where, key: url}}}
    - {name: OTEL_EXPORTER_OTLP_PROTOCOL, valueFrom: {fileKeyRef: {volumeName: v, path: p, key: k}}}
    - {name: OTEL_TRACES_SAMPLER, value: always_on}
    resources: {limits: {memory: 256Mi}}
    livenessProbe: {httpGet: {port: 8080}}
  volumes: [{name: opentelemetry-auto-instrumentation-python, image: {reference: "python:1"}}]
`

// What a container is given is told as far as it is known, and what Java costs.
func TestDeliveries(t *testing.T) {
	pod := new(corev1.Pod)
	if err := yaml.UnmarshalStrict([]byte(tightPod), pod); err != nil {
		t.Fatal(err)
	}
	injected := func(k inject.Kind) []inject.Decision {
		return []inject.Decision{{Kind: k, Outcome: inject.Injected, Containers: []string{"app"}}}
	}
	want := Delivery{Container: "app", Service: "cart", Endpoint: "(from Secret where)", Protocol: "(as the language needs)", Sampler: "always_on"}
	for kind, image := range map[inject.Kind]string{inject.Java: "java:1", inject.Python: "python:1", inject.SDK: "", inject.Auto: "java:1, nodejs:1, python:1"} {
		want.Kind, want.Image = kind, image
		if diff := cmp.Diff([]Delivery{want}, deliveries(pod, injected(kind))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
	}
	if got := remarks(pod, injected(inject.Java)); len(got) != 2 || !strings.Contains(got[0], "the limit is 256Mi") || !strings.Contains(got[1], "without a startupProbe") {
		t.Errorf("remarks about Java: got %q; want memory and probe", got)
	}
	if got := remarks(pod, injected(inject.Python)); got != nil {
		t.Errorf("remarks about Python: got %q; want none", got)
	}
	if got := deliveries(nil, injected(inject.Java)); got != nil {
		t.Errorf("without a pod: got %+v; want none", got)
	}
}

// Events are about a workload, its pods, or what stands between them.
func TestAbout(t *testing.T) {
	cart := &review.Workload{Ref: review.Ref{Kind: "Deployment", Namespace: "shop", Name: "cart"}, Pods: []review.Pod{{Name: "cart-6d4cf56db6-x2x9k"}}}
	for object, want := range map[corev1.ObjectReference]bool{
		{Kind: "Deployment", Name: "cart"}:                      true,
		{Kind: "ReplicaSet", Name: "cart-6d4cf56db6"}:           true,
		{Kind: "Pod", Name: "cart-6d4cf56db6-x2x9k"}:            true,
		{Kind: "Pod", Name: "cart-6d4cf56db6-other"}:            false,
		{Kind: "ReplicaSet", Name: "cart-v2-6d4cf56db6"}:        false,
		{Kind: "Deployment", Name: "cart-v2"}:                   false,
		{Kind: "Job", Name: "cart-6d4cf56db6"}:                  false,
		{Kind: "StatefulSet", Name: "cart"}:                     false,
		{Kind: "OpenTelemetryCollector", Name: "cart-6d4cf56d"}: false,
	} {
		if got := about(&object, cart); got != want {
			t.Errorf("%s %s: got %t; want %t", object.Kind, object.Name, got, want)
		}
	}
}
