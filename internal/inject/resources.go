package inject

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// modestRequests and modestLimits are what a container of ours says of itself
// where all others of its pod say something and its resource does not.
var (
	modestRequests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("64Mi")}
	modestLimits   = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("200m"), corev1.ResourceMemory: resource.MustParse("256Mi")}
)

// like completes what a container says of its resources, so that the pod keeps
// what it has: a pod all of whose containers have a request or a limit may be in
// a namespace whose quota demands it, and one whose requests are its limits has
// the best quality of service. Ranges of the namespace bound what is chosen; what
// they give to containers that say nothing is left to them.
func like(pod *corev1.Pod, own corev1.ResourceRequirements, ranges []corev1.LimitRangeItem) corev1.ResourceRequirements {
	own = *own.DeepCopy()
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		if podLevel(pod, name) {
			continue
		}
		limit, limited := own.Limits[name]
		request, requested := own.Requests[name]
		if !limited && !defaulted(ranges, name, false) && everyContainer(pod, func(c *corev1.Container) bool { return has(c.Resources.Limits, name) }) {
			limit, limited = between(modestLimits[name], ranges, name), true
			if requested && request.Cmp(limit) > 0 {
				limit = request
			}
			set(&own.Limits, name, limit)
		}
		if requested || defaulted(ranges, name, true) {
			continue
		}
		switch {
		case limited && everyContainer(pod, func(c *corev1.Container) bool { return guaranteed(c, name) }):
			set(&own.Requests, name, limit)
		case everyContainer(pod, func(c *corev1.Container) bool { return has(c.Resources.Requests, name) }):
			request = between(modestRequests[name], ranges, name)
			if limited && request.Cmp(limit) > 0 {
				request = limit
			}
			set(&own.Requests, name, request)
		}
	}
	return own
}

// podLevel reports whether the pod as a whole says what it needs of a resource.
func podLevel(pod *corev1.Pod, name corev1.ResourceName) bool {
	r := pod.Spec.Resources
	return r != nil && (has(r.Requests, name) || has(r.Limits, name))
}

func has(l corev1.ResourceList, name corev1.ResourceName) bool {
	_, ok := l[name]
	return ok
}

func set(l *corev1.ResourceList, name corev1.ResourceName, q resource.Quantity) {
	if *l == nil {
		*l = corev1.ResourceList{}
	}
	(*l)[name] = q
}

// guaranteed reports whether a container requests what limits it.
func guaranteed(c *corev1.Container, name corev1.ResourceName) bool {
	limit, limited := c.Resources.Limits[name]
	request, requested := c.Resources.Requests[name]
	return limited && (!requested || request.Cmp(limit) == 0)
}

// everyContainer reports whether something is so for all containers that the
// pod's author wrote.
func everyContainer(pod *corev1.Pod, is func(*corev1.Container) bool) bool {
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			if !is(&list[i]) {
				return false
			}
		}
	}
	return true
}

// defaulted reports whether the API server fills in the limit or request of a
// container that has none.
func defaulted(ranges []corev1.LimitRangeItem, name corev1.ResourceName, request bool) bool {
	return slices.ContainsFunc(ranges, func(r corev1.LimitRangeItem) bool {
		return r.Type == corev1.LimitTypeContainer && (request && has(r.DefaultRequest, name) || !request && has(r.Default, name))
	})
}

// between is a quantity within the ranges for containers.
func between(q resource.Quantity, ranges []corev1.LimitRangeItem, name corev1.ResourceName) resource.Quantity {
	for _, r := range ranges {
		if r.Type != corev1.LimitTypeContainer {
			continue
		}
		if top, ok := r.Max[name]; ok && q.Cmp(top) > 0 {
			q = top
		}
		if least, ok := r.Min[name]; ok && q.Cmp(least) < 0 {
			q = least
		}
	}
	return q
}

