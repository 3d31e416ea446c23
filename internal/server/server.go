package server

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/query/logql"
	"github.com/signalbox-otel/signalbox/internal/query/traceql"
	"github.com/signalbox-otel/signalbox/internal/store"
	"github.com/signalbox-otel/signalbox/web"
)

// Deps is what a Server is made of. Everything has a sensible absence, but there
// must be a Reader with its Catalog, a Load, or both.
type Deps struct {
	// Reader and Catalog have traces and logs; nil: the server has a Load only.
	Reader  query.Reader
	Catalog query.Catalog
	// Follower feeds the live tails; nil: they answer 503.
	Follower query.Follower
	// Appender keeps what is pushed; nil: pushes answer 503.
	Appender Appender
	// Metrics is the Prometheus HTTP API, mounted with its full paths at
	// /api/v1/ and, for its health checks, /-/; nil: 404.
	Metrics http.Handler
	// Pages answers every path that no API has; nil: package web.
	Pages http.Handler
	// Gatherer is what /metrics shows; nil: only the server's own metrics.
	Gatherer prometheus.Gatherer
	// Registerer takes the server's own metrics; nil: a registry of its own,
	// which /metrics shows when Gatherer is nil too.
	Registerer prometheus.Registerer
	Logger     *slog.Logger // nil: slog.Default()
	Version    string
	// StoreStats is called for the status answer, which holds its result as
	// JSON; nil: left out.
	StoreStats func() any
	// Endpoints are the addresses that data can be sent to, for the status
	// answer; nil: none are named.
	Endpoints func() []Endpoint
	// Topology is how the collector around the server is put together, and what
	// went wrong in it; nil: the answer about pipelines is empty.
	Topology func() Topology
	// Instrumentation asks the operator of a cluster about workloads; nil: nobody
	// is asked. The answer belongs to the caller.
	Instrumentation func(context.Context, InjectionQuestion) (Instrumentation, error)
	// Load is the load that this process makes; nil: it makes none.
	Load Load
	// Ready says whether data is accepted, for /healthz; nil: always.
	Ready  func() bool
	Limits Limits
	Now    func() time.Time // nil: time.Now
}

// Appender keeps log records that come over Loki's API. It exists because the
// receivers of the collector do not speak it, and a test needs a store only.
type Appender interface {
	// Append returns when the batch cannot be lost any more. A
	// *store.OverloadError says that it may be sent again.
	Append(ctx context.Context, b *store.Batch) error
}

// Endpoint is one address that the collector listens on.
type Endpoint struct {
	Name string `json:"name"` // "OTLP/gRPC"
	URL  string `json:"url"`
}

// Limits bounds what requests may cost. A zero field means its default.
type Limits struct {
	Timeout    time.Duration // of a request that is not a tail; 30 s
	URLBytes   int           // 64 KiB
	BodyBytes  int64         // 1 MiB
	PushBytes  int64         // of a body that brings data, before and after decompression; 16 MiB
	PushParts  int           // streams and lines of one push; 200,000
	Pushes     int           // bodies that bring data taken in at the same time; 4
	Concurrent int           // questions answered at the same time, the others wait; 20
	Tails      int           // open live tails; 100
	Heartbeat  time.Duration // between signs of life of a quiet tail; 15 s
	Query      query.Limits
}

func (l Limits) withDefaults() Limits {
	set(&l.Timeout, 30*time.Second)
	set(&l.URLBytes, 64<<10)
	set(&l.BodyBytes, 1<<20)
	set(&l.PushBytes, 16<<20)
	set(&l.PushParts, 200_000)
	set(&l.Pushes, 4)
	set(&l.Concurrent, 20)
	set(&l.Tails, 100)
	set(&l.Heartbeat, 15*time.Second)
	return l
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Server answers HTTP requests. It is made by New, has no goroutines of its own
// and needs no closing.
type Server struct {
	deps    Deps
	engine  *query.Engine
	traceql *traceql.Engine
	logql   *logql.Engine
	mux     *http.ServeMux
	grpc    *grpc.Server
	metrics *serverMetrics
	working chan struct{} // one token for each question being answered
	pushing chan struct{} // one token for each push being taken in
	tails   chan struct{} // one token for each open tail
	origins http.CrossOriginProtection
	started time.Time
	ending  context.Context // done when live tails must end
	end     context.CancelFunc
}

// New makes a server of deps.
func New(deps Deps) *Server {
	deps.Limits = deps.Limits.withDefaults()
	set(&deps.Logger, slog.Default())
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Endpoints == nil {
		deps.Endpoints = func() []Endpoint { return nil }
	}
	if deps.Pages == nil {
		deps.Pages = web.New(deps.parts()...)
	}
	if deps.Registerer == nil {
		own := prometheus.NewRegistry()
		deps.Registerer = own
		if deps.Gatherer == nil {
			deps.Gatherer = own
		}
	}
	if deps.Gatherer == nil {
		deps.Gatherer = prometheus.NewRegistry()
	}
	s := &Server{
		deps:    deps,
		engine:  query.New(deps.Reader, deps.Catalog, deps.Follower, deps.Limits.Query).WithClock(deps.Now),
		mux:     http.NewServeMux(),
		metrics: newServerMetrics(deps.Registerer),
		logql:   logql.New(deps.Reader, deps.Catalog, logql.Limits{MaxRows: deps.Limits.Query.MaxRows, MaxTime: deps.Limits.Query.MaxTime}),
		working: make(chan struct{}, deps.Limits.Concurrent),
		pushing: make(chan struct{}, deps.Limits.Pushes),
		tails:   make(chan struct{}, deps.Limits.Tails),
		started: deps.Now(),
	}
	s.traceql = traceql.New(s.engine)
	s.ending, s.end = context.WithCancel(context.Background())
	s.mount(s.routes())
	if deps.Reader != nil {
		s.grpc = s.newGRPC()
	}
	if deps.Metrics != nil {
		s.mux.Handle("/api/v1/", s.watch("/api/v1/", deps.Metrics))
		s.mux.Handle("/-/", s.watch("/-/", deps.Metrics))
	}
	return s
}

// parts are those of the page that there are answers for.
func (d Deps) parts() []string {
	var parts []string
	if d.Reader != nil {
		parts = append(parts, "data")
	}
	if d.Load != nil {
		parts = append(parts, "load")
	}
	return parts
}

// EndTails ends live tails, now and those still to come, so that a server that
// stops need not wait for them.
func (s *Server) EndTails() { s.end() }

// ServeHTTP answers one request, or one call of gRPC (see Protocols).
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.grpc != nil && isGRPC(r) {
		s.grpc.ServeHTTP(w, r)
		return
	}
	setHeaders(w.Header(), r)
	if len(r.RequestURI) > s.deps.Limits.URLBytes {
		s.fail(w, r, writeProblem, &problem{Status: http.StatusRequestURITooLong, Kind: "too_large", Message: "the URL is too long"})
		return
	}
	s.mux.ServeHTTP(w, r)
}

// setHeaders sets what every answer carries: that nothing sniffs or frames it.
// Pages of other origins may not read it: any page that its user visits could
// read what a Signalbox on the user's machine knows. Who runs it may name
// origins (cors of the query extension).
func setHeaders(h http.Header, r *http.Request) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'")
	if strings.HasPrefix(r.URL.Path, "/api/") || strings.HasPrefix(r.URL.Path, tempoPrefix+"/") || strings.HasPrefix(r.URL.Path, lokiPrefix) {
		h.Set("Cache-Control", "no-store")
	}
}
