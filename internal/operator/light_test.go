package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/api/crds"
	"github.com/signalbox-otel/signalbox/e2e/kube"
	"github.com/signalbox-otel/signalbox/e2e/kube/kubetest"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
	"github.com/signalbox-otel/signalbox/internal/operator/settings"
)

// light is a light cluster in which the operator has the account and the rights
// of an installation, and no more.
type light struct {
	*kube.Cluster
	t      *testing.T
	ctx    context.Context
	admin  client.Client
	config *rest.Config // of the operator's account
}

func startLight(t *testing.T) *light {
	t.Helper()
	k := kubetest.Light(t, 1)
	c := &light{Cluster: k.Cluster, t: t}
	var stop context.CancelFunc
	c.ctx, stop = context.WithTimeout(k.Context(), 4*time.Minute)
	t.Cleanup(stop)
	admin, err := clientcmd.BuildConfigFromFlags("", k.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	admin.QPS = -1
	scheme, err := NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	if c.admin, err = client.New(admin, client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	c.kubectl("", "create", "namespace", needs.Namespace)
	c.kubectl("", "create", "serviceaccount", "-n", needs.Namespace, needs.Deployment)
	c.grant("ClusterRole", needs.ManagerRole, needs.Rights())
	c.grant("ClusterRole", needs.ProxyRole, []rbacv1.PolicyRule{
		{APIGroups: []string{"authentication.k8s.io"}, Resources: []string{"tokenreviews"}, Verbs: []string{"create"}},
		{APIGroups: []string{"authorization.k8s.io"}, Resources: []string{"subjectaccessreviews"}, Verbs: []string{"create"}},
	})
	c.grant("Role", "own", needs.NamespaceRights())
	c.config = rest.AnonymousClientConfig(admin)
	c.config.BearerToken = strings.TrimSpace(c.kubectl("", "create", "token", "-n", needs.Namespace, needs.Deployment))
	return c
}

func (c *light) kubectl(stdin string, args ...string) string {
	c.t.Helper()
	out, err := c.Kubectl(c.ctx, stdin, args...)
	if err != nil {
		c.t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// grant gives the operator's account a role of a kind with these rules.
func (c *light) grant(kind, name string, rules []rbacv1.PolicyRule) {
	c.t.Helper()
	role := map[string]any{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "rules": rules,
		"metadata": map[string]any{"name": name, "namespace": needs.Namespace},
	}
	text, err := json.Marshal(role)
	if err != nil {
		c.t.Fatal(err)
	}
	c.kubectl(string(text), "apply", "-f", "-")
	c.kubectl("", "create", strings.ToLower(kind)+"binding", name, "--"+strings.ToLower(kind)+"="+name,
		"--serviceaccount="+needs.Namespace+":"+needs.Deployment, "-n", needs.Namespace)
}

// install applies definitions and webhook configurations that lead to an address.
func (c *light) install(address string) {
	c.t.Helper()
	_, port, _ := strings.Cut(strings.TrimPrefix(address, "[::]"), ":")
	url := func(path string) string { return "https://127.0.0.1:" + port + path }
	definitions, err := crds.WithConversion(needs.Namespace)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, d := range definitions {
		if d.GetName() == needs.CollectorCRD {
			conversion := d.Object["spec"].(map[string]any)["conversion"].(map[string]any)["webhook"].(map[string]any)
			conversion["clientConfig"] = map[string]any{"url": url(needs.ConvertPath)}
		}
		text, err := json.Marshal(d.Object)
		if err != nil {
			c.t.Fatal(err)
		}
		c.kubectl(string(text), "apply", "--server-side", "-f", "-")
	}
	for _, d := range definitions {
		c.kubectl("", "wait", "--for=create", "--timeout=60s", "crd/"+d.GetName())
		c.kubectl("", "wait", "--for=condition=Established", "--timeout=60s", "crd/"+d.GetName())
	}
	for kind, name := range map[string]string{"Mutating": needs.MutatingWebhooks, "Validating": needs.ValidatingWebhooks} {
		var hooks []map[string]any
		for _, w := range needs.Webhooks() {
			if w.Mutating != (kind == "Mutating") {
				continue
			}
			hooks = append(hooks, map[string]any{
				"name": w.Name, "admissionReviewVersions": []string{"v1"}, "sideEffects": "None", "failurePolicy": w.Policy,
				"clientConfig": map[string]any{"url": url(w.Path)},
				"rules": []any{map[string]any{
					"apiGroups": []string{w.Group}, "apiVersions": []string{w.Version}, "resources": []string{w.Resource}, "operations": w.Operations,
				}},
			})
		}
		text, err := json.Marshal(map[string]any{
			"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind + "WebhookConfiguration",
			"metadata": map[string]any{"name": name}, "webhooks": hooks,
		})
		if err != nil {
			c.t.Fatal(err)
		}
		c.kubectl(string(text), "apply", "--server-side", "-f", "-")
	}
}

// operator prepares an operator at free ports; change may change its options.
func (c *light) operator(change func(*Options)) *Operator {
	c.t.Helper()
	s := settings.Default("1.2.3")
	s.Webhooks.Port, s.Metrics.Address, s.Health, s.Workloads = 0, "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	s.LeaderElection = true
	o := Options{Settings: s, REST: c.config, Version: "1.2.3", CollectorVersion: "0.158.0", Logger: testLogger(c.t)}
	if change != nil {
		change(&o)
	}
	op, err := New(o)
	if err != nil {
		c.t.Fatal(err)
	}
	return op
}

// run runs an operator until the test ends or stop is called.
func (c *light) run(op *Operator) (stop func()) {
	ctx, cancel := context.WithCancel(c.ctx)
	done := make(chan error, 1)
	go func() { done <- op.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			c.t.Error(err)
		}
	})
	c.t.Cleanup(stop)
	return stop
}

// eventually asks until there is no error.
func (c *light) eventually(what string, ask func() error) {
	c.t.Helper()
	every := time.NewTicker(50 * time.Millisecond)
	defer every.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-c.ctx.Done():
			c.t.Fatalf("%s: %v", what, err)
		case <-every.C:
		}
	}
}

// testLogger logs to the test's output.
func testLogger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
}

func instrumentation(name string) string {
	return fmt.Sprintf("apiVersion: opentelemetry.io/v1alpha1\nkind: Instrumentation\nmetadata: {name: %s, namespace: default}\nspec: {}\n", name)
}
