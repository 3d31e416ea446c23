package render

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/migrate"
)

// collector is one collector resource at work.
type collector struct {
	owner
	cr   *v1beta1.OpenTelemetryCollector
	spec *v1beta1.OpenTelemetryCollectorSpec // with defaults, which cr has not
	mode v1beta1.Mode
	plan *Plan

	config *config
	// args are the flags that today's collector has.
	args map[string]string
	// text is the configuration as the collector gets it, and sum its hash.
	text, sum string
	// receivers, exporters and extensions are the ports of these, listed those
	// of the resource; metrics is where the collector serves its own metrics, 0
	// when it does not.
	receivers, exporters, extensions, listed []port
	metrics                                  int32
	allocator                                *AllocatorFacts
}

// errNoConfig refuses a collector that could do nothing.
var errNoConfig = errors.New("spec.config has no pipelines: a collector needs receivers, exporters and service.pipelines")

// Collector says which objects a collector resource stands for. The resource is
// not changed.
func Collector(cr *v1beta1.OpenTelemetryCollector, facts Facts) (Plan, error) {
	plan := new(Plan)
	c, err := newCollector(cr, &facts, plan)
	if err != nil {
		return Plan{}, fmt.Errorf("rendering OpenTelemetryCollector %s/%s: %w", cr.Namespace, cr.Name, err)
	}
	if c.spec.ServiceAccount == "" {
		plan.add(c.serviceAccount())
	}
	c.rights()
	plan.add(c.configMap())
	if c.spec.TargetAllocator.Enabled {
		plan.add(c.embeddedAllocator())
	}
	if c.mode != v1beta1.ModeSidecar {
		c.services()
		plan.add(c.workload())
		c.scaling()
		c.network()
		plan.Selector = metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: c.selector()})
	}
	c.monitors()
	plan.tidy()
	return *plan, nil
}

func newCollector(cr *v1beta1.OpenTelemetryCollector, facts *Facts, plan *Plan) (*collector, error) {
	complete := cr.DeepCopy()
	complete.SetDefaults(v1beta1.Gates{NetworkPolicies: facts.NetworkPolicies})
	spec := &complete.Spec
	c := &collector{
		owner: owner{
			meta: cr.ObjectMeta, api: v1beta1.GroupVersion.String(), kind: "OpenTelemetryCollector",
			component: ComponentCollector, image: cmp.Or(spec.Image, facts.CollectorImage), facts: facts,
		},
		cr: cr, spec: spec, mode: spec.Mode, plan: plan,
	}
	switch c.mode {
	case v1beta1.ModeDeployment, v1beta1.ModeDaemonSet, v1beta1.ModeStatefulSet, v1beta1.ModeSidecar:
	default:
		return nil, fmt.Errorf("spec.mode is %q; want deployment, daemonset, statefulset or sidecar", c.mode)
	}
	if why := cr.ConfigError(); why != "" {
		return nil, fmt.Errorf("spec.config: %s", why)
	}
	if len(spec.Config.Service.Pipelines) == 0 && at(spec.Config.Map(), "service", "pipelines") == nil {
		return nil, errNoConfig
	}
	var err error
	image := foreign(spec, facts)
	var settings []migrate.Setting
	c.args, settings = flags(spec, image, plan)
	if c.config, err = newConfig(spec.Config, image, settings, plan); err != nil {
		return nil, err
	}
	if err := c.useAllocator(); err != nil {
		return nil, err
	}
	if c.text, err = text(c.config.written); err != nil {
		return nil, err
	}
	c.sum = hash(c.text)
	c.listed = written(spec.Ports)
	c.receivers = c.config.receiverPorts(plan)
	c.exporters = c.config.exporterPorts(plan)
	c.extensions = c.config.extensionPorts(plan)
	c.metrics = ownMetrics(c.config.today, plan)
	plan.Image = c.image
	plan.ConfigMap, plan.ConfigMaps = c.configMapName(), max(1, spec.ConfigVersions)
	return c, nil
}

// object is the name of most objects of the collector.
func (c *collector) object() string { return CollectorName(c.cr) }

// CollectorName is the name of the workload and most other objects of a
// collector.
func CollectorName(cr *v1beta1.OpenTelemetryCollector) string {
	return name("%s-collector", cr.Name)
}

func (c *collector) configMapName() string {
	return name("%s-collector-%s", c.meta.Name, shortHash(c.sum))
}

func (c *collector) account() string { return cmp.Or(c.spec.ServiceAccount, c.object()) }

func (c *collector) serviceAccount() Object {
	return corev1ac.ServiceAccount(c.object(), c.meta.Namespace).
		WithLabels(c.labels(c.object(), false)).WithAnnotations(c.annotations()).WithOwnerReferences(c.references()...)
}

func (c *collector) configMap() Object {
	return corev1ac.ConfigMap(c.configMapName(), c.meta.Namespace).
		WithLabels(c.labels(c.configMapName(), false)).WithAnnotations(c.annotations()).WithOwnerReferences(c.references()...).
		WithData(map[string]string{"collector.yaml": c.text})
}

