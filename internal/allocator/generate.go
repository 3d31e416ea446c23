package allocator

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// node is a map of a document: a resource, or a scrape config.
type node = map[string]any

// lookup gives a value of a Secret or a ConfigMap, which kind names.
type lookup func(kind, namespace, name, key string) (string, error)

// generator makes scrape configs of the resources of the Prometheus operator.
// It reads them as documents and not as Go types: most fields only have another
// name, and a cluster's resources are as old or as new as they are.
type generator struct {
	secrets lookup
	// interval and protocols are for resources that say none.
	interval  string
	protocols []string
	// denyFiles refuses what makes a collector read a file that the resource
	// names: tokens and certificates.
	denyFiles bool
	// classes are the scrape classes, which resources name; one may be for those
	// that name none. What a class refers to is in classNamespace.
	classes        []node
	classNamespace string
	// kubeConfig is the file to discover with; empty for the pod's account.
	kubeConfig string
}

// renamed are the fields that only have another name in a scrape config.
var renamed = map[string]string{
	"honorLabels":                    "honor_labels",
	"honorTimestamps":                "honor_timestamps",
	"trackTimestampsStaleness":       "track_timestamps_staleness",
	"interval":                       "scrape_interval",
	"scrapeInterval":                 "scrape_interval",
	"scrapeTimeout":                  "scrape_timeout",
	"path":                           "metrics_path",
	"metricsPath":                    "metrics_path",
	"params":                         "params",
	"scrapeProtocols":                "scrape_protocols",
	"fallbackScrapeProtocol":         "fallback_scrape_protocol",
	"sampleLimit":                    "sample_limit",
	"targetLimit":                    "target_limit",
	"labelLimit":                     "label_limit",
	"labelNameLengthLimit":           "label_name_length_limit",
	"labelValueLengthLimit":          "label_value_length_limit",
	"bodySizeLimit":                  "body_size_limit",
	"keepDroppedTargets":             "keep_dropped_targets",
	"scrapeNativeHistograms":         "scrape_native_histograms",
	"scrapeClassicHistograms":        "always_scrape_classic_histograms",
	"convertClassicHistogramsToNHCB": "convert_classic_histograms_to_nhcb",
	"nativeHistogramBucketLimit":     "native_histogram_bucket_limit",
	"enableCompression":              "enable_compression",
	"nameEscapingScheme":             "metric_name_escaping_scheme",
	"nameValidationScheme":           "metric_name_validation_scheme",
}

// generated is a scrape config made from a resource.
type generated struct {
	name string
	tree node
}

// generate makes the scrape configs of one resource.
func (g *generator) generate(u *unstructured.Unstructured) ([]generated, error) {
	id := u.GetNamespace() + "/" + u.GetName()
	spec := child(u.Object, "spec")
	switch u.GetKind() {
	case "ServiceMonitor":
		return g.endpoints("serviceMonitor/"+id, list(spec, "endpoints"), func(e node) (node, error) {
			return g.serviceMonitor(u, spec, e)
		})
	case "PodMonitor":
		return g.endpoints("podMonitor/"+id, list(spec, "podMetricsEndpoints"), func(e node) (node, error) {
			return g.podMonitor(u, spec, e)
		})
	case "Probe":
		tree, err := g.probe(u, spec)
		return []generated{{"probe/" + id, tree}}, err
	case "ScrapeConfig":
		tree, err := g.scrapeConfig(u, spec)
		return []generated{{"scrapeConfig/" + id, tree}}, err
	}
	return nil, fmt.Errorf("kind %s is not known", u.GetKind())
}

func (g *generator) endpoints(name string, endpoints []node, make func(node) (node, error)) ([]generated, error) {
	var all []generated
	for i, e := range endpoints {
		tree, err := make(e)
		if err != nil {
			return nil, fmt.Errorf("endpoint %d: %w", i, err)
		}
		all = append(all, generated{fmt.Sprintf("%s/%d", name, i), tree})
	}
	return all, nil
}

