package admission

import (
	"context"
	"slices"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Lacks asks the API server what a service account may not of rules, in one
// namespace or, when that is empty, everywhere: as rules again, of one resource
// each. Create asks, by whoever may ask about others.
func Lacks(ctx context.Context, create func(context.Context, *authorizationv1.SubjectAccessReview) error, account types.NamespacedName, namespace string, rules []rbacv1.PolicyRule) ([]rbacv1.PolicyRule, error) {
	a, s := newAuthorizer(create), serviceAccount(account.Namespace, account.Name)
	var all []rbacv1.PolicyRule
	for _, rule := range rules { // each in a time of its own: there may be hundreds of questions
		missing, err := a.lacks(ctx, s, distinct(grants(namespace, rule)))
		if err != nil {
			return nil, err
		}
		for _, g := range missing {
			all = withGrant(all, g)
		}
	}
	return all, nil
}

// withGrant adds one to rules, to the verbs of its resource where there is one.
func withGrant(rules []rbacv1.PolicyRule, g grant) []rbacv1.PolicyRule {
	own := rbacv1.PolicyRule{Verbs: []string{g.verb}}
	if g.path != "" {
		own.NonResourceURLs = []string{g.path}
	} else {
		resource := g.resource
		if g.subresource != "" {
			resource += "/" + g.subresource
		}
		own.APIGroups, own.Resources = []string{g.group}, []string{resource}
		if g.name != "" {
			own.ResourceNames = []string{g.name}
		}
	}
	for i, r := range rules {
		if slices.Equal(r.APIGroups, own.APIGroups) && slices.Equal(r.Resources, own.Resources) && slices.Equal(r.ResourceNames, own.ResourceNames) && slices.Equal(r.NonResourceURLs, own.NonResourceURLs) {
			if !slices.Contains(r.Verbs, g.verb) {
				rules[i].Verbs = append(r.Verbs, g.verb)
			}
			return rules
		}
	}
	return append(rules, own)
}