// podAnnotations tell Prometheus where the collector's own metrics are, and roll
// the pods out when the configuration changes.
func (c *collector) podAnnotations() map[string]string {
	annotations := c.annotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	own := maps.Clone(c.spec.PodAnnotations)
	drop(own, c.facts.AnnotationsFilter)
	maps.Copy(annotations, own)
	if c.metrics != 0 && !c.spec.Observability.Metrics.DisablePrometheusAnnotations {
		added := false
		for key, value := range map[string]string{
			"prometheus.io/scrape": "true",
			"prometheus.io/port":   strconv.Itoa(int(c.metrics)),
			"prometheus.io/path":   "/metrics",
		} {
			if _, ok := annotations[key]; !ok {
				annotations[key], added = value, true
			}
		}
		if added {
			annotations[v1beta1.AnnotationPrometheusAdded] = "true"
		}
	}
	annotations[v1beta1.AnnotationConfigHash] = c.sum
	return annotations
}

// podTemplate is the pod that every mode but sidecar runs.
func (c *collector) podTemplate() *corev1ac.PodTemplateSpecApplyConfiguration {
	t := template(&c.spec.Workload, c.account(), c.labels(c.object(), true), c.podAnnotations())
	if c.mode == v1beta1.ModeDaemonSet {
		t.Spec.TopologySpreadConstraints = nil
	}
	if g := c.facts.FSGroup; g != nil {
		if t.Spec.SecurityContext == nil {
			t.Spec.SecurityContext = corev1ac.PodSecurityContext()
		}
		if t.Spec.SecurityContext.FSGroup == nil {
			t.Spec.SecurityContext.FSGroup = g
		}
	}
	volumes, mounts := mountedConfigMaps(c.spec.ConfigMaps)
	t.Spec.WithVolumes(corev1ac.Volume().WithName("otc-internal").WithConfigMap(corev1ac.ConfigMapVolumeSource().
		WithName(c.configMapName()).WithItems(corev1ac.KeyToPath().WithKey("collector.yaml").WithPath("collector.yaml"))))
	container := c.container(arguments(c.args, "--config=/conf/collector.yaml"))
	container.WithVolumeMounts(corev1ac.VolumeMount().WithName("otc-internal").WithMountPath("/conf"))
	if v := c.clientCertificates(); v != nil {
		t.Spec.WithVolumes(v)
		container.WithVolumeMounts(corev1ac.VolumeMount().WithName(*v.Name).WithMountPath(tlsFolder))
	}
	t.Spec.Volumes = append(t.Spec.Volumes, as[[]corev1ac.VolumeApplyConfiguration](c.spec.Volumes)...)
	container.VolumeMounts = append(container.VolumeMounts, as[[]corev1ac.VolumeMountApplyConfiguration](c.spec.VolumeMounts)...)
	t.Spec.WithVolumes(volumes...)
	container.WithVolumeMounts(mounts...)
	t.Spec.WithContainers(container)
	t.Spec.Containers = append(t.Spec.Containers, as[[]corev1ac.ContainerApplyConfiguration](c.spec.AdditionalContainers)...)
	return t
}

// container is the collector's own container, without what mounts into it.
func (c *collector) container(args []string) *corev1ac.ContainerApplyConfiguration {
	container := mainContainer(CollectorContainer, c.image, &c.spec.Workload)
	container.Command = c.spec.Command
	if container.Command == nil && c.spec.Image == "" {
		container.Command = c.facts.CollectorCommand
	}
	container.Args = args
	container.WithPorts(containerPorts(c.allPorts())...)
	container.Env = c.environment().apply()
	if path, port, scheme, ok := c.health(); ok {
		container.WithLivenessProbe(probe(path, port, scheme, c.spec.LivenessProbe)).
			WithReadinessProbe(probe(path, port, scheme, c.spec.ReadinessProbe)).
			WithStartupProbe(probe(path, port, scheme, c.spec.StartupProbe))
	}
	return container
}

func (c *collector) environment() *environment {
	env := newEnvironment(c.spec.Env)
	env.field("POD_NAME", "metadata.name")
	env.limits(c.spec.Resources)
	if slices.ContainsFunc(used(c.config.today, "receivers"), func(r component) bool {
		return r.typ == "kubelet_stats" || r.typ == "kubeletstats"
	}) {
		env.field("K8S_NODE_NAME", "spec.nodeName")
	}
	env.add(c.facts.Proxy...)
	return env
}

// allPorts are the ports of the container.
func (c *collector) allPorts() []port {
	inferred := slices.Concat(c.receivers, c.exporters, c.extensions)
	if c.metrics != 0 {
		inferred = append(inferred, port{name: "metrics", number: c.metrics, protocol: corev1.ProtocolTCP})
	}
	return joined(c.listed, inferred, c.plan)
}

// health is what the first health_check extension answers.
func (c *collector) health() (path string, port int32, scheme corev1.URIScheme, ok bool) {
	for _, e := range extensions(c.config.today) {
		if e.typ != "health_check" {
			continue
		}
		path, _ = e.body["path"].(string)
		port = healthPort
		if text, _ := e.body["endpoint"].(string); text != "" {
			if _, port, ok = endpoint(text); !ok {
				c.plan.warn("probe-unknown", "the endpoint does not say its port, so the pods have no probes", "spec", "config", "extensions", e.id)
				return "", 0, "", false
			}
		}
		if e.body["tls"] != nil {
			scheme = corev1.URISchemeHTTPS
		}
		return path, port, scheme, true
	}
	return "", 0, "", false
}

func portRef(number int32) *intstr.IntOrString {
	p := intstr.FromInt32(number)
	return &p
}
