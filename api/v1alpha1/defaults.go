package v1alpha1

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// Images are the operator's own images of agents.
//
// +kubebuilder:object:generate=false
type Images struct {
	Java, NodeJS, Python, DotNet, Go, ApacheHttpd, Nginx string
}

// SetDefaults gives fields that are not set the values that they then have, and
// notes in annotations which images those are, for upgrades. Resources in the
// cluster stay as they were written.
func (i *Instrumentation) SetDefaults(images Images) {
	if i.Labels == nil {
		i.Labels = map[string]string{}
	}
	if i.Annotations == nil {
		i.Annotations = map[string]string{}
	}
	s := &i.Spec
	for _, agent := range []struct {
		name           string
		payload        *Payload
		resources      *corev1.ResourceRequirements
		image          string
		requestsCPU    string
		requestsMemory string
	}{
		{"java", &s.Java.Payload, &s.Java.Resources, images.Java, "50m", "64Mi"},
		{"nodejs", &s.NodeJS.Payload, &s.NodeJS.Resources, images.NodeJS, "50m", "128Mi"},
		{"python", &s.Python.Payload, &s.Python.Resources, images.Python, "50m", "64Mi"},
		{"dotnet", &s.DotNet.Payload, &s.DotNet.Resources, images.DotNet, "50m", "128Mi"},
		{"go", &s.Go.Payload, &s.Go.Resources, images.Go, "50m", "64Mi"},
		{"apache-httpd", &s.ApacheHttpd.Payload, &s.ApacheHttpd.Resources, images.ApacheHttpd, "1m", "128Mi"},
		{"nginx", &s.Nginx.Payload, &s.Nginx.Resources, images.Nginx, "1m", "128Mi"},
	} {
		i.Annotations[DefaultImageAnnotation(agent.name)] = agent.image
		if agent.payload.Image == "" {
			agent.payload.Image = agent.image
		}
		setResources(agent.resources, cpuAndMemory(agent.requestsCPU, agent.requestsMemory))
	}
	if s.ApacheHttpd.Version == "" {
		s.ApacheHttpd.Version = "2.4"
	}
	if s.ApacheHttpd.ConfigPath == "" {
		s.ApacheHttpd.ConfigPath = "/usr/local/apache2/conf"
	}
	if s.Nginx.ConfigFile == "" {
		s.Nginx.ConfigFile = "/etc/nginx/nginx.conf"
	}
}

// setResources sets limits and requests where there are none, and fits them to
// those that there are: a pod that requests more than its limit is refused.
func setResources(r *corev1.ResourceRequirements, requests corev1.ResourceList) {
	limits := cpuAndMemory("500m", "256Mi")
	if r.Limits == nil {
		for name, request := range r.Requests {
			if limit, ok := limits[name]; ok && limit.Cmp(request) < 0 {
				limits[name] = request
			}
		}
		r.Limits = limits
	}
	if r.Requests == nil {
		for name, limit := range r.Limits {
			if request, ok := requests[name]; ok && request.Cmp(limit) > 0 {
				requests[name] = limit
			}
		}
		r.Requests = requests
	}
}

// DefaultImageAnnotation is the annotation that says which image of an agent, as
// apache-httpd, was the default when a resource was written.
func DefaultImageAnnotation(agent string) string {
	return v1beta1.InstrumentationPrefix + "default-auto-instrumentation-" + agent + "-image"
}

func cpuAndMemory(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse(cpu),
		corev1.ResourceMemory: resource.MustParse(memory),
	}
}

// SetDefaults gives fields that are not set the values that they then have,
// with what the API server sets. Resources in the cluster stay as they were
// written.
func (t *TargetAllocator) SetDefaults(g v1beta1.Gates) {
	s := &t.Spec
	s.Workload.SetDefaults()
	s.PrometheusCR.SetDefaults()
	s.MTLS.SetDefaults()
	s.NetworkPolicy.SetDefaults(g)
	if s.AllocationStrategy == "" {
		s.AllocationStrategy = v1beta1.AllocateConsistentHashing
	}
	if s.FilterStrategy == nil {
		s.FilterStrategy = new(v1beta1.FilterRelabelConfig)
	}
	if s.CollectorNotReadyGracePeriod == nil {
		s.CollectorNotReadyGracePeriod = &metav1.Duration{Duration: 30 * time.Second}
	}
	// Only consistent hashing gives the same answer from each of several pods.
	if s.PodDisruptionBudget == nil && s.AllocationStrategy == v1beta1.AllocateConsistentHashing {
		s.PodDisruptionBudget = &v1beta1.PodDisruptionBudget{MaxUnavailable: new(intstr.FromInt32(1))}
	}
}

// SetDefaults gives fields that are not set the values that they then have. A
// bridge always reports its status.
func (b *OpAMPBridge) SetDefaults() {
	if b.Labels == nil {
		b.Labels = map[string]string{}
	}
	s := &b.Spec
	if s.UpgradeStrategy == "" {
		s.UpgradeStrategy = v1beta1.UpgradeAutomatic
	}
	if s.Replicas == nil {
		s.Replicas = new(int32(1))
	}
	for i := range s.Ports {
		if s.Ports[i].Protocol == "" {
			s.Ports[i].Protocol = corev1.ProtocolTCP
		}
	}
	if s.Capabilities == nil {
		s.Capabilities = map[OpAMPCapability]bool{}
	}
	s.Capabilities[ReportsStatus] = true
}
