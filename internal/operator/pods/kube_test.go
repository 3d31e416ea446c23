package pods

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/signalbox-otel/signalbox/api/crds"
	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/api/v1beta1"
	"github.com/signalbox-otel/signalbox/e2e/kube"
	"github.com/signalbox-otel/signalbox/internal/operator/controllers"
	"github.com/signalbox-otel/signalbox/internal/operator/needs"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// server serves webhooks from the test process. It is a webhook.Server, for the
// manager to register paths with.
type server struct{ mux *http.ServeMux }

func (s server) NeedLeaderElection() bool                { return false }
func (s server) Register(path string, hook http.Handler) { s.mux.Handle(path, hook) }
func (s server) Start(ctx context.Context) error         { <-ctx.Done(); return nil }
func (s server) StartedChecker() healthz.Checker         { return nil }
func (s server) WebhookMux() *http.ServeMux              { return s.mux }

var _ webhook.Server = server{}

// cluster is an API server whose pods pass through the webhook.
type cluster struct {
	*kube.Cluster
	t        testing.TB
	ctx      context.Context
	client   client.WithWatch
	registry *prometheus.Registry
	webhook  *httptest.Server
	mgr      ctrl.Manager
	sidecars *Sidecars
	guards   *Guards
	guard    *CrashGuard

	// images says that agents are mounted from their images.
	images atomic.Bool

	mu      sync.Mutex
	answers []time.Duration // times of the webhook
}

// answered notes how long the webhook took.
func (c *cluster) answered(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers = append(c.answers, d)
}

// times takes what was noted since the last time.
func (c *cluster) times() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	times := c.answers
	c.answers = nil
	return times
}

