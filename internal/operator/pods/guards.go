package pods

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// guardsKey is the entry of the ConfigMap that has the guards, as YAML.
const guardsKey = "guards.yaml"

// guardsKept bounds the guards, which a ConfigMap holds by far: the oldest go
// first.
const guardsKept = 500

// Guards are the crash guards in force. Every replica knows them, from the
// ConfigMap needs.CrashGuardConfigMap; the one that leads writes it.
type Guards struct {
	namespace string
	client    client.Client // not cached
	cache     cache.Cache
	log       *slog.Logger

	mu      sync.Mutex
	all     []inject.Guard // never changed, only replaced
	changed chan event.GenericEvent
}

// NewGuards makes the manager keep the guards that are in the operator's
// namespace. The client does not read from a cache.
func NewGuards(mgr ctrl.Manager, c client.Client, namespace string, log *slog.Logger) (*Guards, error) {
	one, err := cache.New(mgr.GetConfig(), cache.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
		ByObject: map[client.Object]cache.ByObject{&corev1.ConfigMap{}: {
			Namespaces: map[string]cache.Config{namespace: {
				LabelSelector: labels.Everything(), FieldSelector: fields.OneTermEqualSelector("metadata.name", needs.CrashGuardConfigMap),
			}},
		}},
	})
	if err != nil {
		return nil, fmt.Errorf("watching crash guards: %w", err)
	}
	g := &Guards{namespace: namespace, client: c, cache: one, log: log, changed: make(chan event.GenericEvent, 1)}
	if err := mgr.Add(g); err != nil {
		return nil, fmt.Errorf("watching crash guards: %w", err)
	}
	return g, nil
}

// NeedLeaderElection is false: every replica answers the webhook.
func (*Guards) NeedLeaderElection() bool { return false }

// Start watches the ConfigMap until ctx is done.
func (g *Guards) Start(ctx context.Context) error {
	informer, err := g.cache.GetInformer(ctx, &corev1.ConfigMap{}, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("watching crash guards: %w", err)
	}
	take := func(o any) {
		if m, ok := o.(*corev1.ConfigMap); ok {
			g.take(m)
		}
	}
	if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: take, UpdateFunc: func(_, o any) { take(o) }, DeleteFunc: func(any) { g.set(nil) },
	}); err != nil {
		return fmt.Errorf("watching crash guards: %w", err)
	}
	return g.cache.Start(ctx)
}

// take makes the guards of the ConfigMap those in force. Who writes it by hand and
// makes a mistake leaves them as they are.
func (g *Guards) take(m *corev1.ConfigMap) {
	all, err := guardsIn(m)
	if err != nil {
		g.log.Warn("crash guards stay as they are", "error", err)
		return
	}
	g.set(all)
}

func (g *Guards) set(all []inject.Guard) {
	g.mu.Lock()
	g.all = all
	g.mu.Unlock()
	select {
	case g.changed <- event.GenericEvent{}:
	default: // it is told already
	}
}

// All are the guards in force; nobody may change them. Nil guards nothing.
func (g *Guards) All(context.Context) []inject.Guard {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.all
}

// ReadGuards reads the guards of the operator in a namespace.
func ReadGuards(ctx context.Context, r client.Reader, namespace string) ([]inject.Guard, error) {
	var m corev1.ConfigMap
	switch err := r.Get(ctx, client.ObjectKey{Namespace: namespace, Name: needs.CrashGuardConfigMap}, &m); {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading crash guards: %w", err)
	}
	return guardsIn(&m)
}

func guardsIn(m *corev1.ConfigMap) ([]inject.Guard, error) {
	var all []inject.Guard
	if err := yaml.UnmarshalStrict([]byte(m.Data[guardsKey]), &all); err != nil {
		return nil, fmt.Errorf("reading %s of ConfigMap %s/%s: %w", guardsKey, m.Namespace, m.Name, err)
	}
	return all, nil
}

// update changes the guards as they are in the cluster.
func (g *Guards) update(ctx context.Context, change func([]inject.Guard) []inject.Guard) error {
	var m corev1.ConfigMap
	err := g.client.Get(ctx, client.ObjectKey{Namespace: g.namespace, Name: needs.CrashGuardConfigMap}, &m)
	missing := apierrors.IsNotFound(err)
	if err != nil && !missing {
		return fmt.Errorf("reading crash guards: %w", err)
	}
	all, err := guardsIn(&m)
	if err != nil {
		// What cannot be read guards nothing; it is written anew.
		g.log.Warn("crash guards are written anew", "error", err)
	}
	all = change(slices.Clone(all))
	if len(all) > guardsKept {
		slices.SortStableFunc(all, func(a, b inject.Guard) int { return a.Since.Compare(b.Since.Time) })
		all = all[len(all)-guardsKept:]
	}
	text, err := yaml.Marshal(all)
	if err != nil {
		return fmt.Errorf("writing crash guards: %w", err)
	}
	if m.Data == nil {
		m.Data = map[string]string{}
	}
	if m.Data[guardsKey] == string(text) {
		return nil
	}
	m.Data[guardsKey] = string(text)
	if missing {
		m.ObjectMeta = metav1.ObjectMeta{
			Namespace: g.namespace, Name: needs.CrashGuardConfigMap,
			Labels: map[string]string{v1beta1.LabelManagedBy: "opentelemetry-operator", v1beta1.LabelPartOf: "opentelemetry"},
		}
		err = g.client.Create(ctx, &m, client.FieldOwner(needs.FieldOwner))
	} else {
		err = g.client.Update(ctx, &m, client.FieldOwner(needs.FieldOwner)) // refused where another wrote meanwhile
	}
	if err != nil {
		return fmt.Errorf("writing crash guards: %w", err)
	}
	g.set(all)
	return nil
}
