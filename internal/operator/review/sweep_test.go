package review

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/inject"
)

const (
	askPython = v1beta1.InstrumentationPrefix + "inject-python"
	askJava   = v1beta1.InstrumentationPrefix + "inject-java"
)

func asking(key, value string) map[string]string { return map[string]string{key: value} }

// template is one whose pods have annotations.
func podTemplate(annotations map[string]string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Annotations: annotations, Labels: map[string]string{"app": "x"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app:1"}}},
	}
}

// deployment is one with its ReplicaSet.
func deployment(name string, annotations map[string]string) (*appsv1.Deployment, *appsv1.ReplicaSet) {
	d := &appsv1.Deployment{ObjectMeta: meta(name, nil)}
	d.Spec.Template, d.Spec.Selector = podTemplate(annotations), &metav1.LabelSelector{MatchLabels: map[string]string{"app": "x"}}
	return d, owned(&appsv1.ReplicaSet{ObjectMeta: meta(name+"-6f7d", nil)}, d, "apps/v1")
}

// told is a report as text: a line for each workload, decision and pod.
func told(r *Report) string {
	var b strings.Builder
	for _, w := range r.Workloads {
		tellWorkload(&b, &w)
	}
	for _, s := range r.Sources {
		fmt.Fprintf(&b, "%s: %+v\n", s.Name, s.Pods)
		for _, x := range s.Refusals {
			fmt.Fprintf(&b, "  %s %s %s\n", x.Workload, x.Language, x.Reason)
		}
	}
	return b.String()
}

func tellWorkload(b *strings.Builder, w *Workload) {
	fmt.Fprintf(b, "%s:", w.Ref)
	for _, d := range w.Decisions {
		fmt.Fprintf(b, " %s %s %s", d.Kind, d.Outcome, d.Reason)
	}
	b.WriteString("\n")
	for _, p := range w.Pods {
		fmt.Fprintf(b, "  %s:", p.Name)
		for _, s := range p.Standings {
			fmt.Fprintf(b, " %s %s", s.Kind, s.State)
		}
		for _, s := range p.Said {
			fmt.Fprintf(b, " (%s: %s)", s.Container, s.Message)
		}
		b.WriteString("\n")
	}
	for _, f := range w.Fixes {
		command, _, _ := strings.Cut(f.Command, "\n")
		fmt.Fprintf(b, "  fix of %s: %s\n", f.Kind, command)
	}
	for _, n := range w.Notes {
		fmt.Fprintf(b, "  note: %s\n", n)
	}
}

// Workloads of every kind, with pods in every state, and what is counted for
// their Instrumentations.
func TestSweep(t *testing.T) {
	all := instrumentation("shop", "all")
	sum := inject.Sum(inject.Python, all, v1alpha1.Images{Python: "python:1", Java: "java:1"})
	with := func(key, value, mark string) map[string]string {
		return map[string]string{key: value, v1beta1.AnnotationInstrumented: mark}
	}
	cart, cartSet := deployment("cart", asking(askPython, "true"))
	set := &appsv1.StatefulSet{ObjectMeta: meta("db", nil)}
	set.Spec.Template = podTemplate(asking(askJava, "gone"))
	off := &appsv1.DaemonSet{ObjectMeta: meta("agent", nil)}
	off.Spec.Template = podTemplate(asking(askPython, "false"))
	cron := &batchv1.CronJob{ObjectMeta: meta("nightly", nil)}
	cron.Spec.JobTemplate.Spec.Template = podTemplate(asking(askPython, "shop/all"))
	job := owned(&batchv1.Job{ObjectMeta: meta("nightly-28", nil)}, cron, "batch/v1")
	foreign := onePod("injected-by-others", asking(askPython, "true"))
	foreign.Spec.InitContainers = []corev1.Container{{Name: "opentelemetry-auto-instrumentation-python", Image: "x"}}
	going := onePod("cart-going", asking(askPython, "true"))
	going.DeletionTimestamp = &metav1.Time{Time: now}
	m := cluster(cart, cartSet, set, off, cron, job, foreign, going,
		owned(onePod("cart-1", with(askPython, "true", "python=shop/all@"+sum)), cartSet, "apps/v1"),
		owned(onePod("cart-2", with(askPython, "true", "python=shop/all@0")), cartSet, "apps/v1"),
		owned(onePod("cart-3", asking(askPython, "true")), cartSet, "apps/v1"),
		owned(onePod("db-0", asking(askJava, "gone")), set, "apps/v1"),
		owned(onePod("agent-x", asking(askPython, "false")), off, "apps/v1"),
		owned(onePod("nightly-28-x", with(askPython, "shop/all", "python=shop/all@"+sum)), job, "batch/v1"),
		onePod("alone", with(askPython, "true", "python=shop/all@"+sum)),
		onePod("unrelated", nil),
	)
	report := mustSweep(t, newReviewer(m))
	want := `CronJob shop/nightly: python injected AsAsked
  nightly-28-x: python Injected
DaemonSet shop/agent: python unchanged SwitchedOff
  agent-x: python Off
Deployment shop/cart: python injected AsAsked
  cart-3: python Missed
  cart-2: python Stale
  cart-1: python Injected
  fix of python: kubectl rollout restart -n shop deployment/cart
Pod shop/alone: python injected AsAsked
  alone: python Injected
Pod shop/injected-by-others: python injected AsAsked
  injected-by-others: python Stale
  fix of python: kubectl replace --force -n shop -f MANIFEST # of pod injected-by-others
StatefulSet shop/db: java refused NotFound
  db-0: java Refused
  fix of java: kubectl apply -n shop -f - <<'EOF'
shop/all: {Matched:6 Injected:3 Stale:2 Missed:1 Refused:0 Guarded:0}
`
	if diff := cmp.Diff(want, told(report)); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if want := 10; report.PodsSeen != want {
		t.Errorf("got %d pods seen; want %d", report.PodsSeen, want)
	}
	cartNow := report.Workloads[2]
	if got := cartNow.Count(inject.Python, inject.StateMissed); got != 1 {
		t.Errorf("got %d missed pods of cart; want 1", got)
	}
	if d := cartNow.Decision(inject.Python); d == nil || d.Sum != sum || d.Source != "shop/all" {
		t.Errorf("got decision %+v; want sum %s of shop/all", d, sum)
	}
}

