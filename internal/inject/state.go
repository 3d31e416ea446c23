package inject

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// State is how a pod stands to what it would get if it started now.
type State string

// The states.
const (
	// StateInjected pods have what they would get now.
	StateInjected State = "Injected"
	// StateStale pods have another than they would get now, which may be nothing:
	// the decision says.
	StateStale State = "Stale"
	// StateMissed pods have nothing, and would get it now: they started before the
	// operator or its resource was there, or while it was not reached.
	StateMissed State = "Missed"
	// StateRefused pods have nothing, and would get nothing now.
	StateRefused State = "Refused"
	// StateGuarded pods have nothing, because pods of their workload crashed with it.
	StateGuarded State = "Guarded"
	// StateOff pods do not want it.
	StateOff State = "Off"
)

// Standing is how a pod stands to one kind that it asks for or has.
type Standing struct {
	Kind  Kind  `json:"kind"`
	State State `json:"state"`
	// Source and Sum are those of what the pod has, where that is known.
	Source string `json:"source,omitempty"`
	Sum    string `json:"sum,omitempty"`
	// Message is a sentence for the pod's owner: what is so, and what to do.
	Message string `json:"message"`
}

// Has are the marks of what a pod has: those that it bears, and for what was
// injected without leaving one, marks that know no sum. Of a pod of which only
// the metadata is known, those that it bears.
func Has(pod *corev1.Pod) []Mark {
	all := Marks(pod.Annotations)
	add := func(m Mark) {
		if !slices.ContainsFunc(all, func(o Mark) bool { return o.Kind == m.Kind }) {
			all = append(all, m)
		}
	}
	// The annotation alone may come from the template: rollouts write it there.
	if _, ok := pod.Labels[v1beta1.LabelInjected]; ok || slices.Contains(containerNames(pod), render.CollectorContainer) {
		add(Mark{Kind: Sidecar, Sum: pod.Annotations[v1beta1.AnnotationSidecarHash]})
	}
	if slices.Contains(containerNames(pod), autoInstall) {
		add(Mark{Kind: Auto})
	}
	if !slices.ContainsFunc(all, func(m Mark) bool { return m.Kind == Auto }) { // which may copy all agents
		for _, name := range containerNames(pod) {
			if k := kindOf(name); k != "" {
				add(Mark{Kind: k})
			}
		}
	}
	if !slices.ContainsFunc(all, func(m Mark) bool { return m.Kind != Sidecar }) && injectedBefore(pod) != "" {
		add(Mark{Kind: SDK})
	}
	return all
}

// kindOf is the kind that a container of a pod was added for, or nothing.
func kindOf(container string) Kind {
	switch {
	case container == goContainer:
		return Go
	case container == apacheAttach || strings.HasPrefix(container, apacheAttach+"-"):
		return ApacheHttpd
	case container == nginxAttach || strings.HasPrefix(container, nginxAttach+"-"):
		return Nginx
	}
	for _, k := range []Kind{Java, NodeJS, Python, DotNet} {
		if container == volumeOf(k) {
			return k
		}
	}
	return ""
}

// Stand compares what a pod has with what is decided about pods of its workload
// that start now: one answer for each kind that is decided about, in that order,
// then one for each that the pod has besides.
func Stand(pod *corev1.Pod, decisions []Decision) []Standing {
	has := Has(pod)
	var all []Standing
	for _, d := range decisions {
		i := slices.IndexFunc(has, func(m Mark) bool { return m.Kind == d.Kind })
		if i < 0 {
			all = append(all, without(d))
			continue
		}
		all = append(all, with(has[i], d))
		has = slices.Delete(has, i, i+1)
	}
	for _, m := range has {
		all = append(all, Standing{m.Kind, StateStale, m.Source, m.Sum, "nothing asks for it any more, and the pod has it until it is replaced"})
	}
	return all
}

// without is how a pod stands that has nothing of a kind.
func without(d Decision) Standing {
	s := Standing{Kind: d.Kind, State: StateRefused, Message: d.Message}
	switch {
	case d.Outcome == Injected:
		s.State = StateMissed
		s.Message = fmt.Sprintf("the pod started without it, and would get it from %s now: replace the pod", d.Source)
	case d.Reason == AlreadyInjected:
		// Its workload's template has it, and the pod is of an earlier one.
		s.State = StateMissed
	case d.Outcome == Unchanged:
		s.State = StateOff
	case d.Reason == CrashGuard:
		s.State = StateGuarded
	}
	return s
}

// with is how a pod stands that has what a mark says.
func with(m Mark, d Decision) Standing {
	s := Standing{m.Kind, StateStale, m.Source, m.Sum, ""}
	switch {
	case d.Outcome == Failed, d.Reason == AlreadyInjected && m.Sum == "":
		s.State, s.Message = StateInjected, d.Message
	case d.Outcome == Refused, d.Outcome == Unchanged && d.Reason != AlreadyInjected:
		s.Message = "the pod has it, and would not get it now: " + d.Message
	case m.Sum == d.Sum:
		s.State, s.Message = StateInjected, "the pod has what "+d.Source+" says"
	case m.Sum == "":
		s.Message = fmt.Sprintf("the pod has it of another operator or release, and would get that of %s now: replace the pod", d.Source)
	default:
		s.Message = fmt.Sprintf("%s says something else since the pod started: replace the pod", d.Source)
	}
	return s
}

// Plain is a pod without what was injected into it, as near to what its author
// wrote as decisions need: variables that were added stay, but for those that
// say that it is instrumented.
func Plain(pod *corev1.Pod) *corev1.Pod {
	plain := unmarked(pod).DeepCopy()
	delete(plain.Labels, v1beta1.LabelInjected)
	delete(plain.Annotations, v1beta1.AnnotationSidecarHash)
	ours := func(c corev1.Container) bool {
		return c.Name == render.CollectorContainer || kindOf(c.Name) != "" ||
			strings.HasPrefix(c.Name, volumeOf("")) || strings.HasPrefix(c.Name, webServerClone)
	}
	tells := func(v corev1.EnvVar) bool {
		return v.Name == nodeNameVariable || v.Name == dotNetHome || v.ValueFrom != nil && v.ValueFrom.FileKeyRef != nil && v.ValueFrom.FileKeyRef.VolumeName == volumeOf(Auto)
	}
	plain.Spec.InitContainers = slices.DeleteFunc(plain.Spec.InitContainers, ours)
	plain.Spec.Containers = slices.DeleteFunc(plain.Spec.Containers, ours)
	plain.Spec.Volumes = slices.DeleteFunc(plain.Spec.Volumes, func(v corev1.Volume) bool { return ourVolume(v.Name) })
	for _, list := range [][]corev1.Container{plain.Spec.InitContainers, plain.Spec.Containers} {
		for i := range list {
			list[i].Env = slices.DeleteFunc(list[i].Env, tells)
			list[i].VolumeMounts = slices.DeleteFunc(list[i].VolumeMounts, func(m corev1.VolumeMount) bool { return ourVolume(m.Name) })
		}
	}
	return plain
}

// ourVolume reports whether a volume of an injected pod was added.
func ourVolume(name string) bool {
	return slices.ContainsFunc([]string{volumeOf(""), secretVolume, bundleVolume, apacheAgentVolume, apacheConfVolume, nginxAgentVolume, nginxConfVolume, kernelDebug}, func(prefix string) bool {
		return strings.HasPrefix(name, prefix)
	})
}
