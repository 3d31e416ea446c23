package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// Applier applies plans. It may be used by several goroutines, each with another
// resource.
type Applier struct {
	// Cache has the objects that carry the label of those that we manage.
	Cache client.Reader
	// Live asks the API server.
	Live client.Reader
	// Writer changes the cluster.
	Writer client.Writer
	Scheme *runtime.Scheme

	mu sync.Mutex
	// sent are objects that were written by this process, where the cache may
	// not have seen it yet, or the API server made something else of it.
	sent map[types.UID]sent
}

// sent is what was written last of an object.
type sent struct {
	hash    string
	version string
	// changed are the fields that the API server did not take as they were sent,
	// as when another webhook changes images: sending them again is of no use.
	changed []string
}

// Result is what applying a plan did.
type Result struct {
	Changes  []Change
	Problems []Problem
}

// Change is one write.
type Change struct {
	// Verb is in the past: created, updated, replaced, removed.
	Verb   string
	Object string
	// Why is said of what people do not expect.
	Why string
}

// Reasons of problems, as conditions and events have them.
const (
	// ReasonNameTaken says that an object of that name belongs to somebody else.
	ReasonNameTaken = "NameTaken"
	// ReasonForbidden says that the operator may not do it.
	ReasonForbidden = "Forbidden"
	// ReasonInvalid says that the API server refuses the object.
	ReasonInvalid = "Invalid"
	// ReasonWaiting says that something has to end before.
	ReasonWaiting = "Waiting"
	// ReasonError is any other error, after which it is tried again.
	ReasonError = "ReconcileError"
)

// Problem is why an object is not as it should be.
type Problem struct {
	Reason  string
	Message string
	// Retry says that trying again may help; after other problems somebody has
	// to change something, which is noticed.
	Retry bool
}

// Apply makes the objects of the plan, and removes what the owner has besides of
// the kinds. A problem with one object does not keep the others from being
// applied, but nothing is removed then. What it does is added to the result.
func (a *Applier) Apply(ctx context.Context, owner Owner, plan render.Plan, kinds []Kind, r *Result) {
	wants := map[string]bool{}
	for _, o := range plan.Objects {
		w, err := newWanted(a.Scheme, &owner, o)
		if err != nil {
			r.problem(*o.GetKind()+" "+*o.GetName(), err)
			continue
		}
		wants[identityOf(w.GetKind(), w)] = true
		a.object(ctx, &owner, w, r)
		if ctx.Err() != nil {
			r.problem(w.String(), context.Cause(ctx))
			return
		}
	}
	if len(r.Problems) == 0 {
		a.prune(ctx, &owner, plan, kinds, wants, r)
	}
}

func (r *Result) done(verb string, object fmt.Stringer, why string) {
	r.Changes = append(r.Changes, Change{verb, object.String(), why})
}

// problem notes an error. It is the one place that says what an error means.
func (r *Result) problem(object string, err error) {
	p := Problem{Reason: ReasonError, Message: object + ": " + err.Error(), Retry: true}
	switch {
	case apierrors.IsForbidden(err):
		p.Reason = ReasonForbidden
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		p.Reason, p.Retry = ReasonInvalid, false
	}
	r.Problems = append(r.Problems, p)
}

// object makes one object as it is wanted.
func (a *Applier) object(ctx context.Context, owner *Owner, w *wanted, r *Result) {
	live, err := a.find(ctx, w)
	if err != nil {
		r.problem(w.String(), err)
		return
	}
	if live == nil {
		a.create(ctx, owner, w, r)
		return
	}
	if a.pending(live, w.hash) || !a.free(owner, w, live, r) {
		return
	}
	now, err := content(live)
	if err != nil {
		r.problem(w.String(), err)
		return
	}
	if paths := w.immutable(now); len(paths) > 0 {
		a.replace(ctx, w, live, paths, r)
		return
	}
	changed := live.GetAnnotations()[HashAnnotation] != w.hash
	if differ := w.differ(now); changed || len(differ) > 0 && !a.vain(live, w.hash, differ) {
		a.send(ctx, w, "updated", why(changed, differ), r)
	}
}

// why says of a repair what was repaired.
func why(changed bool, differ []string) string {
	if changed {
		return ""
	}
	return "it had been changed: " + strings.Join(differ[:min(3, len(differ))], ", ")
}

