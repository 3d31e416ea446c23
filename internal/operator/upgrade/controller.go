package upgrade

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// instrumentations gives instrumentations new images.
type instrumentations struct {
	client   client.Client
	cache    client.Reader
	recorder events.EventRecorder
	images   v1alpha1.Images
}

// Add registers the controller of instrumentations. images are the operator's
// own, empty for languages that are switched off.
func Add(mgr ctrl.Manager, images v1alpha1.Images) error {
	r := &instrumentations{mgr.GetClient(), mgr.GetCache(), mgr.GetEventRecorder(needs.EventSource), images}
	c, err := controller.New("InstrumentationUpgrade", mgr, controller.Options{Reconciler: r})
	if err == nil {
		err = c.Watch(source.Kind(mgr.GetCache(), client.Object(&v1alpha1.Instrumentation{}), &handler.EnqueueRequestForObject{}))
	}
	if err != nil {
		return fmt.Errorf("adding the controller of instrumentations: %w", err)
	}
	return nil
}

// Reconcile writes new images into an instrumentation, and into its status what
// is held back.
func (r *instrumentations) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	before := &v1alpha1.Instrumentation{}
	if err := r.cache.Get(ctx, req.NamespacedName, before); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if before.DeletionTimestamp != nil {
		return reconcile.Result{}, nil
	}
	now := before.DeepCopy()
	changed := Instrumentation(now, r.images)
	status := now.Status
	if len(changed) > 0 {
		// Another writer's edit is not to be overwritten with an image that it left.
		if err := r.client.Patch(ctx, now, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
			return reconcile.Result{}, again(err)
		}
		r.recorder.Eventf(now, nil, corev1.EventTypeNormal, Done, "Upgrade", "%s", strings.Join(changed, "; "))
	}
	messages := news(before.Status.UpgradeBlockedVersions, status.UpgradeBlockedVersions)
	if len(messages) == 0 && len(before.Status.UpgradeBlockedVersions) == len(status.UpgradeBlockedVersions) {
		return reconcile.Result{}, nil
	}
	old := now.DeepCopy()
	old.Status, now.Status = before.Status, status
	if err := r.client.Status().Patch(ctx, now, client.MergeFrom(old)); err != nil {
		return reconcile.Result{}, again(err)
	}
	for _, m := range messages {
		r.recorder.Eventf(now, nil, corev1.EventTypeWarning, Blocked, "Upgrade", "%s", m)
	}
	return reconcile.Result{}, nil
}

// again drops errors after which the cache brings the resource again, or that it
// is gone.
func again(err error) error {
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
