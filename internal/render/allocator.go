package render

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// Ports of target allocators in their pods.
const (
	allocatorPort    = 8080
	allocatorTLSPort = 8443
)

// allocator is one target allocator resource at work.
type allocator struct {
	owner
	spec *v1alpha1.TargetAllocatorSpec
	plan *Plan
	// collectors are the resources that it serves, with the receiver that asks
	// it of each.
	collectors []served
	text, sum  string
}

// served is a collector that a target allocator serves.
type served struct {
	owner    owner
	receiver map[string]any
}

// Allocator says which objects a target allocator stands for that serves the
// collectors: the one that it is embedded in, or all that name it in their label.
func Allocator(cr *v1alpha1.TargetAllocator, collectors []*v1beta1.OpenTelemetryCollector, facts Facts) (Plan, error) {
	plan := new(Plan)
	complete := cr.DeepCopy()
	complete.SetDefaults(v1beta1.Gates{NetworkPolicies: facts.NetworkPolicies})
	a := &allocator{
		owner: owner{
			meta: cr.ObjectMeta, api: v1alpha1.GroupVersion.String(), kind: "TargetAllocator",
			component: ComponentAllocator, image: cmp.Or(cr.Spec.Image, facts.AllocatorImage), facts: &facts,
		},
		spec: &complete.Spec, plan: plan,
	}
	if err := a.gather(collectors); err != nil {
		return Plan{}, fmt.Errorf("rendering TargetAllocator %s/%s: %w", cr.Namespace, cr.Name, err)
	}
	if a.spec.ServiceAccount == "" {
		plan.add(corev1ac.ServiceAccount(a.object(), a.meta.Namespace).WithLabels(a.labels(a.object(), false)).
			WithAnnotations(a.annotations()).WithOwnerReferences(a.references()...))
	}
	a.rights()
	plan.add(corev1ac.ConfigMap(a.object(), a.meta.Namespace).WithLabels(a.labels(a.object(), false)).
		WithAnnotations(a.annotations()).WithOwnerReferences(a.references()...).
		WithData(map[string]string{"targetallocator.yaml": a.text}))
	a.certificateObjects()
	plan.add(a.service(), a.deployment())
	if err := a.guard(); err != nil {
		return Plan{}, fmt.Errorf("rendering TargetAllocator %s/%s: %w", cr.Namespace, cr.Name, err)
	}
	plan.Selector = metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: a.podSelector()})
	plan.Image, plan.ConfigMap = a.image, a.object()
	plan.tidy()
	return *plan, nil
}

// gather looks at the collectors, and writes the allocator's configuration.
func (a *allocator) gather(collectors []*v1beta1.OpenTelemetryCollector) error {
	for _, cr := range collectors {
		// What migration finds is reported with the collector.
		config, err := newConfig(cr.Spec.Config, foreign(&cr.Spec, a.facts), nil, new(Plan))
		if err != nil {
			return err
		}
		a.collectors = append(a.collectors, served{
			owner{meta: cr.ObjectMeta, component: ComponentCollector, facts: a.facts},
			object(at(config.today, "receivers", "prometheus")),
		})
	}
	if len(a.collectors) == 0 {
		a.plan.warn("no-collector", "no collector is served: label one opentelemetry.io/target-allocator: "+a.meta.Name, "metadata", "name")
	}
	config, err := a.config()
	if err != nil {
		return err
	}
	if a.text, err = text(config); err != nil {
		return err
	}
	a.sum = hash(a.text)
	return nil
}

func (a *allocator) object() string  { return AllocatorName(a.meta.GetObjectMeta()) }
func (a *allocator) account() string { return cmp.Or(a.spec.ServiceAccount, a.object()) }
func (a *allocator) tls() bool       { return a.spec.MTLS != nil && a.spec.MTLS.Enabled }

// podSelector has the name besides, unlike that of collectors.
func (a *allocator) podSelector() map[string]string {
	labels := a.selector()
	labels[v1beta1.LabelName] = cmp.Or(a.meta.Labels[v1beta1.LabelName], a.object())
	return labels
}

func (a *allocator) ports() []port {
	all := []port{{name: "http", number: allocatorPort, protocol: corev1.ProtocolTCP}}
	all = append(all, written(a.spec.Ports)...)
	if a.tls() {
		all = append(all, port{name: "https", number: allocatorTLSPort, protocol: corev1.ProtocolTCP})
	}
	return all
}

func (a *allocator) service() Object {
	spec := corev1ac.ServiceSpec().WithSelector(a.podSelector())
	add := func(p port) { spec.WithPorts(servicePort(p, false)) }
	add(port{name: "targetallocation", number: 80, protocol: corev1.ProtocolTCP, target: intstr.FromString("http")})
	if a.tls() {
		add(port{name: "targetallocation-https", number: 443, protocol: corev1.ProtocolTCP, target: intstr.FromString("https")})
	}
	spec.IPFamilies, spec.IPFamilyPolicy = a.spec.IPFamilies, a.spec.IPFamilyPolicy
	spec.SessionAffinity = set(a.spec.SessionAffinity)
	spec.SessionAffinityConfig = as[*corev1ac.SessionAffinityConfigApplyConfiguration](a.spec.SessionAffinityConfig)
	return corev1ac.Service(a.object(), a.meta.Namespace).WithLabels(a.labels(a.object(), false)).
		WithAnnotations(a.annotations()).WithOwnerReferences(a.references()...).WithSpec(spec)
}

