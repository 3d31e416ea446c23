package migrate

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// apiVersion is a version of an API of Kubernetes that is gone.
type apiVersion struct {
	kinds []string // nil for all
	now   string   // "" when there is none
	since string
	why   string
	fix   func(o object) // what else the new version demands
}

var workloads = []string{"Deployment", "DaemonSet", "ReplicaSet", "StatefulSet"}

// removedVersions are the versions that are gone, by name.
var removedVersions = map[string][]apiVersion{
	"rbac.authorization.k8s.io/v1beta1":  {{now: "rbac.authorization.k8s.io/v1", since: "Kubernetes 1.22"}},
	"rbac.authorization.k8s.io/v1alpha1": {{now: "rbac.authorization.k8s.io/v1", since: "Kubernetes 1.22"}},
	"apps/v1beta1":                       {{now: "apps/v1", since: "Kubernetes 1.16", fix: addSelector}},
	"apps/v1beta2":                       {{now: "apps/v1", since: "Kubernetes 1.16", fix: addSelector}},
	"extensions/v1beta1": {
		{kinds: workloads, now: "apps/v1", since: "Kubernetes 1.16", fix: addSelector},
		{kinds: []string{"NetworkPolicy"}, now: "networking.k8s.io/v1", since: "Kubernetes 1.16"},
		{kinds: []string{"Ingress"}, now: "networking.k8s.io/v1", since: "Kubernetes 1.22", fix: ingressBackends},
		{kinds: []string{"PodSecurityPolicy"}, since: "Kubernetes 1.25", why: "PodSecurityPolicy is gone: label the namespace with pod-security.kubernetes.io/enforce"},
	},
	"networking.k8s.io/v1beta1": {{kinds: []string{"Ingress"}, now: "networking.k8s.io/v1", since: "Kubernetes 1.22", fix: ingressBackends}},
	"batch/v1beta1":             {{now: "batch/v1", since: "Kubernetes 1.25"}},
	"policy/v1beta1": {
		{kinds: []string{"PodDisruptionBudget"}, now: "policy/v1", since: "Kubernetes 1.25"},
		{kinds: []string{"PodSecurityPolicy"}, since: "Kubernetes 1.25", why: "PodSecurityPolicy is gone: label the namespace with pod-security.kubernetes.io/enforce"},
	},
	"autoscaling/v2beta2": {{now: "autoscaling/v2", since: "Kubernetes 1.26"}},
	"autoscaling/v2beta1": {{since: "Kubernetes 1.25", why: "metrics have another form in autoscaling/v2: write metrics[].resource.target instead of targetAverageUtilization"}},
}

func apiVersions(m *manifest) {
	for _, o := range m.objects {
		for _, v := range removedVersions[o.apiVersion()] {
			if v.kinds != nil && !slices.Contains(v.kinds, o.kind()) {
				continue
			}
			k, n := get(o.node, "apiVersion")
			f := Finding{Rule: m.rule.ID, Line: k.Line, Path: o.path("apiVersion"), Old: text(n), New: v.now, Since: v.since, Why: m.rule.Why, Severity: Changed}
			if v.now == "" {
				f.Severity, f.Why = Error, v.why
			} else {
				follow(n).Value = v.now
				if v.fix != nil {
					v.fix(o)
				}
			}
			m.findings = append(m.findings, f)
		}
	}
}

// addSelector gives a workload the selector that it had by default: the labels
// of its pods.
func addSelector(o object) {
	labels := mapping(at(o.node, "spec", "template", "metadata", "labels"))
	spec := mapping(at(o.node, "spec"))
	if labels == nil || spec == nil || at(spec, "selector") != nil {
		return
	}
	k, _ := get(o.node, "spec")
	if selector := section(spec, k.Line, "selector"); selector != nil {
		set(selector, "matchLabels", copied(labels))
	}
}

// ingressBackends gives an Ingress the form that version 1 has.
func ingressBackends(o object) {
	spec := mapping(at(o.node, "spec"))
	if k, v := get(spec, "backend"); k != nil {
		k.Value = "defaultBackend"
		ingressBackend(v)
	}
	for _, rule := range list(at(spec, "rules")) {
		for _, p := range list(at(rule, "http", "paths")) {
			if m := mapping(p); m != nil && at(m, "pathType") == nil {
				set(m, "pathType", stringAt(m.Line, "ImplementationSpecific"))
			}
			ingressBackend(at(p, "backend"))
		}
	}
}

func ingressBackend(n *yaml.Node) {
	m := mapping(n)
	name, value := get(m, "serviceName")
	port, number := get(m, "servicePort")
	if name == nil {
		return
	}
	remove(m, name)
	service := section(m, name.Line, "service")
	if service == nil {
		return
	}
	set(service, "name", value)
	if port != nil {
		remove(m, port)
		key := "number"
		if number.ShortTag() == "!!str" {
			key = "name"
		}
		set(section(service, port.Line, "port"), key, number)
	}
}
