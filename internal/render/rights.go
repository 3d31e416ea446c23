package render

import (
	"cmp"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	rbacv1ac "k8s.io/client-go/applyconfigurations/rbac/v1"
)

// rights adds what the collector's components may do in the cluster.
func (c *collector) rights() {
	if !c.facts.RBAC {
		return
	}
	if rules := c.config.rules(); len(rules) > 0 {
		c.plan.add(c.clusterRole(name("%s-%s-cluster-role", c.meta.Name, c.meta.Namespace), name("%s-%s-collector", c.meta.Name, c.meta.Namespace), c.account(), rules)...)
	}
}

// Rules are the rights that the components of a collector's configuration need:
// who makes the collector must have them.
func (p Plan) Rules() []rbacv1.PolicyRule {
	var all []rbacv1.PolicyRule
	for _, o := range p.Objects {
		switch role := o.(type) {
		case *rbacv1ac.ClusterRoleApplyConfiguration:
			all = append(all, as[[]rbacv1.PolicyRule](role.Rules)...)
		case *rbacv1ac.RoleApplyConfiguration:
			all = append(all, as[[]rbacv1.PolicyRule](role.Rules)...)
		}
	}
	return all
}

// Grant is what a plan lets an account do.
type Grant struct {
	// Namespace is where; everywhere if empty.
	Namespace string
	// Account is the name of the service account, in the namespace of the
	// resource.
	Account string
	Rules   []rbacv1.PolicyRule
}

// Grants are the rights that the plan hands out, in the order of its objects.
func (p Plan) Grants() []Grant {
	rules := map[string][]rbacv1.PolicyRule{}
	var all []Grant
	for _, o := range p.Objects {
		switch o := o.(type) {
		case *rbacv1ac.ClusterRoleApplyConfiguration:
			rules["/"+*o.Name] = as[[]rbacv1.PolicyRule](o.Rules)
		case *rbacv1ac.RoleApplyConfiguration:
			rules[*o.Namespace+"/"+*o.Name] = as[[]rbacv1.PolicyRule](o.Rules)
		case *rbacv1ac.ClusterRoleBindingApplyConfiguration:
			all = append(all, Grant{"", *o.Subjects[0].Name, rules["/"+*o.RoleRef.Name]})
		case *rbacv1ac.RoleBindingApplyConfiguration:
			all = append(all, Grant{*o.Namespace, *o.Subjects[0].Name, rules[*o.Namespace+"/"+*o.RoleRef.Name]})
		}
	}
	return all
}

// clusterRole is a role and its binding to an account. They have no owner: a
// resource in a namespace cannot own them, the finalizer removes them.
func (o *owner) clusterRole(role, binding, account string, rules []rbacv1.PolicyRule) []Object {
	r := rbacv1ac.ClusterRole(role).WithLabels(o.labels(role, true)).WithAnnotations(o.annotations())
	r.Rules = as[[]rbacv1ac.PolicyRuleApplyConfiguration](rules)
	b := rbacv1ac.ClusterRoleBinding(binding).WithLabels(o.labels(binding, true)).WithAnnotations(o.annotations()).
		WithSubjects(rbacv1ac.Subject().WithKind(rbacv1.ServiceAccountKind).WithName(account).WithNamespace(o.meta.Namespace)).
		WithRoleRef(rbacv1ac.RoleRef().WithAPIGroup(rbacv1.GroupName).WithKind("ClusterRole").WithName(role))
	return []Object{r, b}
}

// role is the same within a namespace, for an account that may be in another.
func (o *owner) role(namespace, object, account string, rules []rbacv1.PolicyRule) []Object {
	r := rbacv1ac.Role(object, namespace).WithLabels(o.labels(object, true)).WithAnnotations(o.annotations())
	r.Rules = as[[]rbacv1ac.PolicyRuleApplyConfiguration](rules)
	b := rbacv1ac.RoleBinding(object, namespace).WithLabels(o.labels(object, true)).WithAnnotations(o.annotations()).
		WithSubjects(rbacv1ac.Subject().WithKind(rbacv1.ServiceAccountKind).WithName(account).WithNamespace(o.meta.Namespace)).
		WithRoleRef(rbacv1ac.RoleRef().WithAPIGroup(rbacv1.GroupName).WithKind("Role").WithName(object))
	if namespace == o.meta.Namespace { // an owner in another namespace is none
		r.WithOwnerReferences(o.references()...)
		b.WithOwnerReferences(o.references()...)
	}
	return []Object{r, b}
}

