package pods

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
	"github.com/signalbox-otel/signalbox/internal/operator/readiness"
)

const (
	// guardRetry is when pods that start or crash are looked at again: time alone
	// makes them well.
	guardRetry = 15 * time.Second
	// guardDelay is how long after its guard a pod is replaced at the earliest, so
	// that every replica knows the guard when the next pod comes.
	guardDelay = 2 * time.Second
	// proofTime is how long plain pods are looked at, whether they crash as well.
	proofTime = 15 * time.Minute
	// guardCheck is when it is looked whether the workloads of guards are there.
	guardCheck = 10 * time.Minute
	// guardsOfOne bounds the guards of one workload for one language.
	guardsOfOne = 5
	// historiesKept is of how many workloads is known how their pods fared.
	historiesKept = 4096
	// alikeMost bounds the pods of a workload that are looked at.
	alikeMost = 500
)

// CrashGuard finds workloads whose pods crash because they are instrumented,
// keeps the language off them by a guard, and replaces the pods that crash.
type CrashGuard struct {
	instrumented *Instrumented
	guards       *Guards
	live         client.Reader
	writer       client.Writer
	events       events.EventRecorder
	log          *slog.Logger
	now          func() time.Time
	retry        time.Duration // guardRetry

	mu        sync.Mutex
	histories map[target]*history
}

// AddCrashGuard makes the manager guard workloads against instrumentation that
// their programs do not stand.
func AddCrashGuard(mgr ctrl.Manager, i *Instrumented, g *Guards, log *slog.Logger) (*CrashGuard, error) {
	c := &CrashGuard{
		instrumented: i, guards: g, live: mgr.GetAPIReader(), writer: mgr.GetClient(), events: mgr.GetEventRecorder(needs.EventSource),
		log: log, now: time.Now, retry: guardRetry, histories: map[target]*history{},
	}
	work, err := controller.NewTyped("crash-guard", mgr, controller.TypedOptions[target]{Reconciler: c, MaxConcurrentReconciles: 1})
	if err != nil {
		return nil, fmt.Errorf("adding the crash guard: %w", err)
	}
	// Those that were being proved when another replica led.
	unproved := source.TypedFunc[target](func(ctx context.Context, q workqueue.TypedRateLimitingInterface[target]) error {
		go c.check(ctx, q)
		return nil
	})
	for _, src := range []source.TypedSource[target]{i.source(), unproved} {
		if err := work.Watch(src); err != nil {
			return nil, fmt.Errorf("adding the crash guard: %w", err)
		}
	}
	return c, nil
}