// fits refuses a pod that the namespace's ranges or quotas have no room for,
// where they have it for the pod without what was added.
func fits(before, after *corev1.Pod, facts Facts) error {
	was := containerNames(before)
	for _, list := range [][]corev1.Container{after.Spec.InitContainers, after.Spec.Containers} {
		for i := range list {
			c := &list[i]
			if slices.Contains(was, c.Name) {
				continue
			}
			if why := outOfRange(c, facts.Limits); why != "" {
				return &refused{OutOfLimits, why}
			}
		}
	}
	for _, r := range facts.Limits {
		if r.Type != corev1.LimitTypePod {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(r.Max)) {
			top := r.Max[name]
			if a, b := total(before, name, limits), total(after, name, limits); a.Cmp(top) <= 0 && b.Cmp(top) > 0 {
				return &refused{OutOfLimits, fmt.Sprintf("a LimitRange of the namespace allows a pod %s of %s, and with what is added it would have %s", top.String(), name, b.String())}
			}
		}
	}
	for i := range facts.Quotas {
		if err := withinQuota(before, after, &facts.Quotas[i]); err != nil {
			return err
		}
	}
	return nil
}

// outOfRange says why the ranges forbid a container that is added, or nothing.
func outOfRange(c *corev1.Container, ranges []corev1.LimitRangeItem) string {
	for _, r := range ranges {
		if r.Type != corev1.LimitTypeContainer {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(r.Max)) {
			top := r.Max[name]
			for _, q := range []corev1.ResourceList{c.Resources.Limits, c.Resources.Requests} {
				if v, ok := q[name]; ok && v.Cmp(top) > 0 {
					return fmt.Sprintf("container %s asks for %s of %s, and a LimitRange of the namespace allows %s: lower spec.resources of its resource", c.Name, v.String(), name, top.String())
				}
			}
		}
		for _, name := range slices.Sorted(maps.Keys(r.Min)) {
			least := r.Min[name]
			for _, q := range []corev1.ResourceList{c.Resources.Limits, c.Resources.Requests} {
				if v, ok := q[name]; ok && v.Cmp(least) < 0 {
					return fmt.Sprintf("container %s asks for %s of %s, and a LimitRange of the namespace wants %s: raise spec.resources of its resource", c.Name, v.String(), name, least.String())
				}
			}
		}
	}
	return ""
}

// withinQuota refuses what would exceed a quota that the pod alone does not.
// Quotas for certain pods only are left to the API server.
func withinQuota(before, after *corev1.Pod, quota *corev1.ResourceQuota) error {
	if len(quota.Spec.Scopes) > 0 || quota.Spec.ScopeSelector != nil {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(quota.Status.Hard)) {
		of := requests
		name, limited := strings.CutPrefix(string(key), "limits.")
		if limited {
			of = limits
		}
		name = strings.TrimPrefix(name, "requests.")
		if name != string(corev1.ResourceCPU) && name != string(corev1.ResourceMemory) && name != string(corev1.ResourceEphemeralStorage) {
			continue
		}
		left := quota.Status.Hard[key].DeepCopy()
		left.Sub(quota.Status.Used[key])
		a, b := total(before, corev1.ResourceName(name), of), total(after, corev1.ResourceName(name), of)
		if a.Cmp(left) <= 0 && b.Cmp(left) > 0 {
			return &refused{OverQuota, fmt.Sprintf("ResourceQuota %s has %s of %s left; the pod needs %s of it, and with what would be added %s", quota.Name, left.String(), key, a.String(), b.String())}
		}
	}
	return nil
}

// requests are those of a container or pod. What is limited and requests nothing
// has its limit as request in every pod that the API server has seen.
func requests(r *corev1.ResourceRequirements) corev1.ResourceList {
	if len(r.Limits) == 0 {
		return r.Requests
	}
	all := maps.Clone(r.Limits)
	maps.Copy(all, r.Requests)
	return all
}

func limits(r *corev1.ResourceRequirements) corev1.ResourceList { return r.Limits }

// total is what a pod needs of a resource, as the scheduler and quotas reckon:
// init containers run one after the other, beside those before them that are
// restarted, and before all others.
func total(pod *corev1.Pod, name corev1.ResourceName, of func(*corev1.ResourceRequirements) corev1.ResourceList) resource.Quantity {
	if r := pod.Spec.Resources; r != nil && has(of(r), name) {
		return of(r)[name]
	}
	need := func(c *corev1.Container) resource.Quantity { return of(&c.Resources)[name] }
	var running, peak resource.Quantity
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		now := running.DeepCopy()
		now.Add(need(c))
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			running = now
		}
		if now.Cmp(peak) > 0 {
			peak = now
		}
	}
	for i := range pod.Spec.Containers {
		running.Add(need(&pod.Spec.Containers[i]))
	}
	if peak.Cmp(running) > 0 {
		running = peak
	}
	return running
}