// rule is one rule; verbs and resources are words in one text.
func rule(group, resources, verbs string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: strings.Fields(resources), Verbs: strings.Fields(verbs)}
}

// rules are the rights that the components in use need, sorted, each once.
func (c *config) rules() []rbacv1.PolicyRule {
	var all []rbacv1.PolicyRule
	for _, p := range used(c.today, "processors") {
		switch p.typ {
		case "k8s_attributes", "k8sattributes":
			all = append(all, attributeRules(p.body)...)
		case "resource_detection", "resourcedetection":
			all = append(all, detectionRules(p.body)...)
		}
	}
	for _, r := range used(c.today, "receivers") {
		switch r.typ {
		case "k8s_cluster":
			all = append(all, clusterRules(r.body)...)
		case "k8s_events":
			all = append(all, rule("", "events", "get list watch"))
		case "k8s_objects", "k8sobjects":
			all = append(all, objectRules(r.body)...)
		case "kubelet_stats", "kubeletstats":
			all = append(all, kubeletRules(r.body)...)
		case "prometheus":
			all = append(all, discoveryRules(list(at(r.body, "config", "scrape_configs")))...)
		}
	}
	for _, e := range extensions(c.today) {
		switch e.typ {
		case "k8s_leader_elector":
			all = append(all, rule("coordination.k8s.io", "leases", "get list watch create update patch delete"))
		case "k8s_observer":
			all = append(all, observerRules(e.body)...)
		}
	}
	return compact(all)
}

// compact sorts rules and drops those that are there twice.
func compact(rules []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	key := func(r rbacv1.PolicyRule) string {
		return strings.Join([]string{
			strings.Join(r.APIGroups, ","), strings.Join(r.Resources, ","), strings.Join(r.NonResourceURLs, ","), strings.Join(r.Verbs, ","),
		}, "\x00")
	}
	slices.SortFunc(rules, func(a, b rbacv1.PolicyRule) int { return cmp.Compare(key(a), key(b)) })
	return slices.CompactFunc(rules, func(a, b rbacv1.PolicyRule) bool { return key(a) == key(b) })
}

// attributeRules are those of the processor that adds what Kubernetes knows.
func attributeRules(body map[string]any) []rbacv1.PolicyRule {
	all := []rbacv1.PolicyRule{rule("", "namespaces pods", "get list watch")}
	metadata := texts(at(body, "extract", "metadata"))
	if len(metadata) == 0 || slices.ContainsFunc(metadata, func(m string) bool {
		return m == "k8s.deployment.uid" || m == "k8s.deployment.name" || m == "service.name"
	}) {
		all = append(all, rule("apps", "replicasets", "get list watch"))
	}
	nodes := slices.ContainsFunc(metadata, func(m string) bool { return strings.Contains(m, "k8s.node") })
	for _, kind := range []string{"labels", "annotations"} {
		for _, e := range list(at(body, "extract", kind)) {
			switch object(e)["from"] {
			case "node":
				nodes = true
			case "deployment":
				all = append(all, rule("apps", "deployments", "get list watch"))
			case "statefulset":
				all = append(all, rule("apps", "statefulsets", "get list watch"))
			case "daemonset":
				all = append(all, rule("apps", "daemonsets", "get list watch"))
			case "job":
				all = append(all, rule("batch", "jobs", "get list watch"))
			}
		}
	}
	if nodes {
		all = append(all, rule("", "nodes", "get list watch"))
	}
	return all
}

// detectionRules are those of the processor that looks where it runs.
func detectionRules(body map[string]any) []rbacv1.PolicyRule {
	var all []rbacv1.PolicyRule
	for _, d := range texts(body["detectors"]) {
		switch d {
		case "k8snode", "k8s_node", "k8s_api":
			all = append(all, rule("", "nodes", "get list"))
		case "kubeadm":
			all = append(all, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{"kubeadm-config"}, Verbs: []string{"get"}})
		case "openshift":
			all = append(all, rule("config.openshift.io", "infrastructures infrastructures/status", "get list watch"))
		}
	}
	return all
}

