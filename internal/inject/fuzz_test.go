package inject

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// FuzzInject makes pods and resources from random numbers and asks for all at
// once: what comes back is a pod that is valid, in which every variable that was
// there is still there, with a decision for each wish.
func FuzzInject(f *testing.F) {
	for seed := range uint64(30) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		pod, namespace, instrumentation, facts := randomPod(r)
		before := pod.DeepCopy()
		result := AddSidecar(pod, namespace, []*v1beta1.OpenTelemetryCollector{{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "a"}, Spec: v1beta1.OpenTelemetryCollectorSpec{Mode: v1beta1.ModeSidecar}}}, facts)
		after, decisions := AddInstrumentation(result.Pod, namespace, []*v1alpha1.Instrumentation{instrumentation}, facts)
		if fmt.Sprint(before) != fmt.Sprint(pod) {
			t.Fatal("the pod that was given changed")
		}
		if wanted := InstrumentationWishes(pod, namespace); len(decisions) != len(wanted) {
			t.Errorf("%d decisions for %d wishes:\n%s", len(decisions), len(wanted), told(decisions))
		}
		if slices.ContainsFunc(decisions, func(d Decision) bool { return d.Outcome == Failed }) {
			t.Errorf("a decision failed:\n%s", told(decisions))
		}
		if err := valid(before, after); err != nil {
			t.Error(err)
		}
		checkPatch(t, pod, after)
		for _, c := range before.Spec.Containers {
			keepsVariables(t, &c, after)
		}
		again, _ := AddInstrumentation(result.Pod, namespace, []*v1alpha1.Instrumentation{instrumentation}, facts)
		one, _ := json.Marshal(after)
		if two, _ := json.Marshal(again); string(one) != string(two) {
			t.Errorf("injecting again gives\n%s\nwant\n%s", two, one)
		}
	})
}

// keepsVariables shows that a container has all of its variables, from where it
// had them, and none twice.
func keepsVariables(t *testing.T, before *corev1.Container, pod *corev1.Pod) {
	t.Helper()
	i := slices.IndexFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == before.Name })
	if i < 0 {
		t.Errorf("container %s is gone", before.Name)
		return
	}
	seen := map[string]bool{}
	for _, v := range pod.Spec.Containers[i].Env {
		if seen[v.Name] {
			t.Errorf("container %s has %s twice", before.Name, v.Name)
		}
		seen[v.Name] = true
	}
	for _, old := range before.Env {
		v := variable(&pod.Spec.Containers[i], old.Name)
		if v != nil && v.ValueFrom != nil && v.ValueFrom.FileKeyRef != nil {
			if base, ok := baseOf(pod, before.Name, old.Name); !ok || base != old.Value && old.Name != attributesVariable {
				t.Errorf("container %s had %v, and has %q from a file", before.Name, old, base)
			}
			continue
		}
		if v == nil || (v.ValueFrom == nil) != (old.ValueFrom == nil) || !strings.Contains(v.Value, strings.TrimRight(old.Value, ", ")) {
			t.Errorf("container %s had %v and has %v", before.Name, old, v)
		}
	}
}

func randomPod(r *rand.Rand) (*corev1.Pod, metav1.ObjectMeta, *v1alpha1.Instrumentation, Facts) {
	maybe := func() bool { return r.IntN(3) == 0 }
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"any": "thing"}}}
	if maybe() {
		pod.Annotations[v1beta1.AnnotationSidecar] = "true"
	}
	names := []string{"a", "b", "c"}[:1+r.IntN(3)]
	for _, l := range languages() {
		if !maybe() {
			continue
		}
		pod.Annotations[l.annotation()] = []string{"true", "all", "shop/all", "false", "gone", "a/b/c"}[r.IntN(6)]
		if l.kind == Auto {
			pod.Annotations[l.annotation()] = []string{"auto", "auto:all", "auto:shop/all", "false", "true"}[r.IntN(5)]
		}
		if !maybe() {
			pod.Annotations[v1beta1.InstrumentationPrefix+l.containers] = []string{"a", "b", "a,b", "c,x", "init"}[r.IntN(5)]
		}
	}
	if maybe() {
		pod.Annotations[targetAnnotation] = "/app"
	}
	vars := []string{"JAVA_TOOL_OPTIONS", "NODE_OPTIONS", "PYTHONPATH", "LD_LIBRARY_PATH", "DOTNET_STARTUP_HOOKS", attributesVariable, serviceVariable, "OTEL_NODE_IP", "OTHER"}
	container := func(name string) corev1.Container {
		c := corev1.Container{Name: name, Image: "image:1"}
		for _, v := range vars {
			switch r.IntN(6) {
			case 0:
				c.Env = append(c.Env, from(v))
			case 1:
				c.Env = append(c.Env, corev1.EnvVar{Name: v, Value: []string{"", "k=v", "x,,=,$(A)", "service.name=a%20b"}[r.IntN(4)]})
			}
		}
		if maybe() {
			c.EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "m"}}}}
		}
		return c
	}
	for _, name := range names {
		pod.Spec.Containers = append(pod.Spec.Containers, container(name))
	}
	if maybe() {
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, container("init"))
	}
	instrumentation := &v1alpha1.Instrumentation{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "all"}}
	instrumentation.Spec.Exporter.Endpoint = []string{"http://gateway:4318", "http://gateway:4317", "http://gone.away.svc", "gateway", ""}[r.IntN(5)]
	if maybe() {
		instrumentation.Spec.Env = []corev1.EnvVar{from(vars[r.IntN(len(vars))])}
	}
	if r.IntN(2) == 0 { // whoever names a language does not have it looked for
		for _, l := range languages() {
			delete(pod.Annotations, l.annotation())
		}
		pod.Annotations[v1beta1.InstrumentationPrefix+"inject"] = "auto"
	}
	facts := Facts{NativeSidecars: maybe(), Images: testImages, Probe: "probe:1", EnvFiles: !maybe(), ConfigMaps: map[string][]string{"m": {vars[r.IntN(len(vars))]}}}
	facts.ImageVolumes = maybe()
	if maybe() {
		facts.Services = map[string]Service{
			"shop/gateway": {Collector: maybe(), Open: maybe(), Ports: []corev1.ServicePort{{Name: "otlp-grpc", Port: 4317}, {Name: "otlp-http", Port: 4318}}},
			"away/gone":    {Missing: true, NoNamespace: maybe()},
		}
	}
	if r.IntN(20) == 0 {
		pod.Spec.OS = &corev1.PodOS{Name: corev1.Windows}
	}
	if r.IntN(10) == 0 {
		pod.Spec.Volumes = []corev1.Volume{{Name: volumeOf(Python), VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/x"}}}}
	}
	if r.IntN(10) == 0 {
		pod.Annotations[v1beta1.InstrumentationPrefix+"inject-phyton"] = "true"
	}
	facts.Sidecar = func(*v1beta1.OpenTelemetryCollector) (render.Sidecar, error) {
		return render.Sidecar{Container: corev1.Container{Name: render.CollectorContainer, Image: "signalbox:1"}, Config: "a: $b", Own: true, Sum: "1"}, nil
	}
	return pod, metav1.ObjectMeta{Name: "shop"}, instrumentation, facts
}