func (c *cluster) kubectl(stdin string, args ...string) string {
	c.t.Helper()
	out, err := c.Kubectl(c.ctx, stdin, args...)
	if err != nil {
		c.t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// until waits until an object of a list is as it is wanted.
func until[T client.Object](c *cluster, list client.ObjectList, namespace string, is func(T) bool) T {
	c.t.Helper()
	w, err := c.client.Watch(c.ctx, list, client.InNamespace(namespace))
	if err != nil {
		c.t.Fatal(err)
	}
	defer w.Stop()
	last := "nothing"
	for e := range w.ResultChan() {
		if o, ok := e.Object.(T); ok {
			if is(o) {
				return o
			}
			last = fmt.Sprintf("%s %s", e.Type, o.GetName())
		}
	}
	c.t.Fatalf("what was waited for in namespace %s did not come; the last was %s", namespace, last)
	panic("unreachable")
}

func up(t testing.TB) *cluster {
	if testing.Short() {
		t.Skip("starts an API server")
	}
	ctrl.SetLogger(logr.Discard())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute) // a cold build
	t.Cleanup(cancel)
	k, err := kube.Light(ctx, t.TempDir(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Stop(); err != nil {
			t.Error(err)
		}
	})
	c := &cluster{Cluster: k, t: t, registry: prometheus.NewRegistry()}
	var stop context.CancelFunc
	c.ctx, stop = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(stop)
	config, err := clientcmd.BuildConfigFromFlags("", k.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1 // the API server has its own priorities
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, v1alpha1.AddToScheme, v1beta1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	if c.client, err = client.NewWithWatch(config, client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	files, err := fs.Glob(crds.Files, "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		definition, err := crds.Files.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c.kubectl(string(definition), "apply", "--server-side", "-f", "-")
		until(c, new(apiextensionsv1.CustomResourceDefinitionList), "", func(d *apiextensionsv1.CustomResourceDefinition) bool {
			return file == v1beta1.Group+"_"+d.Spec.Names.Plural+".yaml" && slices.ContainsFunc(d.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
				return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue
			})
		})
	}
	// What is established is not in the list of APIs at once: ask again.
	for served := false; !served; {
		d, err := discovery.NewDiscoveryClientForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		_, lists, err := d.ServerGroupsAndResources()
		if c.ctx.Err() != nil {
			t.Fatal("the kinds are not served: ", err)
		}
		kinds := 0
		for _, l := range lists {
			if strings.HasPrefix(l.GroupVersion, v1beta1.Group+"/") {
				for _, r := range l.APIResources {
					if !strings.Contains(r.Name, "/") {
						kinds++
					}
				}
			}
		}
		served = kinds >= len(files)+1 // collectors have two versions
	}
	c.start(config)
	return c
}

func facts(string) render.Facts {
	return render.Facts{CollectorImage: "signalbox:1.2.3", CollectorCommand: []string{"/signalbox", "collector"}}
}

// start runs the manager with the webhook, and tells the API server of it.
func (c *cluster) start(config *rest.Config) {
	t := c.t
	t.Helper()
	mux := http.NewServeMux()
	var err error
	skip := true // of names of controllers: every test has its own
	c.mgr, err = ctrl.NewManager(config, ctrl.Options{
		Scheme: c.client.Scheme(), WebhookServer: server{mux}, Cache: controllers.CacheOptions(), Metrics: metricsserver.Options{BindAddress: "0"},
		Controller: ctrlconfig.Controller{SkipNameValidation: &skip},
	})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	if c.guards, err = NewGuards(c.mgr, c.client, "operator", log); err != nil {
		t.Fatal(err)
	}
	if err := Add(c.mgr, Config{
		Facts:          facts,
		Guards:         c.guards.All,
		Images:         v1alpha1.Images{Python: "python:1"},
		NativeSidecars: func() bool { return true },
		ImageVolumes:   c.images.Load,
		Registry:       c.registry,
	}); err != nil {
		t.Fatal(err)
	}
	if c.sidecars, err = NewSidecars(c.mgr, facts); err != nil {
		t.Fatal(err)
	}
	if err := AddRollout(c.mgr, c.sidecars); err != nil {
		t.Fatal(err)
	}
	i, err := NewInstrumented(c.mgr)
	if err != nil {
		t.Fatal(err)
	}
	if c.guard, err = AddCrashGuard(c.mgr, i, c.guards, log); err != nil {
		t.Fatal(err)
	}
	c.guard.retry = 500 * time.Millisecond
	if err := AddInstrumentationRollout(c.mgr, i, c.guard, c.guards, InstrumentationRollout{Images: v1alpha1.Images{Python: "python:1"}, Asking: asking, Soak: time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(c.ctx)
	done := make(chan error)
	go func() { done <- c.mgr.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	if !c.mgr.GetCache().WaitForCacheSync(ctx) {
		t.Fatal("the cache is not filled")
	}
	c.webhook = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		mux.ServeHTTP(w, r)
		c.answered(time.Since(began))
	}))
	t.Cleanup(c.webhook.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.webhook.Certificate().Raw})
	c.kubectl(fmt.Sprintf(`
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: pods}
webhooks:
- name: mpod.kb.io
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Ignore
  timeoutSeconds: 5
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  clientConfig: {url: %q, caBundle: %q}
`, c.webhook.URL+needs.PodPath, base64.StdEncoding.EncodeToString(ca)), "apply", "-f", "-")
}

const sidecarCR = `
apiVersion: opentelemetry.io/v1beta1
kind: OpenTelemetryCollector
metadata: {name: beside}
spec:
  mode: sidecar
  config:
    receivers: {otlp: {protocols: {http: {}}}}
    exporters: {debug: {}}
    service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}
`

// deployment is one whose pods ask for a sidecar.
func deployment(name, inject, container string) string {
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s}
spec:
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}, annotations: {sidecar.opentelemetry.io/inject: %[2]q}}
    spec: {containers: [{name: app, image: app, %[3]s}]}
