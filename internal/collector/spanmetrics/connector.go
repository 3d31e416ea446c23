package spanmetrics

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// connecting is the connector.
type connecting struct {
	*plan
	next   consumer.Metrics
	logger *zap.Logger

	mu        sync.Mutex // of the following, and of all series
	resources *resources
	names     names
	rest      []byte // memory of a fold

	stop    chan struct{}
	stopped chan struct{} // nil until it was started
}

func newConnector(set connector.Settings, p *plan, next consumer.Metrics) *connecting {
	return &connecting{
		plan: p, next: next, logger: set.Logger, resources: newResources(p.resources),
		names: names{only: p.keyAttributes, known: map[string]resourceKey{}},
		stop:  make(chan struct{}),
	}
}

// Capabilities implements consumer.Traces.
func (c *connecting) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

// Start begins to report.
func (c *connecting) Start(ctx context.Context, _ component.Host) error {
	c.stopped = make(chan struct{})
	go func() {
		defer close(c.stopped)
		ticker := time.NewTicker(c.interval)
		defer ticker.Stop()
		for {
			select {
			case <-c.stop:
				return
			case <-ticker.C:
				c.report(context.WithoutCancel(ctx), false)
			}
		}
	}()
	return nil
}

// Shutdown reports what came since the last report.
func (c *connecting) Shutdown(ctx context.Context) error {
	if c.stopped == nil {
		return nil
	}
	close(c.stop)
	<-c.stopped
	c.stopped = nil
	c.report(ctx, true)
	return nil
}

// ConsumeSpans implements wire.SpanBatches.
func (c *connecting) ConsumeSpans(_ context.Context, b *store.Batch) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := fold{plan: c.plan, now: time.Now().UnixNano(), rest: c.rest}
	for spans := b.Spans; len(spans) > 0; {
		from := spans[0].Resource
		n := 1
		for n < len(spans) && spans[n].Resource == from {
			n++
		}
		if r, service := c.resource(from.Attrs, f.now); r != nil {
			for i := range spans[:n] {
				f.add(r, service, &spans[i])
			}
		}
		spans = spans[n:]
	}
	c.rest = f.rest
	return nil
}

// ConsumeTraces implements consumer.Traces.
func (c *connecting) ConsumeTraces(_ context.Context, td ptrace.Traces) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := fold{plan: c.plan, now: time.Now().UnixNano(), rest: c.rest}
	for _, rs := range td.ResourceSpans().All() {
		span := store.Span{Resource: &store.Resource{Attrs: read(rs.Resource().Attributes())}}
		r, service := c.resource(span.Resource.Attrs, f.now)
		if r == nil {
			continue
		}
		for _, ss := range rs.ScopeSpans().All() {
			for _, s := range ss.Spans().All() {
				c.view(&span, s)
				f.add(r, service, &span)
			}
		}
	}
	c.rest = f.rest
	return nil
}

// read is a map of pdata as a batch has it.
func read(m pcommon.Map) []store.Attr {
	attrs := make([]store.Attr, 0, m.Len())
	for key, v := range m.All() {
		attrs = append(attrs, store.Attr{Key: key, Value: ingest.FromPvalue(v)})
	}
	return attrs
}

// view sets of span what is looked at. All of it was set for the last one, or
// never.
func (c *connecting) view(span *store.Span, from ptrace.Span) {
	span.Name, span.Kind, span.StatusCode = from.Name(), int32(from.Kind()), int32(from.Status().Code())
	span.TraceID, span.SpanID, span.TraceState = store.TraceID(from.TraceID()), store.SpanID(from.SpanID()), from.TraceState().AsRaw()
	span.Start, span.End = uint64(from.StartTimestamp()), uint64(from.EndTimestamp())
	span.Attrs = span.Attrs[:0]
	for _, key := range c.looked {
		if v, ok := from.Attributes().Get(key); ok {
			span.Attrs = append(span.Attrs, store.Attr{Key: key, Value: ingest.FromPvalue(v)})
		}
	}
}

// resource returns what counts the spans of a resource and the name of its
// service; nil for one that has none, whose spans are not counted.
func (c *connecting) resource(attrs []store.Attr, now int64) (*resource, string) {
	service, ok := store.Find(attrs, labelService)
	if !ok {
		return nil, ""
	}
	key := c.names.key(attrs)
	r := c.resources.find(key)
	if r == nil {
		r = &resource{key: key, attrs: attributes(attrs, nil), tables: make([]table, len(c.tables))}
		for i := range r.tables {
			r.tables[i] = table{shape: &c.tables[i], series: map[identity]*series{}}
		}
		c.resources.add(r)
	}
	r.seen = now
	if service.Type != store.String {
		return r, ""
	}
	return r, service.Str()
}
