package inject

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// What a pod was given can be read from it, and pods without are not marked.
func TestMarks(t *testing.T) {
	x := newTrial(Java, Python).annotate("java-container-names", "app").annotate("python-container-names", "app,second")
	pod, decisions := x.run()
	if got := pod.Labels[v1beta1.LabelInstrumented]; got != "true" {
		t.Errorf("got label %q; want true", got)
	}
	want := []Mark{
		{Java, "shop/all", Sum(Java, x.instrumentation, testImages)},
		{Python, "shop/all", Sum(Python, x.instrumentation, testImages)},
	}
	if diff := cmp.Diff(want, Marks(pod.Annotations)); diff != "" {
		t.Errorf("marks (-want +got):\n%s", diff)
	}
	for i, d := range decisions {
		if d.Sum != want[i].Sum || d.Source != want[i].Source {
			t.Errorf("got decision %+v; want that of mark %s", d, want[i])
		}
	}
	if diff := cmp.Diff(want, Has(pod)); diff != "" {
		t.Errorf("has (-want +got):\n%s", diff)
	}

	// Half of what is asked for is half of the mark.
	x.annotate("java-container-names", "gone")
	pod, _ = x.run()
	if diff := cmp.Diff(want[1:], Marks(pod.Annotations)); diff != "" {
		t.Errorf("marks (-want +got):\n%s", diff)
	}

	// A mark that was copied is taken off, and replaced where there is a new one.
	x.annotate("python-container-names", "gone")
	x.pod.Annotations[v1beta1.AnnotationInstrumented] = "python=other/old@1,java=a/b@2"
	x.pod.Labels = map[string]string{v1beta1.LabelInstrumented: "true", "app": "x"}
	pod, _ = x.run()
	if got := fmt.Sprint(Marks(pod.Annotations), pod.Labels); got != "[] map[app:x]" {
		t.Errorf("a pod with a copied mark and no injection has %s; want none", got)
	}
	x.annotate("python-container-names", "app")
	pod, _ = x.run()
	if diff := cmp.Diff(want[1:], Marks(pod.Annotations)); diff != "" {
		t.Errorf("marks (-want +got):\n%s", diff)
	}
}

func TestMarksOfOthers(t *testing.T) {
	f := func(annotation string, want ...Mark) {
		t.Helper()
		if diff := cmp.Diff(want, Marks(map[string]string{v1beta1.AnnotationInstrumented: annotation})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", annotation, diff)
		}
	}
	f("")
	f("true")
	f("python")
	f("=shop/all@1")
	f("python=shop/all@1,x,java=@", Mark{Python, "shop/all", "1"}, Mark{Java, "", ""})
}

// The sum of a language is another when that language, or what is for all of
// them, is another.
func TestSum(t *testing.T) {
	base := &v1alpha1.Instrumentation{}
	images := testImages
	f := func(name string, java, python bool, change func(*v1alpha1.Instrumentation, *v1alpha1.Images)) {
		t.Helper()
		i, m := base.DeepCopy(), images
		change(i, &m)
		if got := Sum(Java, i, m) != Sum(Java, base, images); got != java {
			t.Errorf("%s: Java changes: %v; want %v", name, got, java)
		}
		if got := Sum(Python, i, m) != Sum(Python, base, images); got != python {
			t.Errorf("%s: Python changes: %v; want %v", name, got, python)
		}
	}
	f("nothing", false, false, func(*v1alpha1.Instrumentation, *v1alpha1.Images) {})
	f("endpoint", true, true, func(i *v1alpha1.Instrumentation, _ *v1alpha1.Images) { i.Spec.Exporter.Endpoint = "http://x:4318" })
	f("Java's image", true, false, func(i *v1alpha1.Instrumentation, _ *v1alpha1.Images) { i.Spec.Java.Image = "java:2" })
	f("the operator's image", false, true, func(_ *v1alpha1.Instrumentation, m *v1alpha1.Images) { m.Python = "python:2" })
	f("Python's variables", false, true, func(i *v1alpha1.Instrumentation, _ *v1alpha1.Images) {
		i.Spec.Python.Env = []corev1.EnvVar{{Name: "A", Value: "b"}}
	})
	f("labels", false, false, func(i *v1alpha1.Instrumentation, _ *v1alpha1.Images) { i.Labels = map[string]string{"a": "b"} })
	f("what defaults say", false, false, func(i *v1alpha1.Instrumentation, m *v1alpha1.Images) { i.SetDefaults(*m) })
}

