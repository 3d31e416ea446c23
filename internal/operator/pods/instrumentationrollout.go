package pods

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	crhandler "sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/inject"
)

// overdueCheck is when it is looked again whether pods started without their
// instrumentation: the webhook may have been away for a while.
const overdueCheck = 15 * time.Second

// rolloutSoak is how long a workload is looked at after its pods were replaced:
// a program that crashes with its agent may say before that it is ready, and the
// crash guard needs to see it crash twice.
const rolloutSoak = 30 * time.Second

// Asking is a workload that asks for an Instrumentation.
type Asking struct {
	// Kind, Namespace and Name are those of the workload.
	Kind, Namespace, Name string
	// Marks are what pods of it that start now have.
	Marks []inject.Mark
	// Due says that some of its pods have not what they would get of the
	// Instrumentation, and Guarded that the crash guard keeps it from them.
	Due, Guarded bool
}

// InstrumentationRollout is what the rollout of Instrumentations is given.
type InstrumentationRollout struct {
	// AtOnce is how many workloads are restarted at a time for an Instrumentation
	// that does not say; 0 is none.
	AtOnce int
	// Images are the operator's own images of agents.
	Images v1alpha1.Images
	// Asking are the workloads that ask for an Instrumentation (namespace/name), as
	// far as is known, and the time of that.
	Asking func(instrumentation string) ([]Asking, time.Time)
	// Soak is how long a restarted workload is looked at; 0 is rolloutSoak.
	Soak time.Duration
}

// instrumentationRollouts restart workloads whose pods lack their
// instrumentation, or have an old one, for Instrumentations that ask for it.
type instrumentationRollouts struct {
	rollouts
	InstrumentationRollout
	cache        client.Reader
	instrumented *Instrumented
	guards       *Guards
}

// AddInstrumentationRollout makes the manager restart workloads for
// Instrumentations that have v1beta1.AnnotationInstrumentationRollout, or for all
// without it where the configuration says so. Guard is what AddCrashGuard
// returned, and guards what it keeps; nil is none.
func AddInstrumentationRollout(mgr ctrl.Manager, i *Instrumented, guard *CrashGuard, guards *Guards, config InstrumentationRollout) error {
	r := &instrumentationRollouts{rollouts: newRollouts(mgr), InstrumentationRollout: config, cache: mgr.GetCache(), instrumented: i, guards: guards}
	if guard != nil {
		r.before = guard.remember
	}
	c, err := controller.New("instrumentation-rollout", mgr, controller.Options{Reconciler: r, MaxConcurrentReconciles: 1})
	if err != nil {
		return fmt.Errorf("adding the rollout of instrumentation: %w", err)
	}
	edited := predicate.Or[*v1alpha1.Instrumentation](
		predicate.TypedGenerationChangedPredicate[*v1alpha1.Instrumentation]{}, predicate.TypedAnnotationChangedPredicate[*v1alpha1.Instrumentation]{})
	sources := []source.Source{
		source.Kind(mgr.GetCache(), new(v1alpha1.Instrumentation), &crhandler.TypedEnqueueRequestForObject[*v1alpha1.Instrumentation]{}, edited),
	}
	if guards != nil {
		sources = append(sources, source.Channel(guards.changed, crhandler.TypedEnqueueRequestsFromMapFunc(func(ctx context.Context, _ client.Object) []reconcile.Request {
			return r.wanting(ctx)
		})))
	}
	for _, src := range sources {
		if err := c.Watch(src); err != nil {
			return fmt.Errorf("adding the rollout of instrumentation: %w", err)
		}
	}
	return nil
}

// atOnce is how many workloads an Instrumentation wants to be restarted at a time.
func (r *instrumentationRollouts) atOnce(i *v1alpha1.Instrumentation) int {
	switch value := i.Annotations[v1beta1.AnnotationInstrumentationRollout]; {
	case i.DeletionTimestamp != nil || strings.EqualFold(value, "false"):
		return 0
	case strings.EqualFold(value, "true"):
		return max(1, r.AtOnce)
	case value != "":
		n, _ := strconv.Atoi(value)
		return max(0, n)
	}
	return r.AtOnce
}

