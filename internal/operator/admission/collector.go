package admission

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/internal/migrate"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// validateCollector runs every check; each says all that it finds.
func (h *hooks) validateCollector(ctx context.Context, r request[*v1beta1.OpenTelemetryCollector], v *verdict) {
	c := r.object
	c.Namespace = cmp.Or(c.Namespace, r.Namespace)
	c.SetDefaults(h.Gates)
	s := &c.Spec
	if r.update {
		if was := cmp.Or(r.old.Spec.Mode, v1beta1.ModeDeployment); was != s.Mode {
			v.refuse("spec.mode", "cannot change from %s to %s: make another collector, and delete this one", was, s.Mode)
		}
	}
	checkMode(s, v)
	checkPorts("spec.ports", s.Ports, v)
	checkAutoscaler(s, v)
	checkIngress(s, v)
	checkEmbeddedAllocator(s, v)

	facts := h.Facts(c.Namespace)
	if why := c.ConfigError(); why != "" {
		v.refuse("spec.config", "%s", why)
		return
	}
	checkNulls(s.Config.Map(), v)
	h.checkDenied(s.Config.Map(), v)
	h.checkConfig(ctx, r, facts, v)
	h.checkPlan(ctx, r, facts, v)
}

// checkMode refuses what a mode has no use for.
func checkMode(s *v1beta1.OpenTelemetryCollectorSpec, v *verdict) {
	if s.Mode != v1beta1.ModeStatefulSet {
		if len(s.VolumeClaimTemplates) > 0 {
			v.refuse("spec.volumeClaimTemplates", "only pods of mode statefulset have volume claims of their own; this is a %s", s.Mode)
		}
		if s.PersistentVolumeClaimRetentionPolicy != nil {
			v.refuse("spec.persistentVolumeClaimRetentionPolicy", "only pods of mode statefulset have volume claims of their own; this is a %s", s.Mode)
		}
	}
	if s.Mode != v1beta1.ModeDaemonSet && !reflect.DeepEqual(s.DaemonSetUpdateStrategy, appsv1.DaemonSetUpdateStrategy{}) {
		v.refuse("spec.daemonSetUpdateStrategy", "is for mode daemonset; this is a %s", s.Mode)
	}
	if s.Mode != v1beta1.ModeDeployment && !reflect.DeepEqual(s.DeploymentUpdateStrategy, appsv1.DeploymentStrategy{}) {
		v.refuse("spec.deploymentUpdateStrategy", "is for mode deployment; this is a %s", s.Mode)
	}
	if s.Mode != v1beta1.ModeSidecar {
		return
	}
	for _, field := range []struct {
		name string
		set  bool
	}{
		{"tolerations", len(s.Tolerations) > 0},
		{"priorityClassName", s.PriorityClassName != ""},
		{"affinity", s.Affinity != nil},
		{"additionalContainers", len(s.AdditionalContainers) > 0},
	} {
		if field.set {
			v.refuse("spec."+field.name, "mode sidecar does not allow it: the pod that the collector joins has its own")
		}
	}
}

// checkPorts refuses ports that a Service cannot have.
func checkPorts(path string, ports []v1beta1.Port, v *verdict) {
	for i, p := range ports {
		checkPort(fmt.Sprintf("%s[%d]", path, i), p.ServicePort, v)
		for _, more := range []struct {
			field  string
			number int32
		}{{"nodePort", p.NodePort}, {"hostPort", p.HostPort}} {
			if more.number != 0 {
				checkNumber(fmt.Sprintf("%s[%d].%s", path, i, more.field), more.number, v)
			}
		}
	}
}

func checkPort(path string, p corev1.ServicePort, v *verdict) {
	if p.Name == "" {
		v.refuse(path+".name", "a port needs a name")
	} else if why := validation.IsValidPortName(p.Name); len(why) > 0 {
		v.refuse(path+".name", "%q is no name of a port: it %s", p.Name, strings.Join(why, ", and "))
	}
	checkNumber(path+".port", p.Port, v)
	switch p.Protocol {
	case "", corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP:
	default:
		v.refuse(path+".protocol", "%q is not known: it is TCP, UDP or SCTP", p.Protocol)
	}
}

func checkNumber(path string, number int32, v *verdict) {
	if number < 1 || number > 65535 {
		v.refuse(path, "%d is no port: it must be between 1 and 65535", number)
	}
}

