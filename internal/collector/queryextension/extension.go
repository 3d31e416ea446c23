// Package queryextension is the collector component `query`: it owns the data
// directory and serves the query APIs on one port.
//
// The store exporter hands it batches and metrics; package server reads them
// back. It opens the store for traces and logs and the database for metrics
// when the collector starts, before any receiver, and closes them when every
// pipeline has drained: what was acknowledged is on disk by then.
package queryextension

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensioncapabilities"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/metrics"
	"github.com/signalbox-otel/signalbox/internal/server"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// Observed is what the program around the extension knows, of the components of
// its collector and of itself. The functions are called at any time by many
// goroutines; nil has nothing to tell.
type Observed struct {
	Problems func() []server.Problem
	Losses   func() []server.Loss
	Load     server.Load // that the process makes beside the collector
	// Instrumentation asks the operator of a cluster.
	Instrumentation func(context.Context, server.InjectionQuestion) (server.Instrumentation, error)
}

// NewFactory makes the factory of component `query`.
func NewFactory() extension.Factory { return NewFactoryWith(Observed{}) }

// NewFactoryWith makes the factory of component `query` that shows what was
// observed.
func NewFactoryWith(o Observed) extension.Factory {
	return extension.NewFactory(component.MustNewType("query"),
		func() component.Config { return NewDefaultConfig() },
		func(_ context.Context, set extension.Settings, cfg component.Config) (extension.Extension, error) {
			return &queries{config: cfg.(*Config), settings: set, observed: o, logger: slog.New(zapslog.NewHandler(set.Logger.Core()))}, nil
		}, component.StabilityLevelBeta)
}

// queries is the extension. Start sets what is below the blank line, Shutdown
// undoes it; between them it is read-only but for what the configuration says.
type queries struct {
	config   *Config
	settings extension.Settings
	observed Observed
	logger   *slog.Logger

	store   *store.Store
	metrics *metrics.DB
	http    *http.Server
	served  chan struct{} // closed when the HTTP server has stopped
	// endpoints are where data can be sent to, known once the configuration is.
	endpoints atomic.Pointer[[]server.Endpoint]
	topology  atomic.Pointer[server.Topology] // without problems and losses
	ready     atomic.Bool                     // the pipelines run
}

// Start opens the data directory and serves queries. When it fails nothing
// stays open.
func (q *queries) Start(ctx context.Context, host component.Host) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, q.close())
		}
	}()
	// Listening comes first: it is what fails most, and without a trace.
	listener, err := q.config.HTTP.ToListener(ctx)
	if err != nil {
		return fmt.Errorf("listening for queries on %s: %w", q.config.HTTP.NetAddr.Endpoint, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, listener.Close())
		}
	}()
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := q.open(registry); err != nil {
		return err
	}
	return q.serve(ctx, host, listener, registry)
}

// open opens both databases below the data directory.
func (q *queries) open(registry *prometheus.Registry) error {
	dir := q.config.Directory
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	bytes, err := q.config.Retention.maxBytes(dir)
	if err != nil {
		return err
	}
	o := store.NewDefaultOptions()
	o.Decode = ingest.Decode
	o.MaxAge, o.MaxBytes = q.config.Retention.MaxAge, bytes/4*3
	o.Sync = q.config.Sync
	o.Logger, o.Registerer = q.logger, registry
	if q.store, err = store.Open(filepath.Join(dir, "store"), o); err != nil {
		return inUse(dir, err)
	}
	m := metrics.NewDefaultOptions()
	m.MaxAge, m.MaxBytes = q.config.Retention.MaxAge, bytes/4
	m.Logger, m.Registerer, m.Gatherer = q.logger, registry, registry
	if q.metrics, err = metrics.Open(filepath.Join(dir, "metrics"), m); err != nil {
		return inUse(dir, err)
	}
	return nil
}

// inUse says what to do when another process has the data directory.
func inUse(dir string, err error) error {
	var locked *store.LockedError
	if errors.As(err, &locked) {
		return fmt.Errorf("%w: is Signalbox running already? Stop it, or choose another directory than %s", err, dir)
	}
	return fmt.Errorf("opening the data directory: %w", err)
}

