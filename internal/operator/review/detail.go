package review

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/operator/readiness"
)

// apiVersions of the kinds that can be asked for by name.
var apiVersions = map[string]string{
	"Deployment": "apps/v1", "StatefulSet": "apps/v1", "DaemonSet": "apps/v1", "ReplicaSet": "apps/v1",
	"Job": "batch/v1", "CronJob": "batch/v1", "Pod": "v1",
}

// ErrKind is that a workload of a kind cannot be asked for by name.
var ErrKind = errors.New("ask for a Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, CronJob or Pod")

// Workload looks at one workload and all of its pods, also those that ended. For
// a pod, ReplicaSet or Job that belongs to something larger, it is that. One that
// does not exist is an error of the API server.
func (r *Reviewer) Workload(ctx context.Context, ref Ref) (*Workload, error) {
	api, ok := apiVersions[ref.Kind]
	if !ok {
		return nil, fmt.Errorf("%q is no kind of workload: %w", ref.Kind, ErrKind)
	}
	o := empty(api, ref.Kind)
	if err := r.Live.Get(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, o); err != nil {
		return nil, fmt.Errorf("reading %s: %w", ref, err)
	}
	s := r.sweep()
	t := &top{Workload: Workload{Ref: ref, APIVersion: api, UID: o.GetUID()}, object: o}
	if owner := metav1.GetControllerOf(o); owner != nil {
		t = s.resolve(ctx, &group{namespace: ref.Namespace, controller: owner})
		if err := s.read(ctx, t); err != nil {
			return nil, err
		}
	}
	if err := s.members(ctx, t); err != nil {
		return nil, err
	}
	if err := s.decide(ctx, t); err != nil {
		return nil, err
	}
	s.count(ctx, t, map[string]*Source{})
	s.fix(ctx, t)
	s.explain(ctx, t)
	s.listen(ctx, t)
	for _, p := range s.problems {
		t.Notes = append(t.Notes, "could not be found out: "+p)
	}
	return &t.Workload, nil
}

// members finds the pods of a workload.
func (s *sweep) members(ctx context.Context, t *top) error {
	if p, ok := t.object.(*corev1.Pod); ok {
		t.pods = []corev1.Pod{*p}
		return nil
	}
	_, selector := template(t.object)
	options, err := matching(t.Namespace, selector)
	if err != nil {
		return err
	}
	s.wants = func(*corev1.Pod) bool { return true }
	if err := s.list(ctx, options...); err != nil {
		return err
	}
	for _, g := range s.groups {
		if s.resolve(ctx, g).UID == t.UID {
			t.pods = append(t.pods, g.pods...)
		}
	}
	return nil
}

// explain says of pods that missed something whether they could have had it.
func (s *sweep) explain(ctx context.Context, t *top) {
	for _, d := range t.Decisions {
		namespace, name, _ := strings.Cut(d.Source, "/")
		if d.Kind == inject.Sidecar || name == "" || t.Count(d.Kind, inject.StateMissed) == 0 {
			continue
		}
		var i v1alpha1.Instrumentation
		if err := s.Live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &i); err != nil {
			continue // the decision comes from a cache, and this is only more exact
		}
		for at := range t.Pods {
			for k := range t.Pods[at].Standings {
				st := &t.Pods[at].Standings[k]
				if st.Kind != d.Kind || st.State != inject.StateMissed {
					continue
				}
				if t.Pods[at].Created.Before(&i.CreationTimestamp) {
					st.Message = fmt.Sprintf("the pod started before Instrumentation %s was made: replace the pod", d.Source)
				}
			}
		}
	}
}

// maxListened bounds how many pods are read as a whole, with their logs.
const maxListened = 3

// listen looks at a few instrumented pods for what the probe found out, and in
// their logs for what agents say when they step aside. They say it before the
// program does anything, so that it is at the beginning, as long as the log was
// not rotated.
func (s *sweep) listen(ctx context.Context, t *top) {
	listened := 0
	for i := range t.Pods {
		p := &t.Pods[i]
		agents := func(st inject.Standing) bool {
			return st.Kind != inject.Sidecar && (st.State == inject.StateInjected || st.State == inject.StateStale)
		}
		if listened == maxListened || !slices.ContainsFunc(p.Standings, agents) {
			continue
		}
		listened++
		var pod corev1.Pod
		if err := s.Live.Get(ctx, client.ObjectKey{Namespace: t.Namespace, Name: p.Name}, &pod); err != nil {
			continue // it is gone, or the problem was told before
		}
		p.Verdicts = inject.Verdicts(&pod)
		t.Notes = append(t.Notes, crashes(&pod, t.Decisions, s.Now())...)
		if s.Logs == nil {
			continue
		}
		for _, c := range inject.Plain(&pod).Spec.Containers {
			text, err := s.Logs(ctx, t.Namespace, p.Name, c.Name)
			if err != nil {
				continue // it has not started, or its log may not be read
			}
			for _, line := range steppedAside(text) {
				p.Said = append(p.Said, Said{c.Name, line})
			}
		}
	}
}

// crashes says of an instrumented pod that crashes what is not known of it: what
// is known to be to blame is kept off the workload by the crash guard, and the
// pod replaced.
func crashes(p *corev1.Pod, decisions []inject.Decision, now time.Time) []string {
	var notes []string
	for _, part := range inject.Parts(p) {
		if slices.ContainsFunc(decisions, func(d inject.Decision) bool { return d.Kind == part.Kind && d.Reason == inject.CrashGuard }) {
			continue // it is known, and the decision says so
		}
		if how := readiness.Failure(p, part.Added, now); how != "" {
			notes = append(notes, fmt.Sprintf("%s in pod %s, where %s of Instrumentation %s is prepared: the crash guard takes that back where it is on, and the pod's controller makes another", how, p.Name, part.Kind, part.Source))
		}
		for _, name := range part.With {
			if health, how := readiness.HealthOf(p, name, now); health == readiness.Crashing {
				notes = append(notes, fmt.Sprintf("%s in pod %s, which has %s of Instrumentation %s: whether that is to blame is not known, because no pod without it was seen to run before. To try without, set annotation %sinject-%s in the pod template to false",
					how, p.Name, part.Kind, part.Source, v1beta1.InstrumentationPrefix, part.Kind))
			}
		}
	}
	return notes
}

// steppedAside are the lines of our agents about what they leave alone, each
// once: a program may start several processes.
func steppedAside(log string) []string {
	var all []string
	seen := map[string]bool{}
	for line := range strings.Lines(log) {
		_, said, ours := strings.Cut(strings.TrimSpace(line), "signalbox: ")
		if ours && strings.Contains(said, "not instrumented") && !seen[said] {
			seen[said] = true
			all = append(all, said)
		}
	}
	return all
}
