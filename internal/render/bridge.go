package render

import (
	"cmp"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// Ports of OpAMP bridges in their pod.
const (
	bridgePort       = 8080
	bridgeHealthPort = 8081
)

// bridge is one OpAMP bridge resource at work.
type bridge struct {
	owner
	spec *v1alpha1.OpAMPBridgeSpec
	// pod is what the bridge has in common with other workloads.
	pod       v1beta1.Workload
	text, sum string
}

// Bridge says which objects an OpAMP bridge stands for.
func Bridge(cr *v1alpha1.OpAMPBridge, facts Facts) (Plan, error) {
	complete := cr.DeepCopy()
	complete.SetDefaults()
	s := &complete.Spec
	b := &bridge{
		owner: owner{
			meta: cr.ObjectMeta, api: v1alpha1.GroupVersion.String(), kind: "OpAMPBridge",
			component: ComponentBridge, image: cmp.Or(s.Image, facts.BridgeImage), facts: &facts,
		},
		spec: s,
		pod: v1beta1.Workload{
			ImagePullPolicy: s.ImagePullPolicy, Env: s.Env, EnvFrom: s.EnvFrom, Resources: s.Resources,
			SecurityContext: s.SecurityContext, VolumeMounts: s.VolumeMounts, Volumes: s.Volumes,
			PodSecurityContext: s.PodSecurityContext, PodDNSConfig: s.PodDNSConfig, HostNetwork: s.HostNetwork,
			PriorityClassName: s.PriorityClassName, NodeSelector: s.NodeSelector, Affinity: s.Affinity,
			Tolerations: s.Tolerations, TopologySpreadConstraints: s.TopologySpreadConstraints,
			IPFamilies: s.IPFamilies, IPFamilyPolicy: s.IPFamilyPolicy,
		},
	}
	b.pod.SetDefaults()
	plan := new(Plan)
	if b.image == "" {
		plan.warn("no-image", "no image is known that runs it: name one", "spec", "image")
	}
	var err error
	if b.text, err = text(b.config()); err != nil {
		return Plan{}, fmt.Errorf("rendering OpAMPBridge %s/%s: %w", cr.Namespace, cr.Name, err)
	}
	b.sum = hash(b.text)
	if s.ServiceAccount == "" {
		plan.add(corev1ac.ServiceAccount(b.object(), b.meta.Namespace).WithLabels(b.labels(b.object(), false)).
			WithAnnotations(b.annotations()).WithOwnerReferences(b.references()...))
	}
	if facts.RBAC {
		plan.add(b.clusterRole(name("%s-%s-opamp-bridge-role", b.meta.Name, b.meta.Namespace), name("%s-%s-opamp-bridge", b.meta.Name, b.meta.Namespace), b.account(), b.rules())...)
	}
	plan.add(corev1ac.ConfigMap(b.object(), b.meta.Namespace).WithLabels(b.labels(b.object(), false)).
		WithAnnotations(b.annotations()).WithOwnerReferences(b.references()...).
		WithData(map[string]string{"remoteconfiguration.yaml": b.text}), b.service(), b.deployment())
	plan.Selector = metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: b.selector()})
	plan.Image, plan.ConfigMap = b.image, b.object()
	return *plan, nil
}

func (b *bridge) object() string  { return BridgeName(b.meta.GetObjectMeta()) }
func (b *bridge) account() string { return cmp.Or(b.spec.ServiceAccount, b.object()) }

// can reports whether the bridge offers one of the capabilities.
func (b *bridge) can(capabilities ...v1alpha1.OpAMPCapability) bool {
	for _, c := range capabilities {
		if b.spec.Capabilities[c] {
			return true
		}
	}
	return false
}

// config is the bridge's file.
func (b *bridge) config() map[string]any {
	capabilities := map[string]any{}
	for c, on := range b.spec.Capabilities {
		if on {
			capabilities[string(c)] = true
		}
	}
	root := map[string]any{"endpoint": b.spec.Endpoint, "capabilities": capabilities, "name": b.meta.Name}
	if len(b.spec.Headers) > 0 {
		root["headers"] = b.spec.Headers
	}
	if len(b.spec.ComponentsAllowed) > 0 {
		root["componentsAllowed"] = b.spec.ComponentsAllowed
	}
	if b.spec.Description != nil {
		root["description"] = b.spec.Description
	}
	if b.spec.TLS != nil {
		root["tls"] = b.spec.TLS
	}
	if b.spec.Proxy != nil {
		root["proxy"] = b.spec.Proxy
	}
	return root
}

