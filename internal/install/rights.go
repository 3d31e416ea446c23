package install

import (
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

const rbacGroup = "rbac.authorization.k8s.io"

// leaderRole is the Role of what the operator may do in its own namespace.
const leaderRole = "opentelemetry-operator-leader-election-role"

// rights are the operator's ServiceAccount, and its roles and their bindings.
func rights() ([]part, error) {
	manager, err := rules(append(needs.Rights(), needs.Grants()...))
	if err != nil {
		return nil, err
	}
	manager = append(manager, each{sub("operator.rules")})
	own, err := rules(needs.NamespaceRights())
	if err != nil {
		return nil, err
	}
	proxy := list{
		tree{"apiGroups": list{"authentication.k8s.io"}, "resources": list{"tokenreviews"}, "verbs": list{"create"}},
		tree{"apiGroups": list{"authorization.k8s.io"}, "resources": list{"subjectaccessreviews"}, "verbs": list{"create"}},
	}
	reader := list{tree{"nonResourceURLs": list{"/metrics"}, "verbs": list{"get"}}}
	workloads := list{tree{"nonResourceURLs": list{needs.WorkloadsPath}, "verbs": list{"get"}}}
	objects := []tree{
		{
			"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta(needs.Deployment, operatorLabels()),
			"imagePullSecrets": when{cond: is("imagePullSecrets"), then: sub("imagePullSecrets")},
		},
		clusterRole(needs.ManagerRole, manager),
		clusterBinding(needs.ManagerRole),
		clusterRole(needs.ProxyRole, proxy),
		clusterBinding(needs.ProxyRole),
		clusterRole(needs.MetricsReaderRole, reader),
		clusterRole(needs.WorkloadsReaderRole, workloads),
		{"apiVersion": rbacGroup + "/v1", "kind": "Role", "metadata": meta(leaderRole, operatorLabels()), "rules": own},
		{
			"apiVersion": rbacGroup + "/v1", "kind": "RoleBinding", "metadata": meta(leaderRole, operatorLabels()),
			"roleRef":  tree{"apiGroup": rbacGroup, "kind": "Role", "name": leaderRole},
			"subjects": operatorSubject(),
		},
	}
	var all []part
	for _, t := range objects {
		all = append(all, part{"rights", is("operator.enabled"), t})
	}
	// The page of the store shows what the operator knows.
	page := clusterBinding(needs.WorkloadsReaderRole)
	page["subjects"] = list{tree{"kind": "ServiceAccount", "name": StoreName, "namespace": namespace}}
	return append(all, part{"rights", both(is("operator.enabled"), is("store.enabled")), page}), nil
}

func clusterRole(name string, rules list) tree {
	return tree{"apiVersion": rbacGroup + "/v1", "kind": "ClusterRole", "metadata": clusterMeta(name), "rules": rules}
}

func clusterBinding(role string) tree {
	return tree{
		"apiVersion": rbacGroup + "/v1", "kind": "ClusterRoleBinding", "metadata": clusterMeta(role),
		"roleRef":  tree{"apiGroup": rbacGroup, "kind": "ClusterRole", "name": role},
		"subjects": operatorSubject(),
	}
}

func operatorSubject() list {
	return list{tree{"kind": "ServiceAccount", "name": needs.Deployment, "namespace": namespace}}
}

// rules are rules of a role as a tree.
func rules(typed []rbacv1.PolicyRule) (list, error) {
	v, err := generic(typed)
	if err != nil {
		return nil, err
	}
	return v.([]any), nil
}
