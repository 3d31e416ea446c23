// Package explain says why a workload of a cluster is instrumented or not: what
// was decided when its pods started, what would be decided now, what its pods
// were given, what their agents say, and what to change.
//
// `signalbox explain` prints its answers. It works by what the API server tells
// the user, and decides by the operator's own code (operator/review) with the
// settings that the operator's Deployment shows: so it works as well when the
// operator is down, and says that it is.
//
// Invariants: nothing is written. What the user may not read is named among the
// problems, and the rest is answered.
package explain

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/operator"
	"github.com/signalbox-otel/signalbox/internal/operator/remedy"
	"github.com/signalbox-otel/signalbox/internal/operator/review"
)

// Options say which cluster is looked at.
type Options struct {
	REST *rest.Config
	// Version of this release, for what the operator's Deployment leaves open.
	Version string
	// OperatorNamespace is where the operator is; "" looks for it.
	OperatorNamespace string
}

// Explainer looks at one cluster.
type Explainer struct {
	// Operator is how the operator is, as it was when the Explainer was made.
	Operator Operator

	reader   client.Reader
	core     typedcorev1.CoreV1Interface
	reviewer *review.Reviewer
}

// Report is what is known of workloads.
type Report struct {
	Operator  Operator   `json:"operator"`
	Workloads []Workload `json:"workloads"`
	// WorkloadsLeftOut are as many more.
	WorkloadsLeftOut int `json:"workloadsLeftOut,omitempty"`
	// PodsSeen counts those that ask for nothing, too; 0 where one workload was
	// asked for.
	PodsSeen int `json:"podsSeen,omitempty"`
	// Problems are what could not be found out.
	Problems []string `json:"problems,omitempty"`
}

// Workload is what is known of one.
type Workload struct {
	review.Workload
	// Standings are how the pods together stand to each kind.
	Standings []Standing `json:"standings"`
	// What follows is there for a workload that was asked for by name.

	// Deliveries are what containers of a pod that starts now get.
	Deliveries []Delivery `json:"deliveries,omitempty"`
	// Events are what was decided when pods started, the latest first.
	Events []Event `json:"events,omitempty"`
	// Remarks are about what the agents cost.
	Remarks []string `json:"remarks,omitempty"`
}

