package admission

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/signalbox-otel/signalbox/internal/render"
)

// watching needs rights: pods, namespaces and replicasets of the whole cluster.
const watching = "config: {receivers: {otlp: {protocols: {grpc: {}}}}, processors: {k8s_attributes: {}}, exporters: {debug: {}}, " +
	"service: {pipelines: {traces: {receivers: [otlp], processors: [k8s_attributes], exporters: [debug]}}}}"

// Who writes a collector gets no rights by it that he has not.
func TestEscalation(t *testing.T) {
	account := "system:serviceaccount:shop:test-collector"
	all := []string{"get namespaces", "list namespaces", "watch namespaces", "get pods", "list pods", "watch pods", "get replicasets.apps", "list replicasets.apps", "watch replicasets.apps"}
	f := func(spec string, allowed map[string][]string, want string) *testHooks {
		t.Helper()
		h := &testHooks{t: t, facts: render.Facts{RBAC: true}, allowed: allowed}
		h.refused(collectors, "", "{"+spec+"}", want)
		return h
	}
	refusal := "spec: it needs rights that neither you nor service account test-collector have, so that you cannot grant them: "
	f(watching, nil, refusal+"get, list, watch namespaces, pods, replicasets.apps")
	f(watching, map[string][]string{"jane": all[:7]}, refusal+"list, watch replicasets.apps")
	f(watching, map[string][]string{"jane": all[:7], account: all[7:]}, "")
	// A4: a maximum of replicas does not switch it off.
	f("autoscaler: {maxReplicas: 2}, "+watching, nil, refusal+"get, list, watch namespaces, pods, replicasets.apps")
	// Nothing is asked when nothing is granted.
	if h := f(valid, nil, ""); len(h.asked) > 0 {
		t.Errorf("got %v asked; want nothing", h.asked)
	}
	// A9: an administrator costs one question.
	if h := f(watching, map[string][]string{"jane": {"* *.*"}}, ""); len(h.asked) != 1 {
		t.Errorf("got %v asked; want one question", h.asked)
	}
	// Rights of the target allocator count, in the namespaces that they are for.
	allocator := strings.Replace(scraping, "[{job_name: a}]", "[]", 1) + ", mode: statefulset, targetAllocator: {enabled: true, prometheusCR: {enabled: true, secretNamespaces: [vault]}}"
	h := &testHooks{t: t, facts: render.Facts{RBAC: true}, allowed: map[string][]string{"jane": {"get secrets", "list secrets", "watch secrets"}}}
	got := call(t, h.handler(), collectors.validate, admit(t, "", collectors.head+"{"+allocator+"}}"))
	if got.Allowed || !strings.Contains(got.Result.Message, "secrets in namespace vault") {
		t.Errorf("got %v; want rights on secrets in namespace vault refused", got.Result)
	}
	// What the operator writes itself, others were asked about.
	h = &testHooks{t: t, facts: render.Facts{RBAC: true}, config: Config{User: "jane"}}
	h.refused(collectors, "", "{"+watching+"}", "")
}

// Where the operator may not grant rights, what an account lacks is said.
func TestHeld(t *testing.T) {
	h := &testHooks{t: t, allowed: map[string][]string{"system:serviceaccount:shop:mine": {"get pods", "list pods", "watch pods"}}}
	h.warned(collectors, "{serviceAccount: mine, "+watching+"}",
		"spec.serviceAccount: the operator may not grant rights, and account mine lacks: get, list, watch namespaces, replicasets.apps")
}

// Answers are kept for seconds, questions are asked at the same time, and not
// for ever.
func TestAuthorizer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		a := newAuthorizer(func(ctx context.Context, r *authorizationv1.SubjectAccessReview) error {
			asked++
			r.Status.Allowed = r.Spec.ResourceAttributes.Verb == "get"
			select {
			case <-time.After(time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		var needed []grant
		for _, verb := range []string{"get", "list"} {
			for _, resource := range []string{"pods", "nodes", "events", "services"} {
				needed = append(needed, grant{verb: verb, resource: resource})
			}
		}
		start := time.Now()
		jane := subject{user: "jane"}
		missing, err := a.lacks(t.Context(), jane, needed)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff("list pods, nodes, events, services", summary(missing)); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("9 questions of 1 s took %v; want 2 s", took)
		}
		if _, err := a.lacks(t.Context(), jane, needed); err != nil || asked != 9 {
			t.Errorf("got %d questions, %v; want 9 and answers kept", asked, err)
		}
		if _, err := a.lacks(t.Context(), subject{user: "jane", groups: []string{"more"}}, needed[:1]); err != nil || asked != 11 {
			t.Errorf("got %d questions, %v; want 11: another group may have other rights", asked, err)
		}
		time.Sleep(answerAge + time.Second)
		if _, err := a.lacks(t.Context(), jane, needed); err != nil || asked != 20 {
			t.Errorf("got %d questions, %v; want 20: old answers do not count", asked, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		time.Sleep(answerAge + time.Second)
		if _, err := a.lacks(ctx, jane, needed); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v; want the deadline exceeded", err)
		}
	})
}

// When the API server does not answer, nothing is granted.
func TestAuthorizerFails(t *testing.T) {
	h := &testHooks{t: t, facts: render.Facts{RBAC: true}}
	handlers := &hooks{authorizer: newAuthorizer(func(context.Context, *authorizationv1.SubjectAccessReview) error { return errors.New("gone") })}
	plan, err := render.Collector(collectorOf(t, "{"+watching+"}"), h.facts)
	if err != nil {
		t.Fatal(err)
	}
	v := new(verdict)
	handlers.checkGrants(t.Context(), "shop", admit(t, "", collectors.head+"{"+watching+"}}").UserInfo, []render.Plan{plan}, v)
	if len(v.problems) != 1 || !strings.HasSuffix(v.problems[0].text, "gone") {
		t.Errorf("got %v; want it refused because nobody answers", v.problems)
	}
	if slices.ContainsFunc(v.warnings, func(problem) bool { return true }) {
		t.Errorf("got %v; want no warning", v.warnings)
	}
}
