package pods

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// told are the events that were written.
type told struct{ events []string }

func (t *told) Eventf(about, _ runtime.Object, kind, reason, _, note string, args ...any) {
	ref := about.(*corev1.ObjectReference)
	t.events = append(t.events, fmt.Sprintf("%s/%s %s %s: %s", ref.Kind, ref.Name, kind, reason, fmt.Sprintf(note, args...)))
}

// Whatever happens, the pod is allowed, and what happened is counted.
func TestFailsOpen(t *testing.T) {
	wants := map[string]string{v1beta1.AnnotationSidecar: "true"}
	shop := metav1.ObjectMeta{Name: "shop"}
	dryRun := true
	for name, c := range map[string]struct {
		reader   memory
		request  func() admission.Request
		warning  string
		event    string
		decision [3]string // of the metric; none is counted when empty
	}{
		"the API server does not answer": {
			reader: memory{err: errors.New("connection refused")}, request: func() admission.Request { return request(t, wants) },
			warning:  "sidecar not injected: listing LimitRanges of namespace shop: connection refused",
			event:    "ReplicaSet/cart-6f7d5c8b9 Warning Internal: sidecar: listing LimitRanges of namespace shop: connection refused",
			decision: [3]string{"sidecar", "failed", "Internal"},
		},
		"a defect": {
			reader: memory{panics: true}, request: func() admission.Request { return request(t, wants) },
			decision: [3]string{"any", "failed", "Internal"},
		},
		"no JSON": {
			reader: memory{namespace: shop}, request: func() admission.Request {
				r := request(t, wants)
				r.Object.Raw = r.Object.Raw[:len(r.Object.Raw)/2]
				return r
			},
		},
		"nothing to inject": {
			reader: memory{namespace: shop}, request: func() admission.Request { return request(t, wants) },
			warning:  "sidecar not injected: namespace shop has no OpenTelemetryCollector of mode sidecar",
			event:    "ReplicaSet/cart-6f7d5c8b9 Warning NoneInNamespace: sidecar: namespace shop has no OpenTelemetryCollector of mode sidecar",
			decision: [3]string{"sidecar", "refused", "NoneInNamespace"},
		},
		"a dry run": {
			reader: memory{namespace: shop}, request: func() admission.Request {
				r := request(t, wants)
				r.DryRun = &dryRun
				return r
			},
			warning: "sidecar not injected: namespace shop has no OpenTelemetryCollector of mode sidecar",
		},
		"nothing asked for": {
			reader: memory{namespace: shop}, request: func() admission.Request { return request(t, nil) },
		},
		"a namespace that asks": {
			reader:   memory{namespace: metav1.ObjectMeta{Name: "shop", Annotations: wants}},
			request:  func() admission.Request { return request(t, nil) },
			warning:  "sidecar not injected: namespace shop has no OpenTelemetryCollector of mode sidecar",
			event:    "ReplicaSet/cart-6f7d5c8b9 Warning NoneInNamespace: sidecar: namespace shop has no OpenTelemetryCollector of mode sidecar",
			decision: [3]string{"sidecar", "refused", "NoneInNamespace"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			events := new(told)
			h := newAdmitter(t, c.reader, events)
			r := h.Handle(t.Context(), c.request())
			if !r.Allowed || r.Patch != nil {
				t.Errorf("got %+v; want a pod that is allowed as it is", r)
			}
			if got := strings.Join(r.Warnings, "\n"); !strings.HasPrefix(got, c.warning) || (got == "") != (c.warning == "") {
				t.Errorf("got warning %q; want %q", got, c.warning)
			}
			if got := strings.Join(events.events, "\n"); !strings.HasPrefix(got, c.event) || (got == "") != (c.event == "") {
				t.Errorf("got event %q; want %q", got, c.event)
			}
			want := 1
			if c.decision[0] == "" {
				want = 0
			}
			if got := testutil.CollectAndCount(h.recorder.decisions); got != want {
				t.Fatalf("%d decisions are counted; want %d", got, want)
			}
			if want > 0 && testutil.ToFloat64(h.recorder.decisions.WithLabelValues(c.decision[:]...)) != 1 {
				t.Errorf("decision %v is not counted", c.decision)
			}
		})
	}
}

