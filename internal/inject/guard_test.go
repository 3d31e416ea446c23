package inject

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// guardOf is the guard that the pods of Deployment cart crashed into with Python.
func guardOf(t *testing.T) Guard {
	t.Helper()
	pod, decisions := newTrial(Python).run()
	marks := Marks(pod.Annotations)
	if len(marks) != 1 || decisions[0].Outcome != Injected {
		t.Fatalf("got marks %v, decisions %s", marks, told(decisions))
	}
	return Guard{
		Namespace: "shop", Workload: "Deployment", Name: "cart", Kind: Python, Source: marks[0].Source, Sum: marks[0].Sum,
		Program: Programs(pod.Annotations)[Python], Cause: "container app ended with exit code 1 in pod cart-1, and pods without it ran",
	}
}

// A guard keeps a language off the pods of its workload until what crashed is no
// longer the same.
func TestGuard(t *testing.T) {
	guard := guardOf(t)
	f := func(name string, want Reason, change func(*trial)) {
		t.Helper()
		x := newTrial(Python)
		x.facts.Guards = []Guard{guard}
		x.facts.Owners = []Owner{{Kind: "ReplicaSet", Name: "cart-1"}, {Kind: "Deployment", Name: "cart"}}
		change(x)
		pod, decisions := x.run()
		if len(decisions) == 0 || decisions[0].Reason != want {
			t.Errorf("%s: got %s; want %s", name, told(decisions), want)
		}
		if want == CrashGuard && pod != x.pod {
			t.Errorf("%s: the pod was changed", name)
		}
	}
	f("the same", CrashGuard, func(*trial) {})
	f("restarted by hand", CrashGuard, func(x *trial) { x.pod.Annotations["kubectl.kubernetes.io/restartedAt"] = "now" })
	f("another container", CrashGuard, func(x *trial) { x.pod.Spec.Containers[1].Image = "second:2" })
	f("limits of the namespace", CrashGuard, func(x *trial) {
		limit := corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}
		x.facts.Limits = []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Default: limit}}
		x.pod.Spec.Containers[0].Resources = corev1.ResourceRequirements{Limits: limit, Requests: limit}
	})
	f("another workload", AsAsked, func(x *trial) { x.facts.Owners[1].Name = "checkout" })
	f("no workload", AsAsked, func(x *trial) { x.facts.Owners = nil })
	f("another namespace", AsAsked, func(x *trial) { x.namespace.Name, x.instrumentation.Namespace = "store", "store" })
	f("another image", AsAsked, func(x *trial) { x.pod.Spec.Containers[0].Image = "app:2" })
	f("another variable", AsAsked, func(x *trial) { x.env(corev1.EnvVar{Name: "DEBUG", Value: "1"}) })
	f("more memory", AsAsked, func(x *trial) {
		x.pod.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}
	})
	f("another agent", AsAsked, func(x *trial) { x.instrumentation.Spec.Python.Image = "python:2" })
	f("another agent of another language", CrashGuard, func(x *trial) { x.instrumentation.Spec.Java.Image = "java:2" })
	f("tried again", AsAsked, func(x *trial) { x.annotate("crash-guard", "2026-11-20") })
	f("switched off", AsAsked, func(x *trial) { x.annotate("crash-guard", "false") })
	f("switched off for the namespace", AsAsked, func(x *trial) {
		x.namespace.Annotations = map[string]string{v1beta1.AnnotationCrashGuard: "False"}
	})
	f("unrelated", AsAsked, func(x *trial) { x.facts.Guards[0].Proof = Unrelated })
	f("mended", CrashGuard, func(x *trial) { x.facts.Guards[0].Proof = Mended })
}

