package pods

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/render"
)

const (
	// serviceKept is how long it counts what a Service is: people make it because
	// they were told that it is missing.
	serviceKept = 10 * time.Second
	// maxServices are looked up for one pod.
	maxServices = 16
)

// services knows what the Services are that endpoints name. Those of our
// collectors are in the cache; the others are asked for.
type services struct {
	cache, live client.Reader
	known       questions[types.NamespacedName, inject.Service]
}

func newServices(cache, live client.Reader, now func() time.Time) *services {
	return &services{cache: cache, live: live, known: questions[types.NamespacedName, inject.Service]{now: now, keep: serviceKept}}
}

// of is what is known in time of Services, by NAMESPACE/NAME.
func (s *services) of(ctx context.Context, names []types.NamespacedName) map[string]inject.Service {
	if len(names) > maxServices {
		names = names[:maxServices]
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	known := map[string]inject.Service{}
	asked := map[string]*answer[inject.Service]{}
	for _, name := range names {
		var cached corev1.Service
		if err := s.cache.Get(ctx, name, &cached); err == nil {
			known[name.String()] = service(&cached)
			continue
		}
		asked[name.String()] = s.known.ask(name, func(ctx context.Context) (inject.Service, error) { return s.find(ctx, name) })
	}
	for name, a := range asked {
		if found, ok := a.within(ctx); ok {
			known[name] = found
		}
	}
	return known
}

// find asks the API server.
func (s *services) find(ctx context.Context, name types.NamespacedName) (inject.Service, error) {
	var found corev1.Service
	err := s.live.Get(ctx, name, &found)
	if err == nil {
		return service(&found), nil
	}
	if !apierrors.IsNotFound(err) {
		return inject.Service{}, fmt.Errorf("reading Service %s: %w", name, err)
	}
	missing := inject.Service{Missing: true}
	err = s.live.Get(ctx, client.ObjectKey{Name: name.Namespace}, namespaceMeta())
	if apierrors.IsNotFound(err) {
		missing.NoNamespace, err = true, nil
	}
	if err != nil {
		return inject.Service{}, fmt.Errorf("reading namespace %s: %w", name.Namespace, err)
	}
	return missing, nil
}

// service is what matters of one.
func service(s *corev1.Service) inject.Service {
	return inject.Service{
		Collector: ours(s.Labels),
		Open:      s.Spec.ClusterIP == corev1.ClusterIPNone || s.Spec.Type == corev1.ServiceTypeExternalName,
		Ports:     s.Spec.Ports,
	}
}

// ours reports whether a Service leads to a collector that an operator made, or
// to the store.
func ours(labels map[string]string) bool {
	return labels[v1beta1.LabelManagedBy] == "opentelemetry-operator" && labels[v1beta1.LabelComponent] == render.ComponentCollector ||
		labels[v1beta1.LabelPartOf] == "signalbox" && labels[v1beta1.LabelComponent] == "store"
}
