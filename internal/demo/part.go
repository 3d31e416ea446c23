package demo

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/trace"
)

// stopTimeout bounds how long a part waits for requests that are under way and
// for its last telemetry to leave.
const stopTimeout = 3 * time.Second

// part is one running server with its telemetry.
type part struct {
	*telemetry
	server  *http.Server
	closers []func() error
}

// routes are the handlers by path and method. Unlike http.ServeMux, "/" is
// only itself, so that the route of a span is what was asked for.
type routes map[string]map[string]http.HandlerFunc

// ServeHTTP answers 404 to unknown paths and 405 to methods a path lacks.
func (rs routes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	byMethod, ok := rs[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	handle, ok := byMethod[r.Method]
	if !ok {
		for method := range byMethod {
			w.Header().Add("Allow", method)
		}
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	r.Pattern = r.Method + " " + r.URL.Path // otelhttp takes route and span name from it
	handle(w, r)
}

// serve puts the routes behind instrumentation, and the Prometheus metrics
// beside them, which nobody wants traces of.
func (p *part) serve(rs routes) error {
	registry := prometheus.NewRegistry()
	m := newHTTPMetrics(registry)
	for _, c := range []prometheus.Collector{collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})} {
		if err := registry.Register(c); err != nil {
			return err
		}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	mux.Handle("/", otelhttp.NewHandler(m.observe(rs), "", append(p.httpOptions(),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string {
			if r.Pattern == "" || r.Pattern == "/" {
				return r.Method
			}
			return r.Pattern
		}))...))
	p.server = &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		MaxHeaderBytes:    32 << 10,
	}
	return nil
}

// stop lets requests end, cuts connections on which none does in time, then
// flushes the telemetry about them. Telemetry that nobody takes is no failure of
// the guestbook.
func (p *part) stop(ctx context.Context, lost *slog.Logger) error {
	requests, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	err := p.server.Shutdown(requests)
	if errors.Is(err, context.DeadlineExceeded) {
		err = p.server.Close()
	}
	for _, closer := range p.closers {
		err = errors.Join(err, closer())
	}
	p.quiet(ctx, lost)
	return err
}

// quiet sends the telemetry that is left and records no more.
func (p *part) quiet(ctx context.Context, lost *slog.Logger) {
	telemetry, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if err := p.shutdown(telemetry); err != nil {
		lost.Warn("the last telemetry was lost", "error", err)
	}
}

// httpMetrics are the metrics that prometheus_flask_exporter has, by the same
// names, labels and buckets: dashboards for the Python guestbook work here.
type httpMetrics struct {
	duration   *prometheus.HistogramVec
	requests   *prometheus.CounterVec
	exceptions prometheus.Counter
}

func newHTTPMetrics(r prometheus.Registerer) *httpMetrics {
	m := &httpMetrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "flask_http_request_duration_seconds",
			Help:    "Duration of HTTP requests in seconds",
			Buckets: []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10},
		}, []string{"method", "path", "status"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flask_http_request_total",
			Help: "Total number of HTTP requests",
		}, []string{"method", "status"}),
		exceptions: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "flask_http_request_exceptions_total",
			Help: "Total number of HTTP requests which ended in an internal error",
		}),
	}
	r.MustRegister(m.duration, m.requests, m.exceptions)
	return m
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// observe counts requests, with the trace as exemplar. It runs inside the
// instrumentation, which has started the span. Paths that are no route count
// under one label, for their number has no bound.
func (m *httpMetrics) observe(rs routes) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		sw := &statusWriter{w, http.StatusOK}
		rs.ServeHTTP(sw, r)
		path, method := r.URL.Path, r.Method
		if _, ok := rs[path]; !ok {
			path = "unknown"
		}
		if sw.status == http.StatusMethodNotAllowed {
			method = "unknown"
		}
		if sw.status == http.StatusInternalServerError {
			m.exceptions.Inc()
		}
		status := strconv.Itoa(sw.status)
		var exemplar prometheus.Labels
		if sc := trace.SpanContextFromContext(r.Context()); sc.IsSampled() {
			exemplar = prometheus.Labels{"trace_id": sc.TraceID().String(), "span_id": sc.SpanID().String()}
		}
		m.requests.WithLabelValues(method, status).Inc()
		m.duration.WithLabelValues(method, path, status).(prometheus.ExemplarObserver).
			ObserveWithExemplar(time.Since(start).Seconds(), exemplar)
	})
}
