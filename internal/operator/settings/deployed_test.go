package settings

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"
)

// deployment is one of the operator, with lines of its container.
func deployment(t *testing.T, lines string) *appsv1.Deployment {
	t.Helper()
	d := new(appsv1.Deployment)
	text := `
metadata: {name: opentelemetry-operator-controller-manager, namespace: observability}
spec:
  template:
    spec:
      serviceAccountName: watcher
      volumes: [{name: settings, configMap: {name: operator-settings, items: [{key: operator.yaml, path: config.yaml}]}}]
      containers:
      - name: manager
        volumeMounts: [{name: settings, mountPath: /conf}]
` + lines
	if err := yaml.UnmarshalStrict([]byte(text), d); err != nil {
		t.Fatal(err)
	}
	return d
}

// What a Deployment says is what the operator in its pod would load.
func TestDeployed(t *testing.T) {
	s, err := Deployed(deployment(t, `
        args: [operator, --watch-namespace=shop, "--webhook-port=$(PORT)", --of-another-release=1, --config-file=/conf/config.yaml]
        env:
        - {name: SIGNALBOX_IMAGE, value: "registry.example/signalbox:7"}
        - {name: PORT, value: "10250"}
        - {name: NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
        - {name: SERVICE_ACCOUNT_NAME, valueFrom: {fieldRef: {fieldPath: spec.serviceAccountName}}}
        - {name: ENABLE_GO_AUTO_INSTRUMENTATION, value: "true"}
        - {name: SECRET, valueFrom: {secretKeyRef: {name: a, key: b}}}
`), "1", func(name, key string) (string, error) {
		if name != "operator-settings" || key != "operator.yaml" {
			t.Errorf("got ConfigMap %s, key %s; want that of the volume", name, key)
		}
		return "auto-instrumentation-python-image: registry.example/python:3\nwatch-namespace: elsewhere\n", nil
	})
	if err != nil {
		t.Fatal(err)
	}
	type seen struct {
		Namespace, Account, Collector, Python string
		Port                                  int
		Watch                                 []string
		Go, Leader                            bool
		Warnings                              []string
	}
	got := seen{s.Namespace, s.ServiceAccount, s.Images.Collector, s.Images.Agents.Python, s.Webhooks.Port, s.WatchNamespaces, s.Languages.Go, s.LeaderElection, s.Warnings}
	want := seen{"observability", "watcher", "registry.example/signalbox:7", "registry.example/python:3", 10250, []string{"shop"}, true, true, []string{"--of-another-release is not known and is ignored"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

// A manifest of opentelemetry-operator has flags only, and one that cannot be read
// wholly is read as far as it can.
func TestDeployedElsewhere(t *testing.T) {
	s, err := Deployed(deployment(t, "        args: [--enable-nginx-instrumentation=false, --config-file=/conf/config.yaml]\n"), "1", func(string, string) (string, error) {
		return "", errors.New("forbidden")
	})
	if err != nil || s.Languages.Nginx || !s.Languages.Python || len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "forbidden") {
		t.Errorf("got nginx %t, python %t, warnings %q, %v; want nginx off and a warning about the file", s.Languages.Nginx, s.Languages.Python, s.Warnings, err)
	}
	if _, err := Deployed(deployment(t, "        args: [operator, --webhook-port=many]\n"), "1", nil); err == nil || !strings.Contains(err.Error(), "want a port") {
		t.Errorf("a flag that makes no sense: got %v; want it said", err)
	}
	empty := deployment(t, "")
	empty.Spec.Template.Spec.Containers = nil
	if _, err := Deployed(empty, "1", nil); err == nil {
		t.Error("a Deployment without containers: got no error")
	}
}
