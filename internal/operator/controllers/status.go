package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/operator/controllers/apply"
	"github.com/signalbox-otel/signalbox/internal/operator/readiness"
	"github.com/signalbox-otel/signalbox/internal/operator/upgrade"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// failure are the problems of a run as one error, with the reason of the first.
type failure []apply.Problem

// Error is all messages.
func (f failure) Error() string {
	var texts []string
	for _, p := range f {
		texts = append(texts, p.Message)
	}
	return strings.Join(texts, "; ")
}

// Reason is that of conditions.
func (f failure) Reason() string { return f[0].Reason }

// failure is what went wrong, nil when nothing did.
func (o outcome) failure() error {
	if o.err != nil {
		return o.err
	}
	if len(o.result.Problems) == 0 {
		return nil
	}
	return failure(o.result.Problems)
}

// reportCollector writes the status of a collector, and events of what it says
// that is new.
func (s *shared) reportCollector(ctx context.Context, o client.Object, out outcome) (time.Duration, error) {
	c := o.(*v1beta1.OpenTelemetryCollector)
	before := c.DeepCopy()
	state := readiness.State{
		Generation: c.Generation, Conditions: c.Status.Conditions, Now: metav1.Now(),
		Findings: out.plan.Findings, Err: out.failure(), Look: s.Look,
	}
	var err error
	if state.Workload, err = s.workload(ctx, c, out); err != nil {
		return 0, err
	}
	if state.Pods, err = s.pods(ctx, render.Selector(render.ComponentCollector, c), c.Namespace); err != nil {
		return 0, err
	}
	if s.Injected != nil && c.Spec.Mode == v1beta1.ModeSidecar {
		if state.Injected, err = s.Injected(ctx, c); err != nil {
			return 0, err
		}
	}
	if c.Spec.TargetAllocator.Enabled && c.Spec.Mode != v1beta1.ModeSidecar {
		part, err := s.part(ctx, c, render.ComponentAllocator, render.AllocatorName(c))
		if err != nil {
			return 0, err
		}
		part.Name = "target allocator"
		state.Parts = append(state.Parts, part)
	}
	j := readiness.Judge(state)
	st := &c.Status
	st.Conditions, st.ObservedGeneration = j.Conditions, c.Generation
	st.Scale = j.Scale
	if out.err == nil {
		st.Image, st.Version = out.plan.Image, out.upgrade.Version
		s.upgraded(c, out.upgrade)
		st.Scale.Selector = out.plan.Selector
	} else {
		st.Scale.Selector = before.Status.Scale.Selector
	}
	s.events.changes(c, out.result.Changes)
	s.warn(c, before.Status.Conditions, st.Conditions)
	return j.Again, s.patchStatus(ctx, c, before, equality.Semantic.DeepEqual(st, &before.Status))
}

// upgraded says in the status whether a collector is held back at its version,
// and in an event that it is not any more, or now is.
func (s *shared) upgraded(c *v1beta1.OpenTelemetryCollector, u upgrade.Outcome) {
	st := &c.Status
	if u.Note != "" {
		s.events.say(c, corev1.EventTypeNormal, upgrade.Done, u.Note)
	}
	i := slices.IndexFunc(st.Conditions, func(o metav1.Condition) bool { return o.Type == upgrade.Upgraded })
	if u.Condition == nil {
		if i >= 0 {
			st.Conditions = slices.Delete(st.Conditions, i, i+1)
		}
		return
	}
	if i < 0 || st.Conditions[i].Message != u.Condition.Message {
		s.events.problem(c, apply.Problem{Reason: u.Condition.Reason, Message: u.Condition.Message})
	}
	held := *u.Condition
	held.LastTransitionTime, held.ObservedGeneration = metav1.Now(), c.Generation
	st.Conditions = readiness.Set(st.Conditions, held)
}