// check asks for the workloads of all guards, now and then.
func (c *CrashGuard) check(ctx context.Context, q workqueue.TypedRateLimitingInterface[target]) {
	again := time.NewTicker(guardCheck)
	defer again.Stop()
	for {
		all, err := ReadGuards(ctx, c.live, c.guards.namespace)
		if err != nil && ctx.Err() == nil {
			c.log.Warn("workloads of crash guards are looked at later", "error", err)
		}
		for _, g := range all {
			q.Add(target{g.Workload, g.Namespace, g.Name})
		}
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}

// history is what is known of a workload's pods. Who calls it holds the lock.
func (c *CrashGuard) history(t target) *history {
	h := c.histories[t]
	if h == nil {
		if len(c.histories) >= historiesKept {
			for old := range c.histories { // whichever: what crashes now was seen lately
				delete(c.histories, old)
				break
			}
		}
		h = newHistory()
		c.histories[t] = h
	}
	return h
}

// remember looks at the pods of a workload before they are replaced: a strategy
// may end all of them before the first of the new ones starts.
func (c *CrashGuard) remember(ctx context.Context, t target) error {
	pods, err := c.alike(ctx, t)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.history(t).see(pods, c.now())
	return nil
}

// Reconcile looks at the pods of one workload.
func (c *CrashGuard) Reconcile(ctx context.Context, t target) (reconcile.Result, error) {
	all, err := c.instrumented.list(ctx, t.namespace)
	if err != nil {
		return reconcile.Result{}, err
	}
	pods := all[t]
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.history(t)
	h.see(pods, c.now())
	if unsettled := h.unsettled(pods); len(unsettled) > 0 {
		others, err := c.alike(ctx, t)
		if err != nil {
			return reconcile.Result{}, err
		}
		h.see(others, c.now())
		for _, g := range unsettled {
			h.looked[g] = true
		}
	}
	again := reconcile.Result{}
	if slices.ContainsFunc(pods, func(p *corev1.Pod) bool { return !settledPod(p, c.now()) }) {
		again.RequeueAfter = c.retry
	}
	for _, p := range pods {
		later, err := c.judge(ctx, t, h, p)
		if err != nil {
			return reconcile.Result{}, err
		}
		if later > 0 && (again.RequeueAfter == 0 || later < again.RequeueAfter) {
			again.RequeueAfter = later
		}
	}
	later, err := c.prove(ctx, t)
	if later > 0 && (again.RequeueAfter == 0 || later < again.RequeueAfter) {
		again.RequeueAfter = later
	}
	return again, err
}

// settledPod reports whether time alone changes nothing about how a pod fares.
func settledPod(p *corev1.Pod, now time.Time) bool {
	switch p.Status.Phase {
	case corev1.PodFailed:
		return true
	case corev1.PodPending:
		return false
	}
	for _, c := range p.Spec.Containers {
		if health, _ := readiness.HealthOf(p, c.Name, now); health != readiness.Well {
			return false
		}
	}
	return true
}

// judge guards the workload against what a pod crashes with, and replaces the
// pod. What is guarded against already, by a webhook that did not know it yet, it
// replaces, too. It says when to look again.
func (c *CrashGuard) judge(ctx context.Context, t target, h *history, p *corev1.Pod) (time.Duration, error) {
	programs := inject.Programs(p.Annotations)
	for _, part := range inject.Parts(p) {
		program, wanted := programs[part.Kind]
		if !wanted {
			continue
		}
		old := c.find(ctx, t, part.Mark, program)
		if old != nil && old.Proof == inject.Unrelated {
			continue
		}
		cause, containers := c.cause(ctx, t, h, p, part)
		if cause == "" {
			continue
		}
		if old == nil {
			g := inject.Guard{
				Namespace: t.namespace, Workload: t.kind, Name: t.name, Kind: part.Kind, Source: part.Source, Sum: part.Sum, Program: program,
				Containers: containers, Since: metav1.NewTime(c.now().Truncate(time.Second)), Cause: cause,
			}
			if err := c.add(ctx, t, p, g); err != nil {
				return 0, err
			}
			return guardDelay, nil
		}
		if wait := guardDelay - c.now().Sub(old.Since.Time); wait > 0 {
			return wait, nil
		}
		return 0, c.replace(ctx, p, part.Mark)
	}
	return 0, nil
}

// cause is why a language of a pod is to be kept off, with the containers that
// crash with it; nothing where it is not known to be to blame.
func (c *CrashGuard) cause(ctx context.Context, t target, h *history, p *corev1.Pod, part inject.Part) (string, []string) {
	if why := readiness.Failure(p, part.Added, c.now()); why != "" {
		return why + " in pod " + p.Name, nil
	}
	for _, name := range part.With {
		health, why := readiness.HealthOf(p, name, c.now())
		if health != readiness.Crashing {
			continue
		}
		switch h.blame(p, part.Mark, name) {
		case readiness.Injection:
			return why + " in pod " + p.Name + ", and pods without it ran", []string{name}
		case readiness.Unknown:
			if g := generationOf(p); !h.told[g] {
				h.told[g] = true
				c.events.Eventf(about(t.namespace, p, c.instrumented.owners.of(ctx, t.namespace, p)), nil, corev1.EventTypeNormal, "CrashUnexplained", "crash-guard",
					"%s in pod %s, which has %s of Instrumentation %s: no pod of %s without it was seen to run, so it is not known to be to blame. To try without, set annotation %s%s of the pod template to false",
					why, p.Name, part.Kind, part.Source, t, v1beta1.InstrumentationPrefix+"inject-", part.Kind)
			}
		}
	}
	return "", nil
}

// find is the guard of a workload for what a mark and a program say.
func (c *CrashGuard) find(ctx context.Context, t target, m inject.Mark, program string) *inject.Guard {
	for _, g := range c.guards.All(ctx) {
		if g.Of(t.namespace, t.kind, t.name) && g.Holds(m, program) {
			return &g
		}
	}
	return nil
}

// add puts a guard into force. Earlier ones of the workload stay: what crashed may
// come back, and pods that failed with it may still be there.
func (c *CrashGuard) add(ctx context.Context, t target, p *corev1.Pod, g inject.Guard) error {
	err := c.guards.update(ctx, func(all []inject.Guard) []inject.Guard {
		// What is known here may be older than what is stored.
		all = slices.DeleteFunc(all, func(o inject.Guard) bool {
			return o.Of(t.namespace, t.kind, t.name) && o.Holds(inject.Mark{Kind: g.Kind, Source: g.Source, Sum: g.Sum}, g.Program)
		})
		alike := 0
		for i, o := range slices.Backward(all) { // the newest are last
			if o.Kind == g.Kind && o.Of(t.namespace, t.kind, t.name) {
				if alike++; alike >= guardsOfOne {
					all = slices.Delete(all, i, i+1)
				}
			}
		}
		return append(all, g)
	})
	if err != nil {
		return err
	}
	c.log.Warn("instrumentation is kept off a workload", "kind", string(g.Kind), "resource", t.namespace+"/"+t.name, "reason", g.Cause)
	regarding := about(t.namespace, p, c.instrumented.owners.of(ctx, t.namespace, p))
	what := "pods that crash are replaced by plain ones"
	if metav1.GetControllerOf(p) == nil {
		what = "it goes on crashing until somebody replaces it"
	}
	c.tell(ctx, regarding, g, corev1.EventTypeWarning, string(inject.CrashGuard), "%s of Instrumentation %s is no longer added to pods of %s: %s; %s. It is added again when the Instrumentation or the containers of the pod template change, or annotation %s of the pod template gets another value",
		g.Kind, g.Source, t, g.Cause, what, v1beta1.AnnotationCrashGuard)
	return nil
}

// tell tells the workload, and the Instrumentation.
func (c *CrashGuard) tell(ctx context.Context, workload *corev1.ObjectReference, g inject.Guard, kind, reason, format string, args ...any) {
	note := fmt.Sprintf(format, args...)
	if len(note) > maxNote {
		note = strings.ToValidUTF8(note[:maxNote-len("…")], "") + "…"
	}
	source := new(metav1.PartialObjectMetadata)
	source.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("Instrumentation"))
	namespace, name, _ := strings.Cut(g.Source, "/")
	if err := c.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, source); err != nil {
		c.events.Eventf(workload, nil, kind, reason, "crash-guard", "%s", note)
		return // it is gone, or that of the settings
	}
	c.events.Eventf(workload, source, kind, reason, "crash-guard", "%s", note)
	c.events.Eventf(source, workload, kind, reason, "crash-guard", "%s", note)
}

