package controllers

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/operator/upgrade"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// collectors is the kind OpenTelemetryCollector.
func (s *shared) collectors() *kind {
	return &kind{
		gvk:       v1beta1.GroupVersion.WithKind("OpenTelemetryCollector"),
		component: render.ComponentCollector,
		fresh:     func() client.Object { return &v1beta1.OpenTelemetryCollector{} },
		freshList: func() client.ObjectList { return &v1beta1.OpenTelemetryCollectorList{} },
		managed: func(o client.Object) bool {
			return o.(*v1beta1.OpenTelemetryCollector).Spec.ManagementState != v1beta1.Unmanaged
		},
		plan: func(ctx context.Context, o client.Object, facts render.Facts) (render.Plan, error) {
			return s.planCollector(ctx, o.(*v1beta1.OpenTelemetryCollector), facts)
		},
		upgrade: func(ctx context.Context, o client.Object, facts render.Facts, out *outcome) error {
			return s.upgradeCollector(ctx, o.(*v1beta1.OpenTelemetryCollector), facts, out)
		},
		report: s.reportCollector,
		related: []related{
			{object: &v1alpha1.TargetAllocator{}, to: s.collectorsOfAllocator, when: []predicate.Predicate{edited}},
			{object: &appsv1.Deployment{}, to: collectorOfPart},
		},
	}
}

func (s *shared) planCollector(ctx context.Context, c *v1beta1.OpenTelemetryCollector, facts render.Facts) (render.Plan, error) {
	if name := c.Labels[v1beta1.LabelTargetAllocator]; name != "" {
		a := &v1alpha1.TargetAllocator{}
		err := s.mgr.GetCache().Get(ctx, types.NamespacedName{Namespace: c.Namespace, Name: name}, a)
		switch {
		case err == nil:
			facts.Allocator = &render.AllocatorFacts{Name: a.Name, MTLS: a.Spec.MTLS}
		case !apierrors.IsNotFound(err):
			return render.Plan{}, fmt.Errorf("looking for its target allocator: %w", err)
		}
	}
	return render.Collector(c, facts)
}

// upgradeCollector decides whether a collector that ran another version runs the
// operator's, and plans for what it ran where it does not.
func (s *shared) upgradeCollector(ctx context.Context, c *v1beta1.OpenTelemetryCollector, facts render.Facts, out *outcome) (err error) {
	findings := out.plan.Findings
	if upgrade.Due(c, s.Version) && s.Check != nil {
		conf, err := render.Configuration(c, facts)
		if err != nil {
			return err
		}
		findings = append(slices.Clip(findings), s.Check(ctx, conf)...)
	}
	out.upgrade = upgrade.Collector(c, facts, s.Version, findings)
	if out.upgrade.Old != nil {
		out.plan, err = s.planCollector(ctx, out.upgrade.Old, facts)
	}
	return err
}

// collectorOfPart asks for the collector that a target allocator, of which this is
// the deployment, may be a part of: such a one has its name.
func collectorOfPart(_ context.Context, o client.Object) []reconcile.Request {
	by := metav1.GetControllerOf(o)
	if by == nil || by.Kind != "TargetAllocator" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: by.Name}}}
}

// collectorsOfAllocator asks for the collectors that name a target allocator.
func (s *shared) collectorsOfAllocator(ctx context.Context, o client.Object) []reconcile.Request {
	collectors, err := s.labelled(ctx, o.GetNamespace(), o.GetName())
	if err != nil {
		return nil
	}
	var all []reconcile.Request
	for _, c := range collectors {
		all = append(all, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(c)})
	}
	return all
}