// serve answers queries on listener until Shutdown.
func (q *queries) serve(ctx context.Context, host component.Host, listener net.Listener, registry *prometheus.Registry) error {
	handler := server.New(server.Deps{
		Reader: q.store, Catalog: q.store, Follower: q.store, Appender: q.store,
		Metrics:    q.metrics.Handler(),
		Gatherer:   registry,
		Registerer: registry,
		Logger:     q.logger,
		Version:    q.settings.BuildInfo.Version,
		StoreStats: func() any { return q.held() },
		Endpoints:  q.listEndpoints,
		Topology:   q.describe,
		Load:       q.observed.Load,

		Instrumentation: q.observed.Instrumentation,

		Ready: q.ready.Load,
	})
	srv, err := q.config.HTTP.ToServer(ctx, host.GetExtensions(), q.settings.TelemetrySettings, shown(handler))
	if err != nil {
		return fmt.Errorf("configuring the query server: %w", err)
	}
	srv.Protocols = server.Protocols()
	srv.Handler = hidden(srv.Handler)
	srv.RegisterOnShutdown(handler.EndTails)
	q.http, q.served = srv, make(chan struct{})
	go func() {
		defer close(q.served)
		if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			q.logger.Error("query server stopped", "error", err)
			componentstatus.ReportStatus(host, componentstatus.NewFatalErrorEvent(fmt.Errorf("serving queries: %w", err)))
		}
	}()
	q.settings.Logger.Info("serving queries", zap.Stringer("address", listener.Addr()), zap.String("directory", q.config.Directory))
	return nil
}

// drainTime is how long requests may go on once the server is to stop.
const drainTime = 5 * time.Second

// Shutdown lets requests finish and closes the databases.
func (q *queries) Shutdown(context.Context) error { return q.close() }

func (q *queries) close() error {
	var errs []error
	if q.http != nil {
		ctx, cancel := context.WithTimeout(context.Background(), drainTime)
		defer cancel()
		if err := q.http.Shutdown(ctx); err != nil {
			errs = append(errs, q.http.Close())
		}
		<-q.served
		q.http = nil
	}
	if q.metrics != nil {
		errs = append(errs, q.metrics.Close())
		q.metrics = nil
	}
	if q.store != nil {
		errs = append(errs, q.store.Close())
		q.store = nil
	}
	return errors.Join(errs...)
}

// AppendBatch implements storeexporter.Keeper.
func (q *queries) AppendBatch(ctx context.Context, b *store.Batch) error {
	return q.store.Append(ctx, b)
}

// AppendMetrics implements storeexporter.Keeper.
func (q *queries) AppendMetrics(ctx context.Context, md pmetric.Metrics) error {
	return q.metrics.Append(ctx, md)
}

// Ready implements extensioncapabilities.PipelineWatcher: every receiver listens.
func (q *queries) Ready() error {
	q.ready.Store(true)
	return nil
}

// NotReady implements extensioncapabilities.PipelineWatcher: receivers stop.
func (q *queries) NotReady() error {
	q.ready.Store(false)
	return nil
}

// NotifyConfigSnapshot implements extensioncapabilities.ConfigSnapshotWatcher: it
// learns where the receivers listen and how the components are put together,
// which the page shows.
func (q *queries) NotifyConfigSnapshot(_ context.Context, conf extensioncapabilities.ConfigSnapshot) error {
	found := receiverEndpoints(conf.Effective())
	q.endpoints.Store(&found)
	topology := Describe(conf.Effective())
	if id, ok := q.settings.Resource.Attributes().Get("service.instance.id"); ok {
		topology.Instance = id.AsString()
	}
	q.topology.Store(&topology)
	return nil
}

func (q *queries) listEndpoints() []server.Endpoint {
	if found := q.endpoints.Load(); found != nil {
		return *found
	}
	return nil
}

// describe gives how the components are put together, their problems and losses.
func (q *queries) describe() server.Topology {
	var t server.Topology
	if known := q.topology.Load(); known != nil {
		t = *known
	}
	if q.observed.Problems != nil {
		t.Problems = q.observed.Problems()
	}
	if q.observed.Losses != nil {
		t.Losses = q.observed.Losses()
	}
	return t
}
