package cluster

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// matches reports whether the offers are what the definitions promise. Routes of
// OpenShift have none, and cert-manager may be there and not allowed.
func (o Offers) matches(defined map[string]bool) bool {
	return o.ServiceMonitors == defined[needs.ServiceMonitors] && o.PodMonitors == defined[needs.PodMonitors] && o.HTTPRoutes == defined[needs.HTTPRoutes] &&
		(o.Routes || !defined[needs.Routes]) &&
		(o.CertManager == (defined[needs.Issuers] && defined[needs.Certificates]))
}

// watch follows one definition until the context ends. Each has a watch of its
// own, by name: metadata of all definitions is megabytes in a cluster with some
// hundred of them, because kubectl leaves copies in annotations.
func (w *Watcher) watch(ctx context.Context, name string) {
	resource := w.metadata.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	only := fields.OneTermEqualSelector("metadata.name", name).String()
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.FieldSelector = only
			return resource.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.FieldSelector = only
			return resource.Watch(ctx, o)
		},
	}
	cache.NewReflectorWithOptions(source, &metav1.PartialObjectMetadata{}, &definition{name: name, w: w},
		cache.ReflectorOptions{Name: name, TypeDescription: "CustomResourceDefinition " + name}).RunWithContext(ctx)
}

// definition is where a reflector puts what it sees of one definition: all that
// stays is whether it is there. It exists to keep no objects.
type definition struct {
	name string
	w    *Watcher
}

func (d *definition) set(exists bool) error {
	d.w.mu.Lock()
	d.w.defined[d.name] = exists
	d.w.mu.Unlock()
	d.w.poke()
	return nil
}

// Add sees the definition come.
func (d *definition) Add(any) error { return d.set(true) }

// Update sees it change, as when the API server accepts it.
func (d *definition) Update(any) error { return d.set(true) }

// Delete sees it go.
func (d *definition) Delete(any) error { return d.set(false) }

// Replace sees what there is at the beginning of a watch.
func (d *definition) Replace(all []any, _ string) error { return d.set(len(all) > 0) }

// Resync has nothing to do.
func (d *definition) Resync() error { return nil }
