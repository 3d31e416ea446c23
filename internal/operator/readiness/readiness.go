// Package readiness says how a resource of ours fares: from its workload, its
// pods and what came of applying its objects to conditions and counts.
//
// The controllers apply a plan, show what the cluster has of it to Judge, and
// write what that returns into the status. Ready is true only when all wanted
// pods are ready and run the wanted configuration; otherwise the message says
// why not, and what a person can do.
//
// Invariants: it is pure but for Look, which asks the cluster only where the
// statuses of pods do not have the reason. The same state gives the same
// conditions, with the times of the previous ones where nothing changed, so that
// equal conditions need no write.
package readiness

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/migrate"
)

// Types of conditions.
const (
	// Ready: all wanted pods are ready on the wanted configuration.
	Ready = "Ready"
	// Applied: the objects of the resource are in the cluster as wanted.
	Applied = "Applied"
	// Progressing: pods are being started or replaced.
	Progressing = "Progressing"
	// Degraded: something stays wrong until a person mends it.
	Degraded = "Degraded"
	// Findings: the resource was migrated, or asks for what cannot be had. There
	// is no such condition where nothing was found.
	Findings = "Findings"
)

// Reasons of conditions, besides those of problems of pods.
const (
	Reconciled       = "Reconciled"
	ReconcileError   = "ReconcileError"
	RollingOut       = "RollingOut"
	RolledOut        = "RolledOut"
	WaitingForDelete = "WaitingForDelete"
	StaleSidecars    = "StaleSidecars"
	AsExpected       = "AsExpected"
	ConfigInvalid    = "ConfigInvalid"
	Migrated         = "Migrated"
	Warnings         = "Warnings"
)

// reconciledMessage is what scripts wait for.
const reconciledMessage = "Successfully reconciled"

// State is all that Judge looks at.
type State struct {
	// Generation of the resource that the objects were made of.
	Generation int64
	// Conditions as they are in the status now.
	Conditions []metav1.Condition
	// Now is the time of conditions that change.
	Now metav1.Time

	// Workload is the Deployment, DaemonSet or StatefulSet as it came back from
	// being applied, or from the cache; nil when there is none.
	Workload client.Object
	// Pods that the workload selects.
	Pods []corev1.Pod
	// Parts are what the resource needs besides, which has a workload of its own.
	Parts []Part
	// Injected counts the pods with the sidecar, of a resource of mode sidecar.
	Injected Injected
	// Findings of the plan.
	Findings []migrate.Finding
	// Err is what went wrong on the way to the cluster. An error that has a
	// method Reason() string gives the condition Applied its reason.
	Err error

	// Look asks the cluster for what the statuses of pods do not have.
	Look Look
}

// Part is something with pods of its own without which the resource is not ready.
type Part struct {
	// Name for people.
	Name string
	// Workload and Pods are as in State.
	Workload client.Object
	Pods     []corev1.Pod
}

// Look asks the cluster about something that went wrong. Its functions may be
// nil, and return nothing where they do not know.
type Look struct {
	// LastLine is the last line that a container wrote before it ended. It is
	// asked once at most.
	LastLine func(pod *corev1.Pod, container string) string
	// LastWarning is the message of the latest warning event about an object. It
	// is asked once at most.
	LastWarning func(object client.Object) string
}

// Judgement is what the status says.
type Judgement struct {
	// Scale has Replicas and StatusReplicas; the selector is the plan's.
	Scale v1beta1.ScaleStatus
	// Conditions to write.
	Conditions []metav1.Condition
	// Again says when to judge again though nothing has changed, because time
	// matters; 0 is never.
	Again time.Duration
}

// Judge says how a resource fares.
func Judge(s State) Judgement {
	n := count(s.Workload)
	j := Judgement{Conditions: slices.Clone(s.Conditions)}
	if s.Workload != nil {
		j.Scale.Replicas = n.replicas
		j.Scale.StatusReplicas = fmt.Sprintf("%d/%d", n.ready, n.replicas)
	}
	trouble := s.trouble(n)
	ready, progressing, degraded := s.ready(n, trouble), s.progressing(n, trouble), s.degraded(trouble)
	j.Again = s.again(n, trouble)
	for _, p := range s.Parts {
		again := s.judgePart(p, &ready, &progressing, &degraded)
		if again > 0 && (j.Again == 0 || again < j.Again) {
			j.Again = again
		}
	}
	for _, c := range []metav1.Condition{ready, s.applied(), progressing, degraded} {
		s.set(&j.Conditions, c)
	}
	if c, found := s.findings(); found {
		s.set(&j.Conditions, c)
	} else {
		j.Conditions = slices.DeleteFunc(j.Conditions, func(c metav1.Condition) bool { return c.Type == Findings })
	}
	return j
}

// judgePart puts into conditions that are good what is not good about a part.
func (s *State) judgePart(p Part, ready, progressing, degraded *metav1.Condition) (again time.Duration) {
	if p.Workload == nil {
		if ready.Status == metav1.ConditionTrue {
			*ready = condition(Ready, false, RollingOut, p.Name+": it is not there yet")
		}
		return 0
	}
	part := State{Conditions: s.Conditions, Now: s.Now, Workload: p.Workload, Pods: p.Pods, Look: s.Look}
	n := count(p.Workload)
	t := part.trouble(n)
	for _, c := range []struct {
		of   *metav1.Condition
		good metav1.ConditionStatus
		part metav1.Condition
	}{
		{ready, metav1.ConditionTrue, part.ready(n, t)},
		{progressing, metav1.ConditionFalse, part.progressing(n, t)},
		{degraded, metav1.ConditionFalse, part.degraded(t)},
	} {
		if c.of.Status == c.good && c.part.Status != c.good {
			*c.of = c.part
			c.of.Message = p.Name + ": " + c.part.Message
		}
	}
	return part.again(n, t)
}

