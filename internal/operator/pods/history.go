package pods

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/operator/readiness"
)

// generationsKept is how many generations of pods are remembered of a workload.
const generationsKept = 8

// history is what was seen of the pods of one workload: the crash guard compares
// those that crash with those before them, which may be gone by then.
type history struct {
	generations map[generation]*seen
	// looked are the generations for whose sake the pods that are not instrumented
	// were looked at, and told those that an event was about.
	looked, told map[generation]bool
}

// generation are pods that are alike: of one revision, and with the same marks.
type generation struct{ revision, marks string }

// seen is what was seen of a generation.
type seen struct {
	injected map[inject.Kind]string
	health   map[string]readiness.Health // by container
	at       time.Time
}

func newHistory() *history {
	return &history{generations: map[generation]*seen{}, looked: map[generation]bool{}, told: map[generation]bool{}}
}

func generationOf(p *corev1.Pod) generation {
	return generation{readiness.Revision(p), p.Annotations[v1beta1.AnnotationInstrumented]}
}

// see notes how pods fare. One that is well is enough for its generation: what
// crashes for what all of them have, crashes everywhere.
func (h *history) see(pods []*corev1.Pod, now time.Time) {
	present := map[generation]map[string]readiness.Health{}
	for _, p := range pods {
		g := generationOf(p)
		if h.generations[g] == nil {
			h.generations[g] = &seen{injected: map[inject.Kind]string{}, health: map[string]readiness.Health{}}
			for _, m := range inject.Marks(p.Annotations) {
				h.generations[g].injected[m.Kind] = m.Source + "@" + m.Sum
			}
		}
		h.generations[g].at = now
		if present[g] == nil {
			present[g] = map[string]readiness.Health{}
		}
		for _, c := range p.Spec.Containers {
			health, _ := readiness.HealthOf(p, c.Name, now)
			if old, ok := present[g][c.Name]; !ok || health == readiness.Well || old == readiness.Starting {
				present[g][c.Name] = health
			}
		}
	}
	for g, health := range present {
		for c, now := range health {
			// Those that start again were better known before.
			if now != readiness.Starting || h.generations[g].health[c] == readiness.Starting {
				h.generations[g].health[c] = now
			}
		}
	}
	for len(h.generations) > generationsKept {
		oldest := slices.MinFunc(slices.Collect(maps.Keys(h.generations)), func(a, b generation) int {
			return h.generations[a].at.Compare(h.generations[b].at)
		})
		delete(h.generations, oldest)
		delete(h.looked, oldest)
		delete(h.told, oldest)
	}
}

// unsettled are the generations of pods that start or crash, for whose sake
// nobody has looked at other pods.
func (h *history) unsettled(pods []*corev1.Pod) []generation {
	var all []generation
	for _, p := range pods {
		g := generationOf(p)
		s := h.generations[g]
		if s == nil || h.looked[g] || slices.Contains(all, g) {
			continue
		}
		for _, health := range s.health {
			if health != readiness.Well {
				all = append(all, g)
				break
			}
		}
	}
	return all
}

// blame weighs what is to blame for the crashes of a container of pods with a
// language.
func (h *history) blame(p *corev1.Pod, m inject.Mark, container string) readiness.Blame {
	var all []readiness.Witness
	for g, s := range h.generations {
		all = append(all, readiness.Witness{Revision: g.revision, Injected: s.injected[m.Kind], Health: s.health[container]})
	}
	return readiness.BlameFor(readiness.Revision(p), m.Source+"@"+m.Sum, all)
}
