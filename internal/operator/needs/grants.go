package needs

import rbacv1 "k8s.io/api/rbac/v1"

// Grants are the rights that components of collectors and target allocators need.
// The operator uses none of them: it holds them because nobody can give what he
// does not have.
//
// Two are not among them, because they are as good as all rights: nodes/proxy, by
// which commands run in any container, and Secrets. Whoever wants a component that
// needs them gives them to the operator, or to the account of the collector.
func Grants() []rbacv1.PolicyRule {
	read := []string{"get", "list", "watch"}
	return []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Verbs: read, Resources: []string{
			"endpoints", "events", "namespaces", "namespaces/status", "nodes", "nodes/metrics", "nodes/spec", "persistentvolumeclaims",
			"persistentvolumes", "pods", "pods/status", "replicationcontrollers", "replicationcontrollers/status", "resourcequotas", "services",
		}},
		{APIGroups: []string{""}, Verbs: []string{"get"}, Resources: []string{"nodes/stats"}},
		{APIGroups: []string{"apps", "extensions"}, Verbs: read, Resources: []string{"daemonsets", "deployments", "replicasets", "statefulsets"}},
		{APIGroups: []string{"batch"}, Verbs: read, Resources: []string{"cronjobs", "jobs"}},
		{APIGroups: []string{"autoscaling"}, Verbs: read, Resources: []string{"horizontalpodautoscalers"}},
		{APIGroups: []string{"discovery.k8s.io"}, Verbs: read, Resources: []string{"endpointslices"}},
		{APIGroups: []string{"events.k8s.io"}, Verbs: read, Resources: []string{"events"}},
		{APIGroups: []string{"networking.k8s.io"}, Verbs: read, Resources: []string{"ingresses"}},
		{APIGroups: []string{"monitoring.coreos.com"}, Verbs: read, Resources: []string{"podmonitors", "probes", "scrapeconfigs", "servicemonitors"}},
		{APIGroups: []string{"config.openshift.io"}, Verbs: read, Resources: []string{"infrastructures", "infrastructures/status"}},
		{APIGroups: []string{"quota.openshift.io"}, Verbs: read, Resources: []string{"clusterresourcequotas"}},
		{APIGroups: []string{"coordination.k8s.io"}, Verbs: append([]string{"create", "patch", "update", "delete"}, read...), Resources: []string{"leases"}},
	}
}