// rules are the rights that the capabilities need.
func (b *bridge) rules() []rbacv1.PolicyRule {
	verbs := "get list"
	if b.can(v1alpha1.AcceptsRemoteConfig) {
		verbs = "get list create update delete"
	}
	rules := []rbacv1.PolicyRule{rule(v1beta1.Group, "opentelemetrycollectors", verbs)}
	if b.can(v1alpha1.ReportsHealth, v1alpha1.ReportsStatus) {
		rules = append(rules, rule("", "pods", "get list"))
	}
	if b.can(v1alpha1.AcceptsRestartCommand) {
		rules = append(rules, rule("apps", "daemonsets deployments statefulsets", "get patch"))
	}
	return compact(rules)
}

func (b *bridge) service() Object {
	spec := corev1ac.ServiceSpec().WithSelector(b.selector())
	for _, p := range b.listed() {
		spec.WithPorts(servicePort(p, false))
	}
	spec.WithPorts(servicePort(port{name: "opamp-bridge", number: 80, protocol: corev1.ProtocolTCP, target: intstr.FromInt32(bridgePort)}, false))
	spec.IPFamilies, spec.IPFamilyPolicy = b.spec.IPFamilies, b.pod.IPFamilyPolicy
	return corev1ac.Service(b.object(), b.meta.Namespace).WithLabels(b.labels(b.object(), false)).
		WithAnnotations(b.annotations()).WithOwnerReferences(b.references()...).WithSpec(spec)
}

func (b *bridge) listed() []port {
	var own []v1beta1.Port
	for _, p := range b.spec.Ports {
		own = append(own, v1beta1.Port{ServicePort: p})
	}
	return written(own)
}

func (b *bridge) deployment() Object {
	annotations := maps.Clone(b.spec.PodAnnotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	maps.Copy(annotations, b.annotations())
	annotations[v1beta1.AnnotationBridgeHash] = b.sum
	t := template(&b.pod, b.account(), b.labels(b.object(), false), annotations)
	t.Spec.WithVolumes(corev1ac.Volume().WithName("opamp-bridge-internal").WithConfigMap(corev1ac.ConfigMapVolumeSource().
		WithName(b.object()).WithItems(corev1ac.KeyToPath().WithKey("remoteconfiguration.yaml").WithPath("remoteconfiguration.yaml"))))
	t.Spec.Volumes = append(t.Spec.Volumes, as[[]corev1ac.VolumeApplyConfiguration](b.spec.Volumes)...)
	t.Spec.WithContainers(b.container())
	return appsv1ac.Deployment(b.object(), b.meta.Namespace).WithLabels(b.labels(b.object(), false)).
		WithAnnotations(b.annotations()).WithOwnerReferences(b.references()...).
		WithSpec(appsv1ac.DeploymentSpec().WithReplicas(*b.spec.Replicas).
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(b.selector())).WithTemplate(t))
}

func (b *bridge) container() *corev1ac.ContainerApplyConfiguration {
	c := mainContainer("opamp-bridge-container", b.image, &b.pod)
	c.WithPorts(containerPorts(append([]port{
		{name: "opamp", number: bridgePort, protocol: corev1.ProtocolTCP},
		{name: "healthz", number: bridgeHealthPort, protocol: corev1.ProtocolTCP},
	}, b.listed()...))...)
	env := newEnvironment(b.spec.Env)
	env.field("OTELCOL_NAMESPACE", "metadata.namespace")
	env.limits(b.spec.Resources)
	env.add(b.facts.Proxy...)
	c.Env = env.apply()
	c.VolumeMounts = append([]corev1ac.VolumeMountApplyConfiguration{
		*corev1ac.VolumeMount().WithName("opamp-bridge-internal").WithMountPath("/conf"),
	}, as[[]corev1ac.VolumeMountApplyConfiguration](b.spec.VolumeMounts)...)
	c.LivenessProbe = probe("/healthz", bridgeHealthPort, "", nil)
	c.ReadinessProbe = probe("/healthz", bridgeHealthPort, "", nil)
	return c
}