// again says when time tells: a container runs long enough, or events say what
// keeps pods, which nothing announces.
func (s *State) again(n counts, t *trouble) time.Duration {
	switch {
	case t != nil && t.settles > 0:
		return t.settles
	case s.Look.LastWarning == nil:
		return 0
	case t != nil && t.rank == rankCreating && !s.slow(t.pod):
		return patience
	case t != nil && t.rank == rankCreating && !t.lasting, t == nil && s.short(n):
		return time.Minute
	}
	return 0
}

// Set puts a condition among others, with the time of the previous one of its
// type where the status is the same. The conditions given are not changed.
func Set(conditions []metav1.Condition, c metav1.Condition) []metav1.Condition {
	conditions = slices.Clone(conditions)
	put(&conditions, c)
	return conditions
}

func (s *State) set(conditions *[]metav1.Condition, c metav1.Condition) {
	c.LastTransitionTime, c.ObservedGeneration = s.Now, s.Generation
	put(conditions, c)
}

// maxMessage is what the API allows in a message.
const maxMessage = 32768

func put(conditions *[]metav1.Condition, c metav1.Condition) {
	c.Message = bounded(c.Message, maxMessage)
	i := slices.IndexFunc(*conditions, func(o metav1.Condition) bool { return o.Type == c.Type })
	if i < 0 {
		*conditions = append(*conditions, c)
		return
	}
	if old := (*conditions)[i]; old.Status == c.Status {
		c.LastTransitionTime = old.LastTransitionTime
	}
	(*conditions)[i] = c
}

// bounded cuts a text between runes.
func bounded(text string, most int) string {
	if len(text) <= most {
		return text
	}
	cut := most - len("…")
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

func condition(typ string, is bool, reason, message string) metav1.Condition {
	status := metav1.ConditionFalse
	if is {
		status = metav1.ConditionTrue
	}
	return metav1.Condition{Type: typ, Status: status, Reason: reason, Message: message}
}

func (s *State) ready(n counts, t *trouble) metav1.Condition {
	switch {
	case s.Err != nil:
		return condition(Ready, false, ReconcileError, s.Err.Error())
	case s.Workload == nil || n.done() && t == nil:
		return condition(Ready, true, Reconciled, reconciledMessage)
	case t != nil:
		return condition(Ready, false, t.reason, n.String()+": "+t.message)
	case n.updated < n.wanted && n.onDelete:
		return condition(Ready, false, WaitingForDelete, n.String()+": the update strategy is OnDelete, so pods are replaced when somebody deletes them")
	}
	return condition(Ready, false, RollingOut, n.String()+s.waits(n))
}

func (s *State) applied() metav1.Condition {
	if s.Err == nil {
		return condition(Applied, true, Applied, "All objects are as wanted")
	}
	return condition(Applied, false, s.reason(), s.Err.Error())
}

// reason is that of the error.
func (s *State) reason() string {
	if r := interface{ Reason() string }(nil); errors.As(s.Err, &r) {
		return cmp.Or(r.Reason(), ReconcileError)
	}
	return ReconcileError
}

func (s *State) progressing(n counts, t *trouble) metav1.Condition {
	switch {
	case s.Workload == nil && s.Injected.Stale > 0:
		return condition(Progressing, true, StaleSidecars, fmt.Sprintf(
			"%d of %d pods have the sidecar with an older configuration; they get the new one when they are restarted", s.Injected.Stale, s.Injected.Pods))
	case s.Workload == nil || n.done() && t == nil:
		return condition(Progressing, false, RolledOut, n.String())
	case t != nil && t.reason == deadline:
		return condition(Progressing, false, deadline, t.message)
	case n.updated < n.wanted && n.onDelete:
		return condition(Progressing, false, WaitingForDelete, n.String())
	}
	return condition(Progressing, true, RollingOut, n.String())
}

func (s *State) degraded(t *trouble) metav1.Condition {
	if t != nil && t.lasting {
		return condition(Degraded, true, t.reason, t.message)
	}
	if i := slices.IndexFunc(s.Findings, func(f migrate.Finding) bool { return f.Severity == migrate.Error }); i >= 0 {
		return condition(Degraded, true, ConfigInvalid, sentence(s.Findings[i]))
	}
	if s.Err != nil {
		return condition(Degraded, true, s.reason(), s.Err.Error())
	}
	return condition(Degraded, false, AsExpected, "Nothing is wrong")
}

// maxFindings is how many findings a message has; the others are counted.
const maxFindings = 5

// findings is what was found about the resource; found is false when nothing was.
func (s *State) findings() (c metav1.Condition, found bool) {
	var texts []string
	reason := Migrated
	for _, f := range s.Findings {
		if f.Severity == migrate.Warning || f.Severity == migrate.Error {
			reason = Warnings
		}
		texts = append(texts, sentence(f))
	}
	if len(texts) > maxFindings {
		texts = append(texts[:maxFindings], fmt.Sprintf("and %d more, which `signalbox render` shows", len(texts)-maxFindings))
	}
	return condition(Findings, true, reason, strings.Join(texts, "; ")), len(texts) > 0
}

// sentence is a finding without its line, which a resource does not have.
func sentence(f migrate.Finding) string { return f.Place() + ": " + f.Text() }
