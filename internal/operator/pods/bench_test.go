package pods

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// memory is a reader of a namespace and the collectors in it, as quick as a
// cache.
type memory struct {
	namespace        metav1.ObjectMeta
	collectors       []v1beta1.OpenTelemetryCollector
	instrumentations []v1alpha1.Instrumentation
	err              error
	// panics at every question.
	panics bool
}

func (m memory) Get(_ context.Context, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	if m.panics {
		panic("asked for " + key.String())
	}
	if m.err != nil {
		return m.err
	}
	switch o := o.(type) {
	case *metav1.PartialObjectMetadata:
		if o.Kind == "Namespace" && key.Name == m.namespace.Name {
			o.ObjectMeta = *m.namespace.DeepCopy()
			return nil
		}
	case *v1beta1.OpenTelemetryCollector:
		for i := range m.collectors {
			if client.ObjectKeyFromObject(&m.collectors[i]) == key {
				m.collectors[i].DeepCopyInto(o)
				return nil
			}
		}
	}
	return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
}

func (m memory) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	switch l := list.(type) {
	case *v1beta1.OpenTelemetryCollectorList:
		l.Items = m.collectors
	case *v1alpha1.InstrumentationList:
		l.Items = m.instrumentations
	}
	return m.err
}

// noEvents writes none.
type noEvents struct{}

func (noEvents) Eventf(_, _ runtime.Object, _, _, _, _ string, _ ...any) {}

var _ events.EventRecorder = noEvents{}

func newAdmitter(t testing.TB, reader client.Reader, recorder_ events.EventRecorder) *admitter {
	t.Helper()
	counter, err := injections(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	return &admitter{
		recorder: &recorder{events: recorder_, decisions: counter, log: log},
		Decider: NewDecider(Config{
			Facts: facts, NativeSidecars: func() bool { return true }, EnvFiles: func() bool { return true }, Log: log,
			Images: v1alpha1.Images{Java: "java:1", NodeJS: "nodejs:1", Python: "python:1", DotNet: "dotnet:1"}, Probe: "probe:1",
		}, reader, reader),
	}
}

func collector(t testing.TB) v1beta1.OpenTelemetryCollector {
	t.Helper()
	var cr v1beta1.OpenTelemetryCollector
	if err := yaml.Unmarshal([]byte(sidecarCR), &cr); err != nil {
		t.Fatal(err)
	}
	cr.Namespace, cr.UID, cr.ResourceVersion = "shop", "1", "1"
	return cr
}

// request is the admission of a pod of a deployment, about as large as pods are.
func request(t testing.TB, annotations map[string]string) admission.Request {
	t.Helper()
	controller := true
	p := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			GenerateName: "cart-6f7d5c8b9-", Annotations: annotations, Labels: map[string]string{"app": "cart", "pod-template-hash": "6f7d5c8b9"},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "cart-6f7d5c8b9", UID: "2", Controller: &controller}},
		},
	}
	for i := range 3 {
		c := corev1.Container{Name: fmt.Sprintf("app-%d", i), Image: "example.org/cart:1", Ports: []corev1.ContainerPort{{ContainerPort: int32(8080 + i)}}}
		for j := range 30 {
			c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%d", j), Value: "a value of some length, as they are"})
		}
		c.VolumeMounts = []corev1.VolumeMount{{Name: "kube-api-access-x2b4d", MountPath: "/var/run/secrets/kubernetes.io/serviceaccount", ReadOnly: true}}
		p.Spec.Containers = append(p.Spec.Containers, c)
	}
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{UID: "3", Namespace: "shop", Object: runtime.RawExtension{Raw: raw}}}
}

// BenchmarkAdmission is what one admission costs, from request to patch, without
// HTTP.
func BenchmarkAdmission(b *testing.B) {
	reader := memory{
		namespace: metav1.ObjectMeta{Name: "shop"}, collectors: []v1beta1.OpenTelemetryCollector{collector(b)},
		instrumentations: []v1alpha1.Instrumentation{{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "all"},
			Spec:       v1alpha1.InstrumentationSpec{Exporter: v1alpha1.Exporter{Endpoint: "http://gateway:4318"}},
		}},
	}
	ask := func(languages ...string) map[string]string {
		annotations := map[string]string{}
		for i, l := range languages {
			annotations[v1beta1.InstrumentationPrefix+"inject-"+l] = "true"
			annotations[v1beta1.InstrumentationPrefix+l+"-container-names"] = fmt.Sprint("app-", i)
		}
		return annotations
	}
	for _, c := range []struct {
		name        string
		annotations map[string]string
		patched     bool
	}{
		{"asks for nothing", nil, false},
		{"sidecar", map[string]string{v1beta1.AnnotationSidecar: "true"}, true},
		{"Python", ask("python"), true},
		{"Java, Node.js and Python", ask("java", "nodejs", "python"), true},
		{"sidecar and Python", map[string]string{v1beta1.AnnotationSidecar: "true", v1beta1.InstrumentationPrefix + "inject-python": "true"}, true},
		{"whatever language, three containers", map[string]string{v1beta1.InstrumentationPrefix + "inject": "auto", v1beta1.InstrumentationPrefix + "container-names": "app-0,app-1,app-2"}, true},
		{"not found", map[string]string{v1beta1.AnnotationSidecar: "other"}, false},
	} {
		b.Run(c.name, func(b *testing.B) {
			h, req := newAdmitter(b, reader, noEvents{}), request(b, c.annotations)
			b.ReportAllocs()
			began := processor(b)
			for b.Loop() {
				if r := h.Handle(b.Context(), req); !r.Allowed || (r.Patch != nil) != c.patched {
					b.Fatalf("got %+v", r)
				}
			}
			b.ReportMetric(float64((processor(b)-began).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

// processor is the processor time of this process so far: others may be at work.
func processor(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAPIServer creates 50 pods a second on a real API server, as a dry run,
// with and without a sidecar, and reports how long that takes, and how much of it
// in the webhook.
func BenchmarkAPIServer(b *testing.B) {
	c := up(b)
	c.kubectl("", "create", "namespace", "shop")
	c.kubectl(sidecarCR, "apply", "-n", "shop", "-f", "-")
	for _, inject := range []string{"false", "true"} {
		b.Run("inject="+inject, func(b *testing.B) {
			var mu sync.Mutex
			var took []time.Duration
			var all sync.WaitGroup
			c.times()
			tick := time.NewTicker(time.Second / 50)
			defer tick.Stop()
			for b.Loop() {
				<-tick.C
				all.Go(func() {
					p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{GenerateName: "cart-", Namespace: "shop", Annotations: map[string]string{v1beta1.AnnotationSidecar: inject}}}
					p.Spec.Containers = []corev1.Container{{Name: "app", Image: "cart"}}
					began := time.Now()
					if err := c.client.Create(c.ctx, p, client.DryRunAll); err != nil {
						b.Error(err)
						return
					}
					d := time.Since(began)
					if hasSidecar(p) != (inject == "true") {
						b.Errorf("inject=%s, and the pod has these init containers: %v", inject, p.Spec.InitContainers)
					}
					mu.Lock()
					defer mu.Unlock()
					took = append(took, d)
				})
			}
			all.Wait()
			report(b, "", took)
			report(b, "webhook-", c.times())
		})
	}
}

// report gives the median and the 99th percentile.
func report(b *testing.B, prefix string, times []time.Duration) {
	slices.Sort(times)
	for name, q := range map[string]float64{"p50-ms": 0.5, "p99-ms": 0.99} {
		b.ReportMetric(times[int(q*float64(len(times)-1))].Seconds()*1000, prefix+name)
	}
}
