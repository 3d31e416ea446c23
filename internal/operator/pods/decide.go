package pods

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/internal/inject"
)

// Decider decides about pods by what the cluster has now: the webhook asks it
// about pods that start, and package review about those that run.
type Decider struct {
	gatherer *gatherer
	log      *slog.Logger
}

// NewDecider makes a Decider that reads from a cache, and what that lacks from
// the API server; one client may be both. Of the configuration, Registry does
// not matter.
func NewDecider(c Config, cache, live client.Reader) *Decider {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Decider{log: c.Log, gatherer: &gatherer{
		cache: cache, live: live, native: c.NativeSidecars, files: c.EnvFiles, images: c.ImageVolumes,
		rendered: &rendered{facts: c.Facts}, owners: newOwners(live, time.Now), guards: c.Guards, services: newServices(cache, live, time.Now),
		settings: inject.Facts{Images: c.Images, Probe: c.Probe, LanguagesOff: c.LanguagesOff, OneLanguage: c.OneLanguage, Instrumentation: c.Instrumentation},
	}}
}

// Namespace is the metadata of a namespace. With an error, it has the name.
func (d *Decider) Namespace(ctx context.Context, name string) (metav1.ObjectMeta, error) {
	return d.gatherer.namespace(ctx, name)
}

// Decide says what a pod of a namespace gets when it starts, the pod itself where
// that is nothing, with a decision for each thing that it asks for. Owners are
// those of the pod, nearest first. It never fails: where the cluster does not
// answer, the decision says so.
func (d *Decider) Decide(ctx context.Context, pod *corev1.Pod, namespace metav1.ObjectMeta, owners []inject.Owner) (*corev1.Pod, []inject.Decision) {
	v := &visit{Decider: d, pod: pod, after: pod, namespace: namespace, owners: owners}
	v.sidecar(ctx)
	v.instrumentation(ctx)
	return v.after, v.decisions
}

// defect tells of what should not be.
func (d *Decider) defect(p any) {
	d.log.Error("defect in the webhook of pods", "panic", p, "stack", string(debug.Stack()))
}

// visit is one pod that is decided about. What is asked for by one
// annotation does not depend on what is asked for by another: instrumentation
// goes on where the sidecar failed, and the other way round.
type visit struct {
	*Decider
	pod, after *corev1.Pod
	namespace  metav1.ObjectMeta
	owners     []inject.Owner
	decisions  []inject.Decision
}

func (v *visit) sidecar(ctx context.Context) {
	wish := inject.SidecarWish(v.pod, v.namespace)
	if wish.Empty() {
		return
	}
	v.decide(ctx, []inject.Kind{inject.Sidecar}, func(facts inject.Facts) (*corev1.Pod, []inject.Decision, error) {
		collectors, err := v.gatherer.collectors(ctx, v.namespace.Name, wish)
		if err != nil {
			return nil, nil, err
		}
		r := inject.AddSidecar(v.after, v.namespace, collectors, facts)
		return r.Pod, []inject.Decision{r.Decision}, nil
	})
}

func (v *visit) instrumentation(ctx context.Context) {
	wanted := inject.InstrumentationWishes(v.pod, v.namespace)
	if len(wanted) == 0 {
		return
	}
	var kinds []inject.Kind
	for _, w := range wanted {
		kinds = append(kinds, w.Kind)
	}
	v.decide(ctx, kinds, func(facts inject.Facts) (*corev1.Pod, []inject.Decision, error) {
		instrumentations, err := v.gatherer.instrumentations(ctx, v.namespace.Name, wanted)
		if err != nil {
			return nil, nil, err
		}
		meant := v.gatherer.meant(instrumentations)
		facts.ConfigMaps, facts.NoConfigMaps = v.gatherer.configMaps(ctx, v.namespace.Name, v.pod, meant)
		facts.Services = v.gatherer.services.of(ctx, inject.Services(v.pod, v.namespace, meant))
		after, decisions := inject.AddInstrumentation(v.after, v.namespace, instrumentations, facts)
		return after, decisions, nil
	})
}

// decide comes to a decision about each kind whatever happens on the way.
func (v *visit) decide(ctx context.Context, kinds []inject.Kind, add func(inject.Facts) (*corev1.Pod, []inject.Decision, error)) {
	failed := func(err error) {
		for _, k := range kinds {
			v.decisions = append(v.decisions, inject.Decision{Kind: k, Outcome: inject.Failed, Reason: inject.Internal, Message: err.Error()})
		}
	}
	defer func() {
		if p := recover(); p != nil {
			v.defect(p)
			failed(fmt.Errorf("defect: %v", p))
		}
	}()
	facts, err := v.gatherer.facts(ctx, v.namespace.Name)
	if err != nil {
		failed(err)
		return
	}
	facts.Owners = v.owners
	after, decisions, err := add(facts)
	if err != nil {
		failed(err)
		return
	}
	v.after, v.decisions = after, append(v.decisions, decisions...)
}
