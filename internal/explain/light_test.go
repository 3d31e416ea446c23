package explain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/signalbox-otel/signalbox/api/crds"
	"github.com/signalbox-otel/signalbox/e2e/kube/kubetest"
	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/operator"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
	"github.com/signalbox-otel/signalbox/internal/operator/review"
	"github.com/signalbox-otel/signalbox/internal/operator/settings"
)

// light is a light cluster with our definitions and an operator in this process.
type light struct {
	*kubetest.Cluster
	t     *testing.T
	ctx   context.Context
	admin *rest.Config
}

func startLight(t *testing.T) *light {
	t.Helper()
	c := &light{Cluster: kubetest.Light(t, 1), t: t}
	ctx, cancel := context.WithTimeout(c.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	c.ctx = ctx
	var err error
	if c.admin, err = clientcmd.BuildConfigFromFlags("", c.Kubeconfig); err != nil {
		t.Fatal(err)
	}
	files, err := fs.Glob(crds.Files, "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := crds.Files.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c.Run(string(text), "apply", "--server-side", "-f", "-")
	}
	c.Established()
	c.Run("", "create", "namespace", needs.Namespace)
	c.Run("", "create", "namespace", "shop")
	return c
}

// eventually asks until there is no error.
func (c *light) eventually(what string, ask func() error) {
	c.t.Helper()
	every := time.NewTicker(100 * time.Millisecond)
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

// operate runs an operator, to which the webhook of pods leads, until the test
// ends, and shows its Deployment.
func (c *light) operate() {
	c.t.Helper()
	s := settings.Default("1.2.3")
	s.Webhooks.Port, s.Metrics.Address, s.Health, s.Workloads, s.SelfTest = 0, "", "127.0.0.1:0", "", 0
	op, err := operator.New(operator.Options{
		Settings: s, REST: c.admin, Version: "1.2.3", CollectorVersion: "0.158.0", Logger: slog.New(slog.NewTextHandler(c.t.Output(), nil)),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(c.ctx)
	done := make(chan error, 1)
	go func() { done <- op.Run(ctx) }()
	c.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			c.t.Error(err)
		}
	})
	_, port, _ := strings.Cut(strings.TrimPrefix(op.WebhookAddress(), "[::]"), ":")
	hook, err := json.Marshal(map[string]any{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": map[string]any{"name": needs.MutatingWebhooks},
		"webhooks": []any{map[string]any{
			"name": "mpod.kb.io", "admissionReviewVersions": []string{"v1"}, "sideEffects": "None", "failurePolicy": "Ignore",
			"clientConfig": map[string]any{"url": "https://127.0.0.1:" + port + needs.PodPath},
			"rules":        []any{map[string]any{"apiGroups": []string{""}, "apiVersions": []string{"v1"}, "resources": []string{"pods"}, "operations": []string{"CREATE"}}},
		}},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.Run(string(hook), "apply", "--server-side", "-f", "-")
	c.Run(workload("Deployment", needs.Namespace, needs.Deployment, ""), "apply", "-f", "-")
	c.eventually("admission", func() error {
		out, err := c.Kubectl(c.ctx, workload("Pod", "shop", "probe", inject1+"sdk: all"), "create", "--dry-run=server", "-o", "yaml", "-f", "-")
		if err == nil && !strings.Contains(out, "OTEL_SERVICE_NAME") {
			err = errors.New("the operator is not asked: " + out)
		}
		return err
	})
}

// workload is the manifest of a workload whose pods have an annotation.
func workload(kind, namespace, name, annotation string) string {
	template := fmt.Sprintf(`metadata: {labels: {app: %s}, annotations: {%s}}, spec: {containers: [{name: %s, image: %[1]s}]}`, name, annotation, containerOfWorkload(name))
	switch kind {
	case "Pod":
		return fmt.Sprintf("{apiVersion: v1, kind: Pod, metadata: {name: %s, namespace: %s, annotations: {%s}}, spec: {containers: [{name: app, image: %[1]s}]}}", name, namespace, annotation)
	case "CronJob":
		template = strings.Replace(template, "spec: {", "spec: {restartPolicy: Never, ", 1)
		return fmt.Sprintf("{apiVersion: batch/v1, kind: CronJob, metadata: {name: %s, namespace: %s}, spec: {schedule: '0 3 1 1 *', jobTemplate: {spec: {template: {%s}}}}}", name, namespace, template)
	}
	return fmt.Sprintf("{apiVersion: apps/v1, kind: %s, metadata: {name: %s, namespace: %s}, spec: {replicas: 1, selector: {matchLabels: {app: %[2]s}}, template: {%[4]s}}}", kind, name, namespace, template)
}

// containerOfWorkload is the name of the one container.
func containerOfWorkload(name string) string {
	if name == needs.Deployment {
		return needs.Container
	}
	return "app"
}

// deploy applies a Deployment and waits until its pod is there.
func (c *light) deploy(name, annotation string) {
	c.t.Helper()
	c.Run(workload("Deployment", "shop", name, annotation), "apply", "-f", "-")
	c.Run("", "rollout", "status", "-n", "shop", "--timeout=120s", "deployment/"+name)
}

func instrumentation(name, endpoint string) string {
	return fmt.Sprintf("{apiVersion: opentelemetry.io/v1alpha1, kind: Instrumentation, metadata: {name: %s, namespace: shop}, spec: {exporter: {endpoint: %q}, sampler: {type: parentbased_traceidratio, argument: '0.25'}}}", name, endpoint)
}

const inject1 = "instrumentation.opentelemetry.io/inject-"

// TestExplain shows what is said of workloads in every state, of an operator
// that is there and one that is not, and what a user with few rights is told.
func TestExplain(t *testing.T) {
	c := startLight(t)
	c.deploy("early", inject1+"python: all")
	// Objects know the second in which they were made.
	made := time.Now().Unix()
	c.eventually("the next second", func() error {
		if time.Now().Unix() == made {
			return errors.New("it is the same")
		}
		return nil
	})
	c.Run(instrumentation("all", "http://gateway.observability:4318"), "apply", "-f", "-")
	c.Run(instrumentation("changing", "http://old:4318"), "apply", "-f", "-")
	c.operate()
	c.deploy("cart", inject1+"nodejs: all")
	c.deploy("billing", inject1+"java: changing")
	c.deploy("several", inject1+`python: "true"`)
	c.deploy("nowhere", inject1+"python: absent")
	c.deploy("quiet", inject1+`java: "false"`)
	c.Run(strings.Replace(workload("StatefulSet", "shop", "db", inject1+"java: all"), "replicas: 1", "replicas: 0, serviceName: db", 1), "apply", "-f", "-")
	c.Run(workload("CronJob", "shop", "nightly", inject1+"java: all"), "apply", "-f", "-")
	c.Run(workload("Pod", "shop", "lone", inject1+"python: all"), "apply", "-f", "-")
	c.Run(instrumentation("changing", "http://new:4318"), "apply", "-f", "-")
	c.Run("", "rollout", "status", "-n", needs.Namespace, "--timeout=120s", "deployment/"+needs.Deployment)

	e, err := New(c.ctx, Options{REST: c.admin, Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	if !e.Operator.Runs || e.Operator.Message != "" {
		t.Errorf("got operator %+v; want it to run", e.Operator)
	}
	t.Run("all", func(t *testing.T) { c.all(t, e) })
	t.Run("one", func(t *testing.T) { c.one(t, e) })
	t.Run("remedies", func(t *testing.T) { c.remedies(t, e) })
	t.Run("user", func(t *testing.T) { c.user(t) })
	t.Run("away", func(t *testing.T) { c.away(t) })
}

// all looks at all workloads.
func (c *light) all(t *testing.T, e *Explainer) {
	r, err := e.All(c.ctx)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, w := range r.Workloads {
		for _, s := range w.Standings {
			got[w.Ref.String()+" "+string(s.Kind)] = fmt.Sprintf("%s %s %d/%d", s.State, s.Reason, s.Injected, s.Pods)
		}
	}
	want := map[string]string{
		"Deployment shop/early python":   "Missed AsAsked 0/1",
		"Deployment shop/cart nodejs":    "Injected AsAsked 1/1",
		"Deployment shop/billing java":   "Stale AsAsked 0/1",
		"Deployment shop/several python": "Refused SeveralInNamespace 0/1",
		"Deployment shop/nowhere python": "Refused NotFound 0/1",
		"Deployment shop/quiet java":     "Off SwitchedOff 0/1",
		"Pod shop/lone python":           "Injected AsAsked 1/1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("workloads (-want +got):\n%s", diff)
	}
	report, err := e.reviewer.Sweep(c.ctx)
	if err != nil {
		t.Fatal(err)
	}
	// The page's tests are fed with what an operator tells it.
	recorded(t, "../../web/e2e/workloads.json", report)
	recorded(t, "testdata/list.json", r)
}

// What differs from run to run: times, identities, and the names of pods.
var (
	moment    = regexp.MustCompile(`"20\d\d-\d\d-\d\dT[0-9:.]+Z"`)
	identity  = regexp.MustCompile(`\n *"(uid|sum)": "[^"]*",?`)
	podSuffix = regexp.MustCompile(`-[a-z0-9]{6,10}-[a-z0-9]{5}\b`)
)

// recorded compares an answer with a file that others' tests are fed with.
func recorded(t *testing.T, file string, answer any) {
	t.Helper()
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(answer); err != nil {
		t.Fatal(err)
	}
	got := moment.ReplaceAllString(out.String(), `"2026-11-20T10:00:00Z"`)
	got = podSuffix.ReplaceAllString(identity.ReplaceAllString(got, ""), "-6d4cf56db6-x2x9k")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; UPDATE=1 writes it):\n%s", file, diff)
	}
}

// one looks closely at some of them.
func (c *light) one(t *testing.T, e *Explainer) {
	look := func(kind, name string) Workload {
		t.Helper()
		r, err := e.One(c.ctx, review.Ref{Kind: kind, Namespace: "shop", Name: name})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Problems) > 0 {
			t.Errorf("%s %s: got problems %q", kind, name, r.Problems)
		}
		return r.Workloads[0]
	}
	w := look("Deployment", "cart")
	want := []Delivery{{
		Kind: inject.NodeJS, Container: "app", Image: settings.Default("1.2.3").Images.Agents.NodeJS,
		Service: "cart", Endpoint: "http://gateway.observability:4318", Sampler: "parentbased_traceidratio 0.25",
	}}
	if diff := cmp.Diff(want, w.Deliveries); diff != "" {
		t.Errorf("deliveries (-want +got):\n%s", diff)
	}
	for name, reason := range map[string]string{"cart": "Injected", "billing": "Injected", "nowhere": "NotFound"} {
		c.eventually("the event about "+name, func() error {
			w := look("Deployment", name)
			if len(w.Events) != 1 || w.Events[0].Reason != reason {
				return fmt.Errorf("got events %+v; want one, %s", w.Events, reason)
			}
			return nil
		})
	}
	for _, name := range []string{"early", "cart", "billing", "nowhere"} {
		r, err := e.One(c.ctx, review.Ref{Kind: "Deployment", Namespace: "shop", Name: name})
		if err != nil {
			t.Fatal(err)
		}
		recorded(t, "testdata/"+name+".json", r)
	}
	// A pod is explained as part of what it belongs to.
	if pod := look("Pod", w.Pods[0].Name); pod.Ref != w.Ref || len(pod.Pods) != 1 || pod.Pods[0].Name != w.Pods[0].Name {
		t.Errorf("pod %s: got %s with pods %+v; want %s with the pod", w.Pods[0].Name, pod.Ref, pod.Pods, w.Ref)
	}
	if w := look("CronJob", "nightly"); len(w.Standings) != 1 || w.Standings[0].State != Idle {
		t.Errorf("a CronJob that did not run: got %+v; want Idle", w.Standings)
	}
	if w := look("Deployment", "billing"); len(w.Fixes) != 1 || w.Fixes[0].Command != "kubectl rollout restart -n shop deployment/billing" {
		t.Errorf("stale pods: got fixes %+v; want a restart", w.Fixes)
	}
	if _, err := e.One(c.ctx, review.Ref{Kind: "Deployment", Namespace: "shop", Name: "absent"}); err == nil {
		t.Error("a workload that does not exist: got no error")
	}
}

// remedies runs the commands that are told, and looks whether they help.
func (c *light) remedies(t *testing.T, e *Explainer) {
	for _, name := range []string{"early", "billing", "nowhere", "several"} {
		ref := review.Ref{Kind: "Deployment", Namespace: "shop", Name: name}
		r, err := e.One(c.ctx, ref)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Workloads[0].Fixes) != 1 {
			t.Fatalf("%s: got fixes %+v; want one", ref, r.Workloads[0].Fixes)
		}
		if out, err := c.shell(r.Workloads[0].Fixes[0].Command); err != nil {
			t.Errorf("%s: %v\n%s", r.Workloads[0].Fixes[0].Command, err, out)
		}
		c.Run("", "rollout", "status", "-n", "shop", "--timeout=120s", "deployment/"+name)
		c.eventually(ref.String(), func() error {
			r, err := e.One(c.ctx, ref)
			if err == nil && !slices.ContainsFunc(r.Workloads[0].Standings, func(s Standing) bool { return s.State == inject.StateInjected }) {
				err = fmt.Errorf("got %+v; want it injected", r.Workloads[0].Standings)
			}
			return err
		})
	}
}

// shell runs a command as a user who pastes it.
func (c *light) shell(command string) (string, error) {
	kubectl := c.Command(c.ctx)
	cmd := exec.CommandContext(c.ctx, "sh", "-c", command)
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(kubectl.Path)+":"+os.Getenv("PATH"), "KUBECONFIG="+c.Kubeconfig)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// user asks as somebody who may look into one namespace only.
func (c *light) user(t *testing.T) {
	c.Run("", "create", "rolebinding", "-n", "shop", "looks", "--clusterrole=view", "--user=dev")
	c.Run("", "create", "role", "-n", "shop", "means", "--verb=get,list", "--resource=instrumentations.opentelemetry.io,opentelemetrycollectors.opentelemetry.io")
	c.Run("", "create", "rolebinding", "-n", "shop", "means", "--role=means", "--user=dev")
	config := rest.CopyConfig(c.admin)
	config.Impersonate.UserName, config.Impersonate.Groups = "dev", []string{"system:authenticated"}
	e, err := New(c.ctx, Options{REST: config, Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Operator.Warnings) == 0 || !strings.Contains(e.Operator.Warnings[0], "forbidden") {
		t.Errorf("got operator %+v; want a warning that it may not be looked at", e.Operator)
	}
	r, err := e.One(c.ctx, review.Ref{Kind: "Deployment", Namespace: "shop", Name: "cart"})
	if err != nil {
		t.Fatal(err)
	}
	if w := r.Workloads[0]; len(w.Standings) != 1 || w.Standings[0].State != inject.StateInjected {
		t.Errorf("got %+v; want injected", w.Standings)
	}
	if _, err := e.All(c.ctx, "shop"); err != nil {
		t.Errorf("listing the namespace: %v", err)
	}
}

// away takes the operator's pods away.
func (c *light) away(t *testing.T) {
	c.Run("", "scale", "-n", needs.Namespace, "deployment/"+needs.Deployment, "--replicas=0")
	var e *Explainer
	c.eventually("the operator to be away", func() (err error) {
		e, err = New(c.ctx, Options{REST: c.admin, Version: "1.2.3"})
		if err == nil && e.Operator.Runs {
			err = fmt.Errorf("got operator %+v; want it to be away", e.Operator)
		}
		return err
	})
	r, err := e.One(c.ctx, review.Ref{Kind: "StatefulSet", Namespace: "shop", Name: "db"})
	if err != nil {
		t.Fatal(err)
	}
	recorded(t, "testdata/away.json", r)
}
