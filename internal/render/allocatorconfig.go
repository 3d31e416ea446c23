package render

import (
	"errors"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// ErrNoTargets refuses a target allocator that could do nothing. One that is a
// resource of its own may get its targets with its first collector.
var ErrNoTargets = errors.New("it has nothing to scrape: give spec.scrapeConfigs, scrape_configs of the collector's receiver prometheus, or spec.prometheusCR.enabled")

// config is the allocator's file.
func (a *allocator) config() (map[string]any, error) {
	scrapes := a.scrapes()
	if len(scrapes) == 0 && !a.spec.PrometheusCR.Enabled {
		return nil, ErrNoTargets
	}
	prometheus := map[string]any{}
	if len(scrapes) > 0 {
		prometheus["scrape_configs"] = scrapes
	}
	if a.spec.Global != nil {
		prometheus["global"] = as[map[string]any](a.spec.Global)
	} else {
		for _, c := range a.collectors {
			if global := object(at(c.receiver, "config", "global")); global != nil {
				prometheus["global"] = global
				break
			}
		}
	}
	root := map[string]any{
		"allocation_strategy":              a.spec.AllocationStrategy,
		"filter_strategy":                  a.spec.FilterStrategy,
		"collector_selector":               a.collectorSelector(),
		"collector_not_ready_grace_period": a.spec.CollectorNotReadyGracePeriod.Duration.String(),
		"config":                           prometheus,
	}
	if a.facts.AllocationFallback {
		root["allocation_fallback_strategy"] = v1beta1.AllocateConsistentHashing
	}
	if a.spec.PrometheusCR.Enabled {
		root["prometheus_cr"] = a.prometheusCR()
	}
	if a.spec.AllowInsecureAuthSecrets {
		root["allow_insecure_auth_secrets"] = true
	}
	if a.tls() {
		root["https"] = map[string]any{
			"enabled": true, "listen_addr": ":8443",
			"ca_file_path": tlsFolder + "/ca.crt", "tls_cert_file_path": tlsFolder + "/tls.crt", "tls_key_file_path": tlsFolder + "/tls.key",
		}
	}
	return root, nil
}

// collectorSelector selects the pods of the collectors; nil, which selects none,
// when there are no collectors.
func (a *allocator) collectorSelector() any {
	if len(a.collectors) == 0 {
		return nil
	}
	labels := a.collectors[0].owner.selector()
	if len(a.collectors) == 1 {
		return map[string]any{"matchLabels": labels}
	}
	delete(labels, v1beta1.LabelInstance)
	var instances []string
	for _, c := range a.collectors {
		instances = append(instances, c.owner.instance())
	}
	slices.Sort(instances)
	return map[string]any{
		"matchLabels":      labels,
		"matchExpressions": []any{map[string]any{"key": v1beta1.LabelInstance, "operator": metav1.LabelSelectorOpIn, "values": instances}},
	}
}

// prometheusCR says which resources of prometheus-operator are looked at.
func (a *allocator) prometheusCR() map[string]any {
	p := a.spec.PrometheusCR
	m := map[string]any{
		"enabled":             true,
		"scrape_interval":     p.ScrapeInterval.Duration.String(),
		"evaluation_interval": p.EvaluationInterval.Duration.String(),
	}
	for key, selector := range map[string]*metav1.LabelSelector{
		"service_monitor_selector": p.ServiceMonitorSelector, "pod_monitor_selector": p.PodMonitorSelector,
		"scrape_config_selector": p.ScrapeConfigSelector, "probe_selector": p.ProbeSelector,
	} {
		// Without the key nothing is selected, with an empty one everything.
		if selector != nil {
			m[key] = selector
		}
	}
	for key, selector := range map[string]*metav1.LabelSelector{
		"service_monitor_namespace_selector": p.ServiceMonitorNamespaceSelector, "pod_monitor_namespace_selector": p.PodMonitorNamespaceSelector,
		"scrape_config_namespace_selector": p.ScrapeConfigNamespaceSelector, "probe_namespace_selector": p.ProbeNamespaceSelector,
	} {
		m[key] = selector
	}
	for key, names := range map[string][]string{
		"allow_namespaces": p.AllowNamespaces, "deny_namespaces": p.DenyNamespaces,
		"secret_namespaces": p.SecretNamespaces, "scrape_protocols": p.ScrapeProtocols,
	} {
		if len(names) > 0 {
			m[key] = names
		}
	}
	if len(p.ScrapeClasses) > 0 {
		m["scrape_classes"] = p.ScrapeClasses
	}
	if p.DenyFSAccessThroughSMs {
		m["deny_fs_access_through_sms"] = true
	}
	return m
}

// unescaped is a scrape configuration as Prometheus wants it: a collector reads
// $$ as a dollar sign, an allocator does not.
func unescaped(scrape map[string]any) map[string]any {
	for _, key := range []string{"relabel_configs", "metric_relabel_configs"} {
		for _, r := range list(scrape[key]) {
			if text, ok := object(r)["replacement"].(string); ok {
				object(r)["replacement"] = strings.ReplaceAll(text, "$$", "$")
			}
		}
	}
	return scrape
}

// rights are what the allocator may do: watch the collectors in its namespace,
// and what it discovers in the cluster.
func (a *allocator) rights() {
	if !a.facts.RBAC {
		return
	}
	a.plan.add(a.role(a.meta.Namespace, a.object(), a.account(), []rbacv1.PolicyRule{rule("", "pods", "get list watch")})...)
	rules := discoveryRules(a.scrapes())
	if p := a.spec.PrometheusCR; p.Enabled {
		rules = append(rules,
			rule("monitoring.coreos.com", "servicemonitors podmonitors probes scrapeconfigs", "get list watch"),
			rule("", "nodes nodes/metrics services endpoints pods namespaces", "get list watch"),
			rule("", "configmaps", "get"),
			rule("discovery.k8s.io", "endpointslices", "get list watch"),
			rule("networking.k8s.io", "ingresses", "get list watch"),
			rbacv1.PolicyRule{NonResourceURLs: []string{"/metrics", "/api", "/api/*", "/apis", "/apis/*"}, Verbs: []string{"get"}})
		a.secretRights(p.SecretNamespaces)
	}
	if len(rules) > 0 {
		a.plan.add(a.clusterRole(name("%s-%s-targetallocator-role", a.meta.Name, a.meta.Namespace), name("%s-%s-targetallocator", a.meta.Name, a.meta.Namespace), a.account(), compact(rules))...)
	}
}

// secretRights let the allocator read the Secrets that monitors refer to, in the
// namespaces that the resource names and nowhere else.
func (a *allocator) secretRights(namespaces []string) {
	if len(namespaces) == 0 {
		namespaces = []string{a.meta.Namespace}
	}
	for _, ns := range namespaces {
		a.plan.add(a.role(ns, name("%s-%s-targetallocator-secrets", a.meta.Name, a.meta.Namespace), a.account(), []rbacv1.PolicyRule{rule("", "secrets", "get list watch")})...)
	}
}

// certificateObjects let cert-manager make the certificates.
func (a *allocator) certificateObjects() {
	if !a.tls() || !a.certManager() {
		return
	}
	if !a.facts.CertManager {
		if a.facts.Certificates {
			return
		}
		a.plan.warn("no-cert-manager", "this cluster has no cert-manager: the certificates must be put into the Secrets "+
			ServerCertificate(a.meta.Name)+" and "+ClientCertificate(a.meta.Name)+", or be named in spec.mtls.tls", "spec", "mtls")
		return
	}
	const api = "cert-manager.io/v1"
	add := func(kind, object string, spec map[string]any) {
		a.plan.add(a.custom(api, kind, object, a.labels(object, false), a.annotations(), spec))
	}
	issuer := func(object string) map[string]any { return map[string]any{"kind": "Issuer", "name": object} }
	selfSigned, authority := name("%s-self-signed-issuer", a.meta.Name), name("%s-ca-issuer", a.meta.Name)
	ca := name("%s-ca-cert", a.meta.Name)
	add("Issuer", selfSigned, map[string]any{"selfSigned": map[string]any{}})
	add("Certificate", ca, map[string]any{
		"isCA": true, "commonName": ca, "secretName": ca, "issuerRef": issuer(selfSigned),
		"duration": "17280h0m0s", "renewBefore": "4344h0m0s",
		"subject": map[string]any{"organizationalUnits": []string{"opentelemetry-operator"}},
	})
	add("Issuer", authority, map[string]any{"ca": map[string]any{"secretName": ca}})
	service := a.object()
	for _, object := range []string{ServerCertificate(a.meta.Name), ClientCertificate(a.meta.Name)} {
		add("Certificate", object, map[string]any{
			"secretName": object, "issuerRef": issuer(authority), "duration": "2160h0m0s",
			"dnsNames": []string{service, service + "." + a.meta.Namespace + ".svc", service + "." + a.meta.Namespace + ".svc.cluster.local"},
			"usages":   []string{"client auth", "server auth"},
			"subject":  map[string]any{"organizationalUnits": []string{"opentelemetry-operator"}},
		})
	}
}

// certManager says that cert-manager makes the certificates.
func (a *allocator) certManager() bool {
	return *a.spec.MTLS.UseCertManager
}

// serverCertificates is the volume with which the allocator shows who it is; nil
// when it need not.
func (a *allocator) serverCertificates() *corev1ac.VolumeApplyConfiguration {
	if !a.tls() {
		return nil
	}
	volume := ServerCertificate(a.meta.Name)
	if m := a.spec.MTLS; !a.certManager() && m.TLS != nil {
		return certificates(volume, m.TLS.CA, m.TLS.Server)
	}
	return corev1ac.Volume().WithName(volume).WithSecret(corev1ac.SecretVolumeSource().WithSecretName(volume))
}
