package render

import (
	"maps"
	"slices"
	"strings"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// monitoringAPI is where prometheus-operator's kinds are.
const monitoringAPI = "monitoring.coreos.com/v1"

// monitors adds what tells prometheus-operator to scrape the collector.
func (c *collector) monitors() {
	if !c.spec.Observability.Metrics.EnableMetrics {
		return
	}
	path := []string{"spec", "observability", "metrics", "enableMetrics"}
	if c.mode == v1beta1.ModeSidecar {
		if !c.facts.PodMonitors {
			c.plan.warn("no-monitors", "this cluster has no PodMonitors (monitoring.coreos.com), so none is made", path...)
			return
		}
		c.plan.add(c.podMonitor())
		return
	}
	if !c.facts.ServiceMonitors {
		c.plan.warn("no-monitors", "this cluster has no ServiceMonitors (monitoring.coreos.com), so none is made", path...)
		return
	}
	if ports := prometheusPorts(c.exporters); len(ports) > 0 {
		c.plan.add(c.serviceMonitor(c.object(), map[string]string{v1beta1.LabelServiceType: serviceBase}, ports))
	}
	if c.metrics != 0 {
		c.plan.add(c.serviceMonitor(name("%s-monitoring-collector", c.meta.Name), map[string]string{v1beta1.LabelServiceType: serviceMonitoring}, []string{"monitoring"}))
	}
}

// prometheusPorts are the names of the ports at which exporters are scraped.
func prometheusPorts(ports []port) []string {
	var names []string
	for _, p := range ports {
		if strings.Contains(p.name, "prometheus") {
			names = append(names, p.name)
		}
	}
	return names
}

func endpoints(ports []string) []any {
	var all []any
	for _, p := range ports {
		all = append(all, map[string]any{"port": p})
	}
	return all
}

// serviceMonitor scrapes the Services that have the labels besides those of the
// collector.
func (c *collector) serviceMonitor(object string, labels map[string]string, ports []string) Object {
	selector := c.selector()
	maps.Copy(selector, labels)
	return c.monitor(c.labels(object, false), c.spec.Observability.Metrics, "ServiceMonitor", object, map[string]any{
		"endpoints":         endpoints(ports),
		"namespaceSelector": map[string]any{"matchNames": []string{c.meta.Namespace}},
		"selector":          map[string]any{"matchLabels": selector},
	})
}

// podMonitor scrapes the pods that the collector was put into.
func (c *collector) podMonitor() Object {
	ports := prometheusPorts(c.exporters)
	if c.metrics != 0 {
		ports = slices.Insert(ports, 0, "metrics")
	}
	return c.monitor(c.labels(c.object(), false), c.spec.Observability.Metrics, "PodMonitor", c.object(), map[string]any{
		"jobLabel":            v1beta1.LabelInstance,
		"podTargetLabels":     []string{v1beta1.LabelName, v1beta1.LabelInstance, v1beta1.LabelManagedBy},
		"podMetricsEndpoints": endpoints(ports),
		"namespaceSelector":   map[string]any{"matchNames": []string{c.meta.Namespace}},
		"selector":            map[string]any{"matchLabels": map[string]string{v1beta1.LabelInjected: c.instance()}},
	})
}

func (o *owner) monitor(labels map[string]string, m v1beta1.Metrics, kind, object string, spec map[string]any) Object {
	maps.Copy(labels, m.ExtraLabels)
	return o.custom(monitoringAPI, kind, object, labels, o.annotations(), spec)
}
