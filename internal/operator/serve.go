package operator

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/signalbox-otel/signalbox/internal/operator/needs"
	"github.com/signalbox-otel/signalbox/internal/operator/settings"
)

// source is where a server's certificate comes from.
type source interface {
	// Certificate is tls.Config.GetCertificate.
	Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Ready is nil when there is one to show.
	Ready() error
}

// servers are all that listens, for as long as the process lives. A server that
// is off has no listener.
type servers struct {
	webhooks, metrics, health, profiles, workloads server

	hooks, reviews swapped
	source         source
	draining       atomic.Bool
	counts         atomic.Pointer[prometheus.Registry] // of the running manager
}

// server is one of them.
type server struct {
	name     string
	listener net.Listener
	http     *http.Server
}

func (s *server) address() string {
	if s.listener == nil {
		return ""
	}
	return s.listener.Addr().String()
}

// listen opens all addresses, so that one that is taken is an error of the start.
func listen(set *settings.Settings, certificates source, c client.Client, logger *slog.Logger) (*servers, error) {
	s := &servers{source: certificates}
	secure := &tls.Config{
		GetCertificate: certificates.Certificate,
		MinVersion:     set.TLS.MinVersion, CipherSuites: set.TLS.CipherSuites,
		NextProtos: []string{"h2", "http/1.1"},
	}
	measured := http.Handler(promhttp.HandlerFor(prometheus.GathererFunc(s.gather), promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}))
	metricsTLS := (*tls.Config)(nil)
	if set.Metrics.Secure {
		metricsTLS = secure.Clone()
		if set.Metrics.CertFile != "" {
			metricsTLS.GetCertificate = newFiles(set.Metrics.CertFile, set.Metrics.KeyFile).Certificate
		}
		measured = newGuard(c, measured, logger)
	}
	metrics := http.NewServeMux()
	metrics.Handle("/metrics", measured)
	health := http.NewServeMux()
	health.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	health.HandleFunc("/readyz", s.ready)
	workloads := http.NewServeMux()
	workloads.Handle(needs.WorkloadsPath, newGuard(c, &s.reviews, logger, needs.WorkloadsAudience))

	hooks := ""
	if set.Webhooks.Enabled {
		hooks = net.JoinHostPort("", strconv.Itoa(set.Webhooks.Port))
	}
	var errs []error
	open := func(into *server, name, address string, secure *tls.Config, handler http.Handler) {
		if address == "" {
			return
		}
		listener, err := net.Listen("tcp", address)
		if err != nil {
			errs = append(errs, fmt.Errorf("listening for %s: %w", name, err))
			return
		}
		*into = server{name, listener, &http.Server{
			Handler: handler, TLSConfig: secure,
			ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 90 * time.Second,
			ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug), // what clients do wrong
		}}
	}
	open(&s.webhooks, "webhooks", hooks, secure, &s.hooks)
	open(&s.metrics, "metrics", set.Metrics.Address, metricsTLS, metrics)
	open(&s.health, "probes", set.Health, nil, health)
	open(&s.profiles, "profiles", set.Profiles, nil, profiler())
	open(&s.workloads, "workloads", set.Workloads, nil, workloads)
	if err := errors.Join(errs...); err != nil {
		for _, one := range s.all() {
			one.listener.Close()
		}
		return nil, err
	}
	return s, nil
}

// profiler answers with profiles of the process.
func profiler() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("/debug/pprof/", pprof.Index)
	m.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	m.HandleFunc("/debug/pprof/profile", pprof.Profile)
	m.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	m.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return m
}

// all are those that are on.
func (s *servers) all() []*server {
	var all []*server
	for _, one := range []*server{&s.webhooks, &s.metrics, &s.profiles, &s.workloads, &s.health} {
		if one.listener != nil {
			all = append(all, one)
		}
	}
	return all
}

// start serves everything. The first server that ends by itself is told.
func (s *servers) start() <-chan error {
	failed := make(chan error, len(s.all()))
	for _, one := range s.all() {
		go func() {
			var err error
			if one.http.TLSConfig != nil {
				err = one.http.ServeTLS(one.listener, "", "")
			} else {
				err = one.http.Serve(one.listener)
			}
			if !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serving %s: %w", one.name, err)
			}
		}()
	}
	return failed
}

// stop ends all servers: this replica is not ready at once, is asked for some
// time still, and answers what it was asked.
func (s *servers) stop(drain time.Duration) {
	s.draining.Store(true)
	if s.webhooks.listener != nil {
		time.Sleep(drain)
	}
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	var all sync.WaitGroup
	for _, one := range s.all() {
		all.Go(func() {
			if one.http.Shutdown(ctx) != nil {
				one.http.Close()
			}
		})
	}
	all.Wait()
}

// count adds what a manager's parts count to the metrics, and drops what those of
// the manager before counted.
func (s *servers) count(counts *prometheus.Registry) { s.counts.Store(counts) }

// gather reads all metrics.
func (s *servers) gather() ([]*dto.MetricFamily, error) {
	all := prometheus.Gatherers{ctrlmetrics.Registry}
	if counts := s.counts.Load(); counts != nil {
		all = append(all, counts)
	}
	return all.Gather()
}

// activate answers webhooks by h from now on.
func (s *servers) activate(h http.Handler) { s.hooks.set(h) }

// ready says whether the API server may send reviews here.
func (s *servers) ready(w http.ResponseWriter, _ *http.Request) {
	reason := ""
	switch {
	case s.draining.Load():
		reason = "the operator ends"
	case s.webhooks.listener == nil:
	case s.hooks.handler.Load() == nil:
		reason = "webhooks are not served yet"
	default:
		if err := s.source.Ready(); err != nil {
			reason = err.Error()
		}
	}
	if reason != "" {
		http.Error(w, reason, http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// swapped is a handler that can be replaced while requests run.
type swapped struct{ handler atomic.Pointer[http.Handler] }

func (s *swapped) set(h http.Handler) { s.handler.Store(&h) }

// ServeHTTP answers by the handler that is there now.
func (s *swapped) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := s.handler.Load(); h != nil {
		(*h).ServeHTTP(w, r)
		return
	}
	http.Error(w, "the operator starts", http.StatusServiceUnavailable)
}

// hooks is the webhook server of one manager. It collects what the parts
// register, and hands it to the server of the process when the manager starts.
type hooks struct {
	webhook.Server // registers, and measures what it registered
	activate       func(http.Handler)
}

func newHooks(activate func(http.Handler)) hooks {
	return hooks{webhook.NewServer(webhook.Options{WebhookMux: http.NewServeMux()}), activate}
}

// Start is called by the manager before its caches start, because reading
// resources may need their conversion.
func (h hooks) Start(ctx context.Context) error {
	h.activate(h.WebhookMux())
	<-ctx.Done()
	return nil
}
