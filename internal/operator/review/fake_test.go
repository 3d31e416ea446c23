package review

import (
	"context"
	"reflect"
	"strconv"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
	"github.com/signalbox-otel/signalbox/internal/operator/pods"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// memory is an API server as far as a Reviewer asks one: objects by what they
// are, and lists of pods in pages.
type memory struct {
	objects []client.Object
	// more are further pods, made while they are listed.
	more func(i int) *corev1.Pod
	many int
	// pages and gets count what was asked; largest is the largest page.
	pages, gets, largest int
	// turned is called before a page is told.
	turned func()
	err    error
}

func (m *memory) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	m.gets++
	if m.err != nil {
		return m.err
	}
	for _, o := range m.objects {
		if client.ObjectKeyFromObject(o) != key {
			continue
		}
		if meta, ok := into.(*metav1.PartialObjectMetadata); ok {
			if kindOf(o) == meta.Kind {
				meta.ObjectMeta = metadata(o).ObjectMeta
				return nil
			}
			continue
		}
		if reflect.TypeOf(o) == reflect.TypeOf(into) {
			reflect.ValueOf(into).Elem().Set(reflect.ValueOf(o.DeepCopyObject()).Elem())
			return nil
		}
	}
	return apierrors.NewNotFound(schema.GroupResource{Resource: "objects"}, key.Name)
}

func (m *memory) List(_ context.Context, into client.ObjectList, options ...client.ListOption) error {
	var o client.ListOptions
	o.ApplyOptions(options)
	if m.err != nil {
		return m.err
	}
	switch list := into.(type) {
	case *metav1.PartialObjectMetadataList:
		m.page(list, &o)
	case *v1alpha1.InstrumentationList:
		for _, x := range m.objects {
			if i, ok := x.(*v1alpha1.Instrumentation); ok && (o.Namespace == "" || o.Namespace == i.Namespace) {
				list.Items = append(list.Items, *i)
			}
		}
	}
	return nil
}

// page is a part of the list of pods.
func (m *memory) page(list *metav1.PartialObjectMetadataList, o *client.ListOptions) {
	m.pages++
	if m.turned != nil {
		m.turned()
	}
	var all []*corev1.Pod
	for _, x := range m.objects {
		if p, ok := x.(*corev1.Pod); ok {
			all = append(all, p)
		}
	}
	at, _ := strconv.Atoi(o.Continue)
	for ; at < len(all)+m.many; at++ {
		var p *corev1.Pod
		if at < len(all) {
			p = all[at]
		} else {
			p = m.more(at - len(all))
		}
		if o.Namespace != "" && p.Namespace != o.Namespace || o.LabelSelector != nil && !o.LabelSelector.Matches(asSet(p.Labels)) {
			continue
		}
		if int64(len(list.Items)) == o.Limit {
			list.Continue = strconv.Itoa(at)
			break
		}
		list.Items = append(list.Items, *metadata(p))
	}
	m.largest = max(m.largest, len(list.Items))
}

// asSet is a set of labels.
type asSet map[string]string

func (s asSet) Has(key string) bool   { _, ok := s[key]; return ok }
func (s asSet) Get(key string) string { return s[key] }
func (s asSet) Lookup(key string) (string, bool) {
	v, ok := s[key]
	return v, ok
}

func kindOf(o client.Object) string { return reflect.TypeOf(o).Elem().Name() }

func metadata(o client.Object) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{ObjectMeta: *reflect.ValueOf(o).Elem().FieldByName("ObjectMeta").Addr().Interface().(*metav1.ObjectMeta).DeepCopy()}
}

// now is when all of it is.
var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func newReviewer(m *memory) *Reviewer {
	return New(Config{
		Decider: pods.NewDecider(pods.Config{
			Facts: func(string) render.Facts { return render.Facts{} }, NativeSidecars: func() bool { return true },
			Images: v1alpha1.Images{Python: "python:1", Java: "java:1"},
		}, m, m),
		Live: m, Now: func() time.Time { return now },
	})
}

// cluster has a namespace, an Instrumentation and a webhook, and these objects.
func cluster(objects ...client.Object) *memory {
	return &memory{objects: append(objects, namespace("shop", nil), instrumentation("shop", "all"), hooks(nil))}
}

func namespace(name string, annotations map[string]string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations, Labels: map[string]string{"kubernetes.io/metadata.name": name}}}
}

func instrumentation(namespace, name string) *v1alpha1.Instrumentation {
	i := &v1alpha1.Instrumentation{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(namespace + name)}}
	i.Spec.Exporter.Endpoint = "http://collector:4318"
	return i
}

func hooks(selector *metav1.LabelSelector) *admissionregistrationv1.MutatingWebhookConfiguration {
	path := needs.PodPath
	c := &admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: needs.MutatingWebhooks}}
	c.Webhooks = []admissionregistrationv1.MutatingWebhook{{
		Name: "mpod.kb.io", NamespaceSelector: selector,
		ClientConfig: admissionregistrationv1.WebhookClientConfig{Service: &admissionregistrationv1.ServiceReference{Path: &path}},
	}}
	return c
}

// owned gives an object a controller.
func owned[T client.Object](o T, by client.Object, apiVersion string) T {
	controller := true
	o.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: apiVersion, Kind: kindOf(by), Name: by.GetName(), UID: by.GetUID(), Controller: &controller}})
	return o
}

// meta is the metadata of an object in namespace shop.
func meta(name string, annotations map[string]string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("uid-" + name), Annotations: annotations, CreationTimestamp: metav1.NewTime(now.Add(-time.Hour))}
}

func onePod(name string, annotations map[string]string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: meta(name, annotations), Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app:1"}}}}
}

func mustSweep(t *testing.T, r *Reviewer, namespaces ...string) *Report {
	t.Helper()
	report, err := r.Sweep(t.Context(), namespaces...)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Problems) > 0 {
		t.Errorf("got problems %q; want none", report.Problems)
	}
	return report
}