// Every state of a pod, by what it has and what is decided.
func TestStand(t *testing.T) {
	decision := func(outcome Outcome, reason Reason) Decision {
		return Decision{Kind: Python, Outcome: outcome, Reason: reason, Message: "because", Source: "shop/all", Sum: "1"}
	}
	nothing := &corev1.Pod{}
	marked := func(text string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{v1beta1.AnnotationInstrumented: text}}}
	}
	unmarked := &corev1.Pod{Spec: corev1.PodSpec{InitContainers: []corev1.Container{{Name: volumeOf(Python)}}}}
	would := decision(Injected, AsAsked)
	for name, c := range map[string]struct {
		pod       *corev1.Pod
		decisions []Decision
		want      string
	}{
		"as it should be":               {marked("python=shop/all@1"), []Decision{would}, "python Injected: the pod has what shop/all says"},
		"of an earlier Instrumentation": {marked("python=shop/all@0"), []Decision{would}, "python Stale: shop/all says something else since the pod started: replace the pod"},
		"of another operator":           {unmarked, []Decision{would}, "python Stale: the pod has it of another operator or release, and would get that of shop/all now: replace the pod"},
		"in the template":               {unmarked, []Decision{decision(Unchanged, AlreadyInjected)}, "python Injected: because"},
		"refused since":                 {marked("python=shop/all@1"), []Decision{decision(Refused, NoImage)}, "python Stale: the pod has it, and would not get it now: because"},
		"switched off since":            {marked("python=shop/all@1"), []Decision{decision(Unchanged, SwitchedOff)}, "python Stale: the pod has it, and would not get it now: because"},
		"not asked for any more":        {marked("python=shop/all@1"), nil, "python Stale: nothing asks for it any more, and the pod has it until it is replaced"},
		"not known":                     {marked("python=shop/all@1"), []Decision{decision(Failed, Internal)}, "python Injected: because"},
		"missed":                        {nothing, []Decision{would}, "python Missed: the pod started without it, and would get it from shop/all now: replace the pod"},
		"refused":                       {nothing, []Decision{decision(Refused, NoImage)}, "python Refused: because"},
		"guarded":                       {nothing, []Decision{decision(Refused, CrashGuard)}, "python Guarded: because"},
		"off":                           {nothing, []Decision{decision(Unchanged, SwitchedOff)}, "python Off: because"},
		"one of two": {marked("java=shop/all@1"), []Decision{{Kind: Java, Outcome: Injected, Source: "shop/all", Sum: "1"}, would},
			"java Injected: the pod has what shop/all says\npython Missed: the pod started without it, and would get it from shop/all now: replace the pod"},
	} {
		got := ""
		for i, s := range Stand(c.pod, c.decisions) {
			if i > 0 {
				got += "\n"
			}
			got += fmt.Sprintf("%s %s: %s", s.Kind, s.State, s.Message)
		}
		if got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, c.want)
		}
	}
}

// A pod without what was injected is decided about as if it never had been.
func TestPlain(t *testing.T) {
	for _, k := range []Kind{Java, NodeJS, Python, DotNet, Go, ApacheHttpd, Nginx, SDK, Auto} {
		x := newTrial(k).annotate("otel-go-auto-target-exe", "/app")
		if k == Auto {
			x = newTrial().annotate("inject", "auto")
			x.facts.Probe, x.facts.EnvFiles = "probe:1", true
		}
		pod, decisions := x.run()
		if len(decisions) != 1 || decisions[0].Outcome != Injected {
			t.Fatalf("%s: got %s", k, told(decisions))
		}
		if has := Has(pod); len(has) != 1 || has[0].Kind != k {
			t.Errorf("%s: the pod has %v", k, has)
		}
		bare := pod.DeepCopy() // as another operator would have left it
		delete(bare.Annotations, v1beta1.AnnotationInstrumented)
		if has := Has(bare); len(has) != 1 || has[0] != (Mark{Kind: k}) {
			t.Errorf("%s without a mark: the pod has %v", k, has)
		}
		x.pod = Plain(pod)
		if has := Has(x.pod); len(has) != 0 {
			t.Errorf("%s: a plain pod has %v", k, has)
		}
		if _, again := x.run(); len(again) != 1 || again[0].Outcome != Injected || again[0].Sum != decisions[0].Sum {
			t.Errorf("%s: got %s; want the same decision", k, told(again))
		}
	}
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app"}, {Name: render.CollectorContainer}}}}
	if has := Has(pod); len(has) != 1 || has[0].Kind != Sidecar {
		t.Errorf("a pod with a sidecar has %v", has)
	}
	if has := Has(Plain(pod)); len(has) != 0 {
		t.Errorf("without its sidecar it has %v", has)
	}
}