`, name, inject, container)
}

const restricted = `securityContext: {allowPrivilegeEscalation: false, runAsNonRoot: true, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}`

// hasSidecar reports whether a pod has the native sidecar.
func hasSidecar(p *corev1.Pod) bool {
	for _, c := range p.Spec.InitContainers {
		if c.Name == render.CollectorContainer && c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			return true
		}
	}
	return false
}

func pod(app string) func(*corev1.Pod) bool {
	return func(p *corev1.Pod) bool { return p.Labels["app"] == app }
}

// event waits for an event about an object.
func (c *cluster) event(namespace, kind, name, reason string) *eventsv1.Event {
	c.t.Helper()
	return until(c, new(eventsv1.EventList), namespace, func(e *eventsv1.Event) bool {
		return e.Regarding.Kind == kind && strings.HasPrefix(e.Regarding.Name, name) && e.Reason == reason
	})
}

// Pods made by real controllers pass through the webhook, under the rules of
// namespaces of several kinds.
func TestKubernetes(t *testing.T) {
	c := up(t)
	for _, namespace := range []string{"shop", "bare", "strict", "counted", "narrow"} {
		c.kubectl("", "create", "namespace", namespace)
		if namespace != "bare" {
			c.kubectl(sidecarCR, "apply", "-n", namespace, "-f", "-")
		}
	}

	t.Run("injected", func(t *testing.T) {
		c.kubectl(deployment("cart", "true", ""), "apply", "-n", "shop", "-f", "-")
		p := until(c, new(corev1.PodList), "shop", pod("cart"))
		if !hasSidecar(p) {
			t.Errorf("the pod has no sidecar: %v", p.Spec)
		}
		e := c.event("shop", "Deployment", "cart", "Injected")
		if want := "sidecar: container otc-container of OpenTelemetryCollector shop/beside is added"; e.Note != want {
			t.Errorf("got event %q; want %q", e.Note, want)
		}
		env := p.Spec.InitContainers[0].Env
		if got, want := env[len(env)-1].Value, "k8s.deployment.name=cart,k8s.deployment.uid="+string(e.Regarding.UID)+","; !strings.HasPrefix(got, want) {
			t.Errorf("got resource attributes %q; want them to begin with %q", got, want)
		}
	})
	t.Run("none to inject", func(t *testing.T) {
		c.kubectl(deployment("lonely", "true", ""), "apply", "-n", "bare", "-f", "-")
		if p := until(c, new(corev1.PodList), "bare", pod("lonely")); hasSidecar(p) {
			t.Error("the pod has a sidecar that nobody defined")
		}
		if e := c.event("bare", "Deployment", "lonely", "NoneInNamespace"); e.Type != corev1.EventTypeWarning {
			t.Errorf("got event of type %s; want a warning", e.Type)
		}
	})
	t.Run("restricted level", func(t *testing.T) {
		c.kubectl("", "label", "namespace", "strict", "pod-security.kubernetes.io/enforce=restricted")
		c.kubectl(deployment("safe", "true", restricted), "apply", "-n", "strict", "-f", "-")
		if p := until(c, new(corev1.PodList), "strict", pod("safe")); !hasSidecar(p) {
			t.Error("the pod has no sidecar")
		}
	})
	t.Run("instrumented", func(t *testing.T) {
		c.kubectl(`
