package pods

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/internal/inject"
)

// directory is a reader of Services in the namespace shop, which notes what it
// is asked for.
type directory struct {
	client.Reader
	services []corev1.Service
	err      error

	mu    sync.Mutex
	asked []string
}

func (d *directory) Get(_ context.Context, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	d.mu.Lock()
	d.asked = append(d.asked, key.String())
	d.mu.Unlock()
	if d.err != nil {
		return d.err
	}
	switch o := o.(type) {
	case *corev1.Service:
		for _, s := range d.services {
			if client.ObjectKeyFromObject(&s) == key {
				s.DeepCopyInto(o)
				return nil
			}
		}
	case *metav1.PartialObjectMetadata:
		if key.Name == "shop" {
			return nil
		}
	}
	return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
}

func named(names ...string) []types.NamespacedName {
	var all []types.NamespacedName
	for _, n := range names {
		namespace, name, _ := strings.Cut(n, "/")
		all = append(all, types.NamespacedName{Namespace: namespace, Name: name})
	}
	return all
}

// What is known of Services comes from the cache, else from the API server, which
// is asked once in a while.
func TestServices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := func(name string, spec corev1.ServiceSpec, labels map[string]string) corev1.Service {
			return corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: labels}, Spec: spec}
		}
		ports := []corev1.ServicePort{{Name: "otlp-http", Port: 4318}}
		managed := map[string]string{"app.kubernetes.io/managed-by": "opentelemetry-operator", "app.kubernetes.io/component": "opentelemetry-collector"}
		cache := &directory{services: []corev1.Service{service("otel-collector", corev1.ServiceSpec{Ports: ports}, managed)}}
		live := &directory{services: []corev1.Service{
			service("gateway", corev1.ServiceSpec{Ports: ports}, nil),
			service("headless", corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone}, nil),
			service("elsewhere", corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName}, nil),
			service("signalbox-otlp", corev1.ServiceSpec{}, map[string]string{"app.kubernetes.io/part-of": "signalbox", "app.kubernetes.io/component": "store"}),
		}}
		s := newServices(cache, live, time.Now)
		got := s.of(t.Context(), named("shop/otel-collector", "shop/gateway", "shop/headless", "shop/elsewhere", "shop/signalbox-otlp", "shop/gone", "away/gone"))
		want := map[string]inject.Service{
			"shop/otel-collector": {Collector: true, Ports: ports},
			"shop/gateway":        {Ports: ports},
			"shop/headless":       {Open: true},
			"shop/elsewhere":      {Open: true},
			"shop/signalbox-otlp": {Collector: true},
			"shop/gone":           {Missing: true},
			"away/gone":           {Missing: true, NoNamespace: true},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if slices.Contains(live.asked, "shop/otel-collector") {
			t.Error("the API server is asked for what the cache has")
		}
		live.asked = nil
		if s.of(t.Context(), named("shop/gateway", "shop/gone")); len(live.asked) > 0 {
			t.Errorf("asked again for %v", live.asked)
		}
		time.Sleep(serviceKept) // in the bubble
		if s.of(t.Context(), named("shop/gateway")); len(live.asked) != 1 {
			t.Errorf("asked for %v after a while; want shop/gateway", live.asked)
		}
	})
}

// An admission does not wait for Services, and says nothing of those that nobody
// knows.
func TestServicesInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var many []string
		for i := range 3 * maxServices {
			many = append(many, fmt.Sprint("shop/s", i))
		}
		reader := new(stuck)
		s := newServices(&directory{err: errors.New("no cache")}, reader, time.Now)
		began := time.Now()
		if got := s.of(t.Context(), named(many...)); len(got) > 0 {
			t.Errorf("got %v; want nothing", got)
		}
		if took := time.Since(began); took != patience {
			t.Errorf("took %s; want %s", took, patience)
		}
		synctest.Wait()
		if n := reader.asked.Load(); n != maxServices {
			t.Errorf("asked %d times; want %d", n, maxServices)
		}
		time.Sleep(questionTimeout)
		synctest.Wait()
	})
}
