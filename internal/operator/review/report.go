package review

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/internal/inject"
)

// rank orders states by how much they ask for somebody.
var rank = map[inject.State]int{
	inject.StateOff: 1, inject.StateInjected: 2, inject.StateStale: 3, inject.StateMissed: 4, inject.StateRefused: 5, inject.StateGuarded: 6,
}

// report decides about the workloads of the pods that were kept.
func (s *sweep) report(ctx context.Context) (*Report, error) {
	tops := map[types.UID]*top{}
	for _, g := range s.groups {
		t := s.resolve(ctx, g)
		if known := tops[t.UID]; known != nil {
			t = known
		}
		tops[t.UID] = t
		t.pods = append(t.pods, g.pods...)
	}
	clear(s.groups)
	r := &Report{Time: metav1.NewTime(s.Now()), Workloads: []Workload{}, PodsSeen: s.seen}
	counts := map[string]*Source{}
	for _, t := range slices.SortedFunc(maps.Values(tops), func(a, b *top) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	}) {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("looking at workloads: %w", context.Cause(ctx))
		}
		if err := s.decide(ctx, t); err != nil {
			s.problem(err)
			continue
		}
		s.count(ctx, t, counts)
		s.fix(ctx, t)
		t.Template, t.Injected, t.pods, t.object = nil, nil, nil, nil
		if len(t.Counts) == 0 {
			continue // they were replaced, or their workload asks for nothing any more
		}
		if s.brief {
			t.PodsLeftOut += len(t.Pods)
			t.Pods = []Pod{}
		}
		if len(r.Workloads) == maxWorkloads && !s.brief {
			r.WorkloadsLeftOut++
			continue
		}
		r.Workloads = append(r.Workloads, t.Workload)
	}
	r.Sources = []Source{}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		r.Sources = append(r.Sources, *counts[name])
	}
	r.Problems = s.problems
	return r, nil
}

// count says how the pods of a workload stand, and counts them also for the
// Instrumentations that they ask for or have.
func (s *sweep) count(ctx context.Context, t *top, sources map[string]*Source) {
	type key struct {
		kind  inject.Kind
		state inject.State
	}
	counts := map[key]int{}
	all := make([]Pod, 0, len(t.pods))
	refused := map[inject.Kind]bool{}
	for i := range t.pods {
		pod := s.closer(ctx, &t.pods[i], t.Decisions)
		if pod == nil {
			continue // it is gone
		}
		p := Pod{Name: pod.Name, UID: pod.UID, Created: pod.CreationTimestamp, Standings: inject.Stand(pod, t.Decisions)}
		worst := map[string]inject.State{}
		for _, st := range p.Standings {
			counts[key{st.Kind, st.State}]++
			refused[st.Kind] = refused[st.Kind] || st.State == inject.StateRefused || st.State == inject.StateGuarded
			for _, name := range s.sources(ctx, &t.Workload, st) {
				if rank[st.State] > rank[worst[name]] {
					worst[name] = st.State
				}
			}
		}
		for name, state := range worst {
			source(sources, name).add(state)
		}
		all = append(all, p)
	}
	for _, k := range slices.SortedFunc(maps.Keys(counts), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(rank[a.state], rank[b.state]))
	}) {
		t.Counts = append(t.Counts, Count{k.kind, k.state, counts[k]})
	}
	for _, d := range t.Decisions {
		if refused[d.Kind] {
			for _, name := range s.sources(ctx, &t.Workload, inject.Standing{Kind: d.Kind, State: inject.StateRefused}) {
				source(sources, name).refuse(t.Ref, d)
			}
		}
	}
	slices.SortFunc(all, func(a, b Pod) int {
		return cmp.Or(urgency(&b)-urgency(&a), b.Created.Compare(a.Created.Time), cmp.Compare(a.Name, b.Name))
	})
	t.Pods = all
	if len(all) > maxPods {
		t.Pods, t.PodsLeftOut = slices.Clone(all[:maxPods]), len(all)-maxPods
	}
}

// urgency is that of the worst state of a pod, beginning where something is to do.
func urgency(p *Pod) int {
	most := rank[inject.StateInjected]
	for _, s := range p.Standings {
		most = max(most, rank[s.State])
	}
	return most
}

// closer is a pod as far as is needed to say how it stands: all of it where it
// has no mark and would be injected now, because others leave none. It is nil
// when the pod is gone.
func (s *sweep) closer(ctx context.Context, p *corev1.Pod, decisions []inject.Decision) *corev1.Pod {
	if len(p.Spec.Containers) > 0 || len(inject.Has(p)) > 0 ||
		!slices.ContainsFunc(decisions, func(d inject.Decision) bool {
			return d.Outcome == inject.Injected || d.Reason == inject.AlreadyInjected
		}) {
		return p
	}
	s.mu.Lock()
	bare := s.bare[p.UID]
	s.mu.Unlock()
	if bare {
		return p
	}
	whole := new(corev1.Pod)
	if err := s.Live.Get(ctx, client.ObjectKeyFromObject(p), whole); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return nil
		}
		s.problem(fmt.Errorf("reading pod %s/%s: %w", p.Namespace, p.Name, err))
		return p
	}
	if len(inject.Has(whole)) == 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.bare) >= remembered {
			clear(s.bare)
		}
		s.bare[p.UID] = true
	}
	return whole
}

// sources are the Instrumentations that a standing is about.
func (s *sweep) sources(ctx context.Context, w *Workload, st inject.Standing) []string {
	if st.Kind == inject.Sidecar || st.State == inject.StateOff {
		return nil
	}
	switch d := w.Decision(st.Kind); {
	case d != nil && d.Source != "":
		return []string{d.Source}
	case d != nil && d.Reason == inject.SeveralInNamespace:
		return s.instrumentations(ctx, w.Namespace)
	case st.Source != "":
		return []string{st.Source}
	}
	return nil
}

// instrumentations are those of a namespace.
func (s *sweep) instrumentations(ctx context.Context, namespace string) []string {
	names, ok := s.candidates[namespace]
	if !ok {
		var list v1alpha1.InstrumentationList
		if err := s.Live.List(ctx, &list, client.InNamespace(namespace)); err != nil {
			s.problem(fmt.Errorf("listing Instrumentations of namespace %s: %w", namespace, err))
		}
		for _, i := range list.Items {
			names = append(names, i.Namespace+"/"+i.Name)
		}
		s.candidates[namespace] = names
	}
	return names
}

func source(all map[string]*Source, name string) *Source {
	if all[name] == nil {
		all[name] = &Source{Name: name}
	}
	return all[name]
}

// add counts a pod.
func (s *Source) add(state inject.State) {
	s.Pods.Matched++
	switch state {
	case inject.StateInjected:
		s.Pods.Injected++
	case inject.StateStale:
		s.Pods.Stale++
	case inject.StateMissed:
		s.Pods.Missed++
	case inject.StateRefused:
		s.Pods.Refused++
	case inject.StateGuarded:
		s.Pods.Guarded++
	}
}

// refuse notes a workload that does not get it.
func (s *Source) refuse(of Ref, d inject.Decision) {
	if len(s.Refusals) == maxRefusals {
		return
	}
	message := d.Message
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage-len("…")], "") + "…"
	}
	s.Refusals = append(s.Refusals, v1alpha1.Refusal{Workload: of.String(), Language: string(d.Kind), Reason: string(d.Reason), Message: message})
}
