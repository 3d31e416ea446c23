package needs

import (
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/signalbox-otel/signalbox/api/v1beta1"
)

// Rights are what the operator may do in every namespace, besides Grants. Secrets
// are not among what it reads.
func Rights() []rbacv1.PolicyRule {
	read := []string{"get", "list", "watch"}
	own := append([]string{"create", "patch", "update", "delete"}, read...)
	return []rbacv1.PolicyRule{
		// Its own kinds.
		{APIGroups: []string{v1beta1.Group}, Resources: []string{"opentelemetrycollectors", "targetallocators", "opampbridges", "instrumentations"}, Verbs: own},
		{APIGroups: []string{v1beta1.Group}, Resources: []string{"*/status", "*/finalizers"}, Verbs: []string{"get", "patch", "update"}},
		// What it makes of them.
		{APIGroups: []string{""}, Resources: []string{"configmaps", "services", "serviceaccounts"}, Verbs: own},
		{APIGroups: []string{"apps"}, Resources: []string{"deployments", "daemonsets", "statefulsets"}, Verbs: own},
		{APIGroups: []string{"autoscaling"}, Resources: []string{"horizontalpodautoscalers"}, Verbs: own},
		{APIGroups: []string{"policy"}, Resources: []string{"poddisruptionbudgets"}, Verbs: own},
		{APIGroups: []string{"networking.k8s.io"}, Resources: []string{"ingresses", "networkpolicies"}, Verbs: own},
		{APIGroups: []string{"gateway.networking.k8s.io"}, Resources: []string{"httproutes"}, Verbs: own},
		{APIGroups: []string{"route.openshift.io"}, Resources: []string{"routes", "routes/custom-host"}, Verbs: own},
		{APIGroups: []string{"monitoring.coreos.com"}, Resources: []string{"servicemonitors", "podmonitors"}, Verbs: own},
		{APIGroups: []string{"cert-manager.io"}, Resources: []string{"issuers", "certificates"}, Verbs: own},
		{APIGroups: []string{"rbac.authorization.k8s.io"}, Resources: []string{"clusterroles", "clusterrolebindings", "roles", "rolebindings"}, Verbs: own},
		// Whether their pods are ready, and why not.
		{APIGroups: []string{""}, Resources: []string{"pods", "namespaces"}, Verbs: read},
		{APIGroups: []string{""}, Resources: []string{"pods/log"}, Verbs: []string{"get"}},
		// Pods that crash with what was injected, and that their controllers make anew.
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"delete"}},
		// Whether who writes a resource may grant what it needs.
		{APIGroups: []string{"authorization.k8s.io"}, Resources: []string{"subjectaccessreviews"}, Verbs: []string{"create"}},
		// What a namespace allows the pods that are injected, and who owns these.
		{APIGroups: []string{""}, Resources: []string{"limitranges", "resourcequotas"}, Verbs: read},
		{APIGroups: []string{"apps"}, Resources: []string{"replicasets"}, Verbs: []string{"get"}},
		{APIGroups: []string{"batch"}, Resources: []string{"jobs", "cronjobs"}, Verbs: []string{"get"}},
		{APIGroups: []string{"", "events.k8s.io"}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}},
		// What a pod waits for that its status does not say.
		{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"get", "list"}},
		// Whether nodes read variables from files, and mount images.
		{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"list"}},
		// When an API of others comes or goes.
		{
			APIGroups: []string{"apiextensions.k8s.io"}, Resources: []string{"customresourcedefinitions"}, ResourceNames: Definitions(),
			Verbs: []string{"get", "list", "watch"},
		},
		// Certificates of target allocators and their collectors. They are written
		// and never read: what was created is replaced by its UID.
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"create", "update"}},
		// Whom the API server trusts when it calls the operator.
		{
			APIGroups: []string{"admissionregistration.k8s.io"}, Resources: []string{"mutatingwebhookconfigurations"}, ResourceNames: []string{MutatingWebhooks},
			Verbs: []string{"get", "list", "watch", "patch"},
		},
		{
			APIGroups: []string{"admissionregistration.k8s.io"}, Resources: []string{"validatingwebhookconfigurations"}, ResourceNames: []string{ValidatingWebhooks},
			Verbs: []string{"get", "list", "watch", "patch"},
		},
		{
			APIGroups: []string{"apiextensions.k8s.io"}, Resources: []string{"customresourcedefinitions"}, ResourceNames: []string{CollectorCRD},
			Verbs: []string{"get", "list", "watch", "patch"},
		},
	}
}

// NamespaceRights are what the operator may do in its own namespace besides.
func NamespaceRights() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		// Which replica runs the controllers. A right to create cannot name.
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"create"}},
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, ResourceNames: []string{LeaderLease}, Verbs: []string{"get", "update", "patch"}},
		// Its own certificates.
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"create"}},
		{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{CertificateSecret}, Verbs: []string{"get", "list", "watch", "update", "patch"}},
	}
}

// Definitions are the CustomResourceDefinitions of others that switch features
// on. A right to list and watch them by name is enough.
func Definitions() []string {
	return []string{ServiceMonitors, PodMonitors, HTTPRoutes, Routes, Issuers, Certificates}
}

// Names of the definitions of others.
const (
	ServiceMonitors = "servicemonitors.monitoring.coreos.com"
	PodMonitors     = "podmonitors.monitoring.coreos.com"
	HTTPRoutes      = "httproutes.gateway.networking.k8s.io"
	Routes          = "routes.route.openshift.io"
	Issuers         = "issuers.cert-manager.io"
	Certificates    = "certificates.cert-manager.io"
)
