package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/version"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/e2e/kube/kubetest"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// crd is a definition with nothing in it.
func crd(group, version, kind, plural string) string {
	return fmt.Sprintf(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: %[4]s.%[1]s
  annotations:
    api-approved.kubernetes.io: unapproved, for a test
spec:
  group: %[1]s
  scope: Namespaced
  names: {kind: %[3]s, plural: %[4]s}
  versions:
  - name: %[2]s
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
---
`, group, version, kind, plural)
}

// light is a light cluster.
type light struct {
	*kubetest.Cluster
	t *testing.T
}

func startLight(t *testing.T) light {
	t.Helper()
	return light{kubetest.Light(t, 0), t}
}

// grant gives rights to a service account in the namespace default.
func (l light) grant(account string, rules []rbacv1.PolicyRule) {
	l.t.Helper()
	role := rbacv1.ClusterRole{
		TypeMeta:   metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRole"},
		ObjectMeta: metav1.ObjectMeta{Name: account}, Rules: rules,
	}
	text, err := yaml.Marshal(role)
	if err != nil {
		l.t.Fatal(err)
	}
	l.Run(string(text), "create", "-f", "-")
	l.Run("", "create", "clusterrolebinding", account, "--clusterrole="+account, "--serviceaccount=default:"+account)
}

// as is the client configuration of a service account in the namespace default.
func (l light) as(account string) *rest.Config {
	l.t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", l.Kubeconfig)
	if err != nil {
		l.t.Fatal(err)
	}
	config.Impersonate.UserName = "system:serviceaccount:default:" + account
	config.Impersonate.Groups = []string{"system:serviceaccounts", "system:authenticated"}
	return config
}

// watcher starts a watcher.
func (l light) watcher(config *rest.Config, c Config) *Watcher {
	l.t.Helper()
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		l.t.Fatal(err)
	}
	mgr, err := ctrl.NewManager(config, ctrl.Options{Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}})
	if err != nil {
		l.t.Fatal(err)
	}
	c.Log = slog.New(slog.DiscardHandler)
	w, err := Add(l.t.Context(), mgr, c)
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(l.t.Context())
	stopped := make(chan error)
	go func() { stopped <- mgr.Start(ctx) }()
	l.t.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			l.t.Error(err)
		}
	})
	return w
}

// waitFor waits for facts, looking at them once and at each change.
func waitFor(t *testing.T, w *Watcher, namespace string, what string, ok func(render.Facts) bool) {
	t.Helper()
	changed := w.Changed()
	timeout := time.After(time.Minute)
	for !ok(w.Facts(namespace)) {
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("%s: got %s", what, w.Offers())
		}
	}
}

// TestWatcher shows what is noticed in a cluster while the watcher runs, with the
// rights that the operator has.
func TestWatcher(t *testing.T) {
	l := startLight(t)
	l.grant("operator", needs.Rights())
	w := l.watcher(l.as("operator"), Config{Base: render.Facts{CollectorImage: "collector:1"}, Namespace: "default"})
	first := w.Facts("default")
	if want := (render.Facts{CollectorImage: "collector:1", RBAC: true}); !cmp.Equal(first, want) {
		t.Fatalf("facts of a bare cluster: %s", cmp.Diff(want, first))
	}
	if !w.NativeSidecars() || !strings.HasPrefix(w.Offers().Version, "v1.") {
		t.Errorf("got %s; want a version of 1.29 or later, with native sidecars", w.Offers())
	}
	if !w.EnvFiles() {
		t.Errorf("got %s; want variables from files, which Kubernetes 1.36 has", w.Offers())
	}

	if !w.Offers().ImageVolumes || w.Offers().NodesMountImages {
		t.Errorf("got %s; want a version of 1.35 or later, with image volumes, and nothing said of nodes", w.Offers())
	}
	nodes := l.watcher(l.as("operator"), Config{Nodes: true, Interval: 200 * time.Millisecond})
	mount := func(want bool) func(render.Facts) bool {
		return func(render.Facts) bool { return nodes.Offers().NodesMountImages == want }
	}
	waitFor(t, nodes, "default", "without nodes", mount(false))
	l.Run(nodeOf("new", "Debian", "v1.36.1", "containerd://2.2.0")+"---"+nodeOf("other", "Windows Server 2025", "v1.36.1", "containerd://1.7.0"), "create", "-f", "-")
	waitFor(t, nodes, "default", "with a node that mounts images", mount(true))
	l.Run(nodeOf("old", "Debian", "v1.36.1", "containerd://1.6.20"), "create", "-f", "-")
	waitFor(t, nodes, "default", "with one that does not", mount(false))
	if !nodes.EnvFiles() {
		t.Errorf("got %s; want variables from files, which these nodes read", nodes.Offers())
	}
	l.Run(nodeOf("older", "Debian", "v1.34.2", "containerd://2.2.0"), "create", "-f", "-")
	waitFor(t, nodes, "default", "with a node that does not read files", func(render.Facts) bool { return !nodes.EnvFiles() })

	// Others are told less, or told what to do.
	powerless := l.watcher(l.as("powerless"), Config{Interval: 200 * time.Millisecond})
	if powerless.Facts("default").RBAC {
		t.Error("without rights it may grant rights")
	}
	no := false
	if l.watcher(l.as("operator"), Config{RBAC: &no}).Facts("default").RBAC {
		t.Error("told not to grant rights, it does")
	}
	yes := true
	if !l.watcher(l.as("powerless"), Config{RBAC: &yes}).Facts("default").RBAC {
		t.Error("told to grant rights, it does not")
	}

	serviceMonitor := crd("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors")
	l.Run(serviceMonitor, "create", "-f", "-")
	waitFor(t, w, "default", "after the ServiceMonitor came", func(f render.Facts) bool { return f.ServiceMonitors && !f.PodMonitors })
	// It may not watch, but it looks from time to time.
	waitFor(t, powerless, "default", "without the right to watch", func(f render.Facts) bool { return f.ServiceMonitors })

	l.Run(crd("monitoring.coreos.com", "v1", "PodMonitor", "podmonitors")+
		crd("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes")+
		crd("cert-manager.io", "v1", "Issuer", "issuers")+
		crd("cert-manager.io", "v1", "Certificate", "certificates"), "create", "-f", "-")
	waitFor(t, w, "default", "after all came", func(f render.Facts) bool {
		return f.ServiceMonitors && f.PodMonitors && f.HTTPRoutes && f.CertManager && !f.Routes
	})
	waitFor(t, powerless, "default", "without the right to use cert-manager", func(f render.Facts) bool { return f.HTTPRoutes && f.PodMonitors })
	if powerless.Facts("default").CertManager {
		t.Error("without rights it may use cert-manager")
	}

	l.Run("", "delete", "crd", needs.ServiceMonitors)
	waitFor(t, w, "default", "after the ServiceMonitor went", func(f render.Facts) bool { return !f.ServiceMonitors && f.PodMonitors })

	// OpenShift has the API of Routes, and groups in the annotations of namespaces.
	l.Run("", "create", "namespace", "shop")
	l.Run("", "annotate", "namespace", "shop", groupsAnnotation+"=1000660000/10000")
	l.Run(crd("route.openshift.io", "v1", "Route", "routes"), "create", "-f", "-")
	waitFor(t, w, "shop", "on OpenShift", func(f render.Facts) bool { return f.Routes && f.FSGroup != nil && *f.FSGroup == 1000660000 })
	if f := w.Facts("default"); f.FSGroup != nil {
		t.Errorf("a namespace without the annotation: got group %d; want none", *f.FSGroup)
	}
}

func TestSince(t *testing.T) {
	for text, want := range map[string]bool{"1 29": true, "1 28": false, "1 28+": false, "1 30+": true, "2 0": true, "": false} {
		major, minor, _ := strings.Cut(text, " ")
		if got := since(version.Info{Major: major, Minor: minor}, nativeSidecarsSince); got != want {
			t.Errorf("Kubernetes %q: got %t; want %t", text, got, want)
		}
	}
}

func TestMountsImages(t *testing.T) {
	for text, want := range map[string]bool{
		"v1.36.3 containerd://2.2.0":           true,
		"v1.36.3 containerd://2.1.4":           false,
		"v1.35.0-gke.1 containerd://2.2.0~rc1": true,
		"v1.35.1 cri-o://1.35.0":               true,
		"v1.34.9 containerd://2.2.0":           false,
		"v1.36.3 containerd://1.7.27":          false,
		"v1.36.3 cri-o://1.32.1":               false,
		"v1.36.3 docker://28.0.0":              false,
		"v1.36.3 <unknown>":                    false,
		"":                                     false,
	} {
		kubelet, runtime, _ := strings.Cut(text, " ")
		if got := (node{kubelet: kubelet, runtime: runtime}).mountsImages(); got != want {
			t.Errorf("%q: got %t; want %t", text, got, want)
		}
	}
}

// nodeOf is a node that runs what it says.
func nodeOf(name, system, kubelet, runtime string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Node
metadata: {name: %[1]s}
status:
  nodeInfo: {architecture: amd64, bootID: "", containerRuntimeVersion: %[4]q, kernelVersion: "", kubeProxyVersion: "", kubeletVersion: %[3]q, machineID: "", operatingSystem: linux, osImage: %[2]q, systemUUID: ""}
`, name, system, kubelet, runtime)
}
