package review

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/inject"
)

// top is a workload on its way into a report.
type top struct {
	Workload
	pods []corev1.Pod
	// object is the workload as it is now, nil for a pod, one that is gone, and
	// kinds of others.
	object client.Object
}

// resolve says which workload the pods of a group belong to.
func (s *sweep) resolve(ctx context.Context, g *group) *top {
	if g.controller == nil {
		p := g.pods[0]
		return &top{Workload: Workload{Ref: Ref{"Pod", g.namespace, p.Name}, APIVersion: "v1", UID: p.UID}}
	}
	owner := *g.controller
	if above, err := s.controller(ctx, g.namespace, owner); err != nil {
		s.problem(err)
	} else if above != nil {
		owner = *above
	}
	return &top{Workload: Workload{Ref: Ref{owner.Kind, g.namespace, owner.Name}, APIVersion: owner.APIVersion, UID: owner.UID}}
}

// controller is that of a ReplicaSet or Job; of others, which are no parts of
// something larger, there is none.
func (r *Reviewer) controller(ctx context.Context, namespace string, of metav1.OwnerReference) (*metav1.OwnerReference, error) {
	group, _, _ := strings.Cut(of.APIVersion, "/")
	if !(group == appsv1.GroupName && of.Kind == "ReplicaSet" || group == batchv1.GroupName && of.Kind == "Job") {
		return nil, nil
	}
	r.mu.Lock()
	above, ok := r.above[of.UID]
	r.mu.Unlock()
	if ok {
		return above, nil
	}
	m := new(metav1.PartialObjectMetadata)
	m.SetGroupVersionKind(schema.FromAPIVersionAndKind(of.APIVersion, of.Kind))
	if err := r.Live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: of.Name}, m); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil // its pods go too
		}
		return nil, fmt.Errorf("reading %s %s/%s: %w", of.Kind, namespace, of.Name, err)
	}
	above = metav1.GetControllerOf(m)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.above) >= remembered {
		clear(r.above)
	}
	r.above[of.UID] = above
	return above, nil
}

// empty is an object to read a workload of a kind into, nil for kinds of others.
func empty(apiVersion, kind string) client.Object {
	switch group, _, _ := strings.Cut(apiVersion, "/"); group + "/" + kind {
	case "apps/Deployment":
		return new(appsv1.Deployment)
	case "apps/StatefulSet":
		return new(appsv1.StatefulSet)
	case "apps/DaemonSet":
		return new(appsv1.DaemonSet)
	case "apps/ReplicaSet":
		return new(appsv1.ReplicaSet)
	case "batch/Job":
		return new(batchv1.Job)
	case "batch/CronJob":
		return new(batchv1.CronJob)
	case "v1/Pod":
		return new(corev1.Pod)
	}
	return nil
}

// template is what the pods of a workload are made of, and how they are found;
// without selector, only by their owner.
func template(o client.Object) (*corev1.PodTemplateSpec, *metav1.LabelSelector) {
	switch o := o.(type) {
	case *appsv1.Deployment:
		return &o.Spec.Template, o.Spec.Selector
	case *appsv1.StatefulSet:
		return &o.Spec.Template, o.Spec.Selector
	case *appsv1.DaemonSet:
		return &o.Spec.Template, o.Spec.Selector
	case *appsv1.ReplicaSet:
		return &o.Spec.Template, o.Spec.Selector
	case *batchv1.Job:
		return &o.Spec.Template, o.Spec.Selector
	case *batchv1.CronJob:
		return &o.Spec.JobTemplate.Spec.Template, nil
	}
	return nil, nil
}

// read reads the workload itself. One that is gone leaves its pods behind for a
// moment.
func (s *sweep) read(ctx context.Context, t *top) error {
	o := empty(t.APIVersion, t.Kind)
	if o == nil || t.object != nil {
		return nil
	}
	err := s.Live.Get(ctx, client.ObjectKey{Namespace: t.Namespace, Name: t.Name}, o)
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("reading %s: %w", t.Ref, err)
	case t.UID != "" && o.GetUID() != t.UID:
		return nil // another of the name
	}
	t.object, t.UID = o, o.GetUID()
	if p, ok := o.(*corev1.Pod); ok {
		t.pods = []corev1.Pod{*p}
	}
	return nil
}

