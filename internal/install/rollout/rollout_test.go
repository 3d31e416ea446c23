package rollout

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/signalbox-otel/signalbox/e2e/kube/kubetest"
	"github.com/signalbox-otel/signalbox/internal/install"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// machine is a light cluster, and what was said while it was installed into.
type machine struct {
	*testing.T
	kube    *kubetest.Cluster
	cluster *Cluster
	said    bytes.Buffer
	ca      string // some certificate, in base64
}

func start(t *testing.T) *machine {
	t.Helper()
	k := kubetest.Light(t, 1)
	config, err := clientcmd.BuildConfigFromFlags("", k.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if err := rest.LoadTLSFiles(config); err != nil {
		t.Fatal(err)
	}
	m := &machine{T: t, kube: k, ca: base64.StdEncoding.EncodeToString(config.CAData)}
	if m.cluster, err = New(config, &m.said); err != nil {
		t.Fatal(err)
	}
	m.cluster.every = 50 * time.Millisecond
	return m
}

func (m *machine) kubectl(stdin string, args ...string) string {
	m.Helper()
	return m.kube.Run(stdin, args...)
}

// parsed are the objects of an installation, and all that it may have.
func (m *machine) parsed(settings ...string) (objects, everything []*unstructured.Unstructured) {
	m.Helper()
	v, err := install.Parse(nil, settings)
	if err != nil {
		m.Fatal(err)
	}
	if objects, err = install.Objects(v, "signalbox:1"); err != nil {
		m.Fatal(err)
	}
	if everything, err = install.Everything(v); err != nil {
		m.Fatal(err)
	}
	return objects, everything
}

// apply applies an installation and returns what was said.
func (m *machine) apply(settings ...string) string {
	m.Helper()
	m.said.Reset()
	if err := m.cluster.Apply(m.Context(), first(m.parsed(settings...)), second(m.parsed(settings...))); err != nil {
		m.Fatal(err)
	}
	return m.said.String()
}

func first[A, B any](a A, _ B) A  { return a }
func second[A, B any](_ A, b B) B { return b }

// wait waits until an installation is ready, which with a deadline may fail.
func (m *machine) wait(patience time.Duration, settings ...string) error {
	ctx, cancel := context.WithTimeout(m.Context(), patience)
	defer cancel()
	return m.cluster.Wait(ctx, first(m.parsed(settings...)))
}

// versions are all objects that an installation may have, but for their status,
// which moves by itself.
func (m *machine) versions() map[string]string {
	m.Helper()
	found := map[string]string{}
	for _, o := range second(m.parsed()) {
		live, err := m.cluster.get(m.Context(), o)
		if err != nil {
			m.Fatal(err)
		}
		if live != nil {
			delete(live.Object, "status")
			live.SetResourceVersion("")
			fields := live.GetManagedFields()
			kept := fields[:0]
			for _, f := range fields {
				if f.Subresource != "status" {
					kept = append(kept, f)
				}
			}
			live.SetManagedFields(kept)
			text, err := json.Marshal(live.Object)
			if err != nil {
				m.Fatal(err)
			}
			found[name(o)] = string(text)
		}
	}
	return found
}

// all are the names of all objects in the cluster that are not Kubernetes' own
// business.
func (m *machine) all() map[string]bool {
	m.Helper()
	found := map[string]bool{}
	for kind := range strings.Lines(m.kubectl("", "api-resources", "--verbs=list", "-o", "name")) {
		switch kind = strings.TrimSpace(kind); kind {
		case "events", "events.events.k8s.io", "leases.coordination.k8s.io", "replicasets.apps", "endpoints":
			continue
		}
		for name := range strings.Lines(m.kubectl("", "get", kind, "-A", "--ignore-not-found", "-o", `jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name}{"\n"}{end}`)) {
			if !strings.Contains(name, "kube-root-ca.crt") {
				found[kind+" "+strings.TrimSpace(name)] = true
			}
		}
	}
	return found
}

// beOperator does what the operator does with its webhooks.
func (m *machine) beOperator() {
	m.Helper()
	for _, kind := range []string{"mutating", "validating"} {
		resource := kind + "webhookconfiguration/opentelemetry-operator-" + kind + "-webhook-configuration"
		var patch []string
		for i := range strings.Fields(m.kubectl("", "get", resource, "-o", "jsonpath={.webhooks[*].name}")) {
			patch = append(patch, fmt.Sprintf(`{"op": "add", "path": "/webhooks/%d/clientConfig/caBundle", "value": "%s"}`, i, m.ca))
		}
		m.kubectl("", "patch", resource, "--type=json", "-p", "["+strings.Join(patch, ",")+"]")
	}
	m.kubectl("", "patch", "crd/opentelemetrycollectors.opentelemetry.io", "--type=json", "-p",
		`[{"op": "add", "path": "/spec/conversion/webhook/clientConfig/caBundle", "value": "`+m.ca+`"}]`)
}

// bundles are the CAs that the operator put into its webhooks.
func (m *machine) bundles() int {
	m.Helper()
	return strings.Count(m.kubectl("", "get", "mutatingwebhookconfigurations,validatingwebhookconfigurations,crds", "-o", "yaml"), "caBundle: "+m.ca)
}

// Installing, changing values and removing, as users do it with --apply.
func TestApplyAndRemove(t *testing.T) {
	m := start(t)
	before := m.all()
	const noCollector = "collector.enabled=false"
	m.other(noCollector)

	if said := m.apply(noCollector); strings.Contains(said, "Warning") || strings.Count(said, "created") != len(first(m.parsed(noCollector))) {
		t.Errorf("first apply: got\n%s\nwant all objects created, without warnings", said)
	}
	// The cluster has no storage.
	err := m.wait(5*time.Second, noCollector)
	if err == nil || !strings.Contains(err.Error(), "store.persistent=false") {
		t.Errorf("waiting for a volume: got %v; want what to do", err)
	}
	m.beOperator()
	bundles := m.bundles()
	state := m.versions()
	if said := m.apply(noCollector); !strings.HasSuffix(said, "objects are as they should be\n") || strings.Count(said, "\n") != 1 {
		t.Errorf("second apply: got\n%s\nwant nothing changed", said)
	}
	if diff := cmp.Diff(state, m.versions()); diff != "" {
		t.Errorf("the second apply changed objects (-before +after):\n%s", diff)
	}

	// What cannot be changed is made again; what is not wanted any more goes.
	in := []string{noCollector, "store.persistent=false", "operator.replicas=2", "operator.networkPolicy=true"}
	said := m.apply(in...)
	for _, want := range []string{"statefulset.apps/signalbox changed", "poddisruptionbudget.policy/" + needs.Deployment + " created", "networkpolicy.networking.k8s.io/opentelemetry-operator created"} {
		if !strings.Contains(said, want) {
			t.Errorf("other values: got\n%s\nwant %s", said, want)
		}
	}
	if err := m.wait(time.Minute, in...); err != nil {
		t.Errorf("without a volume: %v", err)
	}
	if said := m.apply(in[:2]...); !strings.Contains(said, "networkpolicy.networking.k8s.io/opentelemetry-operator removed") || !strings.Contains(said, "poddisruptionbudget.policy/"+needs.Deployment+" removed") {
		t.Errorf("values taken back: got\n%s\nwant the objects removed", said)
	}
	if got := m.bundles(); got != bundles {
		t.Errorf("got %d certificates of the operator; want %d, as before applying again", got, bundles)
	}

	m.removal(before)
}

// other shows that what somebody else made is neither taken over nor removed.
func (m *machine) other(settings ...string) {
	m.Helper()
	m.kubectl("", "create", "namespace", needs.Namespace)
	m.kubectl("", "create", "service", "clusterip", needs.WebhookService, "-n", needs.Namespace, "--tcp=443:9443")
	objects, everything := m.parsed(settings...)
	if err := m.cluster.Apply(m.Context(), objects, everything); err == nil || !strings.Contains(err.Error(), "service/"+needs.WebhookService) {
		m.Errorf("with a Service of that name: got %v; want it named", err)
	}
	m.remove(Removal{Everything: everything, Namespace: needs.Namespace})
	if m.said.Len() > 0 {
		m.Errorf("removing what is not there: got %s; want nothing removed", &m.said)
	}
	m.kubectl("", "delete", "namespace", needs.Namespace)
}

// removal removes what TestApplyAndRemove has installed.
func (m *machine) removal(before map[string]bool) {
	m.Helper()
	// A resource of a user that holds on to its role. Nobody answers webhooks here.
	m.kubectl("", "delete", "mutatingwebhookconfigurations,validatingwebhookconfigurations", "--all")
	m.kubectl(`{apiVersion: opentelemetry.io/v1beta1, kind: OpenTelemetryCollector, metadata: {name: mine, namespace: default, finalizers: [opentelemetrycollector.opentelemetry.io/finalizer]},
		spec: {config: {receivers: {}, exporters: {}, service: {pipelines: {}}}}}`, "apply", "-f", "-")
	m.kubectl(`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: mine-default-cluster-role, labels: {app.kubernetes.io/managed-by: opentelemetry-operator, app.kubernetes.io/instance: default.mine}}}`, "apply", "-f", "-")

	// What the operator has made by itself.
	m.kubectl("", "create", "configmap", needs.CrashGuardConfigMap, "-n", needs.Namespace)

	r := Removal{Everything: second(m.parsed()), Namespace: needs.Namespace, Patience: 100 * time.Millisecond}
	var users *ResourcesError
	if err := m.cluster.Remove(m.Context(), r); !errors.As(err, &users) || !cmp.Equal(users.Names, []string{"opentelemetrycollector.opentelemetry.io/mine in default"}) {
		m.Fatalf("with a resource of a user: got %v; want it named", err)
	}
	r.DeleteResources = true
	m.remove(r)
	if got := m.kubectl("", "get", "pvc", "-n", needs.Namespace, "-o", "name"); got != "persistentvolumeclaim/data-signalbox-0\n" {
		m.Errorf("the data: got %q; want it kept", got)
	}
	r.DeleteData = true
	m.remove(r)
	after := m.all()
	maps.DeleteFunc(after, func(name string, _ bool) bool { return before[name] })
	if len(after) > 0 {
		m.Errorf("left behind: %v", after)
	}
}

func (m *machine) remove(r Removal) {
	m.Helper()
	m.said.Reset()
	if err := m.cluster.Remove(m.Context(), r); err != nil {
		m.Fatalf("%v\n%s", err, &m.said)
	}
	m.Log(m.said.String())
}