// replace deletes a pod whose controller makes another.
func (c *CrashGuard) replace(ctx context.Context, p *corev1.Pod, m inject.Mark) error {
	if metav1.GetControllerOf(p) == nil || p.Status.Phase == corev1.PodFailed {
		return nil // nobody does, or did already
	}
	err := c.writer.Delete(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name}}, client.Preconditions{UID: &p.UID})
	if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
		return fmt.Errorf("replacing pod %s/%s: %w", p.Namespace, p.Name, err)
	}
	c.log.Info("a pod that crashes with instrumentation is replaced", "kind", string(m.Kind), "resource", p.Namespace+"/"+p.Name)
	return nil
}

// prove looks what became of the pods of a workload without the languages that
// are kept off. It says when to look again.
func (c *CrashGuard) prove(ctx context.Context, t target) (time.Duration, error) {
	guards := slices.DeleteFunc(slices.Clone(c.guards.All(ctx)), func(g inject.Guard) bool { return !g.Of(t.namespace, t.kind, t.name) })
	if len(guards) == 0 {
		return 0, nil
	}
	if gone, err := c.gone(ctx, t); err != nil || gone {
		if gone {
			delete(c.histories, t)
			err = c.guards.update(ctx, func(all []inject.Guard) []inject.Guard {
				return slices.DeleteFunc(all, func(g inject.Guard) bool { return g.Of(t.namespace, t.kind, t.name) })
			})
		}
		return 0, err
	}
	guards = slices.DeleteFunc(guards, func(g inject.Guard) bool { return g.Proof != "" || c.now().Sub(g.Since.Time) > proofTime })
	if len(guards) == 0 {
		return 0, nil
	}
	pods, err := c.alike(ctx, t)
	if err != nil {
		return 0, err
	}
	for _, g := range guards {
		proof, why := c.proof(g, pods)
		if proof == "" {
			continue
		}
		if err := c.guards.update(ctx, func(all []inject.Guard) []inject.Guard {
			for i := range all {
				if all[i].Of(t.namespace, t.kind, t.name) && all[i].Holds(inject.Mark{Kind: g.Kind, Source: g.Source, Sum: g.Sum}, g.Program) {
					all[i].Proof = proof
				}
			}
			return all
		}); err != nil {
			return 0, err
		}
		regarding := about(t.namespace, pods[0], c.instrumented.owners.of(ctx, t.namespace, pods[0]))
		if proof == inject.Mended {
			c.tell(ctx, regarding, g, corev1.EventTypeNormal, "CrashGuardMended", "pods of %s run without %s of Instrumentation %s", t, g.Kind, g.Source)
			continue
		}
		c.tell(ctx, regarding, g, corev1.EventTypeNormal, "CrashGuardOver", "pods of %s crash without %s of Instrumentation %s, too (%s): it is not to blame, and is added again to pods that start", t, g.Kind, g.Source, why)
	}
	return c.retry, nil
}