func (a *allocator) deployment() Object {
	annotations := maps.Clone(a.spec.PodAnnotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	maps.Copy(annotations, a.annotations())
	annotations[v1beta1.AnnotationAllocatorHash] = a.sum
	t := template(&a.spec.Workload, a.account(), a.labels(a.object(), false), annotations)
	t.WithLabels(a.podSelector())
	container := a.container()
	t.Spec.WithVolumes(corev1ac.Volume().WithName("ta-internal").WithConfigMap(corev1ac.ConfigMapVolumeSource().
		WithName(a.object()).WithItems(corev1ac.KeyToPath().WithKey("targetallocator.yaml").WithPath("targetallocator.yaml"))))
	if v := a.serverCertificates(); v != nil {
		t.Spec.WithVolumes(v)
		container.WithVolumeMounts(corev1ac.VolumeMount().WithName(*v.Name).WithMountPath(tlsFolder))
	}
	t.Spec.Volumes = append(t.Spec.Volumes, as[[]corev1ac.VolumeApplyConfiguration](a.spec.Volumes)...)
	t.Spec.Containers = as[[]corev1ac.ContainerApplyConfiguration](a.spec.AdditionalContainers)
	t.Spec.WithContainers(container)
	return appsv1ac.Deployment(a.object(), a.meta.Namespace).WithLabels(a.labels(a.object(), false)).
		WithAnnotations(a.annotations()).WithOwnerReferences(a.references()...).
		WithSpec(appsv1ac.DeploymentSpec().WithReplicas(*a.spec.Replicas).
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(a.podSelector())).WithTemplate(t))
}

func (a *allocator) container() *corev1ac.ContainerApplyConfiguration {
	c := mainContainer("ta-container", a.image, &a.spec.Workload)
	if a.spec.Image == "" {
		c.Command = a.facts.AllocatorCommand
	}
	c.Args = arguments(a.spec.Args)
	c.WithPorts(containerPorts(a.ports())...)
	env := newEnvironment(a.spec.Env)
	env.field("OTELCOL_NAMESPACE", "metadata.namespace")
	env.limits(a.spec.Resources)
	env.add(a.facts.Proxy...)
	c.Env = env.apply()
	c.VolumeMounts = append([]corev1ac.VolumeMountApplyConfiguration{
		*corev1ac.VolumeMount().WithName("ta-internal").WithMountPath("/conf"),
	}, as[[]corev1ac.VolumeMountApplyConfiguration](a.spec.VolumeMounts)...)
	c.ReadinessProbe = allocatorProbe("/readyz", a.spec.ReadinessProbe)
	c.LivenessProbe = allocatorProbe("/livez", a.spec.LivenessProbe)
	return c
}

// allocatorProbe asks a path, or what the resource says.
func allocatorProbe(path string, own *corev1.Probe) *corev1ac.ProbeApplyConfiguration {
	if own != nil {
		return as[*corev1ac.ProbeApplyConfiguration](own)
	}
	return probe(path, allocatorPort, "", nil)
}

// guard adds what limits who takes pods away, who reaches them, and who watches
// them.
func (a *allocator) guard() error {
	leastWeighted := a.spec.AllocationStrategy == v1beta1.AllocateLeastWeighted
	if leastWeighted && a.spec.PodDisruptionBudget != nil {
		return errors.New("spec.podDisruptionBudget does not go with the strategy least-weighted, of which only one pod may run")
	}
	if !leastWeighted {
		one := intstr.FromInt32(1)
		a.plan.add(a.disruptionBudget(a.object(), a.labels(a.object(), false), a.podSelector(), a.spec.PodDisruptionBudget, &one))
	}
	if enabled := a.spec.NetworkPolicy.Enabled; enabled != nil && *enabled {
		object := name("%s-targetallocator-networkpolicy", a.meta.Name)
		a.plan.add(a.networkPolicy(object, a.labels(object, false), a.podSelector(), a.ports()))
	}
	if !a.spec.Observability.Metrics.EnableMetrics {
		return nil
	}
	if !a.facts.ServiceMonitors {
		a.plan.warn("no-monitors", "this cluster has no ServiceMonitors (monitoring.coreos.com), so none is made", "spec", "observability", "metrics", "enableMetrics")
		return nil
	}
	a.plan.add(a.monitor(a.labels(a.object(), false), a.spec.Observability.Metrics, "ServiceMonitor", a.object(), map[string]any{
		"endpoints":         endpoints([]string{"targetallocation"}),
		"namespaceSelector": map[string]any{"matchNames": []string{a.meta.Namespace}},
		"selector":          map[string]any{"matchLabels": a.selector()},
	}))
	return nil
}

// scrapes are the scrape configurations of the resource and of the collectors,
// each once.
func (a *allocator) scrapes() []any {
	var all []any
	for _, s := range a.spec.ScrapeConfigs {
		all = append(all, as[map[string]any](s))
	}
	for _, c := range a.collectors {
		for _, s := range list(at(c.receiver, "config", "scrape_configs")) {
			if object(s) == nil {
				continue // the collector refuses it
			}
			// The collector would expand variables, in which $$ is a dollar sign.
			all = append(all, unescaped(as[map[string]any](s)))
		}
	}
	var kept []any
	for _, s := range all {
		if !slices.ContainsFunc(kept, func(k any) bool { return reflect.DeepEqual(k, s) }) {
			kept = append(kept, s)
		}
	}
	return kept
}