apiVersion: opentelemetry.io/v1alpha1
kind: Instrumentation
metadata: {name: all, namespace: strict}
spec: {exporter: {endpoint: "http://localhost:4318"}}
`, "apply", "-f", "-")
		flask := strings.ReplaceAll(deployment("flask", "true", restricted), "annotations: {", `annotations: {instrumentation.opentelemetry.io/inject-python: "true", `)
		c.kubectl(flask, "apply", "-n", "strict", "-f", "-")
		p := until(c, new(corev1.PodList), "strict", pod("flask"))
		if n := len(p.Spec.InitContainers); n != 2 || !hasSidecar(p) {
			t.Errorf("the pod has %d init containers; want the sidecar, and what copies the agent", n)
		}
		if !slices.ContainsFunc(p.Spec.Containers[0].Env, func(v corev1.EnvVar) bool { return v.Name == "PYTHONPATH" }) {
			t.Errorf("the program does not find the agent: %v", p.Spec.Containers[0].Env)
		}
	})
	t.Run("endpoint", func(t *testing.T) {
		// It is in the operator's cache, as those of its collectors are; the other is not.
		c.kubectl(`
apiVersion: v1
kind: Service
metadata: {name: otel-collector, labels: {app.kubernetes.io/managed-by: opentelemetry-operator, app.kubernetes.io/component: opentelemetry-collector}}
spec: {ports: [{name: otlp-grpc, port: 4317, appProtocol: grpc}, {name: otlp-http, port: 4318, appProtocol: http}]}
---
apiVersion: opentelemetry.io/v1alpha1
kind: Instrumentation
metadata: {name: all}
spec: {exporter: {endpoint: "http://otel-collector.shop:4317"}, java: {image: "java:1", env: [{name: OTEL_EXPORTER_OTLP_ENDPOINT, value: "http://gone.shop.svc:4318"}]}}
`, "apply", "-n", "shop", "-f", "-")
		for _, language := range []string{"python", "java"} {
			flask := strings.ReplaceAll(deployment("by-"+language, "false", ""), "annotations: {", fmt.Sprintf(`annotations: {instrumentation.opentelemetry.io/inject-%s: "true", `, language))
			c.kubectl(flask, "apply", "-n", "shop", "-f", "-")
		}
		p := until(c, new(corev1.PodList), "shop", pod("by-python"))
		i := slices.IndexFunc(p.Spec.Containers[0].Env, func(v corev1.EnvVar) bool { return v.Name == "OTEL_EXPORTER_OTLP_ENDPOINT" })
		if i < 0 || p.Spec.Containers[0].Env[i].Value != "http://otel-collector.shop:4318" {
			t.Errorf("got %v; want the endpoint at port 4318", p.Spec.Containers[0].Env)
		}
		if e, want := c.event("shop", "Deployment", "by-java", "Injected"), "names Service shop/gone, which does not exist"; !strings.Contains(e.Note, want) {
			t.Errorf("got event %q; want %q in it", e.Note, want)
		}
	})
	t.Run("image volume", func(t *testing.T) {
		c.images.Store(true)
		defer c.images.Store(false)
		flask := strings.ReplaceAll(deployment("mounted", "false", restricted), "annotations: {", `annotations: {instrumentation.opentelemetry.io/inject-python: "true", `)
		c.kubectl(flask, "apply", "-n", "strict", "-f", "-")
		p := until(c, new(corev1.PodList), "strict", pod("mounted"))
		i := slices.IndexFunc(p.Spec.Volumes, func(v corev1.Volume) bool { return v.Image != nil && v.Image.Reference == "python:1" })
		if i < 0 || len(p.Spec.InitContainers) > 0 {
			t.Errorf("got volumes %v and init containers %v; want the image, and nothing that copies", p.Spec.Volumes, p.Spec.InitContainers)
		}
	})
	t.Run("quota", func(t *testing.T) {
		c.kubectl("", "create", "quota", "compute", "-n", "counted", "--hard=requests.cpu=400m,limits.memory=700Mi")
		until(c, new(corev1.ResourceQuotaList), "counted", func(q *corev1.ResourceQuota) bool { return len(q.Status.Hard) == 2 })
		resources := "resources: {requests: {cpu: 100m, memory: 100Mi}, limits: {memory: 100Mi}}"
		c.kubectl(deployment("fits", "true", resources), "apply", "-n", "counted", "-f", "-")
		if p := until(c, new(corev1.PodList), "counted", pod("fits")); !hasSidecar(p) {
			t.Error("the pod has no sidecar, and the quota has room for it")
		}
		// The cache has to know what the first pod uses.
		until(c, new(corev1.ResourceQuotaList), "counted", func(q *corev1.ResourceQuota) bool {
			return q.Status.Used.Name("limits.memory", resource.BinarySI).Sign() > 0
		})
		c.cachedQuota("counted")
		c.kubectl(deployment("tight", "true", resources), "apply", "-n", "counted", "-f", "-")
		if p := until(c, new(corev1.PodList), "counted", pod("tight")); hasSidecar(p) {
			t.Error("the pod has a sidecar, and the quota has no room for it")
		}
		c.event("counted", "Deployment", "tight", "OverQuota")
	})
	t.Run("limit range", func(t *testing.T) {
		c.kubectl(`
apiVersion: v1
kind: LimitRange
metadata: {name: range}
spec: {limits: [{type: Container, max: {memory: 90Mi}, min: {memory: 10Mi}}]}
`, "apply", "-n", "narrow", "-f", "-")
		c.kubectl(deployment("small", "true", ""), "apply", "-n", "narrow", "-f", "-")
		p := until(c, new(corev1.PodList), "narrow", pod("small"))
		if !hasSidecar(p) {
			t.Fatal("the pod has no sidecar")
		}
		if got := p.Spec.InitContainers[0].Resources.Limits.Memory().String(); got != "90Mi" {
			t.Errorf("the API server limits the sidecar to %s; want 90Mi", got)
		}
	})
	t.Run("webhook down", func(t *testing.T) {
		c.webhook.Close()
		c.kubectl(deployment("later", "true", ""), "apply", "-n", "shop", "-f", "-")
		if p := until(c, new(corev1.PodList), "shop", pod("later")); hasSidecar(p) {
			t.Error("the pod has a sidecar that nobody gave it")
		}
	})
}
