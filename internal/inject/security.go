package inject

import corev1 "k8s.io/api/core/v1"

// modest is the security context of a container whose resource asks for none:
// what the restricted Pod Security level demands, where it breaks nothing. It
// breaks nothing in an image of ours, which is not root and needs no privilege;
// of others, what all containers of the pod have is demanded of it anyhow, or
// its author wants it so.
func modest(pod *corev1.Pod, own bool) *corev1.SecurityContext {
	shared := pod.Spec.SecurityContext
	if shared == nil {
		shared = &corev1.PodSecurityContext{}
	}
	if shared.RunAsUser != nil && *shared.RunAsUser == 0 {
		own = false // the pod wants root, maybe for what it reads
	}
	every := func(is func(*corev1.SecurityContext) bool) bool {
		return everyContainer(pod, func(c *corev1.Container) bool { return c.SecurityContext != nil && is(c.SecurityContext) })
	}
	yes, no := true, false
	c, empty := new(corev1.SecurityContext), true
	if own || every(func(s *corev1.SecurityContext) bool {
		return s.AllowPrivilegeEscalation != nil && !*s.AllowPrivilegeEscalation
	}) {
		c.AllowPrivilegeEscalation, empty = &no, false
	}
	if own || every(dropsAll) {
		c.Capabilities, empty = &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}, false
	}
	if shared.RunAsNonRoot == nil || !*shared.RunAsNonRoot {
		if own || every(func(s *corev1.SecurityContext) bool { return s.RunAsNonRoot != nil && *s.RunAsNonRoot }) {
			c.RunAsNonRoot, empty = &yes, false
		}
	}
	if shared.SeccompProfile == nil {
		if own || every(func(s *corev1.SecurityContext) bool { return s.SeccompProfile != nil }) {
			c.SeccompProfile, empty = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}, false
		}
	}
	if empty {
		return nil
	}
	return c
}

func dropsAll(s *corev1.SecurityContext) bool {
	if s.Capabilities == nil {
		return false
	}
	for _, c := range s.Capabilities.Drop {
		if c == "ALL" {
			return true
		}
	}
	return false
}
