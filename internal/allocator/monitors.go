package allocator

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"
)

const (
	// debounce is how long changes of resources are collected.
	debounce = 5 * time.Second
	// lookForKinds is how often a kind that the cluster does not have is looked
	// for.
	lookForKinds = time.Minute
)

// monitored is a kind of resource that jobs are made from.
type monitored struct {
	resource            schema.GroupVersionResource
	selector, namespace *Selector
	stores              []cache.Store // nil while the cluster has no such kind
}

// monitors watches the resources of the Prometheus operator.
type monitors struct {
	dynamic  dynamic.Interface
	metadata metadata.Interface
	config   *Config
	logger   *slog.Logger
	metrics  *metrics
	set      func([]generated) error

	kinds      []*monitored
	namespaces cache.Store
	changed    chan struct{}
	last       []byte // what set was given, to see whether there is news

	refsMu sync.Mutex
	refs   map[string]bool // Secrets that were read, as namespace/name
}

func newMonitors(c *Config, logger *slog.Logger, m *metrics, set func([]generated) error) (*monitors, error) {
	config, err := kubeConfig(c.KubeConfigFilePath)
	if err != nil {
		return nil, fmt.Errorf("finding Kubernetes for prometheus_cr: %w", err)
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("finding Kubernetes for prometheus_cr: %w", err)
	}
	heads, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("finding Kubernetes for prometheus_cr: %w", err)
	}
	return watching(objects, heads, c, logger, m, set), nil
}

// watching makes monitors of clients.
func watching(objects dynamic.Interface, heads metadata.Interface, c *Config, logger *slog.Logger, m *metrics, set func([]generated) error) *monitors {
	w := &monitors{dynamic: objects, metadata: heads, config: c, logger: logger, metrics: m, set: set,
		changed: make(chan struct{}, 1), refs: map[string]bool{}}
	v1 := schema.GroupVersion{Group: "monitoring.coreos.com", Version: "v1"}
	alpha := schema.GroupVersion{Group: "monitoring.coreos.com", Version: "v1alpha1"}
	cr := &c.PrometheusCR
	for _, k := range []*monitored{
		{resource: v1.WithResource("servicemonitors"), selector: cr.ServiceMonitorSelector, namespace: cr.ServiceMonitorNamespaceSelector},
		{resource: v1.WithResource("podmonitors"), selector: cr.PodMonitorSelector, namespace: cr.PodMonitorNamespaceSelector},
		{resource: v1.WithResource("probes"), selector: cr.ProbeSelector, namespace: cr.ProbeNamespaceSelector},
		{resource: alpha.WithResource("scrapeconfigs"), selector: cr.ScrapeConfigSelector, namespace: cr.ScrapeConfigNamespaceSelector},
	} {
		if k.selector != nil {
			w.kinds = append(w.kinds, k)
		}
	}
	return w
}

// run watches until ctx ends. Jobs are first set when every kind that the
// cluster has was listed.
func (w *monitors) run(ctx context.Context) error {
	if err := w.watchAll(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	// A value that could not be read, and a kind that is not there, are looked
	// for again.
	missing := time.NewTicker(lookForKinds)
	defer missing.Stop()
	for {
		if err := w.update(ctx); err != nil {
			w.logger.Error("jobs could not be set; the ones before go on", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-missing.C:
			if err := w.watchKinds(ctx); err != nil {
				return err
			}
			continue
		case <-w.changed:
		}
		w.metrics.events.WithLabelValues("prometheusCR").Inc()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(debounce):
		}
		select { // what came meanwhile is part of this
		case <-w.changed:
		default:
		}
	}
}

func (w *monitors) watchAll(ctx context.Context) error {
	if w.byNamespaceLabels() {
		w.namespaces = w.watch(ctx, w.heads("namespaces", ""), true)
	}
	for _, namespace := range w.secretNamespaces() {
		// Who may not watch them may still read them: that is no reason to wait.
		w.watch(ctx, w.heads("secrets", namespace), false)
	}
	return w.watchKinds(ctx)
}

// byNamespaceLabels reports whether labels of namespaces select anything.
func (w *monitors) byNamespaceLabels() bool {
	return slices.ContainsFunc(w.kinds, func(k *monitored) bool { return !k.namespace.empty() })
}

func (s *Selector) empty() bool {
	return s == nil || len(s.MatchLabels) == 0 && len(s.MatchExpressions) == 0
}

func (w *monitors) secretNamespaces() []string {
	if names := w.config.PrometheusCR.SecretNamespaces; len(names) > 0 {
		return names
	}
	if w.config.CollectorNamespace == "" {
		return nil
	}
	return []string{w.config.CollectorNamespace}
}

// watchKinds begins to watch the kinds that the cluster has now.
func (w *monitors) watchKinds(ctx context.Context) error {
	namespaces := w.config.PrometheusCR.AllowNamespaces
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	for _, k := range w.kinds {
		if k.stores != nil {
			continue
		}
		_, err := w.dynamic.Resource(k.resource).Namespace(namespaces[0]).List(ctx, metav1.ListOptions{Limit: 1})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil && ctx.Err() == nil {
			// The watch says the same again and goes on trying.
			w.logger.Warn("resources cannot be listed", "kind", k.resource.Resource, "error", err)
		}
		selector, err := metav1.LabelSelectorAsSelector((*metav1.LabelSelector)(k.selector))
		if err != nil {
			return fmt.Errorf("prometheus_cr: selector of %s: %w", k.resource.Resource, err)
		}
		for _, namespace := range namespaces {
			client := w.dynamic.Resource(k.resource).Namespace(namespace)
			k.stores = append(k.stores, w.watch(ctx, cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
				ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
					o.LabelSelector = selector.String()
					return client.List(ctx, o)
				},
				WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
					o.LabelSelector = selector.String()
					return client.Watch(ctx, o)
				},
			}, w.dynamic), true))
		}
	}
	return nil
}

