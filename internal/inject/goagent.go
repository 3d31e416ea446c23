package inject

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// goContainer is the agent for Go, which runs beside the program and looks into
// its process.
const goContainer = "opentelemetry-auto-instrumentation"

// kernelDebug is its volume.
const kernelDebug = "kernel-debug"

// goTarget names the program to look into.
const goTarget = "OTEL_GO_AUTO_TARGET_EXE"

// podSecurityLevel is the label by which a namespace demands a level of Pod
// Security.
const podSecurityLevel = "pod-security.kubernetes.io/enforce"

// addGo adds the agent. The program itself stays as it is.
func addGo(in *injection) error {
	share := in.before.Spec.ShareProcessNamespace
	switch level := in.namespace.Labels[podSecurityLevel]; {
	case len(in.named) > 1:
		return &refused{SeveralContainers, fmt.Sprintf("the agent for Go looks into one container, and annotations name several (%s)", strings.Join(in.named, ", "))}
	case in.isInit():
		return &refused{InitContainer, "the agent for Go runs beside a program, and an init container has ended by then"}
	case share != nil && !*share:
		return &refused{ProcessesHidden, "the agent for Go has to see the program's process, and the pod sets shareProcessNamespace to false"}
	case level == "baseline" || level == "restricted":
		return &refused{PodSecurity, fmt.Sprintf("the agent for Go needs a folder of its node, and the namespace demands Pod Security level %s", level)}
	}
	app := in.container
	agent := corev1.Container{Name: goContainer, Image: in.payload(in.spec()).Image, Resources: in.spec().Go.Resources, ImagePullPolicy: in.spec().ImagePullPolicy}
	if target := in.before.Annotations[targetAnnotation]; target != "" {
		agent.Env = append(agent.Env, corev1.EnvVar{Name: goTarget, Value: literal(target)})
	}
	agent.SecurityContext = in.spec().Go.SecurityContext.DeepCopy()
	if agent.SecurityContext == nil {
		root, privileged := int64(0), true
		agent.SecurityContext = &corev1.SecurityContext{RunAsUser: &root, Privileged: &privileged}
	}
	agent.Resources = in.bounded(agent.Resources)

	// What the agent sends is about the program.
	in.container = &agent
	in.addresses()
	in.add(in.spec().Go.Env...)
	in.add(in.spec().Env...)
	if !in.has(goTarget) {
		return &refused{NoTarget, fmt.Sprintf("it is not said which program the agent for Go is to look into: give its path in annotation %s", targetAnnotation)}
	}
	in.container = &corev1.Container{Name: app.Name, Image: app.Image, Env: agent.Env}
	if err := in.telemetry(); err != nil {
		return err
	}
	agent.Env, agent.VolumeMounts = in.container.Env, in.container.VolumeMounts

	debug := corev1.Volume{Name: kernelDebug, VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/sys/kernel/debug"}}}
	in.container = &agent
	if err := in.mount(debug, "/sys/kernel/debug"); err != nil {
		return err
	}
	yes := true
	in.pod.Spec.ShareProcessNamespace = &yes
	if in.facts.NativeSidecars {
		// A Job ends with its program, not with the agent.
		always := corev1.ContainerRestartPolicyAlways
		agent.RestartPolicy = &always
		in.pod.Spec.InitContainers = append(in.pod.Spec.InitContainers, agent)
	} else {
		in.pod.Spec.Containers = append(in.pod.Spec.Containers, agent)
	}
	return nil
}
