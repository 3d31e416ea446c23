package inject

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// Facts are what inject has to know besides pod, namespace and resources.
type Facts struct {
	// Sidecar renders a collector. It is a function because rendering costs more
	// than injecting, so that callers keep what it returned.
	Sidecar func(*v1beta1.OpenTelemetryCollector) (render.Sidecar, error) `json:"-"`
	// NativeSidecars says that the cluster restarts init containers that want to
	// be: from Kubernetes 1.29 on.
	NativeSidecars bool `json:"nativeSidecars,omitempty"`
	// Owners of the pod, nearest first.
	Owners []Owner `json:"owners,omitempty"`
	// Limits and Quotas are those of the namespace.
	Limits []corev1.LimitRangeItem `json:"limits,omitempty"`
	Quotas []corev1.ResourceQuota  `json:"quotas,omitempty"`

	// Images are the operator's own images of agents.
	Images v1alpha1.Images `json:"images,omitzero"`
	// Probe is the image of the program that finds out the language of a container,
	// and EnvFiles says that the cluster gives containers variables from files.
	Probe    string `json:"probe,omitempty"`
	EnvFiles bool   `json:"envFiles,omitempty"`
	// Instrumentation, where it is not nil, is used for all that ask for one,
	// whatever they name.
	Instrumentation *v1alpha1.Instrumentation `json:"instrumentation,omitempty"`
	// LanguagesOff are not injected. OneLanguage allows a pod only one.
	LanguagesOff []Kind `json:"languagesOff,omitempty"`
	OneLanguage  bool   `json:"oneLanguage,omitempty"`
	// ConfigMaps of the pod's namespace, with the keys that they have: what a
	// container takes its environment from, as far as that may be read.
	ConfigMaps map[string][]string `json:"configMaps,omitempty"`
	// NoConfigMaps are names of those that do not exist.
	NoConfigMaps []string `json:"noConfigMaps,omitempty"`
	// Guards keep languages off workloads that crashed with them.
	Guards []Guard `json:"guards,omitempty"`
	// Services of the function of that name, by NAMESPACE/NAME: nothing is known of
	// one that is not there.
	Services map[string]Service `json:"services,omitempty"`
	// ImageVolumes says that pods may mount images, so that agents need not be
	// copied.
	ImageVolumes bool `json:"imageVolumes,omitempty"`
}

// maxVariable is the longest environment variable that Linux starts a program
// with, its name and "=" included, in bytes.
const maxVariable = 128<<10 - 1

// AddSidecar gives a pod the sidecar that it asks for. Collectors are those that
// it may mean: for a name the one of that name, else all of the pod's namespace.
func AddSidecar(pod *corev1.Pod, namespace metav1.ObjectMeta, collectors []*v1beta1.OpenTelemetryCollector, facts Facts) Result {
	w := SidecarWish(pod, namespace)
	decision := Decision{Kind: Sidecar, Outcome: Unchanged}
	switch {
	case w.Empty():
		return Result{pod, Decision{}}
	case w.Off:
		decision.Reason, decision.Message = SwitchedOff, "annotation "+v1beta1.AnnotationSidecar+" is false"
		if without := withoutSidecar(pod); without != nil {
			decision.Message += ": container " + render.CollectorContainer + " is removed"
			return Result{without, decision}
		}
		return Result{pod, decision}
	case slices.Contains(containerNames(pod), render.CollectorContainer):
		decision.Reason, decision.Message = AlreadyInjected, "the pod has a container "+render.CollectorContainer+" already"
		return Result{pod, decision}
	}
	cr, err := w.collector(namespace.Name, collectors)
	var with *corev1.Pod
	if err == nil {
		decision.Source = cr.Namespace + "/" + cr.Name
		with, err = joined(pod, namespace.Name, cr, facts)
	}
	var no *refused
	switch {
	case errors.As(err, &no):
		decision.Outcome, decision.Reason, decision.Message = Refused, no.reason, no.message
		return Result{pod, decision}
	case err != nil:
		decision.Outcome, decision.Reason, decision.Message = Failed, Internal, err.Error()
		return Result{pod, decision}
	}
	decision.Outcome, decision.Reason = Injected, AsAsked
	decision.Message = fmt.Sprintf("container %s of OpenTelemetryCollector %s is added", render.CollectorContainer, decision.Source)
	decision.Containers = []string{render.CollectorContainer}
	decision.Sum = with.Annotations[v1beta1.AnnotationSidecarHash]
	return Result{with, decision}
}

