package review

import (
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/operator/remedy"
)

// Fix is what to type into a terminal about a kind.
type Fix struct {
	Kind    inject.Kind `json:"kind"`
	Command string      `json:"command"`
}

// fix says what to do about a workload, where something is to do: about the
// decision that is against pods that start now, else about the pods that do not
// have what it says.
func (s *sweep) fix(ctx context.Context, t *top) {
	if t.Template == nil {
		return
	}
	subject := remedy.Subject{
		Namespace: t.Namespace, Kind: t.Kind, Name: t.Name, Operator: s.OperatorNamespace,
		Annotations: t.Template.Annotations, NamespaceAnnotations: s.namespace(ctx, t.Namespace).Annotations,
		Containers: containers(t.Template),
	}
	if p, ok := t.object.(*corev1.Pod); ok {
		subject.Injected = len(inject.Has(p)) > 0
	}
	add := func(k inject.Kind, command string) {
		if command != "" {
			t.Fixes = append(t.Fixes, Fix{k, command})
		}
	}
	for _, d := range t.Decisions {
		switch {
		case d.Outcome == inject.Refused || d.Outcome == inject.Failed:
			if d.Reason == inject.SeveralInNamespace && d.Kind != inject.Sidecar {
				subject.Choices = s.choices(ctx, t.Namespace)
			}
			add(d.Kind, remedy.Of(subject, d))
		case t.Count(d.Kind, inject.StateMissed)+t.Count(d.Kind, inject.StateStale) > 0:
			add(d.Kind, subject.Restart())
		}
	}
	for _, c := range t.Counts {
		if c.State == inject.StateStale && t.Decision(c.Kind) == nil {
			add(c.Kind, subject.Restart())
		}
	}
}

// choices are the Instrumentations of a namespace, by name.
func (s *sweep) choices(ctx context.Context, namespace string) []string {
	var names []string
	for _, full := range s.instrumentations(ctx, namespace) {
		names = append(names, strings.TrimPrefix(full, namespace+"/"))
	}
	slices.Sort(names)
	return names
}

// containers are the names of a pod's containers, but for init containers.
func containers(pod *corev1.Pod) []string {
	var names []string
	for _, c := range pod.Spec.Containers {
		names = append(names, c.Name)
	}
	return names
}