// proof is what plain pods say that started since the guard.
func (c *CrashGuard) proof(g inject.Guard, pods []*corev1.Pod) (proof inject.Proof, why string) {
	for _, p := range pods {
		if p.CreationTimestamp.Time.Before(g.Since.Time) || p.DeletionTimestamp != nil ||
			slices.ContainsFunc(inject.Marks(p.Annotations), func(m inject.Mark) bool { return m.Kind == g.Kind }) {
			continue
		}
		names := g.Containers
		if len(names) == 0 {
			for _, o := range p.Spec.Containers {
				names = append(names, o.Name)
			}
		}
		well := len(names) > 0
		for _, name := range names {
			health, how := readiness.HealthOf(p, name, c.now())
			well = well && health == readiness.Well
			if health == readiness.Crashing && len(g.Containers) > 0 {
				proof, why = inject.Unrelated, how+" in pod "+p.Name
			}
		}
		if well {
			return inject.Mended, ""
		}
	}
	return proof, why
}

// gone reports whether a workload is no more. What is of a kind that the operator
// may not read counts as there.
func (c *CrashGuard) gone(ctx context.Context, t target) (bool, error) {
	group := schema.GroupVersion{Group: "apps", Version: "v1"}
	if t.kind == "Job" || t.kind == "CronJob" {
		group.Group = "batch"
	}
	o := new(metav1.PartialObjectMetadata)
	o.SetGroupVersionKind(group.WithKind(t.kind))
	err := c.live.Get(ctx, client.ObjectKey{Namespace: t.namespace, Name: t.name}, o)
	switch {
	case apierrors.IsNotFound(err):
		return true, nil
	case err != nil && ctx.Err() != nil:
		return false, fmt.Errorf("reading %s: %w", t, err)
	}
	return false, nil
}

// alike are all pods of a workload, instrumented or not, from the API server;
// none where its kind does not say which they are.
func (c *CrashGuard) alike(ctx context.Context, t target) ([]*corev1.Pod, error) {
	w, err := readWorkload(ctx, c.live, t)
	if err != nil || w == nil {
		return nil, err
	}
	selector, err := metav1.LabelSelectorAsSelector(w.selector())
	if err != nil {
		return nil, nil // the API server would not have taken it
	}
	var list corev1.PodList
	if err := c.live.List(ctx, &list, client.InNamespace(t.namespace), client.MatchingLabelsSelector{Selector: selector}, client.Limit(alikeMost)); err != nil {
		return nil, fmt.Errorf("listing pods of %s: %w", t, err)
	}
	var pods []*corev1.Pod
	for i := range list.Items {
		p := &list.Items[i]
		if o, ok := c.instrumented.workload(ctx, p); ok && o == t {
			pods = append(pods, p)
		}
	}
	return pods, nil
}
