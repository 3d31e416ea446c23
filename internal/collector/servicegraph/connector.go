package servicegraph

import (
	"context"
	"sync"
	"time"

	contrib "github.com/open-telemetry/opentelemetry-collector-contrib/connector/servicegraphconnector"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"

	"github.com/signalbox-otel/signalbox/internal/collector/wire"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// graphConnector makes metrics of the calls that spans tell of.
type graphConnector struct {
	graph    *graph
	every    intervals
	offset   time.Duration // by which metrics are sent as of an earlier time
	started  time.Time     // from when on the sums are
	next     consumer.Metrics
	logger   *zap.Logger
	counters counters

	folds sync.Pool // *fold

	flushing sync.Mutex // sums must not arrive before smaller ones
	loops    sync.WaitGroup
	ctx      context.Context // of what loops send
	cancel   context.CancelFunc
	stop     chan struct{}
}

var (
	_ connector.Traces = (*graphConnector)(nil)
	_ wire.SpanBatches = (*graphConnector)(nil)
)

func newConnector(set component.TelemetrySettings, cfg *contrib.Config, next consumer.Metrics) (*graphConnector, error) {
	counters, err := newCounters(set)
	if err != nil {
		return nil, err
	}
	s, every := read(cfg)
	if every.flush <= 0 {
		set.Logger.Warn("metrics_flush_interval is 0; metrics are sent for every request")
	}
	c := &graphConnector{graph: newGraph(s), every: every, offset: cfg.MetricsTimestampOffset, started: time.Now(),
		next: next, logger: set.Logger, counters: counters, stop: make(chan struct{})}
	c.folds.New = func() any { return newFold(c.graph) }
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

// Start implements component.Component. What is sent later does not end with
// ctx, but with Shutdown.
func (c *graphConnector) Start(context.Context, component.Host) error {
	if c.every.flush > 0 {
		c.loop(c.every.flush, func() { c.send(c.ctx) })
	}
	c.loop(c.every.expire, func() { count(c.ctx, c.counters.expired, c.graph.expire()) })
	c.loop(c.every.forget, c.graph.forget)
	return nil
}

func (c *graphConnector) loop(every time.Duration, do func()) {
	c.loops.Go(func() {
		t := time.NewTicker(every)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				do()
			case <-c.stop:
				return
			}
		}
	})
}

// Shutdown implements component.Component. It sends what was not yet sent, to
// components that are stopped later.
func (c *graphConnector) Shutdown(ctx context.Context) error {
	defer c.cancel()
	defer context.AfterFunc(ctx, c.cancel)()
	close(c.stop)
	c.loops.Wait()
	c.send(ctx)
	return nil
}

// Capabilities implements consumer.Traces.
func (*graphConnector) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

// ConsumeTraces implements consumer.Traces.
func (c *graphConnector) ConsumeTraces(ctx context.Context, td ptrace.Traces) error {
	c.consume(ctx, func(f *fold) { f.pdata(td) })
	return nil
}

// ConsumeSpans implements wire.SpanBatches.
func (c *graphConnector) ConsumeSpans(ctx context.Context, b *store.Batch) error {
	c.consume(ctx, func(f *fold) { f.batch(b.Spans) })
	return nil
}

func (c *graphConnector) consume(ctx context.Context, read func(*fold)) {
	f := c.folds.Get().(*fold)
	read(f)
	count(ctx, c.counters.edges, f.added)
	count(ctx, c.counters.dropped, f.refused)
	f.reset()
	c.folds.Put(f)
	if c.every.flush <= 0 {
		c.send(ctx)
	}
}

// send sends all series. An error is nobody's who sends spans.
func (c *graphConnector) send(ctx context.Context) {
	if err := c.flush(ctx); err != nil {
		c.logger.Error("sending metrics of the service graph", zap.Error(err))
	}
}
