package inject

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/signalbox-otel/signalbox/internal/render"
)

// Part is what a pod has of one language.
type Part struct {
	Mark
	// Added are the containers that were added for it, and With those that run
	// with it.
	Added, With []string
}

// Parts are what a pod has of the languages that it is marked with.
func Parts(pod *corev1.Pod) []Part {
	var all []Part
	for _, m := range Marks(pod.Annotations) {
		p := Part{Mark: m}
		for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
			for i := range list {
				switch c := &list[i]; {
				case addedFor(m.Kind, c.Name):
					p.Added = append(p.Added, c.Name)
				case runsWith(m.Kind, c):
					p.With = append(p.With, c.Name)
				}
			}
		}
		all = append(all, p)
	}
	return all
}

// extensionPrefix begins the names of the containers that copy extensions of the
// agent for Java.
const extensionPrefix = "opentelemetry-auto-instrumentation-extension-"

// addedFor reports whether a container is one that is added for a language.
func addedFor(k Kind, name string) bool {
	switch k {
	case Auto: // it copies the agents that the probe may choose
		return name == autoInstall || strings.HasPrefix(name, autoDetect) || strings.HasPrefix(name, extensionPrefix) || slices.Contains(autoKinds, kindOf(name))
	case Java:
		return name == volumeOf(Java) || strings.HasPrefix(name, extensionPrefix)
	case DotNet:
		return strings.HasPrefix(name, volumeOf(DotNet)) // and what finds its profiler
	case ApacheHttpd, Nginx:
		return kindOf(name) == k || strings.HasPrefix(name, webServerClone)
	}
	return kindOf(name) == k
}

// runsWith reports whether a container was changed for a language.
func runsWith(k Kind, c *corev1.Container) bool {
	volume := volumeOf(k)
	switch k {
	case SDK, Auto:
		return c.Name != render.CollectorContainer && hasVariable(c.Env, nodeNameVariable)
	case ApacheHttpd:
		volume = apacheAgentVolume
	case Nginx:
		volume = nginxAgentVolume
	}
	return slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool {
		return m.Name == volume || strings.HasPrefix(m.Name, volume+"-")
	})
}

// Outline is of a pod's spec what Parts needs, for keeping many: the containers
// that were added, and those that run with something.
func Outline(spec corev1.PodSpec) corev1.PodSpec {
	return corev1.PodSpec{RestartPolicy: spec.RestartPolicy, InitContainers: outlines(spec.InitContainers), Containers: outlines(spec.Containers)}
}

func outlines(containers []corev1.Container) []corev1.Container {
	var all []corev1.Container
	for i := range containers {
		c := &containers[i]
		o := corev1.Container{Name: c.Name, Image: c.Image}
		if hasVariable(c.Env, nodeNameVariable) {
			o.Env = []corev1.EnvVar{{Name: nodeNameVariable}}
		}
		for _, m := range c.VolumeMounts {
			if ours(m.Name) {
				o.VolumeMounts = append(o.VolumeMounts, corev1.VolumeMount{Name: m.Name})
			}
		}
		if len(o.Env) > 0 || ours(c.Name) {
			all = append(all, o)
		}
	}
	return slices.Clip(all)
}

// ours reports whether a container or a volume may be one that languages add, by
// its name.
func ours(name string) bool {
	return strings.HasPrefix(name, "opentelemetry-auto-instrumentation") || strings.HasPrefix(name, "otel-")
}
