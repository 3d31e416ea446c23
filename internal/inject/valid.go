package inject

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// maxAnnotations is how many bytes all annotations of an object may have.
const maxAnnotations = 256 << 10

// valid refuses a pod that the API server would refuse for what was added. What
// the pod had before is not judged.
func valid(before, after *corev1.Pod) error {
	bad := func(format string, args ...any) error {
		return &refused{InvalidPod, "the pod would not be valid: " + fmt.Sprintf(format, args...)}
	}
	old := map[string]*corev1.Container{}
	for _, list := range [][]corev1.Container{before.Spec.InitContainers, before.Spec.Containers} {
		for i := range list {
			old[list[i].Name] = &list[i]
		}
	}
	had, volumes := map[string]bool{}, map[string]bool{}
	for i := range before.Spec.Volumes {
		had[before.Spec.Volumes[i].Name] = true
	}
	for i := range after.Spec.Volumes {
		name := after.Spec.Volumes[i].Name
		if volumes[name] {
			return bad("two volumes are named %s", name)
		}
		if errs := validation.IsDNS1123Label(name); !had[name] && errs != nil {
			return bad("volume name %q: %s", name, errs[0])
		}
		volumes[name] = true
	}
	seen := map[string]bool{}
	for _, list := range [][]corev1.Container{after.Spec.InitContainers, after.Spec.Containers} {
		for i := range list {
			c := &list[i]
			if seen[c.Name] {
				return bad("two containers are named %s", c.Name)
			}
			seen[c.Name] = true
			if why := invalidContainer(c, old[c.Name], volumes); why != "" {
				return bad("container %s: %s", c.Name, why)
			}
		}
	}
	size := 0
	for k, v := range after.Annotations {
		size += len(k) + len(v)
	}
	if size > maxAnnotations {
		return bad("its annotations have %d bytes, of at most %d", size, maxAnnotations)
	}
	for k, v := range after.Labels {
		if errs := validation.IsValidLabelValue(v); errs != nil && before.Labels[k] != v {
			return bad("label %s: %s", k, errs[0])
		}
	}
	return nil
}

// invalidContainer says what is wrong with a container that was added, or in
// what was added to one, or nothing.
func invalidContainer(c, old *corev1.Container, volumes map[string]bool) string {
	if old == nil {
		old = new(corev1.Container)
		if errs := validation.IsDNS1123Label(c.Name); errs != nil {
			return errs[0]
		}
		if strings.TrimSpace(c.Image) == "" {
			return "it has no image"
		}
	}
	mounted := map[string]bool{}
	for _, m := range c.VolumeMounts {
		if mounted[m.MountPath] {
			return "two volumes are mounted at " + m.MountPath
		}
		mounted[m.MountPath] = true
		if !volumes[m.Name] && !mounts(old, m.Name) {
			return fmt.Sprintf("it mounts volume %s, which the pod does not have", m.Name)
		}
	}
	known := map[string]bool{}
	for _, v := range old.Env {
		known[v.Name] = true
	}
	for _, v := range c.Env {
		if known[v.Name] {
			continue
		}
		if !usual(v.Name) {
			if errs := validation.IsEnvVarName(v.Name); errs != nil {
				return fmt.Sprintf("variable %q: %s", v.Name, errs[0])
			}
		}
		if v.Value != "" && v.ValueFrom != nil {
			return "variable " + v.Name + " has a value and takes one from elsewhere"
		}
	}
	names := map[string]bool{}
	for _, p := range c.Ports {
		if p.Name != "" && names[p.Name] && len(old.Ports) == 0 {
			return "two ports are named " + p.Name
		}
		names[p.Name] = true
	}
	for name, limit := range c.Resources.Limits {
		if request, ok := c.Resources.Requests[name]; ok && request.Cmp(limit) > 0 {
			return fmt.Sprintf("it requests more %s than it is limited to", name)
		}
	}
	return ""
}

// usual reports whether the name of a variable is of capitals, as nearly all are:
// finding out more is a tenth of an admission.
func usual(name string) bool {
	for i := range len(name) {
		if c := name[i]; (c < 'A' || c > 'Z') && c != '_' && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

func mounts(c *corev1.Container, volume string) bool {
	for _, m := range c.VolumeMounts {
		if m.Name == volume {
			return true
		}
	}
	return false
}
