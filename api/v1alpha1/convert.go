package v1alpha1

import (
	"encoding/json"

	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// Convert gives a collector, a decoded JSON object of v1alpha1 or v1beta1, in
// the other of these versions, or as it is where it has that version already.
// The argument stays as it is and is not shared.
//
// It works on JSON rather than on types because it must not fail at, nor lose,
// what the types do not know. Convert(Convert(x)) is x, unless it was changed
// between: what the other version cannot hold rides in RemainderAnnotation, and
// of it comes back what the change did not touch.
func Convert(object map[string]any, version string) map[string]any {
	object = runtime.DeepCopyJSON(object)
	if object["apiVersion"] == v1beta1.Group+"/"+version {
		return object
	}
	switch version {
	case v1beta1.GroupVersion.Version:
		return convert(object, up, down)
	case GroupVersion.Version:
		return convert(object, down, up)
	}
	return object
}

// convert converts with there, and finds with back what that loses.
func convert(object map[string]any, there, back func(map[string]any) map[string]any) map[string]any {
	r := takeRemainder(object)
	out := r.restore(there(object), back)
	setRemainder(out, lost(back(out), object))
	return out
}

// up gives an object of v1alpha1 in v1beta1, without what that cannot hold. It
// keeps each field that it does not know.
func up(object map[string]any) map[string]any {
	out := runtime.DeepCopyJSON(object)
	out["apiVersion"] = v1beta1.GroupVersion.String()
	if status, ok := out["status"].(map[string]any); ok {
		delete(status, "messages")
		delete(status, "replicas")
	}
	spec, ok := out["spec"].(map[string]any)
	if !ok {
		return out
	}
	text, _ := spec["config"].(string)
	config, err := parseConfig(text)
	if err != nil {
		annotate(out, v1beta1.ConfigErrorAnnotation, err.Error())
	}
	spec["config"] = config
	upAutoscaler(spec)
	move(spec, "updateStrategy", "daemonSetUpdateStrategy")
	upMetrics(spec)
	setDefault(spec, "configVersions", int64(3))
	setDefault(spec, "ipFamilyPolicy", "SingleStack")
	if allocator, ok := spec["targetAllocator"].(map[string]any); ok {
		upAllocator(allocator)
	}
	return out
}

// upAutoscaler puts minReplicas and maxReplicas where v1beta1 has them.
func upAutoscaler(spec map[string]any) {
	for _, key := range []string{"minReplicas", "maxReplicas"} {
		value, ok := spec[key]
		delete(spec, key)
		if !ok || value == nil {
			continue
		}
		if spec["autoscaler"] == nil {
			spec["autoscaler"] = map[string]any{}
		}
		if autoscaler, ok := spec["autoscaler"].(map[string]any); ok && autoscaler[key] == nil {
			autoscaler[key] = value
		}
	}
}

func upAllocator(allocator map[string]any) {
	upMetrics(allocator)
	if s, ok := allocator["allocationStrategy"].(string); ok && !oneOf(v1beta1.AllocationStrategy(s),
		v1beta1.AllocateLeastWeighted, v1beta1.AllocateConsistentHashing, v1beta1.AllocatePerNode) {
		delete(allocator, "allocationStrategy")
	}
	if s, ok := allocator["filterStrategy"].(string); ok && v1beta1.FilterStrategy(s) != v1beta1.FilterRelabelConfig {
		allocator["filterStrategy"] = string(v1beta1.FilterNone)
	}
	setDefault(allocator, "collectorNotReadyGracePeriod", "30s")
	setDefault(allocator, "collectorTargetReloadInterval", "30s")
	prometheus, ok := allocator["prometheusCR"].(map[string]any)
	if !ok {
		return
	}
	// No labels select everything here, and nothing in v1beta1.
	for _, key := range []string{"serviceMonitorSelector", "podMonitorSelector"} {
		selector := map[string]any{}
		if labels, ok := prometheus[key].(map[string]any); ok && len(labels) > 0 {
			selector["matchLabels"] = labels
		}
		prometheus[key] = selector
	}
	setDefault(prometheus, "evaluationInterval", "30s")
	for _, key := range namespaceSelectors {
		setDefault(prometheus, key, map[string]any{})
	}
}

// upMetrics gives the annotations' switch the spelling of v1beta1.
func upMetrics(parent map[string]any) {
	metrics := child(parent, "observability", "metrics")
	capital, found := metrics[capitalDisable]
	if !found {
		return
	}
	delete(metrics, capitalDisable)
	if metrics[lowerDisable] != true {
		metrics[lowerDisable] = capital
	}
}

const (
	capitalDisable = "DisablePrometheusAnnotations"
	lowerDisable   = "disablePrometheusAnnotations"
)

var namespaceSelectors = []string{
	"serviceMonitorNamespaceSelector", "podMonitorNamespaceSelector",
	"scrapeConfigNamespaceSelector", "probeNamespaceSelector",
}

// What v1alpha1 has no field for; a test compares this with the manifests.
var (
	betaSpec = []string{
		"podDnsConfig", "dnsPolicy", "hostPID", "hostUsers", "hostAliases", "ipFamilies", "ipFamilyPolicy",
		"sessionAffinity", "sessionAffinityConfig", "readinessProbe", "startupProbe",
		"persistentVolumeClaimRetentionPolicy", "podManagementPolicy", "configVersions", "httpRoute",
		"networkPolicy", "command",
	}
	betaStatus    = []string{"conditions", "observedGeneration"}
	betaAllocator = []string{
		"allowInsecureAuthSecrets", "collectorNotReadyGracePeriod", "collectorTargetReloadInterval", "mtls",
	}
	betaPrometheusCR = append([]string{
		"scrapeConfigSelector", "probeSelector", "allowNamespaces", "denyNamespaces", "secretNamespaces",
		"evaluationInterval", "scrapeProtocols",
	}, namespaceSelectors...)
)

// down gives an object of v1beta1 in v1alpha1, without what that cannot hold. It
// keeps each field that it does not know.
func down(object map[string]any) map[string]any {
	out := runtime.DeepCopyJSON(object)
	out["apiVersion"] = GroupVersion.String()
	remove(child(out, "status"), betaStatus)
	if annotations := child(out, "metadata", "annotations"); annotations != nil {
		delete(annotations, v1beta1.ConfigErrorAnnotation)
		dropEmptyAnnotations(out)
	}
	spec, ok := out["spec"].(map[string]any)
	if !ok {
		return out
	}
	config, _ := spec["config"].(map[string]any)
	spec["config"] = configText(config)
	move(spec, "daemonSetUpdateStrategy", "updateStrategy")
	remove(spec, betaSpec)
	downMetrics(spec)
	allocator := child(spec, "targetAllocator")
	remove(allocator, betaAllocator)
	downMetrics(allocator)
	prometheus := child(allocator, "prometheusCR")
	remove(prometheus, betaPrometheusCR)
	for _, key := range []string{"serviceMonitorSelector", "podMonitorSelector"} {
		labels := child(prometheus, key, "matchLabels")
		delete(prometheus, key)
		if len(labels) > 0 {
			prometheus[key] = labels
		}
	}
	return out
}

func downMetrics(parent map[string]any) {
	metrics := child(parent, "observability", "metrics")
	move(metrics, lowerDisable, capitalDisable)
	delete(metrics, "extraLabels")
}

// child is the object at a path, nil where there is none.
func child(object map[string]any, path ...string) map[string]any {
	for _, key := range path {
		object, _ = object[key].(map[string]any)
	}
	return object
}

func move(object map[string]any, from, to string) {
	if value, ok := object[from]; ok {
		delete(object, from)
		object[to] = value
	}
}

func remove(object map[string]any, keys []string) {
	for _, key := range keys {
		delete(object, key)
	}
}

// setDefault sets what the API server would. Without it, what v1beta1 has by
// default would look like something that v1alpha1 loses.
func setDefault(object map[string]any, key string, value any) {
	if _, ok := object[key]; !ok {
		object[key] = value
	}
}

func oneOf[T comparable](value T, known ...T) bool {
	for _, k := range known {
		if value == k {
			return true
		}
	}
	return false
}

// annotate sets an annotation, unless metadata is not what it should be.
func annotate(object map[string]any, key, value string) {
	if object["metadata"] == nil {
		object["metadata"] = map[string]any{}
	}
	metadata, ok := object["metadata"].(map[string]any)
	if !ok {
		return
	}
	if metadata["annotations"] == nil {
		metadata["annotations"] = map[string]any{}
	}
	if annotations, ok := metadata["annotations"].(map[string]any); ok {
		annotations[key] = value
	}
}

func dropEmptyAnnotations(object map[string]any) {
	metadata := child(object, "metadata")
	if annotations, ok := metadata["annotations"].(map[string]any); ok && len(annotations) == 0 {
		delete(metadata, "annotations")
	}
}

// decodes reports whether the types can hold an object, without which a watch
// that gets it breaks.
func decodes(object map[string]any) bool {
	var into any = &v1beta1.OpenTelemetryCollector{}
	if object["apiVersion"] == GroupVersion.String() {
		into = &OpenTelemetryCollector{}
	}
	data, err := json.Marshal(object)
	return err == nil && utiljson.Unmarshal(data, into) == nil
}