func TestGuardMessage(t *testing.T) {
	x := newTrial(Python)
	x.facts.Guards, x.facts.Owners = []Guard{guardOf(t)}, []Owner{{Kind: "Deployment", Name: "cart"}}
	_, decisions := x.run()
	want := "python refused CrashGuard: pods of Deployment cart crashed with python of Instrumentation shop/all (container app ended with exit code 1 in pod cart-1, and pods without it ran): " +
		"it is added again when the Instrumentation or the containers of the pod template change, or annotation instrumentation.opentelemetry.io/crash-guard of the pod template gets another value"
	if got := told(decisions); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// One language is kept off, the others are added; who switched the guard off has
// no program noted.
func TestGuardOneOfTwo(t *testing.T) {
	x := newTrial(Java, Python).annotate("java-container-names", "second").annotate("python-container-names", "app")
	x.facts.Guards, x.facts.Owners = []Guard{guardOf(t)}, []Owner{{Kind: "Deployment", Name: "cart"}}
	pod, decisions := x.run()
	if got := told(decisions); !strings.HasPrefix(got, "java injected AsAsked") || !strings.Contains(got, "python refused CrashGuard") {
		t.Errorf("got %s", got)
	}
	if programs := Programs(pod.Annotations); len(programs) != 1 || programs[Java] == "" {
		t.Errorf("got programs %v; want one of java", programs)
	}
	pod, _ = newTrial(Python).annotate("crash-guard", "false").run()
	if programs := Programs(pod.Annotations); len(programs) > 0 {
		t.Errorf("got programs %v; want none", programs)
	}
}

// A pod's containers are told apart: what was added for a language, and what runs
// with it. Its outline is enough for that.
func TestParts(t *testing.T) {
	f := func(kind Kind, added, with string, change func(*trial)) {
		t.Helper()
		x := newTrial(kind)
		x.pod.Spec.InitContainers = []corev1.Container{{Name: "prepare", Image: "prepare:1"}}
		if change != nil {
			change(x)
		}
		pod, decisions := x.run()
		for _, spec := range []corev1.PodSpec{pod.Spec, Outline(pod.Spec)} {
			p := pod.DeepCopy()
			p.Spec = spec
			parts := Parts(p)
			if len(parts) != 1 {
				t.Fatalf("%s: got %v, decisions %s; want one part", kind, parts, told(decisions))
			}
			slices.Sort(parts[0].Added)
			if got := strings.Join(parts[0].Added, " "); got != added {
				t.Errorf("%s: got %q as added; want %q", kind, got, added)
			}
			if got := strings.Join(parts[0].With, " "); got != with {
				t.Errorf("%s: got %q as running with it; want %q", kind, got, with)
			}
		}
	}
	f(Java, "opentelemetry-auto-instrumentation-java", "app", nil)
	f(NodeJS, "opentelemetry-auto-instrumentation-nodejs", "second", func(x *trial) { x.annotate("nodejs-container-names", "second") })
	f(Python, "opentelemetry-auto-instrumentation-python", "app second", func(x *trial) { x.annotate("container-names", "app,second") })
	f(DotNet, "opentelemetry-auto-instrumentation-dotnet", "app", nil)
	f(DotNet, "opentelemetry-auto-instrumentation-dotnet opentelemetry-auto-instrumentation-dotnet-native-0 opentelemetry-auto-instrumentation-dotnet-probe", "app", func(x *trial) { x.facts.Probe = "probe:1" })
	f(Go, "opentelemetry-auto-instrumentation", "", func(x *trial) { x.annotate("otel-go-auto-target-exe", "/app") })
	f(ApacheHttpd, "otel-agent-attach-apache otel-agent-source-container-clone", "app", nil)
	f(Nginx, "otel-agent-attach-nginx otel-agent-source-container-clone", "app", nil)
	f(SDK, "", "app", nil)
	f(Auto, "opentelemetry-auto-instrumentation-detect-0 opentelemetry-auto-instrumentation-dotnet opentelemetry-auto-instrumentation-java opentelemetry-auto-instrumentation-nodejs opentelemetry-auto-instrumentation-probe opentelemetry-auto-instrumentation-python", "app", func(x *trial) {
		delete(x.pod.Annotations, "instrumentation.opentelemetry.io/inject-auto")
		x.annotate("inject", "auto").facts.Probe, x.facts.EnvFiles = "probe:1", true
	})
}