// Refusals are told of the Instrumentation that they are about, and of all that
// might be meant.
func TestRefusals(t *testing.T) {
	a, aSet := deployment("a", asking(askPython, "true"))
	b, bSet := deployment("b", asking(askPython, "all"))
	b.Spec.Template.Annotations[v1beta1.InstrumentationPrefix+"python-container-names"] = "gone"
	m := cluster(a, aSet, b, bSet, instrumentation("shop", "other"),
		owned(onePod("a-1", asking(askPython, "true")), aSet, "apps/v1"),
		owned(onePod("b-1", asking(askPython, "all")), bSet, "apps/v1"))
	want := `Deployment shop/a: python refused SeveralInNamespace
  a-1: python Refused
  fix of python: kubectl patch -n shop deployment/a --type merge -p '{"spec":{"template":{"metadata":{"annotations":{"instrumentation.opentelemetry.io/inject-python":"all"}}}}}'
Deployment shop/b: python refused UnknownContainer
  b-1: python Refused
  fix of python: kubectl patch -n shop deployment/b --type merge -p '{"spec":{"template":{"metadata":{"annotations":{"instrumentation.opentelemetry.io/python-container-names":"app"}}}}}'
shop/all: {Matched:2 Injected:0 Stale:0 Missed:0 Refused:2 Guarded:0}
  Deployment shop/a python SeveralInNamespace
  Deployment shop/b python UnknownContainer
shop/other: {Matched:1 Injected:0 Stale:0 Missed:0 Refused:1 Guarded:0}
  Deployment shop/a python SeveralInNamespace
`
	if diff := cmp.Diff(want, told(mustSweep(t, newReviewer(m)))); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

// What the API server does not ask the operator about is not injected, whatever
// would be decided.
func TestUnreached(t *testing.T) {
	f := func(reached bool, want string, selector *metav1.LabelSelector, missing bool) {
		t.Helper()
		d, set := deployment("cart", asking(askPython, "true"))
		m := &memory{objects: []client.Object{d, set, namespace("shop", nil), instrumentation("shop", "all"), owned(onePod("cart-1", asking(askPython, "true")), set, "apps/v1")}}
		if !missing {
			m.objects = append(m.objects, hooks(selector))
		}
		report := mustSweep(t, newReviewer(m))
		got := report.Workloads[0].Decisions[0]
		if !strings.Contains(got.Message, want) || reached != (got.Outcome == inject.Injected) || reached == (got.Reason == inject.Unreached) {
			t.Errorf("got %+v; want %q", got, want)
		}
	}
	except := func(names ...string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "kubernetes.io/metadata.name", Operator: metav1.LabelSelectorOpNotIn, Values: names}}}
	}
	f(true, "python of Instrumentation shop/all is added", except("kube-system"), false)
	f(false, "pods of namespace shop: the namespaceSelector", except("shop"), false)
	f(false, "has no webhook for them", nil, true)
}

