package pods

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// gatherer finds out what inject has to know. Objects come from the cache; what
// that lacks is asked for once more, because people make a namespace, its
// collector and its pods in one go.
type gatherer struct {
	cache, live client.Reader
	native      func() bool
	files       func() bool
	images      func() bool
	rendered    *rendered
	owners      *owners
	guards      func(context.Context) []inject.Guard // nil knows of none
	services    *services
	// settings are facts that do not change.
	settings inject.Facts
}

// namespace is its metadata.
func (g *gatherer) namespace(ctx context.Context, name string) (metav1.ObjectMeta, error) {
	m := namespaceMeta()
	err := g.cache.Get(ctx, client.ObjectKey{Name: name}, m)
	if apierrors.IsNotFound(err) {
		err = g.live.Get(ctx, client.ObjectKey{Name: name}, m)
	}
	if err != nil {
		return metav1.ObjectMeta{Name: name}, fmt.Errorf("reading namespace %s: %w", name, err)
	}
	return m.ObjectMeta, nil
}

// collectors are those that a wish may mean. They belong to the cache: nobody
// may change them.
func (g *gatherer) collectors(ctx context.Context, namespace string, w inject.Wish) ([]*v1beta1.OpenTelemetryCollector, error) {
	if !w.Only {
		if w.Name == "" {
			return nil, nil
		}
		c := new(v1beta1.OpenTelemetryCollector)
		key := client.ObjectKey{Namespace: w.Namespace, Name: w.Name}
		err := g.cache.Get(ctx, key, c)
		if apierrors.IsNotFound(err) {
			err = g.live.Get(ctx, key, c)
		}
		switch {
		case apierrors.IsNotFound(err):
			return nil, nil
		case err != nil:
			return nil, fmt.Errorf("reading OpenTelemetryCollector %s: %w", key, err)
		}
		return []*v1beta1.OpenTelemetryCollector{c}, nil
	}
	for _, reader := range []client.Reader{g.cache, g.live} {
		var list v1beta1.OpenTelemetryCollectorList
		if err := reader.List(ctx, &list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("listing OpenTelemetryCollectors of namespace %s: %w", namespace, err)
		}
		var sidecars []*v1beta1.OpenTelemetryCollector
		for i := range list.Items {
			if list.Items[i].Spec.Mode == v1beta1.ModeSidecar {
				sidecars = append(sidecars, &list.Items[i])
			}
		}
		if len(sidecars) > 0 {
			return sidecars, nil
		}
	}
	return nil, nil
}

// instrumentations are those that wishes may mean. They belong to the cache:
// nobody may change them.
func (g *gatherer) instrumentations(ctx context.Context, namespace string, wanted []inject.Wanted) ([]*v1alpha1.Instrumentation, error) {
	if g.settings.Instrumentation != nil {
		return nil, nil
	}
	var all []*v1alpha1.Instrumentation
	asked := map[inject.Wish]bool{}
	for _, w := range wanted {
		if asked[w.Wish] || w.Wish.Off {
			continue
		}
		asked[w.Wish] = true
		found, err := g.instrumentation(ctx, namespace, w.Wish)
		if err != nil {
			return nil, err
		}
		for _, i := range found {
			if !slices.ContainsFunc(all, func(o *v1alpha1.Instrumentation) bool { return o.UID == i.UID }) {
				all = append(all, i)
			}
		}
	}
	return all, nil
}

func (g *gatherer) instrumentation(ctx context.Context, namespace string, w inject.Wish) ([]*v1alpha1.Instrumentation, error) {
	for _, reader := range []client.Reader{g.cache, g.live} {
		if w.Only {
			var list v1alpha1.InstrumentationList
			if err := reader.List(ctx, &list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
				return nil, fmt.Errorf("listing Instrumentations of namespace %s: %w", namespace, err)
			}
			if len(list.Items) > 0 {
				var all []*v1alpha1.Instrumentation
				for i := range list.Items {
					all = append(all, &list.Items[i])
				}
				return all, nil
			}
			continue
		}
		if w.Name == "" {
			return nil, nil
		}
		i, key := new(v1alpha1.Instrumentation), client.ObjectKey{Namespace: w.Namespace, Name: w.Name}
		err := reader.Get(ctx, key, i)
		if err == nil {
			return []*v1alpha1.Instrumentation{i}, nil
		}
		if !apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("reading Instrumentation %s: %w", key, err)
		}
	}
	return nil, nil
}