// common converts what a resource, which comes first, and its endpoint say about
// scraping.
func (g *generator) common(namespace string, from ...node) (node, error) {
	tree := node{"scrape_interval": g.interval, "scrape_protocols": toAny(g.protocols)}
	class, err := g.class(from[0])
	if err != nil {
		return nil, err
	}
	if err := g.applyClass(tree, class, from); err != nil {
		return nil, err
	}
	for _, f := range from {
		for key, value := range f {
			if to, ok := renamed[key]; ok && value != "" {
				tree[to] = value
			}
		}
		if factor, ok := f["nativeHistogramMinBucketFactor"]; ok {
			q, err := resource.ParseQuantity(fmt.Sprint(factor))
			if err != nil {
				return nil, fmt.Errorf("nativeHistogramMinBucketFactor: %w", err)
			}
			tree["native_histogram_min_bucket_factor"] = q.AsApproximateFloat64()
		}
		if s := text(f, "scheme"); s != "" {
			tree["scheme"] = strings.ToLower(s)
		}
		if err := g.http(tree, namespace, f); err != nil {
			return nil, err
		}
		if rules := list(f, "metricRelabelings"); rules != nil {
			tree["metric_relabel_configs"] = append(relabelings(list(class, "metricRelabelings")), relabelings(rules)...)
		}
		if child(f, "attachMetadata")["node"] == true {
			tree["attach_metadata"] = true // kubernetesSD moves it into the discovery
		}
	}
	return tree, nil
}

// class is the scrape class of a resource, nil for none.
func (g *generator) class(spec node) (node, error) {
	name := text(spec, "scrapeClass")
	for _, c := range g.classes {
		if name != "" && text(c, "name") == name || name == "" && c["default"] == true {
			return c, nil
		}
	}
	if name != "" {
		return nil, fmt.Errorf("scrapeClass: there is no class %q", name)
	}
	return nil, nil
}

// applyClass sets what a class says, for resources to say otherwise.
func (g *generator) applyClass(tree, class node, from []node) error {
	admin := *g
	admin.denyFiles = false // who writes classes may name files
	if err := admin.http(tree, g.classNamespace, class); err != nil {
		return fmt.Errorf("scrape class %s: %w", text(class, "name"), err)
	}
	for _, f := range from {
		for _, key := range []string{"authorization", "basicAuth", "oauth2", "bearerTokenFile", "bearerTokenSecret"} {
			if f[key] != nil {
				delete(tree, "authorization")
			}
		}
	}
	if p := text(class, "fallbackScrapeProtocol"); p != "" {
		tree["fallback_scrape_protocol"] = p
	}
	if rules := list(class, "metricRelabelings"); rules != nil {
		tree["metric_relabel_configs"] = relabelings(rules)
	}
	if child(class, "attachMetadata")["node"] == true {
		tree["attach_metadata"] = true
	}
	return nil
}

// own are the relabelings of a resource's class, then its own.
func (g *generator) own(spec node, rules []node) ([]any, error) {
	class, err := g.class(spec)
	return append(relabelings(list(class, "relabelings")), relabelings(rules)...), err
}

// kubernetesSD sets discovery of objects of a role.
func (g *generator) kubernetesSD(tree node, u *unstructured.Unstructured, role string, selector node) {
	sd := node{"role": role}
	if selector["any"] != true {
		names, _ := selector["matchNames"].([]any)
		if len(names) == 0 {
			names = []any{u.GetNamespace()}
		}
		sd["namespaces"] = node{"names": names}
	}
	if tree["attach_metadata"] == true {
		sd["attach_metadata"] = node{"node": true}
	}
	delete(tree, "attach_metadata")
	if g.kubeConfig != "" {
		sd["kubeconfig_file"] = g.kubeConfig
	}
	tree["kubernetes_sd_configs"] = []any{sd}
}