// checkAutoscaler refuses what a HorizontalPodAutoscaler would be refused for.
func checkAutoscaler(s *v1beta1.OpenTelemetryCollectorSpec, v *verdict) {
	a := s.Autoscaler
	if a == nil {
		return
	}
	const path = "spec.autoscaler"
	switch {
	case a.MaxReplicas == nil && a.MinReplicas != nil:
		v.refuse(path+".maxReplicas", "minReplicas needs maxReplicas")
	case a.MaxReplicas == nil:
		v.refuse(path+".maxReplicas", "an autoscaler needs maxReplicas")
	case *a.MaxReplicas < 1:
		v.refuse(path+".maxReplicas", "must be at least 1; it is %d", *a.MaxReplicas)
	default:
		if s.Replicas != nil && *s.Replicas > *a.MaxReplicas {
			v.refuse("spec.replicas", "%d is more than spec.autoscaler.maxReplicas, which is %d", *s.Replicas, *a.MaxReplicas)
		}
		if a.MinReplicas != nil && *a.MinReplicas > *a.MaxReplicas {
			v.refuse(path+".minReplicas", "%d is more than maxReplicas, which is %d", *a.MinReplicas, *a.MaxReplicas)
		}
	}
	if a.MinReplicas != nil && *a.MinReplicas < 1 {
		v.refuse(path+".minReplicas", "must be at least 1; it is %d", *a.MinReplicas)
	}
	for field, target := range map[string]*int32{"targetCPUUtilization": a.TargetCPUUtilization, "targetMemoryUtilization": a.TargetMemoryUtilization} {
		if target != nil && *target < 1 {
			v.refuse(path+"."+field, "must be at least 1 percent; it is %d", *target)
		}
	}
	if b := a.Behavior; b != nil {
		checkScaling(path+".behavior.scaleUp", b.ScaleUp, v)
		checkScaling(path+".behavior.scaleDown", b.ScaleDown, v)
	}
	for i, m := range a.Metrics {
		checkMetric(fmt.Sprintf("%s.metrics[%d]", path, i), m, v)
	}
}

func checkScaling(path string, rules *autoscalingv2.HPAScalingRules, v *verdict) {
	if rules == nil || rules.StabilizationWindowSeconds == nil {
		return
	}
	if n := *rules.StabilizationWindowSeconds; n < 0 || n > 3600 {
		v.refuse(path+".stabilizationWindowSeconds", "%d is not between 0 and 3600", n)
	}
}

func checkMetric(path string, m v1beta1.MetricSpec, v *verdict) {
	if m.Type != autoscalingv2.PodsMetricSourceType {
		v.refuse(path+".type", "%q is not known: a metric has type Pods", m.Type)
		return
	}
	if m.Pods == nil {
		v.refuse(path+".pods", "a metric of type Pods needs it")
		return
	}
	t := m.Pods.Target
	switch {
	case t.Type == autoscalingv2.ValueMetricType && t.Value != nil && t.Value.MilliValue() >= 1000:
	case t.Type == autoscalingv2.AverageValueMetricType && t.AverageValue != nil && t.AverageValue.MilliValue() >= 1000:
	case t.Type == autoscalingv2.ValueMetricType:
		v.refuse(path+".pods.target.value", "must be at least 1")
	case t.Type == autoscalingv2.AverageValueMetricType:
		v.refuse(path+".pods.target.averageValue", "must be at least 1")
	default:
		v.refuse(path+".pods.target.type", "%q is not known: it is Value or AverageValue", t.Type)
	}
}

func checkIngress(s *v1beta1.OpenTelemetryCollectorSpec, v *verdict) {
	if s.Ingress.Type != v1beta1.IngressTypeIngress {
		return
	}
	if s.Mode == v1beta1.ModeSidecar {
		v.refuse("spec.ingress", "mode sidecar has no Service that an Ingress could lead to")
	}
	if s.Ingress.RuleType == v1beta1.IngressRuleSubdomain && (s.Ingress.Hostname == "" || s.Ingress.Hostname == "*") {
		v.refuse("spec.ingress.hostname", "ruleType subdomain needs the name that the subdomains are of; it is %q", s.Ingress.Hostname)
	}
}

// checkNulls warns of settings that are null, which kubectl apply and kustomize
// take for settings to delete.
func checkNulls(config map[string]any, v *verdict) {
	var nulls []string
	for _, section := range []string{"receivers", "processors", "exporters", "connectors", "extensions"} {
		components, _ := config[section].(map[string]any)
		for _, id := range sorted(components) {
			nulls = append(nulls, nullPaths(section+"."+id, components[id])...)
		}
	}
	if len(nulls) > 0 {
		v.warn("spec.config", "null is dropped by kubectl apply and kustomize, so write {} for no settings: %s", strings.Join(nulls, ", "))
	}
}

