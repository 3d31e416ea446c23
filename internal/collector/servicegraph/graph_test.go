package servicegraph

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	contrib "github.com/open-telemetry/opentelemetry-collector-contrib/connector/servicegraphconnector"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/signalbox-otel/signalbox/internal/collector/wire"
	"github.com/signalbox-otel/signalbox/internal/store"
)

func config(change func(*contrib.Config)) *contrib.Config {
	cfg := contrib.NewFactory().CreateDefaultConfig().(*contrib.Config)
	change(cfg)
	return cfg
}

// calls are n calls, each of its own trace, from service a to one of a number of
// services: one span of each in callers, the other in called.
func calls(n, services int) (callers, called []store.Span) {
	a := &store.Resource{Attrs: []store.Attr{{Key: "service.name", Value: store.StringValue("a")}}}
	others := make([]*store.Resource, services)
	for i := range others {
		others[i] = &store.Resource{Attrs: []store.Attr{{Key: "service.name", Value: store.StringValue(fmt.Sprint("b", i))}}}
	}
	scope := &store.Scope{}
	for i := range n {
		trace := store.TraceID{byte(i), byte(i >> 8), byte(i >> 16), 1}
		callers = append(callers, store.Span{Resource: a, Scope: scope, TraceID: trace, SpanID: store.SpanID{1}, Kind: int32(ptrace.SpanKindClient), Start: 1000, End: 3_001_000})
		called = append(called, store.Span{Resource: others[i%services], Scope: scope, TraceID: trace, SpanID: store.SpanID{2}, ParentID: store.SpanID{1},
			Kind: int32(ptrace.SpanKindServer), Start: 2000, End: 2_002_000})
	}
	return callers, called
}

func (s *sink) spans(t *testing.T, spans []store.Span) {
	t.Helper()
	if err := s.Traces.(wire.SpanBatches).ConsumeSpans(context.WithoutCancel(t.Context()), &store.Batch{Kind: store.Spans, Spans: spans}); err != nil {
		t.Error(err)
	}
}

