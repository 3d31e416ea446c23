package standby

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"
)

// maxHeldBytes bounds what one signal of an exporter holds back, as it would be
// in protobuf.
const maxHeldBytes = 32 << 20

// signal is what a part must know about its kind of data.
type signal[T any] struct {
	name   string
	items  func(T) int
	bytes  func(T) int
	create func(context.Context) (running[T], error)
	// keep and release are for data that is held beyond the call that brought it.
	keep, release func(T)
}

// running is an exporter that was created.
type running[T any] struct {
	component.Component
	consume      func(context.Context, T) error
	capabilities consumer.Capabilities
}

// part is one signal of an exporter.
type part[T any] struct {
	factory *factory
	config  component.Config
	id      component.ID
	signal  signal[T]
	log     *zap.Logger
	missing metric.Int64UpDownCounter // 1 for a part that did not start
	holding metric.Int64UpDownCounter // items
	labels  metric.MeasurementOption

	// Of the goroutines that start and end, one at a time.
	group    *group
	host     component.Host
	exporter running[T]
	fresh    bool // exporter was created and not yet started
	degraded bool

	direct atomic.Pointer[func(context.Context, T) error] // nil while data is held
	mu     sync.Mutex                                     // guards what follows
	held   []item[T]
	bytes  int
	err    error // why data is held
	closed bool  // nothing is taken any more
}

// item is data that is held.
type item[T any] struct {
	ctx   context.Context
	data  T
	bytes int
}

func newPart[T any](ctx context.Context, f *factory, set exporter.Settings, cfg component.Config, s signal[T]) (*part[T], consumer.Capabilities, error) {
	e, err := s.create(ctx)
	if err != nil {
		return nil, consumer.Capabilities{}, err
	}
	meter := set.MeterProvider.Meter("github.com/signalbox-otel/signalbox/internal/collector/standby")
	missing, err := meter.Int64UpDownCounter("signalbox_exporter_not_started",
		metric.WithDescription("1 for each signal of an exporter that could not start yet and is tried again."), metric.WithUnit("{exporters}"))
	if err != nil {
		return nil, consumer.Capabilities{}, err
	}
	holding, err := meter.Int64UpDownCounter("signalbox_exporter_held_items",
		metric.WithDescription("Spans, data points and log records held back until their exporter starts."), metric.WithUnit("{items}"))
	if err != nil {
		return nil, consumer.Capabilities{}, err
	}
	return &part[T]{
		factory: f, config: cfg, id: set.ID, signal: s, log: set.Logger,
		exporter: e, fresh: true, err: errors.New("it is starting"), missing: missing, holding: holding,
		labels: metric.WithAttributeSet(attribute.NewSet(attribute.String("exporter", set.ID.String()), attribute.String("signal", s.name))),
	}, e.capabilities, nil
}

// Start starts the exporter, or has it stand by.
func (p *part[T]) Start(ctx context.Context, host component.Host) error {
	p.host = host
	p.group = p.factory.groups.join(p.config, p.factory.gate)
	p.group.enter(ctx, p)
	return nil
}

// Shutdown ends the exporter. What is still held is lost.
func (p *part[T]) Shutdown(ctx context.Context) error {
	if p.group == nil { // never started
		return p.exporter.Shutdown(ctx)
	}
	err := p.group.exit(ctx, p)
	p.factory.groups.leave(p.group)
	p.group = nil
	p.mu.Lock()
	defer p.mu.Unlock()
	lost := 0
	for _, i := range p.held {
		lost += p.signal.items(i.data)
		p.signal.release(i.data)
	}
	p.holding.Add(ctx, -int64(lost), p.labels)
	p.held, p.bytes, p.closed = nil, 0, true
	if lost > 0 {
		p.lost(lost, fmt.Errorf("exporter %s has not started until the collector stopped: %w", p.id, p.err))
	}
	if p.degraded {
		p.missing.Add(ctx, -1, p.labels)
	}
	return err
}

// saysDropping is what the exporters' helper logs, so that this is counted alike.
const saysDropping = "Exporting failed. Dropping data."

func (p *part[T]) lost(items int, err error) {
	p.log.Error(saysDropping, zap.Error(err), zap.Int("dropped_items", items))
}

func (p *part[T]) start(ctx context.Context) error {
	if !p.fresh {
		e, err := p.signal.create(ctx)
		if err != nil {
			return err
		}
		p.exporter = e
	}
	p.fresh = false
	return p.exporter.Start(ctx, p.host)
}

// end shuts down the exporter. One that ended must be created again.
func (p *part[T]) end(ctx context.Context) error {
	p.direct.Store(nil)
	if p.exporter.Component == nil {
		return nil
	}
	err := p.exporter.Shutdown(ctx)
	p.exporter, p.fresh = running[T]{}, false
	return err
}

// open passes on what is held, oldest first, and lets what comes pass.
func (p *part[T]) open(ctx context.Context) {
	for ctx.Err() == nil {
		p.mu.Lock()
		if len(p.held) == 0 {
			p.held = nil
			consume := p.exporter.consume // end changes the field
			p.direct.Store(&consume)
			p.mu.Unlock()
			return
		}
		next := p.held[0]
		p.held, p.bytes = p.held[1:], p.bytes-next.bytes
		p.mu.Unlock()
		p.passOn(ctx, next)
	}
}

// passOn gives held data to the exporter, which has until ctx ends.
func (p *part[T]) passOn(ctx context.Context, held item[T]) {
	with, cancel := context.WithCancel(held.ctx)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	items := p.signal.items(held.data) // the exporter may change it
	if err := p.exporter.consume(with, held.data); err != nil {
		p.lost(items, err)
	}
	p.signal.release(held.data)
	p.holding.Add(ctx, -int64(items), p.labels)
}

func (p *part[T]) report(err error) {
	if err == nil {
		p.log.Info("exporter has started")
		p.missing.Add(context.Background(), -1, p.labels)
		p.degraded = false
		componentstatus.ReportStatus(p.host, componentstatus.NewEvent(componentstatus.StatusOK))
		return
	}
	p.log.Error("exporter has not started; trying again, and holding its data back", zap.Error(err))
	if !p.degraded {
		p.missing.Add(context.Background(), 1, p.labels)
		p.degraded = true
	}
	p.mu.Lock()
	p.err = err
	p.mu.Unlock()
	componentstatus.ReportStatus(p.host, componentstatus.NewRecoverableErrorEvent(err))
}

// consume passes data on to the exporter, or holds it back.
func (p *part[T]) consume(ctx context.Context, data T) error {
	if consume := p.direct.Load(); consume != nil {
		return (*consume)(ctx, data)
	}
	size := p.signal.bytes(data)
	p.mu.Lock()
	if consume := p.direct.Load(); consume != nil {
		p.mu.Unlock()
		return (*consume)(ctx, data)
	}
	defer p.mu.Unlock()
	if p.closed {
		return fmt.Errorf("exporter %s has ended", p.id)
	}
	if p.bytes+size > maxHeldBytes {
		return fmt.Errorf("exporter %s has not started, and holds %d bytes for its start already: %w", p.id, p.bytes, p.err)
	}
	p.signal.keep(data)
	p.held = append(p.held, item[T]{context.WithoutCancel(ctx), data, size})
	p.bytes += size
	p.holding.Add(ctx, int64(p.signal.items(data)), p.labels)
	return nil
}