func (g *generator) serviceMonitor(u *unstructured.Unstructured, spec, e node) (node, error) {
	tree, err := g.common(u.GetNamespace(), spec, e)
	if err != nil {
		return nil, err
	}
	g.kubernetesSD(tree, u, "endpointslice", child(spec, "namespaceSelector"))
	const service, pod = "__meta_kubernetes_service_", "__meta_kubernetes_pod_"
	r := rules{}
	r.add(node{"source_labels": []any{"job"}, "target_label": "__tmp_prometheus_job_name"})
	if err := r.selector(service, child(spec, "selector")); err != nil {
		return nil, err
	}
	r.port(e, "__meta_kubernetes_endpointslice_port_name")
	for _, kind := range []string{"Node", "Pod"} {
		r.add(node{
			"source_labels": []any{"__meta_kubernetes_endpointslice_address_target_kind", "__meta_kubernetes_endpointslice_address_target_name"},
			"separator":     ";", "regex": kind + ";(.*)", "target_label": strings.ToLower(kind), "replacement": "${1}",
		})
	}
	r.copy("__meta_kubernetes_namespace", "namespace")
	r.copy(service+"name", "service")
	r.copy(pod+"name", "pod")
	r.copy(pod+"container_name", "container")
	r.running(e)
	r.labels(service, spec, "targetLabels")
	r.labels(pod, spec, "podTargetLabels")
	r.copy(service+"name", "job")
	r.jobLabel(service, spec)
	r.endpoint(e)
	own, err := g.own(spec, list(e, "relabelings"))
	tree["relabel_configs"] = append(r, own...)
	return tree, err
}

func (g *generator) podMonitor(u *unstructured.Unstructured, spec, e node) (node, error) {
	tree, err := g.common(u.GetNamespace(), spec, e)
	if err != nil {
		return nil, err
	}
	g.kubernetesSD(tree, u, "pod", child(spec, "namespaceSelector"))
	const pod = "__meta_kubernetes_pod_"
	r := rules{}
	r.add(node{"source_labels": []any{"job"}, "target_label": "__tmp_prometheus_job_name"})
	r.running(e)
	if err := r.selector(pod, child(spec, "selector")); err != nil {
		return nil, err
	}
	r.port(e, pod+"container_port_name")
	r.copy("__meta_kubernetes_namespace", "namespace")
	r.copy(pod+"container_name", "container")
	r.copy(pod+"name", "pod")
	r.labels(pod, spec, "podTargetLabels")
	r.add(node{"target_label": "job", "replacement": u.GetNamespace() + "/" + u.GetName()})
	r.jobLabel(pod, spec)
	r.endpoint(e)
	own, err := g.own(spec, list(e, "relabelings"))
	tree["relabel_configs"] = append(r, own...)
	return tree, err
}

func (g *generator) probe(u *unstructured.Unstructured, spec node) (node, error) {
	prober, targets := child(spec, "prober"), child(spec, "targets")
	tree, err := g.common(u.GetNamespace(), spec, prober)
	if err != nil {
		return nil, err
	}
	delete(tree, "params") // a list of names and values here
	if text(prober, "path") == "" {
		tree["metrics_path"] = "/probe"
	}
	params := node{}
	for _, p := range list(spec, "params") {
		params[text(p, "name")] = p["values"]
	}
	if module := text(spec, "module"); module != "" {
		params["module"] = []any{module}
	}
	if len(params) > 0 {
		tree["params"] = params
	}
	r := rules{}
	r.add(node{"source_labels": []any{"job"}, "target_label": "__tmp_prometheus_job_name"})
	if job := text(spec, "jobName"); job != "" {
		r.add(node{"target_label": "job", "replacement": job})
	}
	var last []node
	switch fixed, ingress := child(targets, "staticConfig"), child(targets, "ingress"); {
	case fixed["static"] != nil:
		labels := node{"namespace": u.GetNamespace()}
		maps.Copy(labels, child(fixed, "labels"))
		tree["static_configs"] = []any{node{"targets": fixed["static"], "labels": labels}}
		r.copy("__address__", "__param_target")
		last = list(fixed, "relabelingConfigs")
	case ingress != nil:
		const label = "__meta_kubernetes_ingress_"
		g.kubernetesSD(tree, u, "ingress", child(ingress, "namespaceSelector"))
		if err := r.selector(label, child(ingress, "selector")); err != nil {
			return nil, err
		}
		r.add(node{"source_labels": []any{label + "scheme", "__address__", label + "path"}, "separator": ";",
			"regex": "(.+);(.+);(.+)", "target_label": "__param_target", "replacement": "${1}://${2}${3}"})
		r.copy("__meta_kubernetes_namespace", "namespace")
		r.copy(label+"name", "ingress")
		last = list(ingress, "relabelingConfigs")
	default:
		return nil, fmt.Errorf("targets has neither staticConfig nor ingress")
	}
	r.copy("__param_target", "instance")
	r.add(node{"target_label": "__address__", "replacement": text(prober, "url")})
	own, err := g.own(spec, last)
	tree["relabel_configs"] = append(r, own...)
	delete(tree, "attach_metadata")
	return tree, err
}

