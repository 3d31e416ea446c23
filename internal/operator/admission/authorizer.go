package admission

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

const (
	// askTimeout bounds one round of questions.
	askTimeout = 5 * time.Second
	// askParallel is how many questions are under way at once for one resource.
	askParallel = 16
	// answerAge is how long an answer is good for, and answersKept how many are.
	answerAge   = 10 * time.Second
	answersKept = 4096
)

// authorizer asks the API server who may do what. Answers are kept for seconds:
// kubectl apply of a folder asks the same many times.
type authorizer struct {
	create func(context.Context, *authorizationv1.SubjectAccessReview) error
	now    func() time.Time

	mu      sync.Mutex
	answers map[string]answer
}

// answer is what the API server said, and until when it is good.
type answer struct {
	allowed bool
	until   time.Time
}

func newAuthorizer(create func(context.Context, *authorizationv1.SubjectAccessReview) error) *authorizer {
	return &authorizer{create: create, now: time.Now, answers: map[string]answer{}}
}

// subject is somebody who may do something.
type subject struct {
	user   string
	groups []string
	extra  map[string]authorizationv1.ExtraValue
	uid    string
}

// serviceAccount is the subject that pods of an account are.
func serviceAccount(namespace, name string) subject {
	return subject{
		user:   "system:serviceaccount:" + namespace + ":" + name,
		groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"},
	}
}

// grant is one thing to do: a verb on a resource or a path, in a namespace, or
// in all when that is empty.
type grant struct {
	namespace, verb, group, resource, subresource, name, path string
}

func (g grant) String() string {
	if g.path != "" {
		return g.verb + " " + g.path
	}
	text := g.verb + " " + g.resource
	if g.subresource != "" {
		text += "/" + g.subresource
	}
	if g.group != "" {
		text += "." + g.group
	}
	if g.name != "" {
		text += " " + g.name
	}
	return text
}

// everything is what only administrators may.
var everything = grant{verb: "*", group: "*", resource: "*"}

// grants are the single things that a rule allows.
func grants(namespace string, rule rbacv1.PolicyRule) []grant {
	var all []grant
	names := rule.ResourceNames
	if len(names) == 0 {
		names = []string{""}
	}
	for _, verb := range rule.Verbs {
		for _, path := range rule.NonResourceURLs {
			all = append(all, grant{verb: verb, path: path})
		}
		for _, group := range rule.APIGroups {
			for _, r := range rule.Resources {
				resource, subresource, _ := strings.Cut(r, "/")
				for _, name := range names {
					all = append(all, grant{namespace: namespace, verb: verb, group: group, resource: resource, subresource: subresource, name: name})
				}
			}
		}
	}
	return all
}

// lacks returns what a subject may not do of all, in order. Resources are asked
// for all at once where somebody may do everything, which most who ask may.
func (a *authorizer) lacks(ctx context.Context, s subject, all []grant) ([]grant, error) {
	if len(all) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	ask := slices.Clone(all)
	admin, err := a.may(ctx, s, everything)
	if err != nil {
		return nil, err
	}
	if admin {
		ask = slices.DeleteFunc(ask, func(g grant) bool { return g.path == "" })
	}
	allowed := make([]bool, len(ask))
	errs := make([]error, len(ask))
	var wg sync.WaitGroup
	slots := make(chan struct{}, askParallel)
	for i, g := range ask {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			allowed[i], errs[i] = a.may(ctx, s, g)
		})
	}
	wg.Wait()
	var missing []grant
	for i, g := range ask {
		if errs[i] != nil {
			return nil, errs[i]
		}
		if !allowed[i] {
			missing = append(missing, g)
		}
	}
	return missing, nil
}

// may asks one question, unless the answer is known.
func (a *authorizer) may(ctx context.Context, s subject, g grant) (bool, error) {
	key := fmt.Sprintf("%q %q %q %q %q", s.user, s.uid, s.groups, s.extra, g)
	key += g.namespace
	if allowed, ok := a.known(key); ok {
		return allowed, nil
	}
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: s.user, Groups: s.groups, Extra: s.extra, UID: s.uid,
	}}
	if g.path != "" {
		review.Spec.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Path: g.path, Verb: g.verb}
	} else {
		review.Spec.ResourceAttributes = &authorizationv1.ResourceAttributes{
			Namespace: g.namespace, Verb: g.verb, Group: g.group, Resource: g.resource, Subresource: g.subresource, Name: g.name,
		}
	}
	if err := a.create(ctx, review); err != nil {
		return false, fmt.Errorf("asking whether %s may %s: %w", s.user, g, err)
	}
	a.learn(key, review.Status.Allowed)
	return review.Status.Allowed, nil
}

func (a *authorizer) known(key string) (allowed, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	known, ok := a.answers[key]
	if !ok || a.now().After(known.until) {
		return false, false
	}
	return known.allowed, true
}

func (a *authorizer) learn(key string, allowed bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.answers) >= answersKept {
		clear(a.answers)
	}
	a.answers[key] = answer{allowed, a.now().Add(answerAge)}
}
