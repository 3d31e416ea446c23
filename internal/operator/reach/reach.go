// Package reach calls the operator's own webhooks the way that users do,
// through the API server: whether a firewall lies between the two cannot be seen
// from either side.
//
// It asks the API server for what only a webhook of the operator refuses: an
// Instrumentation whose sampler has no number, and a collector of the old version
// whose configuration is no YAML, for which the conversion is called before. A
// refusal by the webhook shows that it was reached. They are dry runs besides, so
// that nothing stays where nobody refuses.
//
// Invariants: it has no right of its own, and nothing depends on its result. A
// replica that cannot be reached is not made worse by being told to restart.
package reach

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/signalbox-otel/signalbox/api/v1alpha1"
)

const (
	// retryAfter is the time between two tests until one was passed.
	retryAfter = 10 * time.Second
	// testTime bounds one test; the API server waits 10 s for a webhook.
	testTime = 40 * time.Second
	// name is that of what is asked for and never there.
	name = "signalbox-self-test"
)

// Config is what this part has to know.
type Config struct {
	// Client reads from the API server, not from a cache.
	Client    client.Client
	Namespace string
	// Port is that of the webhooks.
	Port int
	// Interval is the time between two tests that were passed.
	Interval time.Duration
	Registry prometheus.Registerer
	Logger   *slog.Logger
	// Event tells users.
	Event func(ctx context.Context, kind, reason, message string)
}

// Add runs the tests on the replica that has the lease.
func Add(mgr ctrl.Manager, c Config) error {
	r, err := newRunner(c)
	if err != nil {
		return err
	}
	return mgr.Add(manager.RunnableFunc(r.run))
}

func newRunner(c Config) (*runner, error) {
	r := &runner{Config: c, last: map[string]string{}, told: map[string]string{}, reachable: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "signalbox_operator_webhook_reachable",
		Help: "Whether the API server reached the webhooks in the last self-test, by path: admission or conversion.",
	}, []string{"path"})}
	return r, c.Registry.Register(r.reachable)
}

// Result is what one test of a path came to.
type Result struct {
	// Path is what the operator is called for: admission or conversion.
	Path string
	// Problem is why nobody answered, "" when somebody did.
	Problem string
}

// Ask tests every path once, for somebody who looks from outside. Paths of which
// the answer says nothing are left out.
func Ask(ctx context.Context, c client.Client, namespace string, port int) []Result {
	r := &runner{Config: Config{Client: c, Namespace: namespace, Port: port, Logger: slog.New(slog.DiscardHandler)}}
	var all []Result
	for _, p := range paths {
		if problem, known := r.ask(ctx, p); known {
			all = append(all, Result{p.name, problem})
		}
	}
	return all
}

// runner remembers what was told, to tell changes only.
type runner struct {
	Config
	// last is the problem of each path in the last test, and told that which users
	// know of; "" is none.
	last, told map[string]string
	reachable  *prometheus.GaugeVec
}

// path is one way to the operator.
type path struct {
	name    string
	request func(namespace string) *unstructured.Unstructured
}

var paths = []path{{"admission", instrumentation}, {"conversion", oldCollector}}

func (r *runner) run(ctx context.Context) error {
	for {
		after := r.Interval
		for _, p := range paths {
			if !r.test(ctx, p) {
				after = min(after, retryAfter)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(after):
		}
	}
}

// test tests one path and reports whether it is open.
func (r *runner) test(ctx context.Context, p path) bool {
	ctx, cancel := context.WithTimeout(ctx, testTime)
	defer cancel()
	problem, known := r.ask(ctx, p)
	if ctx.Err() != nil && problem == "" || !known {
		return false
	}
	last := r.last[p.name]
	r.last[p.name] = problem
	if problem == "" {
		r.reachable.WithLabelValues(p.name).Set(1)
	} else {
		r.reachable.WithLabelValues(p.name).Set(0)
	}
	// Once is no trouble: at the start authorities are being published, and pods go
	// and come.
	if problem != "" && last == "" {
		return false
	}
	before, told := r.told[p.name]
	r.told[p.name] = problem
	switch {
	case told && before == problem:
	case problem != "":
		r.Logger.ErrorContext(ctx, "the API server does not reach the webhooks", "path", p.name, "error", problem)
		r.Event(ctx, corev1.EventTypeWarning, "WebhookUnreachable", p.name+": "+problem)
	default:
		r.Logger.InfoContext(ctx, "the API server reaches the webhooks", "path", p.name)
		if told {
			r.Event(ctx, corev1.EventTypeNormal, "WebhookReachable", p.name+": the API server reaches the webhooks again")
		}
	}
	return problem == ""
}

// ask makes the dry run. It is known only when the answer says something about
// the webhooks: an API server that is away, or kinds that are not installed, do
// not.
func (r *runner) ask(ctx context.Context, p path) (problem string, known bool) {
	object := p.request(r.Namespace)
	err := r.Client.Create(ctx, object, client.DryRunAll)
	switch {
	case err == nil:
		return "nobody answered: the webhook configurations of the operator are missing or changed; `signalbox install` prints them", true
	case isRefusal(err):
		return "", true
	case isCall(err):
		return advise(err.Error(), r.Port), true
	}
	r.Logger.DebugContext(ctx, "the self-test cannot be made", "path", p.name, "error", err)
	return "", false
}

func instrumentation(namespace string) *unstructured.Unstructured {
	return request(namespace, "Instrumentation", map[string]any{"sampler": map[string]any{"type": "traceidratio", "argument": name}})
}

func oldCollector(namespace string) *unstructured.Unstructured {
	return request(namespace, "OpenTelemetryCollector", map[string]any{"config": "{" + name})
}

// request is a resource of version v1alpha1.
func request(namespace, kind string, spec map[string]any) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	o.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
	o.SetNamespace(namespace)
	o.SetName(name)
	return o
}