// A pod that nobody owns and that has no name yet is told of by its namespace.
func TestEventOfNamelessPod(t *testing.T) {
	events := new(told)
	h := newAdmitter(t, memory{namespace: metav1.ObjectMeta{Name: "shop"}}, events)
	r := request(t, map[string]string{v1beta1.AnnotationSidecar: "true"})
	p := new(corev1.Pod)
	if err := json.Unmarshal(r.Object.Raw, p); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "bare"} {
		p.OwnerReferences, p.Name = nil, name
		var err error
		if r.Object.Raw, err = json.Marshal(p); err != nil {
			t.Fatal(err)
		}
		h.Handle(t.Context(), r)
	}
	for i, want := range []string{"Namespace/shop Warning NoneInNamespace: ", "Pod/bare Warning NoneInNamespace: "} {
		if i >= len(events.events) || !strings.HasPrefix(events.events[i], want) {
			t.Errorf("got events %q; want one that begins with %q", events.events, want)
		}
	}
}

// What fails for the sidecar does not keep the instrumentation away, be it an
// error or a defect.
func TestIndependent(t *testing.T) {
	reader := memory{
		namespace:        metav1.ObjectMeta{Name: "shop"},
		collectors:       []v1beta1.OpenTelemetryCollector{collector(t)},
		instrumentations: []v1alpha1.Instrumentation{{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "all", UID: "4"}}},
	}
	events := new(told)
	h := newAdmitter(t, reader, events)
	h.gatherer.settings.Images.Python = "python:1"
	h.gatherer.rendered.facts = func(string) render.Facts { panic("no facts") }
	r := h.Handle(t.Context(), request(t, map[string]string{
		v1beta1.AnnotationSidecar: "true", v1beta1.InstrumentationPrefix + "inject-python": "true",
	}))
	if patch := string(r.Patch); !strings.Contains(patch, "PYTHONPATH") || strings.Contains(patch, "otc-container") {
		t.Errorf("got patch %s; want Python and no sidecar", patch)
	}
	want := []string{
		"ReplicaSet/cart-6f7d5c8b9 Warning Internal: sidecar: defect: no facts",
		"ReplicaSet/cart-6f7d5c8b9 Normal Injected: python: python of Instrumentation shop/all is added to container app-0; if the image sets PYTHONPATH, that no longer counts: write it into the pod",
	}
	if diff := cmp.Diff(want, events.events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// stuck is a reader that answers when it is too late.
type stuck struct{ asked atomic.Int32 }

func (s *stuck) Get(ctx context.Context, _ client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	s.asked.Add(1)
	<-ctx.Done()
	return ctx.Err()
}

func (s *stuck) List(ctx context.Context, _ client.ObjectList, _ ...client.ListOption) error {
	<-ctx.Done()
	return ctx.Err()
}

// An admission does not wait for who owns the owner, and pods of one owner ask
// once.
func TestOwnersInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := new(stuck)
		o := newOwners(reader, time.Now)
		var pod corev1.Pod
		pod.Labels = map[string]string{"pod-template-hash": "6f7d"}
		controller := true
		pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "cart-6f7d", UID: types.UID("1"), Controller: &controller}}
		began := time.Now()
		for range 3 {
			owners := o.of(t.Context(), "shop", &pod)
			if got := fmt.Sprint(owners); got != "[{apps/v1 ReplicaSet cart-6f7d 1} {apps/v1 Deployment cart }]" {
				t.Errorf("got owners %s", got)
			}
		}
		if took := time.Since(began); took != 3*patience {
			t.Errorf("three admissions took %s; want %s", took, 3*patience)
		}
		time.Sleep(questionTimeout) // in the bubble
		synctest.Wait()
		if n := reader.asked.Load(); n != 1 {
			t.Errorf("asked %d times; want once", n)
		}
		time.Sleep(questionRetry)
		o.of(t.Context(), "shop", &pod)
		if n := reader.asked.Load(); n != 2 {
			t.Errorf("asked %d times after the first question failed; want twice", n)
		}
		time.Sleep(questionTimeout)
		synctest.Wait()
	})
}

// Of a pod stays what is asked for; there may be thousands.
func TestSlim(t *testing.T) {
	p := podMeta()
	p.Name, p.Annotations = "a", map[string]string{v1beta1.AnnotationSidecarHash: "1", "other": "x"}
	p.Labels = map[string]string{v1beta1.LabelInjected: "shop.beside", "app": "a"}
	p.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "m"}}
	if _, err := slim(p); err != nil {
		t.Fatal(err)
	}
	want := podMeta()
	want.Name, want.Annotations = "a", map[string]string{v1beta1.AnnotationSidecarHash: "1"}
	want.Labels = map[string]string{v1beta1.LabelInjected: "shop.beside"}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