// heads lists and watches the metadata of objects of the core group.
func (w *monitors) heads(resource, namespace string) cache.ListerWatcher {
	client := w.metadata.Resource(schema.GroupVersionResource{Version: "v1", Resource: resource}).Namespace(namespace)
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return client.List(ctx, o)
		},
		WatchFuncWithContext: client.Watch,
	}, w.metadata)
}

// watch keeps a store of what is listed and watched. With wait it returns when
// the store is complete or ctx has ended.
func (w *monitors) watch(ctx context.Context, lw cache.ListerWatcher, wait bool) cache.Store {
	store, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: lw,
		Transform: func(object any) (any, error) {
			if m, ok := object.(metav1.Object); ok {
				m.SetManagedFields(nil)
			}
			return object, nil
		},
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    w.notify,
			UpdateFunc: func(_, object any) { w.notify(object) },
			DeleteFunc: w.notify,
		},
	})
	go informer.RunWithContext(ctx)
	if wait {
		cache.WaitForCacheSync(ctx.Done(), informer.HasSynced)
	}
	return store
}

// notify tells that something changed. Secrets that nothing refers to are no
// news.
func (w *monitors) notify(object any) {
	if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = gone.Obj
	}
	if head, ok := object.(*metav1.PartialObjectMetadata); ok && head.Namespace != "" {
		w.refsMu.Lock()
		used := w.refs[head.Namespace+"/"+head.Name]
		w.refsMu.Unlock()
		if !used {
			return
		}
	}
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// update makes the jobs, and sets them when they are others than before.
func (w *monitors) update(ctx context.Context) error {
	g := generator{
		secrets: func(kind, namespace, name, key string) (string, error) {
			return w.value(ctx, kind, namespace, name, key)
		},
		interval:       w.config.PrometheusCR.ScrapeInterval,
		protocols:      w.config.PrometheusCR.ScrapeProtocols,
		denyFiles:      w.config.PrometheusCR.DenyFSAccessThroughSMs,
		classes:        w.config.PrometheusCR.ScrapeClasses,
		classNamespace: w.config.CollectorNamespace,
		kubeConfig:     w.config.KubeConfigFilePath,
	}
	var all []generated
	for _, k := range w.kinds {
		for _, u := range w.selected(k) {
			made, err := g.generate(u)
			if err != nil {
				w.logger.Warn("a resource is left out", "kind", u.GetKind(), "resource", u.GetNamespace()+"/"+u.GetName(), "error", err)
				continue
			}
			all = append(all, made...)
		}
	}
	trees := make(map[string]node, len(all))
	for _, made := range all {
		trees[made.name] = made.tree
	}
	now, err := json.Marshal(trees)
	if err != nil {
		return fmt.Errorf("comparing jobs: %w", err)
	}
	if bytes.Equal(now, w.last) {
		return nil
	}
	if err := w.set(all); err != nil {
		return err
	}
	w.last = now
	return nil
}

// selected are the resources of a kind that the namespaces' selectors and lists
// let pass, in order.
func (w *monitors) selected(k *monitored) []*unstructured.Unstructured {
	byName := map[string]*unstructured.Unstructured{}
	for _, store := range k.stores {
		for _, object := range store.List() {
			u, ok := object.(*unstructured.Unstructured)
			if !ok || slices.Contains(w.config.PrometheusCR.DenyNamespaces, u.GetNamespace()) || !w.inNamespace(k, u.GetNamespace()) {
				continue
			}
			byName[u.GetNamespace()+"/"+u.GetName()] = u
		}
	}
	var all []*unstructured.Unstructured
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		all = append(all, byName[name])
	}
	return all
}

func (w *monitors) inNamespace(k *monitored, name string) bool {
	if k.namespace.empty() {
		return true
	}
	selector, err := metav1.LabelSelectorAsSelector((*metav1.LabelSelector)(k.namespace))
	if err != nil {
		return false
	}
	object, exists, err := w.namespaces.GetByKey(name)
	if err != nil || !exists {
		return false
	}
	m, ok := object.(metav1.Object)
	return ok && selector.Matches(labels.Set(m.GetLabels()))
}

// value reads one key of a Secret or a ConfigMap.
func (w *monitors) value(ctx context.Context, kind, namespace, name, key string) (string, error) {
	if kind == "Secret" {
		if !slices.Contains(w.secretNamespaces(), namespace) {
			return "", fmt.Errorf("secret %s/%s: secret_namespaces does not have that namespace", namespace, name)
		}
		w.refsMu.Lock()
		w.refs[namespace+"/"+name] = true
		w.refsMu.Unlock()
	}
	resource := schema.GroupVersionResource{Version: "v1", Resource: strings.ToLower(kind) + "s"}
	u, err := w.dynamic.Resource(resource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	value, ok := child(u.Object, "data")[key].(string)
	if !ok {
		return "", fmt.Errorf("%s %s/%s has no key %q", strings.ToLower(kind), namespace, name, key)
	}
	if kind != "Secret" {
		return value, nil
	}
	plain, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return "", fmt.Errorf("reading secret %s/%s: %w", namespace, name, err)
	}
	return string(plain), nil
}