// total is how many edges were sent at last, in all series.
func (s *sink) total() int {
	last := map[string]int{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.lines {
		if _, rest, ok := strings.Cut(line, "_request_total "); ok {
			_, series, _ := strings.Cut(rest, "{")
			series, count, _ := strings.Cut(series, "} ")
			var n int
			if _, err := fmt.Sscanf(count, "Int %d", &n); err == nil {
				last[series] = n
			}
		}
	}
	sum := 0
	for _, n := range last {
		sum += n
	}
	return sum
}

func TestFactory(t *testing.T) {
	ours, theirs := NewFactory(), contrib.NewFactory()
	type aliased interface{ DeprecatedAlias() component.Type }
	if ours.Type() != theirs.Type() || ours.TracesToMetricsStability() != theirs.TracesToMetricsStability() ||
		ours.(aliased).DeprecatedAlias() != theirs.(aliased).DeprecatedAlias() {
		t.Errorf("got %s, %s, %s; want what contrib has", ours.Type(), ours.TracesToMetricsStability(), ours.(aliased).DeprecatedAlias())
	}
	f := func(want bool, name string, cfg component.Config) {
		t.Helper()
		if got := Takes(cfg); got != want {
			t.Errorf("%s: Takes gives %t; want %t", name, got, want)
		}
		if cfg, ok := cfg.(*contrib.Config); ok {
			c, err := ours.CreateTracesToMetrics(t.Context(), connector.Settings{ID: component.MustNewID("servicegraph"), TelemetrySettings: componenttest.NewNopTelemetrySettings()}, cfg, consumertest.NewNop())
			if err != nil {
				t.Fatal(err)
			}
			if _, got := c.(wire.SpanBatches); got != want {
				t.Errorf("%s: got %T", name, c)
			}
		}
	}
	f(true, "the default", ours.CreateDefaultConfig())
	f(true, "buckets", config(func(c *contrib.Config) { c.LatencyHistogramBuckets = []time.Duration{time.Second} }))
	f(false, "exponential histograms", config(func(c *contrib.Config) { c.ExponentialHistogramMaxSize = 160 }))
	f(false, "no connector", nil)
}

// What was counted since the last time is sent at stop, in parts of bounded size,
// and after the context of the start has ended.
func TestShutdownSends(t *testing.T) {
	for _, interval := range []time.Duration{0, time.Hour} {
		s := start(t, NewFactory(), config(func(c *contrib.Config) { c.MetricsFlushInterval = &interval; c.Store.MaxItems = 10_000 }))
		callers, called := calls(5000, 2500)
		s.spans(t, callers)
		s.spans(t, called)
		if err := s.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
		if got := s.total(); got != 5000 {
			t.Errorf("interval %s: got %d edges; want 5000", interval, got)
		}
		if s.most > 1000 {
			t.Errorf("interval %s: got %d data points at once; want at most 1000", interval, s.most)
		}
	}
}

// What cannot be sent is sent with the next, and stops nobody.
func TestSendingFails(t *testing.T) {
	s := start(t, NewFactory(), config(func(c *contrib.Config) { c.MetricsFlushInterval = new(time.Duration) }))
	s.fail = errors.New("no")
	callers, called := calls(10, 1)
	s.spans(t, callers)
	s.spans(t, called)
	s.fail = nil
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.total(); got != 10 {
		t.Errorf("got %d edges; want 10", got)
	}
}

// A connector that was not started can be stopped.
func TestShutdownWithoutStart(t *testing.T) {
	c, err := newConnector(componenttest.NewNopTelemetrySettings(), config(func(*contrib.Config) {}), consumertest.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// A span that ends before it starts took no time.
func TestClockJump(t *testing.T) {
	s := start(t, NewFactory(), config(func(*contrib.Config) {}))
	callers, called := calls(1, 1)
	callers[0].End = 0
	s.spans(t, callers)
	s.spans(t, called)
	series := s.Traces.(*graphConnector).graph.series[0]
	if series.clientSeconds != 0 || series.serverSeconds != 0.002 {
		t.Errorf("got %g s and %g s; want 0 and 0.002", series.clientSeconds, series.serverSeconds)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// Several senders at a time, with edges that expire, lose nothing.
func TestConcurrentSenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, NewFactory(), config(func(c *contrib.Config) {
			interval := time.Millisecond
			c.MetricsFlushInterval, c.Store.MaxItems, c.Dimensions = &interval, 100_000, []string{"x"}
		}))
		callers, called := calls(8000, 30)
		var wg sync.WaitGroup
		for i := range 8 {
			for _, spans := range [][]store.Span{callers, called} {
				wg.Go(func() {
					for j := range 10 {
						s.spans(t, spans[i*1000+j*100:][:100])
						time.Sleep(time.Millisecond)
					}
				})
			}
		}
		wg.Wait()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.total(); got != 8000 {
			t.Errorf("got %d edges; want 8000", got)
		}
	})
}

// An edge of series that are known allocates nothing, with dimensions too.
func TestNoAllocations(t *testing.T) {
	for _, dimensions := range [][]string{nil, {"dim", "other"}} {
		s, _ := read(config(func(c *contrib.Config) { c.Dimensions = dimensions }))
		f := newFold(newGraph(s))
		callers, called := calls(200, 10)
		for i := range callers {
			callers[i].Attrs = []store.Attr{{Key: "dim", Value: store.StringValue("x")}, {Key: "peer.service", Value: store.StringValue("y")}}
		}
		if got := testing.AllocsPerRun(10, func() { f.batch(callers); f.batch(called) }); got != 0 {
			t.Errorf("dimensions %q: got %g allocations; want none", dimensions, got)
		}
	}
}

// Texts that nobody has any more are not kept for ever, whatever senders send.
func TestTextsAreBounded(t *testing.T) {
	texts := newTexts()
	kept := texts.hold("kept")
	for i := range 100_000 {
		texts.drop(texts.hold(fmt.Sprint("text-", i)))
		if n := len(texts.all); n > maxIdle+10 {
			t.Fatalf("got room for %d texts after %d", n, i)
		}
	}
	if got := texts.at(kept); got != "kept" || texts.hold("kept") != kept {
		t.Errorf("got %q; want the text that is held", got)
	}
}
