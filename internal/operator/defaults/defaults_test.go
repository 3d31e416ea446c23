package defaults

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

const resources = `
apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata: {name: one}
spec: {}
---
# nothing in this document
---
apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata: {name: two, namespace: shop}
spec: {}
`

// Resources are created once, as soon as they can be; who deletes one has the last
// word, and one that exists is not touched.
func TestCreate(t *testing.T) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1beta1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	closed := true
	cl := interceptor.NewClient(fake.NewClientBuilder().WithScheme(scheme).Build(), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if closed && o.GetName() == "two" {
				return errors.New("failed calling webhook")
			}
			return c.Create(ctx, o, opts...)
		},
	})
	c := Config{Client: cl, Namespace: "operator", Logger: slog.New(slog.DiscardHandler)}
	names := func() []string {
		t.Helper()
		list := &v1beta1.OpenTelemetryCollectorList{}
		if err := cl.List(t.Context(), list); err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, i := range list.Items {
			all = append(all, i.Namespace+"/"+i.Name)
		}
		return all
	}
	for _, s := range []struct {
		name   string
		before func() error
		fails  bool
		want   []string
	}{
		{"without a ConfigMap", func() error { return nil }, false, nil},
		{"webhooks are not reached", func() error {
			return cl.Create(t.Context(), &corev1.ConfigMap{
				ObjectMeta: metav1.ObjectMeta{Namespace: "operator", Name: needs.DefaultsConfigMap}, Data: map[string]string{"a.yaml": resources},
			})
		}, true, []string{"operator/one"}},
		{"webhooks are reached", func() error { closed = false; return nil }, false, []string{"operator/one", "shop/two"}},
		{"one was deleted", func() error {
			return cl.Delete(t.Context(), &v1beta1.OpenTelemetryCollector{ObjectMeta: metav1.ObjectMeta{Namespace: "operator", Name: "one"}})
		}, false, []string{"shop/two"}},
		{"installed again, with one there", func() error {
			from := &corev1.ConfigMap{}
			if err := cl.Get(t.Context(), client.ObjectKey{Namespace: "operator", Name: needs.DefaultsConfigMap}, from); err != nil {
				return err
			}
			from.Annotations = nil
			return cl.Update(t.Context(), from)
		}, false, []string{"operator/one", "shop/two"}},
	} {
		if err := s.before(); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if err := c.create(t.Context()); (err != nil) != s.fails {
			t.Errorf("%s: got %v; want an error %t", s.name, err, s.fails)
		}
		if diff := cmp.Diff(s.want, names()); diff != "" {
			t.Errorf("%s: collectors (-want +got)\n%s", s.name, diff)
		}
	}
}

func TestDocuments(t *testing.T) {
	for _, text := range []string{"a: [", "kind: X", "metadata: {name: x}", "- a", "text"} {
		if got, err := documents(map[string]string{"x.yaml": text}); err == nil {
			t.Errorf("%q: got %v; want an error", text, got)
		}
	}
}
