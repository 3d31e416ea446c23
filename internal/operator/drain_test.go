package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/internal/operator/needs"
)

// Two replicas: both answer webhooks, one leads. When it ends, it answers what it
// was asked, gives the lease back, and the other leads at once. A manager that
// lost the lease does not take the webhooks with it.
func TestReplicas(t *testing.T) {
	c := startLight(t)
	one, two := c.operator(nil), c.operator(nil)
	c.install(one.WebhookAddress())
	stop := c.run(one)
	leader := func() (string, error) {
		l := &coordinationv1.Lease{}
		err := c.admin.Get(c.ctx, client.ObjectKey{Namespace: needs.Namespace, Name: needs.LeaderLease}, l)
		if err == nil && (l.Spec.HolderIdentity == nil || *l.Spec.HolderIdentity == "") {
			err = errors.New("nobody leads")
		}
		if err != nil {
			return "", err
		}
		return *l.Spec.HolderIdentity, nil
	}
	var first string
	c.eventually("a leader", func() (err error) { first, err = leader(); return err })
	c.run(two)
	for _, op := range []*Operator{one, two} {
		c.eventually("readiness of both", func() error { return status("http://"+op.HealthAddress()+"/readyz", "") })
	}

	// A request that is being answered when the end comes.
	began, release := make(chan struct{}), make(chan struct{})
	slow := http.NewServeMux()
	slow.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		close(began)
		<-release
		fmt.Fprint(w, "answered")
	})
	one.servers.activate(slow)
	answer := make(chan string, 1)
	go func() {
		body, err := get("https://"+local(one.WebhookAddress())+"/slow", "")
		answer <- fmt.Sprint(body, " ", err)
	}()
	<-began
	one.Drain = 100 * time.Millisecond
	ended := make(chan struct{})
	ending := time.Now()
	go func() { stop(); close(ended) }()
	c.eventually("unready", func() error {
		if err := status("http://"+one.HealthAddress()+"/readyz", ""); err == nil {
			return errors.New("still ready")
		}
		return nil
	})
	close(release)
	if got := <-answer; got != "answered <nil>" {
		t.Errorf("got %q from a replica that ends; want its answer", got)
	}
	<-ended
	c.eventually("another leader", func() error {
		now, err := leader()
		if err == nil && now == first {
			err = errors.New("the same leader")
		}
		return err
	})
	if took := time.Since(ending); took > 30*time.Second {
		t.Errorf("got another leader after %s; want 30 s at most", took)
	}
}

// When the lease is taken away, webhooks are answered on.
func TestLostLease(t *testing.T) {
	c := startLight(t)
	again := make(chan struct{})
	op := c.operator(func(o *Options) {
		o.Logger = slog.New(&listener{Handler: o.Logger.Handler(), heard: again})
		o.Settings.WatchNamespaces = []string{"default", "kube-public"}
	})
	c.install(op.WebhookAddress())
	c.run(op)
	c.eventually("readiness", func() error { return status("http://"+op.HealthAddress()+"/readyz", "") })
	lease := &coordinationv1.Lease{}
	key := client.ObjectKey{Namespace: needs.Namespace, Name: needs.LeaderLease}
	c.eventually("a leader", func() error {
		err := c.admin.Get(c.ctx, key, lease)
		if err == nil && lease.Spec.HolderIdentity == nil {
			err = errors.New("nobody leads")
		}
		return err
	})
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	unready := make(chan error, 1)
	go func() {
		every := time.NewTicker(20 * time.Millisecond)
		defer every.Stop()
		for ; ctx.Err() == nil; <-every.C {
			// An empty review is refused, by the webhook itself.
			body, err := get("https://"+local(op.WebhookAddress())+needs.PodPath, "")
			if err != nil && !strings.Contains(err.Error(), "400") && !strings.Contains(body, "uid") {
				unready <- err
				return
			}
		}
		unready <- nil
	}()
	c.kubectl("", "patch", "lease", "-n", needs.Namespace, needs.LeaderLease, "-p",
		`{"spec":{"holderIdentity":"somebody-else","leaseDurationSeconds":12,"renewTime":"`+time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")+`"}}`)
	select {
	case <-again:
	case <-c.ctx.Done():
		t.Fatal("the manager does not end when it loses its lease")
	}
	c.eventually("the lease is had again", func() error {
		err := c.admin.Get(c.ctx, key, lease)
		if err == nil && *lease.Spec.HolderIdentity == "somebody-else" {
			err = errors.New("somebody else leads")
		}
		return err
	})
	// It works in the namespaces that it is told, and in no other.
	for _, namespace := range []string{"kube-system", "default"} {
		c.eventually("admission", func() error {
			out, err := c.Kubectl(c.ctx, strings.Replace(oldCollector, "namespace: default", "namespace: "+namespace, 1), "apply", "-f", "-")
			if err != nil {
				err = errors.New(out)
			}
			return err
		})
	}
	c.kubectl("", "wait", "--for=create", "--timeout=60s", "deployment/gateway-collector")
	if out := c.kubectl("", "get", "deployments", "-n", "kube-system"); strings.Contains(out, "gateway") {
		t.Errorf("got %s; want nothing in a namespace that is not watched", out)
	}
	cancel()
	if err := <-unready; err != nil {
		t.Errorf("got %v while the lease was lost; want answers", err)
	}
}

// listener waits for the log to say that a manager is made anew.
type listener struct {
	slog.Handler
	heard chan struct{}
	once  sync.Once
}

func (l *listener) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "controllers start again" {
		l.once.Do(func() { close(l.heard) })
	}
	return l.Handler.Handle(ctx, r)
}

// local is an address at which this machine is reached.
func local(address string) string { return strings.Replace(address, "[::]", "127.0.0.1", 1) }
