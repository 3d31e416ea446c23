package review

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/inject/verdict"
)

// Report is what a look at the pods of some namespaces found.
type Report struct {
	// Time is when it was made.
	Time metav1.Time `json:"time"`
	// Workloads are those that ask for something, or have it, by namespace, kind
	// and name.
	Workloads []Workload `json:"workloads"`
	// WorkloadsLeftOut are as many more, of which nothing is told but in Sources.
	WorkloadsLeftOut int `json:"workloadsLeftOut,omitempty"`
	// Sources count the pods that ask for a resource or have it, by its kind and
	// name.
	Sources []Source `json:"sources"`
	// PodsSeen is how many pods there are that did not end, also those that ask
	// for nothing.
	PodsSeen int `json:"podsSeen"`
	// Problems are what could not be found out.
	Problems []string `json:"problems,omitempty"`
}

// Source counts the pods of one Instrumentation.
type Source struct {
	// Name of the Instrumentation, as namespace/name.
	Name string `json:"name"`
	// Pods, each counted once.
	Pods v1alpha1.InstrumentedPods `json:"pods"`
	// Refusals are workloads whose pods do not get it, a few of them.
	Refusals []v1alpha1.Refusal `json:"refusals,omitempty"`
}

// split are the namespace and the name of the Instrumentation.
func (s *Source) split() (namespace, name string) {
	namespace, name, _ = strings.Cut(s.Name, "/")
	return namespace, name
}

// Ref names a workload: the top owner of pods, or a pod without owner.
type Ref struct {
	// Kind as Deployment, StatefulSet, DaemonSet, CronJob, Job, ReplicaSet or Pod,
	// or one that others defined.
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// String is as Deployment shop/cart.
func (r Ref) String() string { return r.Kind + " " + r.Namespace + "/" + r.Name }

// Workload is what is known of a workload and its pods.
type Workload struct {
	Ref
	APIVersion string    `json:"apiVersion,omitempty"`
	UID        types.UID `json:"uid,omitempty"`
	// Decisions are about pods of it that start now, one for each kind that is
	// asked for.
	Decisions []inject.Decision `json:"decisions"`
	// Counts of its pods, for each kind and state that there is.
	Counts []Count `json:"counts"`
	// Pods are its pods that did not end: those first that do not have what they
	// would get now, then the newest.
	Pods []Pod `json:"pods"`
	// PodsLeftOut are as many more, that are in Counts alone.
	PodsLeftOut int `json:"podsLeftOut,omitempty"`
	// Fixes are what to change, where something is to change, by kind.
	Fixes []Fix `json:"fixes,omitempty"`
	// Notes say what else its owner should know, each in a sentence.
	Notes []string `json:"notes,omitempty"`

	// Template is the pod that Decisions are about, and Injected what it becomes.
	// They are there for a workload that was asked for by name.
	Template *corev1.Pod `json:"-"`
	Injected *corev1.Pod `json:"-"`
}

// Count is how many pods of a workload stand so to a kind.
type Count struct {
	Kind  inject.Kind  `json:"kind"`
	State inject.State `json:"state"`
	Pods  int          `json:"pods"`
}

// Count is how many pods are in a state, for a kind.
func (w *Workload) Count(kind inject.Kind, state inject.State) int {
	for _, c := range w.Counts {
		if c.Kind == kind && c.State == state {
			return c.Pods
		}
	}
	return 0
}

// Decision is that about a kind, nil where it is not asked for.
func (w *Workload) Decision(kind inject.Kind) *inject.Decision {
	if i := slices.IndexFunc(w.Decisions, func(d inject.Decision) bool { return d.Kind == kind }); i >= 0 {
		return &w.Decisions[i]
	}
	return nil
}

// Pod is how a pod stands.
type Pod struct {
	Name    string      `json:"name"`
	UID     types.UID   `json:"uid,omitempty"`
	Created metav1.Time `json:"created"`
	// Standings are one for each kind that it asks for or has.
	Standings []inject.Standing `json:"standings"`
	// Verdicts are what the probe found out about its containers, where the
	// language was not named. They are read of workloads that were asked for by
	// name, as Said is.
	Verdicts []verdict.Verdict `json:"verdicts,omitempty"`
	// Said is what agents in its containers said against instrumenting their
	// program.
	Said []Said `json:"said,omitempty"`
}

// State is how the pod stands to a kind; nothing where that is no question.
func (p *Pod) State(kind inject.Kind) inject.State {
	for _, s := range p.Standings {
		if s.Kind == kind {
			return s.State
		}
	}
	return ""
}

// Said is a line that an agent wrote to the log of its container because it
// stepped aside.
type Said struct {
	Container string `json:"container"`
	Message   string `json:"message"`
}