// withoutSidecar is the pod without its sidecar, nil when it has none.
func withoutSidecar(pod *corev1.Pod) *corev1.Pod {
	if !slices.Contains(containerNames(pod), render.CollectorContainer) {
		return nil
	}
	without := pod.DeepCopy()
	own := func(c corev1.Container) bool { return c.Name == render.CollectorContainer }
	without.Spec.Containers = slices.DeleteFunc(without.Spec.Containers, own)
	without.Spec.InitContainers = slices.DeleteFunc(without.Spec.InitContainers, own)
	if len(without.Spec.Containers) == 0 {
		return nil // a pod of nothing else is not one that was injected
	}
	delete(without.Labels, v1beta1.LabelInjected)
	delete(without.Annotations, v1beta1.AnnotationSidecarHash)
	return without
}

// collector is the one that is asked for.
func (w Wish) collector(namespace string, all []*v1beta1.OpenTelemetryCollector) (*v1beta1.OpenTelemetryCollector, error) {
	if w.bad != "" {
		return nil, w.badName(v1beta1.AnnotationSidecar)
	}
	var found []*v1beta1.OpenTelemetryCollector
	var names []string
	for _, c := range all {
		if c.DeletionTimestamp != nil {
			continue
		}
		if w.Only && c.Namespace == namespace && c.Spec.Mode == v1beta1.ModeSidecar || !w.Only && c.Namespace == w.Namespace && c.Name == w.Name {
			found, names = append(found, c), append(names, c.Name)
		}
	}
	switch {
	case w.Only && len(found) == 0:
		return nil, &refused{NoneInNamespace, fmt.Sprintf("namespace %s has no OpenTelemetryCollector of mode sidecar: make one, or name one of another namespace in annotation %s as NAMESPACE/NAME, and start the pod again", namespace, v1beta1.AnnotationSidecar)}
	case len(found) > 1:
		slices.Sort(names)
		return nil, &refused{SeveralInNamespace, fmt.Sprintf("namespace %s has several OpenTelemetryCollectors of mode sidecar (%s): name one of them in annotation %s", namespace, strings.Join(names, ", "), v1beta1.AnnotationSidecar)}
	case len(found) == 0:
		return nil, &refused{NotFound, fmt.Sprintf("annotation %s names OpenTelemetryCollector %s/%s, which does not exist: make it, and start the pod again", v1beta1.AnnotationSidecar, w.Namespace, w.Name)}
	case found[0].Spec.Mode != v1beta1.ModeSidecar:
		return nil, &refused{NotSidecarMode, fmt.Sprintf("OpenTelemetryCollector %s/%s is of mode %s: only those of mode sidecar join pods", w.Namespace, w.Name, found[0].Spec.Mode)}
	}
	return found[0], nil
}

// joined is the pod with the sidecar of a collector.
func joined(pod *corev1.Pod, namespace string, cr *v1beta1.OpenTelemetryCollector, facts Facts) (*corev1.Pod, error) {
	if windows(pod) {
		return nil, &refused{WindowsPod, "the pod runs on Windows, and collectors in sidecars on Linux"}
	}
	plan, err := facts.Sidecar(cr)
	if err != nil {
		return nil, &refused{BadConfiguration, err.Error()}
	}
	container, err := sidecarContainer(pod, namespace, cr, &plan, facts)
	if err != nil {
		return nil, err
	}
	with := pod.DeepCopy()
	with.Spec.InitContainers = append(with.Spec.InitContainers, plan.InitContainers...)
	if facts.NativeSidecars {
		always := corev1.ContainerRestartPolicyAlways
		container.RestartPolicy = &always
		if container.StartupProbe == nil {
			container.StartupProbe = container.ReadinessProbe
		}
		with.Spec.InitContainers = append(with.Spec.InitContainers, *container)
	} else {
		with.Spec.Containers = append(with.Spec.Containers, *container)
	}
	for _, v := range plan.Volumes {
		if err := addVolume(&with.Spec, v); err != nil {
			return nil, err
		}
	}
	setKey(&with.Labels, v1beta1.LabelInjected, render.Instance(cr))
	setKey(&with.Annotations, v1beta1.AnnotationSidecarHash, plan.Sum)
	if err := fits(pod, with, facts); err != nil {
		return nil, err
	}
	return with, valid(pod, with)
}