// One workload has all of its pods, also those that ask for nothing, with what
// stands at the wrong place and what agents say.
func TestWorkload(t *testing.T) {
	d, set := deployment("cart", asking(askPython, "true"))
	d.Annotations = asking(askJava, "true")
	sum := inject.Sum(inject.Python, instrumentation("shop", "all"), v1alpha1.Images{Python: "python:1", Java: "java:1"})
	label := func(p *corev1.Pod) *corev1.Pod {
		p.Labels = map[string]string{"app": "x"}
		return owned(p, set, "apps/v1")
	}
	m := cluster(d, set,
		label(onePod("cart-1", map[string]string{askPython: "true", v1beta1.AnnotationInstrumented: "python=shop/all@" + sum})),
		label(onePod("cart-2", asking(v1beta1.InstrumentationPrefix+"inject-nodejs", "true"))),
		onePod("unrelated", asking(askPython, "true")))
	r := newReviewer(m)
	r.Logs = func(_ context.Context, _, pod, container string) (string, error) {
		return "starting\nsignalbox: this Python program is not instrumented: the application has protobuf 3\nsignalbox: this Python program is not instrumented: the application has protobuf 3\n", nil
	}
	want := `Deployment shop/cart: python injected AsAsked
  cart-2: python Missed
  cart-1: python Injected (app: this Python program is not instrumented: the application has protobuf 3)
  fix of python: kubectl rollout restart -n shop deployment/cart
  note: annotation instrumentation.opentelemetry.io/inject-java is on the Deployment itself, where it means nothing: write it into the template of its pods (spec.template.metadata.annotations)
  note: pod cart-2 has annotation instrumentation.opentelemetry.io/inject-nodejs, and the template of the Deployment does not: it counts when a pod starts, so write it into the template
`
	for _, ref := range []Ref{{"Deployment", "shop", "cart"}, {"Pod", "shop", "cart-1"}, {"ReplicaSet", "shop", "cart-6f7d"}} {
		w, err := r.Workload(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		tellWorkload(&b, w)
		if diff := cmp.Diff(want, b.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", ref, diff)
		}
		if w.Template == nil || w.Injected == nil || len(w.Injected.Spec.InitContainers) != 1 {
			t.Errorf("%s: got no pod that starts, and what it becomes", ref)
		}
	}
	later := m.objects[len(m.objects)-2].(*v1alpha1.Instrumentation)
	later.CreationTimestamp = metav1.NewTime(now)
	w, err := r.Workload(t.Context(), Ref{"Deployment", "shop", "cart"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := w.Pods[0].Standings[0].Message, "the pod started before Instrumentation shop/all was made: replace the pod"; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
	if _, err := r.Workload(t.Context(), Ref{"Deployment", "shop", "gone"}); status(err) != 404 {
		t.Errorf("got %v; want that it is not found", err)
	}
	if _, err := r.Workload(t.Context(), Ref{"Rollout", "shop", "cart"}); status(err) != 400 {
		t.Errorf("got %v; want that the kind is not known", err)
	}
}

// A pod that crashes with what it has is told of: what is known to be to blame
// would be kept off.
func TestCrashes(t *testing.T) {
	d, set := deployment("cart", asking(askPython, "true"))
	sum := inject.Sum(inject.Python, instrumentation("shop", "all"), v1alpha1.Images{Python: "python:1", Java: "java:1"})
	p := owned(onePod("cart-1", map[string]string{askPython: "true", v1beta1.AnnotationInstrumented: "python=shop/all@" + sum}), set, "apps/v1")
	p.Labels = map[string]string{"app": "x"}
	p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "opentelemetry-auto-instrumentation-python"}}
	start := metav1.NewTime(now.Add(-time.Minute))
	p.Status.StartTime = &start
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "app", RestartCount: 3, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
		LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, FinishedAt: metav1.NewTime(now)}},
	}}
	w, err := newReviewer(cluster(d, set, p)).Workload(t.Context(), Ref{"Deployment", "shop", "cart"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"container app ended with exit code 1, restarted 3 times in pod cart-1, which has python of Instrumentation shop/all: whether that is to blame is not known, because no pod without it was seen to run before. " +
		"To try without, set annotation instrumentation.opentelemetry.io/inject-python in the pod template to false"}
	if diff := cmp.Diff(want, w.Notes); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
}

