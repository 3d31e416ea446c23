package operator

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signalbox-otel/signalbox/internal/inject"
	"github.com/signalbox-otel/signalbox/internal/operator/cluster"
	"github.com/signalbox-otel/signalbox/internal/operator/pods"
	"github.com/signalbox-otel/signalbox/internal/operator/review"
	"github.com/signalbox-otel/signalbox/internal/operator/settings"
	"github.com/signalbox-otel/signalbox/internal/render"
)

// review tells, at the address for it, how workloads stand to what pods ask for,
// and counts that in the status of Instrumentations; it returns what counts, nil
// where there are none.
func (o *Operator) review(mgr ctrl.Manager, injection pods.Config, counts prometheus.Registerer) (*review.Counter, error) {
	logs, err := beginnings(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return nil, err
	}
	r := review.New(review.Config{
		Decider: pods.NewDecider(injection, mgr.GetCache(), mgr.GetAPIReader()),
		Live:    mgr.GetAPIReader(), Namespaces: o.Settings.WatchNamespaces, OperatorNamespace: o.Settings.Namespace, Logs: logs,
	})
	o.servers.reviews.set(r.Handler())
	if !o.Settings.Instrumentations {
		return nil, nil // there is no status to write to
	}
	return review.AddCounter(mgr, r, counts, o.Logger)
}

// NewReviewer makes a reviewer that works with the rights of config, as those of
// a user, for an operator that has the settings.
func NewReviewer(s *settings.Settings, config *rest.Config) (*review.Reviewer, error) {
	scheme, err := NewScheme()
	if err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	config.QPS = -1 // the API server has its own priorities
	config.WarningHandler = rest.NoWarnings{}
	transport, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("reaching the API server: %w", err)
	}
	c, err := client.New(config, client.Options{Scheme: scheme, HTTPClient: transport})
	if err != nil {
		return nil, fmt.Errorf("reaching the API server: %w", err)
	}
	logs, err := beginnings(config, transport)
	if err != nil {
		return nil, err
	}
	offers, err := cluster.ByVersion(config, transport)
	if err != nil {
		return nil, err
	}
	injection := injecting(s)
	injection.Facts = func(string) render.Facts { return s.Facts() }
	injection.NativeSidecars = func() bool { return offers.NativeSidecars }
	injection.EnvFiles = func() bool { return offers.EnvFiles }
	injection.ImageVolumes = imageVolumes(s.Delivery, func() cluster.Offers { return offers })
	injection.Log = slog.New(slog.DiscardHandler)
	if s.CrashGuard {
		var once sync.Once
		var guards []inject.Guard
		injection.Guards = func(ctx context.Context) []inject.Guard {
			// Who may not read them is told what holds without.
			once.Do(func() { guards, _ = pods.ReadGuards(ctx, c, s.Namespace) })
			return guards
		}
	}
	return review.New(review.Config{
		Decider: pods.NewDecider(injection, c, c), Live: c, Namespaces: s.WatchNamespaces, OperatorNamespace: s.Namespace, Logs: logs,
	}), nil
}

// beginning is how much of a log is read.
const beginning = 64 << 10

// beginnings reads the beginning of what containers wrote.
func beginnings(config *rest.Config, transport *http.Client) (func(ctx context.Context, namespace, pod, container string) (string, error), error) {
	core, err := typedcorev1.NewForConfigAndClient(config, transport)
	if err != nil {
		return nil, fmt.Errorf("making a client for logs: %w", err)
	}
	return func(ctx context.Context, namespace, pod, container string) (string, error) {
		most := int64(beginning)
		stream, err := core.Pods(namespace).GetLogs(pod, &corev1.PodLogOptions{Container: container, LimitBytes: &most}).Stream(ctx)
		if err != nil {
			return "", fmt.Errorf("reading the log of pod %s/%s: %w", namespace, pod, err)
		}
		defer stream.Close()
		text, err := io.ReadAll(io.LimitReader(stream, beginning))
		if err != nil {
			return "", fmt.Errorf("reading the log of pod %s/%s: %w", namespace, pod, err)
		}
		return string(text), nil
	}, nil
}
