package explain

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/signalbox-otel/signalbox/internal/inject"
)

// Delivery is what a container of a pod that starts now is given of a kind.
type Delivery struct {
	Kind      inject.Kind `json:"kind"`
	Container string      `json:"container"`
	// Image is the one that the agent comes from; "" where it needs none.
	Image string `json:"image,omitempty"`
	// Service is the name that traces bear; the others are where they go, how, and
	// which of them. What comes from elsewhere (a Secret, a field of the pod) is
	// told as such.
	Service  string `json:"service,omitempty"`
	Endpoint string `json:"endpoint,omitempty"`
	Protocol string `json:"protocol,omitempty"`
	Sampler  string `json:"sampler,omitempty"`
}

// payloadPrefix begins the names of init containers that bring agents.
const payloadPrefix = "opentelemetry-auto-instrumentation-"

// deliveries are read from a pod as it would start.
func deliveries(pod *corev1.Pod, decisions []inject.Decision) []Delivery {
	var all []Delivery
	for _, d := range decisions {
		if d.Outcome != inject.Injected || pod == nil || d.Kind == inject.Sidecar {
			continue
		}
		for _, name := range d.Containers {
			c := containerOf(pod, name)
			if c == nil {
				continue
			}
			all = append(all, Delivery{
				Kind: d.Kind, Container: name, Image: payloadOf(pod, d.Kind),
				Service: value(c, "OTEL_SERVICE_NAME"), Endpoint: value(c, "OTEL_EXPORTER_OTLP_ENDPOINT"), Protocol: value(c, "OTEL_EXPORTER_OTLP_PROTOCOL"),
				Sampler: strings.TrimSpace(value(c, "OTEL_TRACES_SAMPLER") + " " + value(c, "OTEL_TRACES_SAMPLER_ARG")),
			})
		}
	}
	return all
}

func containerOf(pod *corev1.Pod, name string) *corev1.Container {
	for _, list := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		if i := slices.IndexFunc(list, func(c corev1.Container) bool { return c.Name == name }); i >= 0 {
			return &list[i]
		}
	}
	return nil
}

// payloadOf is the image that brings the agent of a kind; where the language is
// found out on the node, those that it may be.
func payloadOf(pod *corev1.Pod, k inject.Kind) string {
	if k == inject.Auto {
		var all []string
		for _, language := range []inject.Kind{inject.Java, inject.NodeJS, inject.Python, inject.DotNet} {
			if image := payloadOf(pod, language); image != "" {
				all = append(all, image)
			}
		}
		return strings.Join(all, ", ")
	}
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for _, c := range list {
			switch {
			case c.Name == payloadPrefix+string(k),
				k == inject.Go && c.Name == "opentelemetry-auto-instrumentation",
				k == inject.ApacheHttpd && strings.HasPrefix(c.Name, "otel-agent-attach-apache"),
				k == inject.Nginx && strings.HasPrefix(c.Name, "otel-agent-attach-nginx"):
				return c.Image
			}
		}
	}
	for _, v := range pod.Spec.Volumes {
		if v.Image != nil && v.Name == payloadPrefix+string(k) {
			return v.Image.Reference
		}
	}
	return ""
}

// value is that of a variable, as far as it is known before the pod starts.
func value(c *corev1.Container, name string) string {
	i := slices.IndexFunc(c.Env, func(v corev1.EnvVar) bool { return v.Name == name })
	if i < 0 {
		return ""
	}
	switch from := c.Env[i].ValueFrom; {
	case from == nil:
		return c.Env[i].Value
	case from.SecretKeyRef != nil:
		return "(from Secret " + from.SecretKeyRef.Name + ")"
	case from.ConfigMapKeyRef != nil:
		return "(from ConfigMap " + from.ConfigMapKeyRef.Name + ")"
	case from.FileKeyRef != nil:
		return "(as the language needs)"
	case from.FieldRef != nil:
		return "(the pod's " + from.FieldRef.FieldPath + ")"
	}
	return "(from elsewhere)"
}

// tightMemory is less than a JVM with an agent is comfortable with.
var tightMemory = resource.MustParse("512Mi")

// remarks say what agents cost that people set limits for.
func remarks(pod *corev1.Pod, decisions []inject.Decision) []string {
	var all []string
	for _, d := range decisions {
		if d.Kind != inject.Java || d.Outcome != inject.Injected || pod == nil {
			continue
		}
		for _, name := range d.Containers {
			c := containerOf(pod, name)
			if c == nil {
				continue
			}
			if limit, ok := c.Resources.Limits[corev1.ResourceMemory]; ok && limit.Cmp(tightMemory) < 0 {
				all = append(all, fmt.Sprintf("container %s: the agent for Java needs memory of the program's heap and beside it, and the limit is %s: raise it when the container is killed for its memory (OOMKilled)", name, limit.String()))
			}
			if c.LivenessProbe != nil && c.StartupProbe == nil {
				all = append(all, fmt.Sprintf("container %s: the agent for Java makes the program start later, and there is a livenessProbe without a startupProbe: give it one when the container is killed while it starts", name))
			}
		}
	}
	return all
}
