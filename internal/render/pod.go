package render

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// template is the pod template of a workload around its main container.
func template(w *v1beta1.Workload, account string, labels, annotations map[string]string) *corev1ac.PodTemplateSpecApplyConfiguration {
	spec := corev1ac.PodSpec().WithServiceAccountName(account).WithDNSPolicy(dnsPolicy(w))
	spec.DNSConfig = as[*corev1ac.PodDNSConfigApplyConfiguration](w.PodDNSConfig)
	spec.HostNetwork = set(w.HostNetwork)
	spec.HostPID = set(w.HostPID)
	spec.HostUsers = w.HostUsers
	spec.HostAliases = as[[]corev1ac.HostAliasApplyConfiguration](w.HostAliases)
	spec.ShareProcessNamespace = set(w.ShareProcessNamespace)
	spec.Tolerations = as[[]corev1ac.TolerationApplyConfiguration](w.Tolerations)
	spec.NodeSelector = w.NodeSelector
	spec.SecurityContext = as[*corev1ac.PodSecurityContextApplyConfiguration](w.PodSecurityContext)
	spec.PriorityClassName = set(w.PriorityClassName)
	spec.Affinity = as[*corev1ac.AffinityApplyConfiguration](w.Affinity)
	spec.TerminationGracePeriodSeconds = w.TerminationGracePeriodSeconds
	spec.TopologySpreadConstraints = as[[]corev1ac.TopologySpreadConstraintApplyConfiguration](w.TopologySpreadConstraints)
	spec.InitContainers = as[[]corev1ac.ContainerApplyConfiguration](w.InitContainers)
	return corev1ac.PodTemplateSpec().WithLabels(labels).WithAnnotations(annotations).WithSpec(spec)
}

// dnsPolicy follows from how the pods are on the network.
func dnsPolicy(w *v1beta1.Workload) corev1.DNSPolicy {
	switch {
	case w.DNSPolicy != nil && *w.DNSPolicy != "":
		return *w.DNSPolicy
	case len(w.PodDNSConfig.Nameservers) > 0:
		return corev1.DNSNone
	case w.HostNetwork:
		return corev1.DNSClusterFirstWithHostNet
	}
	return corev1.DNSClusterFirst
}

// mainContainer is what a workload says of its main container.
func mainContainer(name, image string, w *v1beta1.Workload) *corev1ac.ContainerApplyConfiguration {
	c := corev1ac.Container().WithName(name).WithImage(image)
	c.ImagePullPolicy = set(w.ImagePullPolicy)
	c.Resources = as[*corev1ac.ResourceRequirementsApplyConfiguration](w.Resources)
	c.SecurityContext = as[*corev1ac.SecurityContextApplyConfiguration](w.SecurityContext)
	c.EnvFrom = as[[]corev1ac.EnvFromSourceApplyConfiguration](w.EnvFrom)
	c.Lifecycle = as[*corev1ac.LifecycleApplyConfiguration](w.Lifecycle)
	return c
}

// arguments are flags by name, after those that come first.
func arguments(flags map[string]string, first ...string) []string {
	for _, k := range slices.Sorted(maps.Keys(flags)) {
		if k != "config" {
			first = append(first, "--"+k+"="+flags[k])
		}
	}
	return first
}

// containerPorts are the ports of a container; of those with one number in the
// pod, the first.
func containerPorts(ports []port) []*corev1ac.ContainerPortApplyConfiguration {
	type key struct {
		number   int32
		protocol corev1.Protocol
	}
	seen := map[key]bool{}
	var all []*corev1ac.ContainerPortApplyConfiguration
	for _, p := range ports {
		if k := (key{p.container(), p.protocol}); !seen[k] {
			seen[k] = true
			c := corev1ac.ContainerPort().WithName(p.name).WithContainerPort(p.container()).WithProtocol(p.protocol)
			c.HostPort = set(p.host)
			all = append(all, c)
		}
	}
	return all
}

// environment collects the variables of a container: of those with one name the
// first wins, except that the user's last one does, as in a pod.
type environment struct{ vars []corev1.EnvVar }

func newEnvironment(own []corev1.EnvVar) *environment {
	e := new(environment)
	for i, v := range own {
		if !slices.ContainsFunc(own[i+1:], func(o corev1.EnvVar) bool { return o.Name == v.Name }) {
			e.vars = append(e.vars, v)
		}
	}
	return e
}

func (e *environment) add(vars ...corev1.EnvVar) {
	for _, v := range vars {
		if !slices.ContainsFunc(e.vars, func(o corev1.EnvVar) bool { return o.Name == v.Name }) {
			e.vars = append(e.vars, v)
		}
	}
}

// field adds a variable that holds a field of the pod.
func (e *environment) field(name, path string) {
	e.add(corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}}})
}

// limits tells Go's runtime the limits of the container, where it has any. A
// fifth of the memory is left for what is not on Go's heap.
func (e *environment) limits(r corev1.ResourceRequirements) {
	if memory := r.Limits.Memory().Value(); memory > 0 {
		e.add(corev1.EnvVar{Name: "GOMEMLIMIT", Value: strconv.FormatInt(memory/5*4, 10)})
	}
	if !r.Limits.Cpu().IsZero() {
		e.add(corev1.EnvVar{Name: "GOMAXPROCS", ValueFrom: &corev1.EnvVarSource{
			ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: "limits.cpu"},
		}})
	}
}

func (e *environment) apply() []corev1ac.EnvVarApplyConfiguration {
	return as[[]corev1ac.EnvVarApplyConfiguration](e.vars)
}

// mountedConfigMaps are the volumes and mounts of the ConfigMaps that a collector
// names.
func mountedConfigMaps(mounts []v1beta1.ConfigMapMount) (volumes []*corev1ac.VolumeApplyConfiguration, mounted []*corev1ac.VolumeMountApplyConfiguration) {
	for _, m := range mounts {
		volume := name("configmap-%s", m.Name)
		volumes = append(volumes, corev1ac.Volume().WithName(volume).WithConfigMap(corev1ac.ConfigMapVolumeSource().WithName(m.Name)))
		mounted = append(mounted, corev1ac.VolumeMount().WithName(volume).WithMountPath(path.Join("/var/conf", m.MountPath, volume)))
	}
	return volumes, mounted
}

// probe asks a path over HTTP, as often as the resource wants.
func probe(httpPath string, port int32, scheme corev1.URIScheme, tuned *v1beta1.Probe) *corev1ac.ProbeApplyConfiguration {
	get := corev1ac.HTTPGetAction().WithPath(cmp.Or(httpPath, "/"))
	get.Port = portRef(port)
	get.Scheme = set(scheme)
	p := corev1ac.Probe().WithHTTPGet(get)
	if tuned != nil {
		p.InitialDelaySeconds = tuned.InitialDelaySeconds
		p.PeriodSeconds = tuned.PeriodSeconds
		p.TimeoutSeconds = tuned.TimeoutSeconds
		p.SuccessThreshold = tuned.SuccessThreshold
		p.FailureThreshold = tuned.FailureThreshold
		p.TerminationGracePeriodSeconds = tuned.TerminationGracePeriodSeconds
	}
	return p
}
