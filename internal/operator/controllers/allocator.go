package controllers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// allocators is the kind TargetAllocator.
func (s *shared) allocators() *kind {
	return &kind{
		gvk:       v1alpha1.GroupVersion.WithKind("TargetAllocator"),
		component: render.ComponentAllocator,
		fresh:     func() client.Object { return &v1alpha1.TargetAllocator{} },
		freshList: func() client.ObjectList { return &v1alpha1.TargetAllocatorList{} },
		managed: func(o client.Object) bool {
			return o.(*v1alpha1.TargetAllocator).Spec.ManagementState != v1beta1.Unmanaged
		},
		plan: func(ctx context.Context, o client.Object, facts render.Facts) (render.Plan, error) {
			a := o.(*v1alpha1.TargetAllocator)
			served, err := s.served(ctx, a)
			if err != nil {
				return render.Plan{}, fmt.Errorf("looking for the collectors that it serves: %w", err)
			}
			return render.Allocator(a, served, facts)
		},
		prepare: s.certificates,
		report:  s.reportAllocator,
		related: []related{{object: &v1beta1.OpenTelemetryCollector{}, to: allocatorsOfCollector, when: []predicate.Predicate{edited}}},
	}
}

// served are the collectors that an allocator serves: the one that it is a part
// of, or else all that name it.
func (s *shared) served(ctx context.Context, a *v1alpha1.TargetAllocator) ([]*v1beta1.OpenTelemetryCollector, error) {
	if by := metav1.GetControllerOf(a); by != nil && by.Kind == "OpenTelemetryCollector" {
		c := &v1beta1.OpenTelemetryCollector{}
		err := s.mgr.GetCache().Get(ctx, types.NamespacedName{Namespace: a.Namespace, Name: by.Name}, c)
		if apierrors.IsNotFound(err) {
			return nil, nil // and the allocator goes with it
		}
		return []*v1beta1.OpenTelemetryCollector{c}, err
	}
	return s.labelled(ctx, a.Namespace, a.Name)
}

// labelled are the collectors of a namespace that name an allocator, by name.
func (s *shared) labelled(ctx context.Context, namespace, allocator string) ([]*v1beta1.OpenTelemetryCollector, error) {
	list := &v1beta1.OpenTelemetryCollectorList{}
	if err := s.mgr.GetCache().List(ctx, list, client.InNamespace(namespace), client.MatchingLabels{v1beta1.LabelTargetAllocator: allocator}); err != nil {
		return nil, err
	}
	var all []*v1beta1.OpenTelemetryCollector
	for i := range list.Items {
		if list.Items[i].DeletionTimestamp == nil {
			all = append(all, &list.Items[i])
		}
	}
	slices.SortFunc(all, func(x, y *v1beta1.OpenTelemetryCollector) int { return cmp.Compare(x.Name, y.Name) })
	return all, nil
}

// allocatorsOfCollector asks for the allocators that a collector may have: its
// own, which has its name, and the one that it names.
func allocatorsOfCollector(_ context.Context, o client.Object) []reconcile.Request {
	var all []reconcile.Request
	for _, name := range []string{o.GetName(), o.GetLabels()[v1beta1.LabelTargetAllocator]} {
		if name != "" {
			all = append(all, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: name}})
		}
	}
	return all
}

// certificates sees to the certificates that nobody else makes.
func (s *shared) certificates(ctx context.Context, o client.Object, facts render.Facts) (time.Time, error) {
	a := o.(*v1alpha1.TargetAllocator)
	m := a.Spec.MTLS
	if s.Certificates == nil || m == nil || !m.Enabled || m.TLS != nil {
		return time.Time{}, nil
	}
	if facts.CertManager && (m.UseCertManager == nil || *m.UseCertManager) {
		return time.Time{}, nil
	}
	again, err := s.Certificates(ctx, a)
	if err != nil {
		return time.Time{}, fmt.Errorf("making certificates: %w", err)
	}
	return again, nil
}