// meant are the Instrumentations that pods get: those that were found, or that of
// the settings.
func (g *gatherer) meant(found []*v1alpha1.Instrumentation) []*v1alpha1.Instrumentation {
	if g.settings.Instrumentation != nil {
		return []*v1alpha1.Instrumentation{g.settings.Instrumentation}
	}
	return found
}

// configMaps are the keys of the ConfigMaps that containers take their
// environment from, or that have certificates, and the names of those that do not
// exist. One that cannot be read in time is one of which nothing is known.
func (g *gatherer) configMaps(ctx context.Context, namespace string, pod *corev1.Pod, instrumentations []*v1alpha1.Instrumentation) (seen map[string][]string, missing []string) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	seen = map[string][]string{}
	look := func(name string) {
		if name == "" || seen[name] != nil || slices.Contains(missing, name) {
			return
		}
		var m corev1.ConfigMap
		switch err := g.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &m); {
		case err == nil:
			seen[name] = slices.AppendSeq([]string{}, maps.Keys(m.Data))
		case apierrors.IsNotFound(err):
			missing = append(missing, name)
		}
	}
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for _, c := range list {
			for _, source := range c.EnvFrom {
				if source.ConfigMapRef != nil {
					look(source.ConfigMapRef.Name)
				}
			}
		}
	}
	for _, i := range instrumentations {
		if tls := i.Spec.Exporter.TLS; tls != nil {
			look(tls.ConfigMapName)
		}
	}
	return seen, missing
}

// facts are what inject has to know besides, but for the pod's owners.
func (g *gatherer) facts(ctx context.Context, namespace string) (inject.Facts, error) {
	facts := g.settings
	facts.Sidecar, facts.NativeSidecars = g.rendered.sidecar, g.native()
	facts.EnvFiles = g.files != nil && g.files()
	facts.ImageVolumes = g.images != nil && g.images()
	var ranges corev1.LimitRangeList
	if err := g.cache.List(ctx, &ranges, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return facts, fmt.Errorf("listing LimitRanges of namespace %s: %w", namespace, err)
	}
	for _, r := range ranges.Items {
		facts.Limits = append(facts.Limits, r.Spec.Limits...)
	}
	var quotas corev1.ResourceQuotaList
	if err := g.cache.List(ctx, &quotas, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return facts, fmt.Errorf("listing ResourceQuotas of namespace %s: %w", namespace, err)
	}
	facts.Quotas = quotas.Items
	if g.guards != nil {
		facts.Guards = g.guards(ctx)
	}
	return facts, nil
}

// rendered keeps what render made of collectors of mode sidecar: rendering one
// takes longer than all else of an admission.
type rendered struct {
	facts func(namespace string) render.Facts

	mu   sync.Mutex
	kept map[types.UID]*sidecar
}

// sidecar is a collector rendered.
type sidecar struct {
	version string // of the resource
	plan    render.Sidecar
	err     error
}

// sidecarsKept bounds what is kept: those of collectors that are gone stay until
// there are as many.
const sidecarsKept = 1024

func (r *rendered) sidecar(cr *v1beta1.OpenTelemetryCollector) (render.Sidecar, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s, ok := r.kept[cr.UID]; ok && s.version == cr.ResourceVersion && cr.ResourceVersion != "" {
		return s.plan, s.err
	}
	if r.kept == nil || len(r.kept) >= sidecarsKept {
		r.kept = map[types.UID]*sidecar{}
	}
	s := &sidecar{version: cr.ResourceVersion}
	s.plan, s.err = render.SidecarOf(cr, r.facts(cr.Namespace))
	r.kept[cr.UID] = s
	return s.plan, s.err
}
