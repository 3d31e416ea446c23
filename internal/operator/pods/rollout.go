package pods

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// rolloutRetry is when a workload that is on its way is looked at again. Pods
// that come and go are heard of, whether they are ready is not.
const rolloutRetry = 3 * time.Second

// rollouts restart the workloads whose pods are not what a resource says, for
// resources that ask for it: as many at a time as they say, each as its own
// strategy says, and the next only when those before are well.
type rollouts struct {
	live   client.Reader
	writer client.Writer
	events events.EventRecorder
	// retry is rolloutRetry, and blocked when it is looked again whether pods that
	// came back with nothing have what they should.
	retry, blocked time.Duration
	now            func() time.Time
	// before is called before a workload is restarted, where it is not nil.
	before func(context.Context, target) error
	// on are the workloads that were restarted and are not well yet, of each
	// resource. There is one worker, so that no lock is needed. A new leader starts
	// with none: then more than wanted may be on their way at once.
	on map[types.NamespacedName][]started
}

// started is a workload that was restarted.
type started struct {
	target
	// sum is what its pods are to have, and epoch the state of the resource by which
	// it was restarted.
	sum, epoch string
	at         time.Time
}

// target is a workload to restart.
type target struct {
	kind            string
	namespace, name string
}

func (t target) String() string { return t.kind + " " + t.namespace + "/" + t.name }

// newRollouts are those of one kind of resources.
func newRollouts(mgr ctrl.Manager) rollouts {
	return rollouts{
		live: mgr.GetAPIReader(), writer: mgr.GetClient(), events: mgr.GetEventRecorder(needs.EventSource),
		retry: rolloutRetry, blocked: time.Minute, now: time.Now, on: map[types.NamespacedName][]started{},
	}
}

// rollout is what one resource wants.
type rollout struct {
	// source is the resource, and epoch its state: workloads that were restarted for
	// another are no longer waited for, because the present one may be what mends
	// them.
	source client.Object
	epoch  string
	// atOnce is how many workloads may be on their way at the same time, and soak how
	// long one is at least: pods that are well may crash soon after.
	atOnce int
	soak   time.Duration
	// due are the workloads with pods that are not as they should be, with the hash
	// of what these would have. It is asked for only when it is time for another.
	due func() (map[target]string, error)
	// asks reports whether a workload that was restarted still is to have it; nil is
	// that all are.
	asks func(started) bool
	// has reports whether pods of a workload have what the hash is of.
	has func(target, string) (bool, error)
	// stamp is the annotation of pod templates with the hash that the pods were
	// restarted for, and optOut that of workloads that are to be left alone.
	stamp, optOut string
	// event begins the reasons of events, reason says why pods are replaced, and
	// lacking what those have not that came back with nothing.
	event, reason, lacking string
}

// step restarts the next workloads, when it is time, and says when to look again.
func (r *rollouts) step(ctx context.Context, ro *rollout) (reconcile.Result, error) {
	key := client.ObjectKeyFromObject(ro.source)
	var on []started
	for _, s := range r.on[key] {
		switch wait, err := r.after(ctx, ro, s); {
		case err != nil:
			return reconcile.Result{}, err
		case wait == r.blocked:
			return reconcile.Result{RequeueAfter: wait}, nil
		case wait > 0:
			on = append(on, s)
		}
	}
	r.on[key] = on
	again, result := reconcile.Result{RequeueAfter: r.retry}, reconcile.Result{}
	if len(on) >= ro.atOnce {
		return again, nil
	}
	due, err := ro.due()
	if err != nil {
		return result, err
	}
	if len(on) > 0 {
		result = again
	}
	running := len(on)
	for _, t := range sorted(due) {
		if running >= ro.atOnce {
			return again, nil
		}
		if slices.ContainsFunc(on, func(s started) bool { return s.target == t }) {
			continue
		}
		w, err := readWorkload(ctx, r.live, t)
		if err != nil {
			return reconcile.Result{}, err
		}
		if w == nil {
			continue
		}
		switch w.turn(ro, due[t]) {
		case leave:
		case later:
			result = again
		case wait:
			running, result = running+1, again
		case restart:
			if err := r.restart(ctx, ro, t, w, due[t]); err != nil {
				return reconcile.Result{}, err
			}
			r.on[key] = append(r.on[key], started{t, due[t], ro.epoch, r.now()})
			running, result = running+1, again
		}
	}
	return result, nil
}

// after says when to look again at a workload that was restarted; 0 is that it is
// well, or not waited for.
func (r *rollouts) after(ctx context.Context, ro *rollout, s started) (time.Duration, error) {
	w, err := readWorkload(ctx, r.live, s.target)
	switch {
	case err != nil:
		return 0, err
	case w == nil || s.epoch != ro.epoch || w.stamp(ro) != s.sum:
		return 0, nil
	case !w.settled() || r.now().Sub(s.at) < ro.soak:
		return r.retry, nil
	case !w.runs():
		return 0, nil
	}
	if has, err := ro.has(s.target, s.sum); err != nil || has || ro.asks != nil && !ro.asks(s) {
		return 0, err
	}
	// Its pods started with nothing, because it could not be injected. The others
	// keep what they have.
	r.events.Eventf(ro.source, w.Object, corev1.EventTypeWarning, ro.event+"RolloutStopped", "Restart",
		"pods of %s were replaced and have no %s now, so no more workloads are restarted: its events say why, or that the webhook of pods was not reached", s.target, ro.lacking)
	return r.blocked, nil
}

// sorted are workloads in order of their names.
func sorted(due map[target]string) []target {
	var all []target
	for t := range due {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b target) int { return strings.Compare(a.String(), b.String()) })
	return all
}

// restarts reports whether the operator restarts workloads of a kind of the group
// apps. Pods of others, as jobs, end by themselves.
func restarts(kind string) bool {
	return kind == "Deployment" || kind == "StatefulSet" || kind == "DaemonSet"
}

// readWorkload reads a workload; it is nil when it is gone, or of a kind that is
// not restarted.
func readWorkload(ctx context.Context, live client.Reader, t target) (*workload, error) {
	w := &workload{}
	switch t.kind {
	case "Deployment":
		w.Object = new(appsv1.Deployment)
	case "StatefulSet":
		w.Object = new(appsv1.StatefulSet)
	case "DaemonSet":
		w.Object = new(appsv1.DaemonSet)
	default:
		return nil, nil
	}
	if err := live.Get(ctx, client.ObjectKey{Namespace: t.namespace, Name: t.name}, w.Object); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return nil, nil
		}
		return nil, fmt.Errorf("reading %s: %w", t, err)
	}
	return w, nil
}

// restart gives the pods of a workload an annotation that they did not have,
// with which its controller replaces them.
func (r *rollouts) restart(ctx context.Context, ro *rollout, t target, w *workload, sum string) error {
	if r.before != nil {
		if err := r.before(ctx, t); err != nil {
			return err
		}
	}
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{
		"annotations": map[string]string{ro.stamp: sum},
	}}}})
	if err != nil {
		return fmt.Errorf("writing a patch: %w", err)
	}
	if err := r.writer.Patch(ctx, w.Object, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(needs.FieldOwner)); err != nil {
		return fmt.Errorf("restarting %s: %w", t, err)
	}
	r.events.Eventf(w.Object, ro.source, corev1.EventTypeNormal, ro.event+"Rollout", "Restart", "pods are replaced: %s", ro.reason)
	return nil
}