func clusterRules(body map[string]any) []rbacv1.PolicyRule {
	all := []rbacv1.PolicyRule{
		rule("", "events namespaces namespaces/status nodes nodes/spec persistentvolumeclaims persistentvolumes pods pods/status replicationcontrollers replicationcontrollers/status resourcequotas services", "get list watch"),
		rule("apps", "daemonsets deployments replicasets statefulsets", "get list watch"),
		rule("extensions", "daemonsets deployments replicasets", "get list watch"),
		rule("batch", "cronjobs jobs", "get list watch"),
		rule("autoscaling", "horizontalpodautoscalers", "get list watch"),
	}
	if body["distribution"] == "openshift" {
		all = append(all, rule("quota.openshift.io", "clusterresourcequotas", "get list watch"))
	}
	return all
}

func objectRules(body map[string]any) []rbacv1.PolicyRule {
	var all []rbacv1.PolicyRule
	for _, e := range list(body["objects"]) {
		o := object(e)
		group, _ := o["group"].(string)
		resource, _ := o["name"].(string)
		if resource == "" {
			continue
		}
		verbs := "list"
		switch mode, _ := o["mode"].(string); {
		case mode == "watch":
			verbs = "list watch"
		case resource != "events":
			verbs = "get list"
		}
		all = append(all, rule(group, resource, verbs))
	}
	return all
}

func kubeletRules(body map[string]any) []rbacv1.PolicyRule {
	all := []rbacv1.PolicyRule{rule("", "nodes/stats", "get")}
	proxied := len(list(body["extra_metadata_labels"])) > 0
	for metric, settings := range object(body["metrics"]) {
		parts := strings.Split(metric, ".")
		if len(parts) == 3 && (parts[1] == "container" || parts[1] == "pod") && isTrue(object(settings)["enabled"]) &&
			slices.Contains([]string{"cpu_limit_utilization", "cpu_request_utilization", "memory_limit_utilization", "memory_request_utilization"}, parts[2]) {
			proxied = true
		}
	}
	if proxied {
		all = append(all, rule("", "nodes/proxy", "get"))
	}
	return all
}

// observerRules are those of the extension that watches for what to scrape.
func observerRules(body map[string]any) []rbacv1.PolicyRule {
	var all []rbacv1.PolicyRule
	for _, o := range []struct {
		key, group, resource string
		fallback             bool
	}{
		{"observe_pods", "", "pods", true},
		{"observe_services", "", "services", false},
		{"observe_nodes", "", "nodes", false},
		{"observe_ingresses", "networking.k8s.io", "ingresses", false},
	} {
		if v := body[o.key]; isTrue(v) || v == nil && o.fallback {
			all = append(all, rule(o.group, o.resource, "list watch"))
		}
	}
	return all
}

// discoveryRules are those of Prometheus' service discovery in Kubernetes.
func discoveryRules(scrapes []any) []rbacv1.PolicyRule {
	var all []rbacv1.PolicyRule
	for _, s := range scrapes {
		for _, d := range list(object(s)["kubernetes_sd_configs"]) {
			switch object(d)["role"] {
			case "pod":
				all = append(all, rule("", "pods", "get list watch"))
			case "node":
				all = append(all, rule("", "nodes nodes/metrics", "get list watch"))
			case "service":
				all = append(all, rule("", "services", "get list watch"))
			case "endpoints":
				all = append(all, rule("", "endpoints pods services", "get list watch"))
			case "endpointslice":
				all = append(all, rule("", "pods services", "get list watch"), rule("discovery.k8s.io", "endpointslices", "get list watch"))
			case "ingress":
				all = append(all, rule("networking.k8s.io", "ingresses", "get list watch"))
			}
			for _, kind := range []string{"node", "namespace"} {
				if isTrue(at(object(d), "attach_metadata", kind)) {
					all = append(all, rule("", kind+"s", "get list watch"))
				}
			}
		}
	}
	return all
}