// starting is the pod that starts next: of the workload's template, else as the
// newest that there is was before anything was injected.
func (s *sweep) starting(ctx context.Context, t *top) (*corev1.Pod, error) {
	if spec, _ := template(t.object); spec != nil {
		p := &corev1.Pod{ObjectMeta: *spec.ObjectMeta.DeepCopy(), Spec: *spec.Spec.DeepCopy()}
		p.Namespace, p.GenerateName = t.Namespace, t.Name+"-"
		return p, nil
	}
	p, ok := t.object.(*corev1.Pod)
	if !ok {
		if len(t.pods) == 0 {
			return nil, nil
		}
		newest := slices.MaxFunc(t.pods, func(a, b corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
		p = new(corev1.Pod)
		if err := s.Live.Get(ctx, client.ObjectKey{Namespace: newest.Namespace, Name: newest.Name}, p); err != nil {
			return nil, fmt.Errorf("reading pod %s/%s: %w", newest.Namespace, newest.Name, err)
		}
	}
	p = inject.Plain(p)
	p.UID, p.ResourceVersion, p.Status = "", "", corev1.PodStatus{}
	return p, nil
}

// decide decides about pods of a workload that start now.
func (s *sweep) decide(ctx context.Context, t *top) error {
	t.Decisions, t.Counts, t.Pods = []inject.Decision{}, []Count{}, []Pod{} // lists, also in JSON
	if err := s.read(ctx, t); err != nil {
		return err
	}
	pod, err := s.starting(ctx, t)
	switch {
	case client.IgnoreNotFound(err) != nil:
		return err
	case pod == nil || err != nil:
		t.pods = nil // they are gone, as it is
		return nil
	}
	var owners []inject.Owner
	if t.Kind != "Pod" {
		owners = []inject.Owner{{APIVersion: t.APIVersion, Kind: t.Kind, Name: t.Name, UID: t.UID}}
	}
	namespace := s.namespace(ctx, t.Namespace)
	t.Template = pod
	after, decisions := s.Decider.Decide(ctx, pod, namespace, owners)
	t.Injected, t.Decisions = after, append(t.Decisions, decisions...)
	if why := s.unreached(ctx, pod, namespace); why != "" {
		t.Injected = pod
		for i := range t.Decisions {
			if d := &t.Decisions[i]; d.Outcome == inject.Injected {
				d.Outcome, d.Reason, d.Message, d.Containers = inject.Refused, inject.Unreached, why, nil
			}
		}
	}
	t.Notes = misplaced(t)
	return nil
}

// request reports whether an annotation asks for something.
func request(annotation string) bool {
	asks := v1beta1.InstrumentationPrefix + "inject"
	return annotation == v1beta1.AnnotationSidecar || annotation == asks || strings.HasPrefix(annotation, asks+"-") && !strings.HasSuffix(annotation, "-container-names")
}

// misplaced notes annotations that ask for something where nobody looks for
// them: on the workload, or on pods that run.
func misplaced(t *top) []string {
	spec, _ := template(t.object)
	if spec == nil {
		return nil
	}
	var notes []string
	missing := func(annotations map[string]string) []string {
		var keys []string
		for key := range annotations {
			if _, ok := spec.Annotations[key]; request(key) && !ok {
				keys = append(keys, key)
			}
		}
		slices.Sort(keys)
		return keys
	}
	for _, key := range missing(t.object.GetAnnotations()) {
		notes = append(notes, fmt.Sprintf("annotation %s is on the %s itself, where it means nothing: write it into the template of its pods (spec.template.metadata.annotations)", key, t.Kind))
	}
	for i := range t.pods {
		if p := &t.pods[i]; len(inject.Has(p)) == 0 {
			for _, key := range missing(p.Annotations) {
				notes = append(notes, fmt.Sprintf("pod %s has annotation %s, and the template of the %s does not: it counts when a pod starts, so write it into the template", p.Name, key, t.Kind))
			}
			if len(notes) >= maxNotes {
				break
			}
		}
	}
	return notes
}

// maxNotes bounds what is noted of a workload.
const maxNotes = 5
