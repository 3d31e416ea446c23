package render

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// Values of the label for the type of a Service.
const (
	serviceBase       = "base"
	serviceHeadless   = "headless"
	serviceMonitoring = "monitoring"
	serviceExtension  = "extension"
)

// servicePorts are the ports of the Service.
func (c *collector) servicePorts() []port {
	return joined(c.listed, slices.Concat(c.receivers, c.exporters), c.plan)
}

// services adds the Services before the collector's pods.
func (c *collector) services() {
	if ports := c.servicePorts(); len(ports) > 0 {
		c.plan.add(c.service(c.object(), serviceBase, ports))
		headless := c.service(c.headless(), serviceHeadless, ports)
		headless.Spec.ClusterIP = set(corev1.ClusterIPNone)
		headless.WithLabels(map[string]string{v1beta1.LabelHeadlessService: "Exists"}).
			WithAnnotations(map[string]string{"service.beta.openshift.io/serving-cert-secret-name": c.headless() + "-tls"})
		c.plan.add(headless)
	}
	if c.metrics != 0 {
		monitoring := c.service(name("%s-monitoring", c.object()), serviceMonitoring, []port{{name: "monitoring", number: c.metrics, protocol: corev1.ProtocolTCP}})
		c.plan.add(monitoring.WithLabels(map[string]string{v1beta1.LabelMonitoringService: "Exists"}))
	}
	if len(c.extensions) > 0 {
		c.plan.add(c.service(name("%s-extension", c.object()), serviceExtension, joined(nil, c.extensions, c.plan)))
	}
}

func (c *collector) headless() string { return name("%s-headless", c.object()) }

func (c *collector) service(object, kind string, ports []port) *corev1ac.ServiceApplyConfiguration {
	local := corev1.ServiceInternalTrafficPolicyCluster
	if c.mode == v1beta1.ModeDaemonSet {
		local = corev1.ServiceInternalTrafficPolicyLocal
	}
	spec := corev1ac.ServiceSpec().WithSelector(c.selector()).WithInternalTrafficPolicy(local)
	spec.IPFamilies = c.spec.IPFamilies
	spec.IPFamilyPolicy = c.spec.IPFamilyPolicy
	if kind == serviceBase || kind == serviceHeadless {
		spec.TrafficDistribution = c.spec.TrafficDistribution
		spec.SessionAffinity = set(c.spec.SessionAffinity)
		spec.SessionAffinityConfig = as[*corev1ac.SessionAffinityConfigApplyConfiguration](c.spec.SessionAffinityConfig)
	}
	if kind != serviceBase {
		ports = slices.Clone(ports)
		for i := range ports {
			ports[i].node = 0
		}
	}
	if slices.ContainsFunc(ports, func(p port) bool { return p.node > 0 }) {
		spec.WithType(corev1.ServiceTypeNodePort) // no other type takes them
	}
	route := c.spec.Ingress.Type == v1beta1.IngressTypeRoute
	for _, p := range ports {
		spec.WithPorts(servicePort(p, route))
	}
	return corev1ac.Service(object, c.meta.Namespace).
		WithLabels(c.labels(object, false)).WithLabels(map[string]string{v1beta1.LabelServiceType: kind}).
		WithAnnotations(c.annotations()).WithOwnerReferences(c.references()...).WithSpec(spec)
}

// servicePort is a port of a Service. OpenShift's router wants another word for
// what gRPC speaks.
func servicePort(p port, route bool) *corev1ac.ServicePortApplyConfiguration {
	if route && p.app == "grpc" {
		p.app = "h2c"
	}
	s := corev1ac.ServicePort().WithName(p.name).WithPort(p.number).WithProtocol(p.protocol)
	s.AppProtocol = set(p.app)
	s.TargetPort = portRef(p.number)
	if p.target.IntVal != 0 || p.target.StrVal != "" {
		s.TargetPort = &p.target
	}
	s.NodePort = set(p.node)
	return s
}