// nullPaths are the places of nulls at and below a path.
func nullPaths(path string, value any) []string {
	if value == nil {
		return []string{path}
	}
	var all []string
	settings, _ := value.(map[string]any)
	for _, key := range sorted(settings) {
		all = append(all, nullPaths(path+"."+key, settings[key])...)
	}
	return all
}

// checkDenied refuses components that a cluster in FIPS mode must not run.
func (h *hooks) checkDenied(config map[string]any, v *verdict) {
	for _, section := range []string{"receivers", "processors", "exporters", "connectors", "extensions"} {
		components, _ := config[section].(map[string]any)
		for _, id := range sorted(components) {
			typ, _, _ := strings.Cut(id, "/")
			if slices.Contains(h.Denied, strings.TrimSuffix(section, "s")+"."+typ) {
				v.refuse("spec.config."+section+"."+id, "is denied in FIPS mode by the operator's setting fips-disabled-components")
			}
		}
	}
}

// checkConfig asks those who know the components. A collector of another image
// may have others, so there nothing is refused.
func (h *hooks) checkConfig(ctx context.Context, r request[*v1beta1.OpenTelemetryCollector], facts render.Facts, v *verdict) {
	if h.Check == nil {
		return
	}
	config, err := render.Configuration(r.object, facts)
	if err != nil {
		return // checkPlan says so
	}
	var findings []migrate.Finding
	for _, f := range h.Check(ctx, config) {
		if f.Rule == "null-value" {
			continue // checkNulls has looked at what was written, without defaults
		}
		f.Path = append([]string{"spec", "config"}, f.Path...)
		findings = append(findings, f)
	}
	v.found(findings, lenient(r, facts))
}

// lenient says why errors in a configuration do not refuse it; nothing where they
// do. Another image may have other components, and a collector that runs with
// what is wrong, or is held back at an earlier version for it, can be edited
// elsewhere.
func lenient(r request[*v1beta1.OpenTelemetryCollector], facts render.Facts) string {
	ours := func(c *v1beta1.OpenTelemetryCollector) bool {
		return c.Spec.Image == "" || c.Spec.Image == facts.CollectorImage
	}
	switch {
	case !ours(r.object):
		return "not refused, because spec.image may know better"
	case r.update && ours(r.old) && reflect.DeepEqual(r.object.Spec.Config.Map(), r.old.Spec.Config.Map()):
		return "not refused, because it was so before"
	}
	return ""
}

// checkPlan renders the collector and its target allocator: what cannot be
// rendered is refused, what would come of it is checked.
func (h *hooks) checkPlan(ctx context.Context, r request[*v1beta1.OpenTelemetryCollector], facts render.Facts, v *verdict) {
	c := r.object
	plan, err := render.Collector(c, granting(facts))
	if err != nil {
		v.refuseError(err)
		return
	}
	v.found(slices.DeleteFunc(plan.Findings, func(f migrate.Finding) bool {
		// Check says it better.
		return h.Check != nil && (f.Rule == "undefined-component" || f.Rule == "port-clash")
	}), lenient(r, facts))
	plans := []render.Plan{plan}
	if c.Spec.TargetAllocator.Enabled {
		allocator, err := render.Allocator(render.EmbeddedAllocator(c), []*v1beta1.OpenTelemetryCollector{c}, granting(facts))
		if errors.Is(err, render.ErrNoTargets) {
			v.warn("spec.targetAllocator", "has nothing to share out: the receiver prometheus has no scrape_configs, and prometheusCR is not enabled")
		} else if err != nil {
			v.refuseError(err)
		}
		v.found(allocator.Findings, "")
		plans = append(plans, allocator)
	}
	h.checkRights(ctx, r.Request, facts, v, plans...)
}

// refuseError refuses what cannot be rendered, unless the place that the error
// names is refused already.
func (v *verdict) refuseError(err error) {
	if inner := errors.Unwrap(err); inner != nil {
		err = inner // without the name of the resource, which is known here
	}
	path, text := "", err.Error()
	if strings.HasPrefix(text, "spec.") {
		path, text, _ = strings.Cut(text, " ")
		path = strings.TrimSuffix(path, ":")
	}
	if path != "" {
		if parts := strings.SplitN(path, ".", 3); v.covers(strings.Join(parts[:2], ".")) {
			return
		}
	}
	v.refuse(path, "%s", text)
}

// sorted are the keys of a mapping in order.
func sorted(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