// wanting are the Instrumentations that ask for rollouts.
func (r *instrumentationRollouts) wanting(ctx context.Context) []reconcile.Request {
	var list v1alpha1.InstrumentationList
	if err := r.cache.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil // the cache has ended, and the controller with it
	}
	var all []reconcile.Request
	for i := range list.Items {
		if r.atOnce(&list.Items[i]) > 0 {
			all = append(all, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
	}
	return all
}

// Reconcile restarts the next workloads of an Instrumentation, when it is time.
func (r *instrumentationRollouts) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	i := new(v1alpha1.Instrumentation)
	err := r.cache.Get(ctx, req.NamespacedName, i)
	if err != nil || r.atOnce(i) == 0 {
		delete(r.on, req.NamespacedName)
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if g := r.guarded(ctx, i); g != "" {
		r.events.Eventf(i, nil, corev1.EventTypeWarning, "InstrumentationRolloutStopped", "Restart",
			"pods of %s crashed with it, so no more workloads are restarted until the Instrumentation changes, or that workload does or no longer asks for it", g)
		return reconcile.Result{RequeueAfter: overdueCheck}, nil
	}
	result, err := r.step(ctx, &rollout{
		source: i, epoch: string(i.UID) + "/" + strconv.FormatInt(i.Generation, 10), atOnce: r.atOnce(i), soak: cmp.Or(r.Soak, rolloutSoak),
		due: func() (map[target]string, error) {
			return r.due(i), nil
		},
		asks:  func(s started) bool { return r.asks(i, s) },
		has:   func(t target, sum string) (bool, error) { return r.has(ctx, t, sum) },
		stamp: v1beta1.AnnotationInstrumentationStamp, optOut: v1beta1.AnnotationInstrumentationRollout,
		event: "Instrumentation", lacking: "instrumentation",
		reason: fmt.Sprintf("they started without what Instrumentation %s/%s says now", i.Namespace, i.Name),
	})
	if err == nil && result.RequeueAfter == 0 {
		result.RequeueAfter = overdueCheck
	}
	return result, err
}

// due are the workloads that are overdue by what the Instrumentation says now:
// what is known of pods may be older.
func (r *instrumentationRollouts) due(i *v1alpha1.Instrumentation) map[target]string {
	all := map[target]string{}
	name := i.Namespace + "/" + i.Name
	list, _ := r.Asking(name)
	for _, o := range list {
		old := slices.ContainsFunc(o.Marks, func(m inject.Mark) bool { return m.Source == name && m.Sum != inject.Sum(m.Kind, i, r.Images) })
		if restarts(o.Kind) && o.Due && !old {
			all[target{o.Kind, o.Namespace, o.Name}] = stampOf(o.Marks)
		}
	}
	return all
}

// asks reports whether a workload that was restarted still asks for the
// Instrumentation, unless it is known to ask no more.
func (r *instrumentationRollouts) asks(i *v1alpha1.Instrumentation, s started) bool {
	list, known := r.Asking(i.Namespace + "/" + i.Name)
	return !known.After(s.at) || slices.ContainsFunc(list, func(o Asking) bool { return target{o.Kind, o.Namespace, o.Name} == s.target })
}

// guarded is a workload that crashed with the present form of an Instrumentation,
// and still would, or nothing. What is known of pods may be older than a new guard.
func (r *instrumentationRollouts) guarded(ctx context.Context, i *v1alpha1.Instrumentation) string {
	name := i.Namespace + "/" + i.Name
	list, known := r.Asking(name)
	for _, g := range r.guards.All(ctx) {
		if g.Source == name && g.Proof != inject.Unrelated && !known.After(g.Since.Add(time.Second)) && g.Sum == inject.Sum(g.Kind, i, r.Images) {
			return target{g.Workload, g.Namespace, g.Name}.String()
		}
	}
	for _, o := range list {
		if o.Guarded {
			return target{o.Kind, o.Namespace, o.Name}.String()
		}
	}
	return ""
}

// has reports whether pods of a workload have what a stamp is of.
func (r *instrumentationRollouts) has(ctx context.Context, t target, stamp string) (bool, error) {
	stamped := func(p *corev1.Pod) bool { return stampOf(inject.Marks(p.Annotations)) == stamp }
	all, err := r.instrumented.list(ctx, t.namespace)
	if err != nil || slices.ContainsFunc(all[t], stamped) {
		return err == nil, err
	}
	// Unless the cache is behind.
	var list corev1.PodList
	if err := r.live.List(ctx, &list, client.InNamespace(t.namespace), client.MatchingLabels{v1beta1.LabelInstrumented: "true"}); err != nil {
		return false, fmt.Errorf("listing instrumented pods of namespace %s: %w", t.namespace, err)
	}
	for i := range list.Items {
		if p := &list.Items[i]; stamped(p) && p.DeletionTimestamp == nil {
			if o, ok := r.instrumented.workload(ctx, p); ok && o == t {
				return true, nil
			}
		}
	}
	return false, nil
}

// stampOf is a hash of what pods are instrumented with.
func stampOf(marks []inject.Mark) string {
	var texts []string
	for _, m := range marks {
		texts = append(texts, m.String())
	}
	sum := sha256.Sum256([]byte(strings.Join(texts, ",")))
	return hex.EncodeToString(sum[:6])
}