// find looks into the cache; nil when the object is not there.
func (a *Applier) find(ctx context.Context, w *wanted) (client.Object, error) {
	o, err := empty(a.Scheme, w.Unstructured)
	if err != nil {
		return nil, err
	}
	switch err := a.Cache.Get(ctx, client.ObjectKeyFromObject(w), o); {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return o, nil
}

// peek asks the API server whether the object is there, nil when it is not.
func (a *Applier) peek(ctx context.Context, w *wanted, options ...client.GetOption) (*metav1.PartialObjectMetadata, error) {
	m := &metav1.PartialObjectMetadata{}
	m.SetGroupVersionKind(w.GroupVersionKind())
	switch err := a.Live.Get(ctx, client.ObjectKeyFromObject(w), m, options...); {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return m, nil
}

// fromMemory lets the API server answer without asking its store.
var fromMemory = &client.GetOptions{Raw: &metav1.GetOptions{ResourceVersion: "0"}}

// create makes an object that the cache does not have: it has only those with
// our label, and may be late, so the API server is asked first.
func (a *Applier) create(ctx context.Context, owner *Owner, w *wanted, r *Result) {
	m, err := a.peek(ctx, w, fromMemory)
	switch {
	case err != nil:
		r.problem(w.String(), err)
	case m == nil:
		a.send(ctx, w, "created", "", r)
	case !a.free(owner, w, m, r):
	case m.Annotations[HashAnnotation] == w.hash && m.Labels[v1beta1.LabelManagedBy] == w.GetLabels()[v1beta1.LabelManagedBy]:
		// Written by us; the cache will have it soon.
	default:
		a.send(ctx, w, "updated", "", r)
	}
}

// free reports whether an object that is there may be written.
func (a *Applier) free(owner *Owner, w *wanted, live client.Object, r *Result) bool {
	relation, why := owner.relation(live, w.ownerless())
	switch {
	case relation == foreign:
		r.Problems = append(r.Problems, Problem{Reason: ReasonNameTaken,
			Message: fmt.Sprintf("%s exists already, and %s: rename this resource, or that object", w, why)})
	case relation == predecessor, live.GetDeletionTimestamp() != nil:
		r.Problems = append(r.Problems, Problem{Reason: ReasonWaiting, Message: fmt.Sprintf("%s is being deleted", w)})
	default:
		return true
	}
	return false
}

// pending reports whether the cached object is older than what was written last,
// which is what is wanted still.
func (a *Applier) pending(live client.Object, hash string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	s, ok := a.sent[live.GetUID()]
	if ok && older(live, s.version) {
		return s.hash == hash
	}
	if ok && len(s.changed) == 0 {
		delete(a.sent, live.GetUID())
	}
	return false
}

// vain reports whether the object differs in what the API server did not take
// the last time.
func (a *Applier) vain(live client.Object, hash string, differ []string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	s, ok := a.sent[live.GetUID()]
	return ok && s.hash == hash && slices.Equal(differ, s.changed)
}

// Current reports whether an object from the cache is at least as new as what
// was written of it.
func (a *Applier) Current(o client.Object) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	s, ok := a.sent[o.GetUID()]
	return !ok || !older(o, s.version)
}

func older(o client.Object, version string) bool {
	n, err := resourceversion.CompareResourceVersion(o.GetResourceVersion(), version)
	return err == nil && n < 0
}

// send applies an object.
func (a *Applier) send(ctx context.Context, w *wanted, verb, why string, r *Result) {
	answer := w.DeepCopy()
	err := a.Writer.Apply(ctx, client.ApplyConfigurationFromUnstructured(answer), client.ForceOwnership, client.FieldOwner(needs.FieldOwner))
	if err != nil {
		r.problem(w.String(), err)
		return
	}
	r.done(verb, w, why)
	is, err := canonical(a.Scheme, answer)
	if err != nil {
		r.problem(w.String(), err)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sent == nil {
		a.sent = map[types.UID]sent{}
	}
	a.sent[answer.GetUID()] = sent{w.hash, answer.GetResourceVersion(), w.differ(is)}
}

// replaceTimeout bounds the wait for an object to go. When it takes longer, its
// deletion brings the controller back.
const replaceTimeout = 10 * time.Second

// replace deletes an object of which fields would have to change that cannot,
// and makes it again. Pods stay where the new workload takes them over, so that
// data flows on; where it selects others, they go.
func (a *Applier) replace(ctx context.Context, w *wanted, live client.Object, paths []string, r *Result) {
	policy := metav1.DeletePropagationOrphan
	if slices.Contains(paths, "spec.selector") || slices.Contains(paths, "roleRef") {
		policy = metav1.DeletePropagationBackground
	}
	if err := a.remove(ctx, live, policy); err != nil {
		r.problem(w.String(), err)
		return
	}
	gone := func(ctx context.Context) (bool, error) {
		m, err := a.peek(ctx, w)
		return m == nil || m.UID != live.GetUID(), err
	}
	if err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, replaceTimeout, true, gone); err != nil {
		if wait.Interrupted(err) {
			r.Problems = append(r.Problems, Problem{Reason: ReasonWaiting, Message: fmt.Sprintf("%s is being deleted", w), Retry: true})
			return
		}
		r.problem(w.String(), err)
		return
	}
	a.send(ctx, w, "replaced", strings.Join(paths, ", ")+" cannot be changed in place", r)
}

// remove deletes an object, which may be gone already. One of another identity,
// made since, stays.
func (a *Applier) remove(ctx context.Context, o client.Object, policy metav1.DeletionPropagation) error {
	uid := o.GetUID()
	err := a.Writer.Delete(ctx, o, client.PropagationPolicy(policy), client.Preconditions{UID: &uid})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) || meta.IsNoMatchError(err) {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.sent, uid)
	return err
}