// What cannot change is asked for once, and marked pods are not read.
func TestAskedOnce(t *testing.T) {
	d, set := deployment("cart", asking(askPython, "true"))
	m := cluster(d, set)
	for i := range 100 {
		p := owned(onePod(fmt.Sprintf("cart-%d", i), asking(askPython, "true")), set, "apps/v1")
		if i >= 10 {
			p.Annotations[v1beta1.AnnotationInstrumented] = "python=shop/all@0"
		}
		m.objects = append(m.objects, p)
	}
	r := newReviewer(m)
	report := mustSweep(t, r)
	if w := report.Workloads[0]; len(w.Pods) != maxPods || w.PodsLeftOut != 80 || w.Count(inject.Python, inject.StateStale) != 90 {
		t.Errorf("got %d pods, %d left out, counts %v", len(w.Pods), w.PodsLeftOut, w.Counts)
	}
	// The namespace, the ReplicaSet, the Deployment, the Instrumentation is listed,
	// the webhook configuration, ten pods, and the Service of the endpoint, in the
	// cache and out of it, with its namespace.
	if want := 17; m.gets != want {
		t.Errorf("got %d questions; want %d", m.gets, want)
	}
	m.gets = 0
	mustSweep(t, r)
	if want := 4; m.gets != want {
		t.Errorf("got %d questions the second time; want %d", m.gets, want)
	}
}

// Pods that ask for nothing cost no memory, however many there are.
func TestMemory(t *testing.T) {
	kept := func(pods int) uint64 {
		d, set := deployment("cart", asking(askPython, "true"))
		m := cluster(d, set, owned(onePod("cart-1", asking(askPython, "true")), set, "apps/v1"))
		m.many, m.more = pods, func(i int) *corev1.Pod {
			p := onePod(fmt.Sprintf("other-%d", i), map[string]string{"note": strings.Repeat("x", 1000)})
			p.UID = types.UID(p.Name)
			return p
		}
		var heap uint64
		m.turned = func() {
			if m.pages == (pods+1+pageSize-1)/pageSize { // the last
				runtime.GC()
				var s runtime.MemStats
				runtime.ReadMemStats(&s)
				heap = s.HeapAlloc
			}
		}
		report := mustSweep(t, newReviewer(m))
		if report.PodsSeen != pods+1 || m.largest != pageSize || len(report.Workloads) != 1 {
			t.Fatalf("got %d pods in pages of %d, %d workloads", report.PodsSeen, m.largest, len(report.Workloads))
		}
		return heap
	}
	few, many := kept(2_000), kept(40_000)
	t.Logf("at the last page, the heap has %d KB with 2000 other pods, and %d KB with 40000", few>>10, many>>10)
	if most := few + 1<<20; many > most {
		t.Errorf("with 40000 other pods the heap has %d bytes at the last page; want at most %d", many, most)
	}
}

// A server that does not answer is an error, not an empty report.
func TestNoAnswer(t *testing.T) {
	m := cluster()
	m.err = context.DeadlineExceeded
	if r, err := newReviewer(m).Sweep(t.Context()); err == nil {
		t.Errorf("got %+v; want an error", r)
	}
}

// BenchmarkSweep looks at pods that ask for nothing, beside a hundred workloads
// that are instrumented; what the API server does for it is not in it.
func BenchmarkSweep(b *testing.B) {
	const others = 5000
	m := cluster()
	for i := range 100 {
		d, set := deployment(fmt.Sprintf("cart-%d", i), asking(askPython, "true"))
		m.objects = append(m.objects, d, set)
		for k := range 3 {
			p := owned(onePod(fmt.Sprintf("cart-%d-%d", i, k), asking(askPython, "true")), set, "apps/v1")
			p.Annotations[v1beta1.AnnotationInstrumented] = "python=shop/all@0"
			m.objects = append(m.objects, p)
		}
	}
	other := onePod("other", nil)
	m.many, m.more = others, func(int) *corev1.Pod { return other }
	r := newReviewer(m)
	b.ReportAllocs()
	for b.Loop() {
		report, err := r.Count(b.Context())
		if err != nil || len(report.Workloads) != 100 || report.PodsSeen != others+300 {
			b.Fatalf("got %v, %d workloads, %d pods", err, len(report.Workloads), report.PodsSeen)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*(others+300)), "ns/pod")
}