// tell tells of a resource without conditions what was done, and of each problem
// of its objects or its pods, which a deployment runs, once while it lasts. It
// says when to look again.
func (s *shared) tell(ctx context.Context, o client.Object, out outcome, component, deployment string) (time.Duration, error) {
	s.events.changes(o, out.result.Changes)
	state := readiness.State{Now: metav1.Now(), Err: out.failure(), Look: s.Look}
	part, err := s.part(ctx, o, component, deployment)
	if err != nil {
		return 0, err
	}
	state.Workload, state.Pods = part.Workload, part.Pods
	j := readiness.Judge(state)
	degraded := meta.FindStatusCondition(j.Conditions, readiness.Degraded)
	key := ""
	if degraded.Status == metav1.ConditionTrue {
		// Messages name pods, which come and go while the problem stays.
		key = fmt.Sprintf("%d %s", o.GetGeneration(), degraded.Reason)
		if state.Err != nil {
			key = state.Err.Error()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.told[o.GetUID()] == key:
	case key == "":
		delete(s.told, o.GetUID())
	default:
		s.told[o.GetUID()] = key
		s.events.problem(o, apply.Problem{Reason: degraded.Reason, Message: degraded.Message})
	}
	return j.Again, nil
}

// part is a deployment with the pods of a component of a resource.
func (s *shared) part(ctx context.Context, o client.Object, component, deployment string) (p readiness.Part, err error) {
	d := &appsv1.Deployment{}
	err = s.mgr.GetCache().Get(ctx, types.NamespacedName{Namespace: o.GetNamespace(), Name: deployment}, d)
	switch {
	case apierrors.IsNotFound(err):
		return p, nil
	case err != nil:
		return p, err
	}
	p.Workload = d
	p.Pods, err = s.pods(ctx, render.Selector(component, o), o.GetNamespace())
	return p, err
}

// warn tells of problems that the status did not have before.
func (s *shared) warn(o client.Object, before, after []metav1.Condition) {
	for _, c := range after {
		if c.Type != readiness.Degraded || c.Status != metav1.ConditionTrue {
			continue
		}
		for _, old := range before {
			// Messages name pods, which come and go while the problem stays.
			if old.Type == c.Type && old.Status == c.Status && old.Reason == c.Reason && old.ObservedGeneration == c.ObservedGeneration {
				return
			}
		}
		s.events.problem(o, apply.Problem{Reason: c.Reason, Message: c.Message})
	}
}

// workload is what runs the pods of a collector; nil when there is nothing. One
// that was written just now and that the cache does not have yet is one that
// Kubernetes has not looked at.
func (s *shared) workload(ctx context.Context, c *v1beta1.OpenTelemetryCollector, out outcome) (client.Object, error) {
	var w client.Object
	switch c.Spec.Mode {
	case v1beta1.ModeSidecar:
		return nil, nil
	case v1beta1.ModeDaemonSet:
		w = &appsv1.DaemonSet{}
	case v1beta1.ModeStatefulSet:
		w = &appsv1.StatefulSet{}
	default:
		w = &appsv1.Deployment{}
	}
	key := types.NamespacedName{Namespace: c.Namespace, Name: render.CollectorName(c)}
	err := s.mgr.GetCache().Get(ctx, key, w)
	switch {
	case apierrors.IsNotFound(err) && out.err != nil:
		return nil, nil
	case client.IgnoreNotFound(err) != nil:
		return nil, err
	case err != nil || !s.applier.Current(w):
		w.SetGeneration(w.GetGeneration() + 1)
		return w, nil
	}
	// Others may annotate a Deployment, which makes it a new generation; a
	// collector that was ready is so until Kubernetes says otherwise.
	ready := meta.FindStatusCondition(c.Status.Conditions, readiness.Ready)
	if d, ok := w.(*appsv1.Deployment); ok && len(out.result.Changes) == 0 &&
		ready != nil && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == c.Generation {
		d.Status.ObservedGeneration = d.Generation
	}
	return w, nil
}

// pods are those of a resource.
func (s *shared) pods(ctx context.Context, selector map[string]string, namespace string) ([]corev1.Pod, error) {
	list := &corev1.PodList{}
	err := s.mgr.GetCache().List(ctx, list, client.InNamespace(namespace), client.MatchingLabels(selector),
		client.MatchingFields{instanceIndex: selector[v1beta1.LabelInstance]})
	return list.Items, err
}

// reportAllocator writes the status of a target allocator.
func (s *shared) reportAllocator(ctx context.Context, o client.Object, out outcome) (time.Duration, error) {
	a := o.(*v1alpha1.TargetAllocator)
	before := a.DeepCopy()
	if out.err == nil {
		a.Status.Image, a.Status.Version = out.plan.Image, ""
		if a.Spec.Image == "" {
			a.Status.Version = s.Version
		}
	}
	again, err := s.tell(ctx, a, out, render.ComponentAllocator, render.AllocatorName(a))
	if err != nil {
		return 0, err
	}
	return again, s.patchStatus(ctx, a, before, a.Status == before.Status)
}

// reportBridge writes the status of an OpAMP bridge.
func (s *shared) reportBridge(ctx context.Context, o client.Object, out outcome) (time.Duration, error) {
	b := o.(*v1alpha1.OpAMPBridge)
	before := b.DeepCopy()
	b.Status.Version = ""
	if b.Spec.Image == "" {
		b.Status.Version = s.Version
	}
	again, err := s.tell(ctx, b, out, render.ComponentBridge, render.BridgeName(b))
	if err != nil {
		return 0, err
	}
	return again, s.patchStatus(ctx, b, before, b.Status == before.Status)
}

// patchStatus writes the status unless it is the same.
func (s *shared) patchStatus(ctx context.Context, o, before client.Object, same bool) error {
	if same {
		return nil
	}
	err := s.mgr.GetClient().Status().Patch(ctx, o, client.MergeFrom(before))
	if err == nil {
		s.seen.wrote(o)
	}
	return client.IgnoreNotFound(err)
}