// windows reports whether a pod says that it is for Windows.
func windows(pod *corev1.Pod) bool {
	return pod.Spec.OS != nil && pod.Spec.OS.Name == corev1.Windows || pod.Spec.NodeSelector[corev1.LabelOSStable] == string(corev1.Windows)
}

// sidecarContainer is the collector's container for a pod.
func sidecarContainer(pod *corev1.Pod, namespace string, cr *v1beta1.OpenTelemetryCollector, plan *render.Sidecar, facts Facts) (*corev1.Container, error) {
	config := corev1.EnvVar{Name: render.SidecarConfigVariable, Value: literal(plan.Config)}
	if n := len(config.Name) + 1 + len(plan.Config); n > maxVariable {
		return nil, &refused{ConfigTooLarge, fmt.Sprintf("the configuration of OpenTelemetryCollector %s/%s has %d bytes, and a sidecar gets it in a variable of at most %d", cr.Namespace, cr.Name, len(plan.Config), maxVariable-len(config.Name)-1)}
	}
	if err := freePorts(pod, &plan.Container); err != nil {
		return nil, err
	}
	container := plan.Container.DeepCopy()
	container.Resources = like(pod, container.Resources, facts.Limits)
	if memory := container.Resources.Limits.Memory().Value(); memory > 0 && !hasVariable(container.Env, memoryVariable) {
		container.Env = append(container.Env, corev1.EnvVar{Name: memoryVariable, Value: fmt.Sprint(memory / 5 * 4)})
	}
	container.Env = append(container.Env, config)
	if !hasVariable(cr.Spec.Env, attributesVariable) {
		attributes := ownerAttributes(facts.Owners, true)
		attributes["k8s.namespace.name"] = attributeText(namespace)
		attributes["k8s.node.name"] = "$(" + nodeNameVariable + ")"
		attributes["k8s.pod.name"] = "$(" + podNameVariable + ")"
		attributes["k8s.pod.uid"] = "$(" + podUIDVariable + ")"
		for _, v := range []corev1.EnvVar{
			field(podNameVariable, "metadata.name"), field(podUIDVariable, "metadata.uid"), field(nodeNameVariable, "spec.nodeName"),
			{Name: attributesVariable, Value: attributeList(attributes)},
		} {
			if !hasVariable(container.Env, v.Name) {
				container.Env = append(container.Env, v)
			}
		}
	}
	if cr.Spec.SecurityContext == nil {
		container.SecurityContext = modest(pod, plan.Own)
	}
	return container, nil
}

// memoryVariable is the memory limit that Go's runtime keeps.
const memoryVariable = "GOMEMLIMIT"

// freePorts refuses a sidecar that listens where a container of the pod says
// that it does: they share one network, and the sidecar starts first.
func freePorts(pod *corev1.Pod, sidecar *corev1.Container) error {
	for _, mine := range sidecar.Ports {
		for _, c := range pod.Spec.Containers {
			for _, p := range c.Ports {
				if p.ContainerPort == mine.ContainerPort && protocol(p) == protocol(mine) {
					return &refused{PortTaken, fmt.Sprintf("container %s listens at port %d, and so would the sidecar (its port %s): change one of them", c.Name, p.ContainerPort, mine.Name)}
				}
			}
		}
	}
	return nil
}

func protocol(p corev1.ContainerPort) corev1.Protocol {
	if p.Protocol == "" {
		return corev1.ProtocolTCP
	}
	return p.Protocol
}

// addVolume adds a volume, unless the pod has the same already.
func addVolume(spec *corev1.PodSpec, v corev1.Volume) error {
	i := slices.IndexFunc(spec.Volumes, func(o corev1.Volume) bool { return o.Name == v.Name })
	switch {
	case i < 0:
		spec.Volumes = append(spec.Volumes, v)
	case !equality.Semantic.DeepEqual(spec.Volumes[i], v):
		return &refused{NameTaken, fmt.Sprintf("the pod has a volume %s of its own: rename one of them", v.Name)}
	}
	return nil
}

func setKey(m *map[string]string, key, value string) {
	if *m == nil {
		*m = map[string]string{}
	}
	(*m)[key] = value
}

func containerNames(pod *corev1.Pod) []string {
	var names []string
	for _, c := range pod.Spec.InitContainers {
		names = append(names, c.Name)
	}
	for _, c := range pod.Spec.Containers {
		names = append(names, c.Name)
	}
	return names
}