// New connects to a cluster and looks for its operator.
func New(ctx context.Context, o Options) (*Explainer, error) {
	scheme, err := operator.NewScheme()
	if err != nil {
		return nil, err
	}
	config := rest.CopyConfig(o.REST)
	config.QPS = -1 // the API server itself shares its time out fairly
	config.WarningHandler = rest.NoWarnings{}
	web, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	e := new(Explainer)
	if e.reader, err = client.New(config, client.Options{Scheme: scheme, HTTPClient: web}); err != nil {
		return nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	if e.core, err = typedcorev1.NewForConfigAndClient(config, web); err != nil {
		return nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	set, err := e.findOperator(ctx, o)
	if err != nil {
		return nil, err
	}
	e.reviewer, err = operator.NewReviewer(set, config)
	return e, err
}

// All looks at the workloads of namespaces, or of all that the operator works
// for.
func (e *Explainer) All(ctx context.Context, namespaces ...string) (*Report, error) {
	found, err := e.reviewer.Sweep(ctx, namespaces...)
	if err != nil {
		return nil, err
	}
	r := &Report{Operator: e.Operator, Workloads: []Workload{}, WorkloadsLeftOut: found.WorkloadsLeftOut, PodsSeen: found.PodsSeen, Problems: found.Problems}
	for _, w := range found.Workloads {
		r.Workloads = append(r.Workloads, Workload{Workload: w, Standings: standings(&w)})
	}
	return r, nil
}

// One looks closely at the workload that is named, or that the named pod belongs
// to: then of its pods that one is told.
func (e *Explainer) One(ctx context.Context, ref review.Ref) (*Report, error) {
	found, err := e.reviewer.Workload(ctx, ref)
	if err != nil {
		return nil, err
	}
	r := &Report{Operator: e.Operator}
	w := Workload{Workload: *found, Standings: standings(found), Deliveries: deliveries(found.Injected, found.Decisions)}
	w.Remarks = remarks(found.Injected, found.Decisions)
	for i := range w.Standings {
		w.Standings[i].Asked = asked(found, w.Standings[i].Kind)
	}
	if w.Events, err = e.events(ctx, found); err != nil {
		r.Problems = append(r.Problems, err.Error())
	}
	if ref.Kind == "Pod" && ref != w.Ref {
		w.only(ref.Name)
	}
	r.Workloads = []Workload{w}
	return r, nil
}

// only leaves out all pods but one. One that is not among those that were told is
// well, and so are the others that were not told: those stay.
func (w *Workload) only(pod string) {
	i := slices.IndexFunc(w.Pods, func(p review.Pod) bool { return p.Name == pod })
	if i < 0 {
		return
	}
	w.PodsLeftOut += len(w.Pods) - 1
	w.Pods = w.Pods[i : i+1]
}

// Standing is how the pods of a workload together stand to a kind.
type Standing struct {
	Kind inject.Kind `json:"kind"`
	// Asked is the annotation that asks for it; "" where nothing does any more. It
	// is there for a workload that was asked for by name.
	Asked string `json:"asked,omitempty"`
	// State is that of the pods that most want somebody to act; "Failed" where the
	// operator could not decide, "Idle" where there are no pods and the next one
	// gets it.
	State inject.State `json:"state"`
	// Injected of Pods have what they would get now.
	Injected int `json:"injected"`
	Pods     int `json:"pods"`
	// Reason is that of the decision about pods that start now.
	Reason  inject.Reason `json:"reason,omitempty"`
	Message string        `json:"message"`
}

// States of workloads that pods do not have.
const (
	Failed inject.State = "Failed"
	Idle   inject.State = "Idle"
)

// urgency are the states, those first that most want somebody to act.
var urgency = []inject.State{
	inject.StateGuarded, Failed, inject.StateRefused, inject.StateMissed, inject.StateStale, inject.StateInjected, Idle, inject.StateOff,
}

// standings are one for each kind that the workload asks for or has.
func standings(w *review.Workload) []Standing {
	var kinds []inject.Kind
	for _, d := range w.Decisions {
		kinds = append(kinds, d.Kind)
	}
	for _, c := range w.Counts {
		if !slices.Contains(kinds, c.Kind) {
			kinds = append(kinds, c.Kind)
		}
	}
	all := []Standing{}
	for _, k := range kinds {
		s := Standing{Kind: k, Injected: w.Count(k, inject.StateInjected)}
		for _, c := range w.Counts {
			if c.Kind != k || c.Pods == 0 {
				continue
			}
			if s.Pods += c.Pods; s.State == "" || slices.Index(urgency, c.State) < slices.Index(urgency, s.State) {
				s.State = c.State
			}
		}
		d := w.Decision(k)
		s.State = stateWith(s.State, d)
		s.Message = messageOf(w, k, s.State, d)
		if d != nil {
			s.Reason = d.Reason
		}
		all = append(all, s)
	}
	return all
}

// asked is the annotation that asks for a kind, with its value where the pods
// themselves have it.
func asked(w *review.Workload, k inject.Kind) string {
	key := remedy.Annotation(k)
	switch {
	case w.Decision(k) == nil || w.Template == nil || k == inject.Unknown:
		return ""
	case w.Template.Annotations[key] != "":
		return fmt.Sprintf("%s: %q", key, w.Template.Annotations[key])
	}
	return key + " of namespace " + w.Namespace
}

// stateWith is the state of pods together with the decision about those that
// start now.
func stateWith(ofPods inject.State, d *inject.Decision) inject.State {
	switch {
	case d != nil && d.Outcome == inject.Failed:
		return Failed
	case ofPods != "":
		return ofPods
	case d == nil:
		return inject.StateOff
	case d.Reason == inject.CrashGuard:
		return inject.StateGuarded
	case d.Outcome == inject.Refused:
		return inject.StateRefused
	case d.Outcome == inject.Injected:
		return Idle
	}
	return inject.StateOff
}

// messageOf is about the state: that of a pod in it, where the decision alone
// does not say.
func messageOf(w *review.Workload, k inject.Kind, state inject.State, d *inject.Decision) string {
	of := ""
	for _, p := range w.Pods {
		for _, s := range p.Standings {
			if s.Kind == k && s.State == state {
				of = cmp.Or(of, s.Message)
			}
		}
	}
	if d == nil || of != "" && (state == inject.StateMissed || state == inject.StateStale) {
		return of
	}
	return d.Message
}

// ago is how long ago something was, in words.
func ago(t metav1.Time, now time.Time) string {
	d := now.Sub(t.Time)
	switch {
	case d < time.Minute:
		return "less than a minute ago"
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}