func (g *generator) scrapeConfig(u *unstructured.Unstructured, spec node) (node, error) {
	tree, err := g.common(u.GetNamespace(), spec)
	if err != nil {
		return nil, err
	}
	known := map[string]string{
		"staticConfigs": "static_configs", "fileSDConfigs": "file_sd_configs", "httpSDConfigs": "http_sd_configs",
		"kubernetesSDConfigs": "kubernetes_sd_configs", "dnsSDConfigs": "dns_sd_configs",
	}
	for _, key := range slices.Sorted(maps.Keys(spec)) {
		to, ok := known[key]
		if !ok && strings.HasSuffix(key, "SDConfigs") {
			return nil, fmt.Errorf("%s: this program has no such discovery; it has static, file, http, kubernetes and dns", key)
		}
		if !ok {
			continue
		}
		var all []any
		for _, sd := range list(spec, key) {
			converted, err := g.discovery(u.GetNamespace(), sd)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			all = append(all, converted)
		}
		tree[to] = all
	}
	r := rules{}
	r.add(node{"source_labels": []any{"job"}, "target_label": "__tmp_prometheus_job_name"})
	if job := text(spec, "jobName"); job != "" {
		r.add(node{"target_label": "job", "replacement": job})
	}
	own, err := g.own(spec, list(spec, "relabelings"))
	tree["relabel_configs"] = append(r, own...)
	delete(tree, "attach_metadata")
	return tree, err
}

// discovery converts one entry of a list of discoveries.
func (g *generator) discovery(namespace string, sd node) (node, error) {
	to := node{}
	for key, value := range sd {
		switch key {
		case "targets", "labels", "files", "names", "url", "port", "namespaces", "type":
			to[key] = value
		case "refreshInterval":
			to["refresh_interval"] = value
		case "apiServer":
			to["api_server"] = value
		case "attachMetadata":
			to["attach_metadata"] = value
		case "role":
			to["role"] = strings.ToLower(text(sd, key))
		case "selectors":
			var selectors []any
			for _, s := range list(sd, key) {
				s = maps.Clone(s)
				s["role"] = strings.ToLower(text(s, "role"))
				selectors = append(selectors, s)
			}
			to[key] = selectors
		}
	}
	return to, g.http(to, namespace, sd)
}

func child(n node, key string) node { c, _ := n[key].(map[string]any); return c }

func text(n node, key string) string { s, _ := n[key].(string); return s }

// list is a list of maps; nil when there is none.
func list(n node, key string) []node {
	all, _ := n[key].([]any)
	var nodes []node
	for _, item := range all {
		if m, ok := item.(map[string]any); ok {
			nodes = append(nodes, m)
		}
	}
	return nodes
}

func toAny(s []string) []any {
	all := make([]any, len(s))
	for i := range s {
		all[i] = s[i]
	}
	return all
}
