package controllers_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/event"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	"github.com/signalbox-otel/signalbox/api/crds"
	"github.com/signalbox-otel/signalbox/api/v1alpha1"
	"github.com/signalbox-otel/signalbox/e2e/kube"
	"github.com/signalbox-otel/signalbox/internal/operator"
	"github.com/signalbox-otel/signalbox/internal/operator/controllers"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// cluster is the light cluster of all tests of the package; nil in short runs.
var cluster *kube.Cluster

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	for _, arg := range os.Args {
		if arg == "-test.short=true" {
			return m.Run()
		}
	}
	// Operators that end in the middle of something say so.
	ctrllog.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	dir, err := os.MkdirTemp("", "controllers")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	// The build has its own target, make kube; a cold one takes minutes.
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	if cluster, err = kube.Light(ctx, dir, 2); err != nil {
		panic(err)
	}
	defer cluster.Stop()
	if err := define(ctx); err != nil {
		panic(err)
	}
	return m.Run()
}

// define installs our definitions. Nothing here uses the old version of
// collectors, so that none is converted.
func define(ctx context.Context) error {
	c, err := newClient()
	if err != nil {
		return err
	}
	files, err := fs.Glob(crds.Files, "*.yaml")
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := crds.Files.ReadFile(file)
		if err != nil {
			return err
		}
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.Unmarshal(text, crd); err != nil {
			return err
		}
		if err := c.Create(ctx, crd); err != nil {
			return err
		}
		err = until(ctx, func() (bool, error) {
			err := c.Get(ctx, client.ObjectKeyFromObject(crd), crd)
			for _, condition := range crd.Status.Conditions {
				if condition.Type == apiextensionsv1.Established && condition.Status == apiextensionsv1.ConditionTrue {
					return true, err
				}
			}
			return false, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// until asks again until it is so.
func until(ctx context.Context, so func() (bool, error)) error {
	return untilEvery(ctx, 20*time.Millisecond, so)
}

func untilEvery(ctx context.Context, interval time.Duration, so func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	again := time.NewTicker(interval)
	defer again.Stop()
	for {
		done, err := so()
		if done {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("after two minutes: %w", context.Cause(ctx))
		}
	}
}

func newClient() (client.Client, error) {
	config, err := clientcmd.BuildConfigFromFlags("", cluster.Kubeconfig)
	if err != nil {
		return nil, err
	}
	scheme, err := operator.NewScheme()
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	return client.New(config, client.Options{Scheme: scheme})
}

// bed is what a test works with: a namespace of its own, and an operator that
// can be started and stopped.
type bed struct {
	client.Client
	t         testing.TB
	namespace string
	mu        sync.Mutex
	facts     render.Facts
	// certificates makes those of allocators; nil where nobody does.
	certificates func(context.Context, *v1alpha1.TargetAllocator) (time.Time, error)

	changed []chan event.GenericEvent
	// open was the work that earlier operators left undone when they ended.
	open float64

	network network

	stop   context.CancelFunc
	ended  chan error
	writes *writes
}

func newBed(t testing.TB) *bed {
	t.Helper()
	if cluster == nil {
		t.Skip("starts an API server")
	}
	c, err := newClient()
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{Client: c, t: t, namespace: strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-")), writes: &writes{}, facts: render.Facts{
		CollectorImage: "signalbox:test", CollectorCommand: []string{"/signalbox", "collector"},
		AllocatorImage: "signalbox:test", AllocatorCommand: []string{"/signalbox", "allocator"},
		RBAC: true,
	}}
	b.kubectl("", "create", "namespace", b.namespace)
	t.Cleanup(func() {
		b.end()
		b.kubectl("", "delete", "namespace", b.namespace, "--wait=false")
	})
	return b
}

func (b *bed) kubectl(stdin string, args ...string) string {
	b.t.Helper()
	out, err := cluster.Kubectl(context.WithoutCancel(b.t.Context()), stdin, args...)
	if err != nil {
		b.t.Fatalf("%v\n%s", err, out)
	}
	return out
}

// apply applies manifests into the namespace.
func (b *bed) apply(text string) {
	b.t.Helper()
	b.kubectl(text, "-n", b.namespace, "apply", "-f", "-")
}

// start starts the operator.
func (b *bed) start() {
	b.t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", cluster.Kubeconfig)
	if err != nil {
		b.t.Fatal(err)
	}
	config.Dial = b.network.dial
	config.Wrap(func(rt http.RoundTripper) http.RoundTripper { b.writes.next = rt; return b.writes })
	again := true
	mgr, err := operator.NewManager(config, ctrl.Options{
		Cache:      cache.Options{DefaultNamespaces: map[string]cache.Config{b.namespace: {}}},
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: ctrlconfig.Controller{SkipNameValidation: &again},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	_, b.open = worked(b.t)
	b.changed = nil
	err = controllers.Add(mgr, controllers.Config{
		Facts: b.known, Certificates: b.certificates, Version: "0.158.0", Namespaces: []string{b.namespace},
		Changed: func() <-chan event.GenericEvent {
			b.changed = append(b.changed, make(chan event.GenericEvent))
			return b.changed[len(b.changed)-1]
		},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if b.writes.left > 0 {
		b.writes.kill = cancel
	} else {
		b.writes.kill = nil
	}
	b.stop, b.ended = cancel, make(chan error, 1)
	go func() { b.ended <- mgr.Start(ctx) }()
}

// known are the facts.
func (b *bed) known(string) render.Facts {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.facts
}

// learn changes the facts, and tells the operator.
func (b *bed) learn(change func(*render.Facts)) {
	b.mu.Lock()
	change(&b.facts)
	b.mu.Unlock()
	for _, c := range b.changed {
		c <- event.GenericEvent{}
	}
}

// end stops the operator.
func (b *bed) end() {
	b.t.Helper()
	if b.stop == nil {
		return
	}
	b.stop()
	b.stop = nil
	if err := <-b.ended; err != nil {
		b.t.Error("ending the operator:", err)
	}
}

// worked reads from the metrics of controller-runtime how often our controllers
// reconciled, and how much is waiting or being done.
func worked(t testing.TB) (done, open float64) {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch f.GetName() {
			case "controller_runtime_reconcile_total":
				done += m.GetCounter().GetValue()
			case "controller_runtime_active_workers", "workqueue_depth":
				open += m.GetGauge().GetValue()
			}
		}
	}
	return done, open
}

// during does something, and waits until the controllers have reconciled so many
// times because of it, and are idle again.
func (b *bed) during(times int, do func()) {
	b.t.Helper()
	before, _ := worked(b.t)
	do()
	var done, open float64
	err := until(b.t.Context(), func() (bool, error) {
		done, open = worked(b.t)
		return open <= b.open && done >= before+float64(times), nil
	})
	if err != nil {
		b.t.Fatalf("%v; reconciled %v times, %v are open; want %d times", err, done-before, open, times)
	}
}

// writes counts the requests of the operator that write; events are among them.
type writes struct {
	next http.RoundTripper
	mu   sync.Mutex
	made []string
	// left is after how many more writes, events apart, kill ends the operator.
	// The last of them reaches the API server, but not its answer the operator.
	left int
	kill func()
}

// RoundTrip counts a request.
func (w *writes) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet {
		return w.next.RoundTrip(r)
	}
	w.mu.Lock()
	w.made = append(w.made, r.Method+" "+r.URL.Path)
	last, killed := false, false
	if w.kill != nil && !strings.Contains(r.URL.Path, "/events") {
		w.left--
		last, killed = w.left == 0, w.left < 0
	}
	w.mu.Unlock()
	if killed {
		return nil, errKilled
	}
	response, err := w.next.RoundTrip(r)
	if last && err == nil {
		response.Body.Close()
		w.kill()
		return nil, errKilled
	}
	return response, err
}

var errKilled = errors.New("the operator was killed")

func (w *writes) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	made := w.made
	w.made = nil
	return made
}

// network is what is between the operator and the API server.
type network struct {
	mu    sync.Mutex
	conns []net.Conn
	cut   bool
}

func (n *network) dial(ctx context.Context, network, address string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cut {
		return nil, errors.New("the network is cut")
	}
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		n.conns = append(n.conns, c)
	}
	return c, err
}

// set cuts the network, all connections with it, or mends it.
func (n *network) set(cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = cut
	if cut {
		for _, c := range n.conns {
			c.Close()
		}
		n.conns = nil
	}
}

func named(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}
