package standby

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// fake is a type of exporters whose start fails while problem is set.
type fake struct {
	mu      sync.Mutex
	problem error
	refuse  error
	starts  int
	running int // started and not shut down
	got     []string
}

// fakeExporter is one of them.
type fakeExporter struct {
	fake *fake
	up   bool
}

func (e *fakeExporter) Start(context.Context, component.Host) error {
	e.fake.mu.Lock()
	defer e.fake.mu.Unlock()
	e.fake.starts++
	if e.fake.problem != nil {
		return e.fake.problem
	}
	e.up = true
	e.fake.running++
	return nil
}

func (e *fakeExporter) Shutdown(context.Context) error {
	e.fake.mu.Lock()
	defer e.fake.mu.Unlock()
	if e.up {
		e.fake.running--
	}
	e.up = false
	return nil
}

func (e *fakeExporter) take(name string) error {
	e.fake.mu.Lock()
	defer e.fake.mu.Unlock()
	if !e.up {
		return errors.New("not running")
	}
	if e.fake.refuse != nil {
		return e.fake.refuse
	}
	e.fake.got = append(e.fake.got, name)
	return nil
}

func (f *fake) set(problem error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.problem = problem
}

var fakeType = component.MustNewType("fake")

func (f *fake) factory() exporter.Factory {
	return exporter.NewFactory(fakeType, func() component.Config { return &struct{ string }{} },
		exporter.WithTraces(func(context.Context, exporter.Settings, component.Config) (exporter.Traces, error) {
			e := &fakeExporter{fake: f}
			c, err := consumer.NewTraces(func(_ context.Context, td ptrace.Traces) error {
				return e.take(td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).Name())
			})
			return traces{e, c}, err
		}, component.StabilityLevelStable),
		exporter.WithLogs(func(context.Context, exporter.Settings, component.Config) (exporter.Logs, error) {
			e := &fakeExporter{fake: f}
			c, err := consumer.NewLogs(func(_ context.Context, ld plog.Logs) error {
				return e.take(ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().Str())
			})
			return logs{e, c}, err
		}, component.StabilityLevelStable))
}

// host remembers statuses.
type host struct {
	component.Host
	statuses []string
}

func (h *host) Report(e *componentstatus.Event) {
	text := e.Status().String()
	if e.Err() != nil {
		text += ": " + e.Err().Error()
	}
	h.statuses = append(h.statuses, text)
}

// bench is a pair of exporters, one for each signal, under the watch.
type bench struct {
	fake   *fake
	traces exporter.Traces
	logs   exporter.Logs
	host   *host
	logged *observer.ObservedLogs
	reader *sdkmetric.ManualReader
}

func newBench(t *testing.T, gate Gate) *bench {
	t.Helper()
	b := &bench{fake: new(fake), host: &host{Host: componenttest.NewNopHost()}, reader: sdkmetric.NewManualReader()}
	factories := map[component.Type]exporter.Factory{fakeType: b.fake.factory()}
	Watch(factories, map[component.Type]Gate{fakeType: gate})
	core, logged := observer.New(zapcore.InfoLevel)
	b.logged = logged
	set := exportertest.NewNopSettings(fakeType)
	set.ID = component.NewID(fakeType)
	set.Logger = zap.New(core)
	set.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(b.reader))
	cfg := factories[fakeType].CreateDefaultConfig()
	var err error
	if b.traces, err = factories[fakeType].CreateTraces(t.Context(), set, cfg); err != nil {
		t.Fatal(err)
	}
	if b.logs, err = factories[fakeType].CreateLogs(t.Context(), set, cfg); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) start(t *testing.T) {
	t.Helper()
	for _, c := range []component.Component{b.traces, b.logs} {
		if err := c.Start(t.Context(), b.host); err != nil {
			t.Fatal(err)
		}
	}
}

func (b *bench) shutdown(t *testing.T) {
	t.Helper()
	for _, c := range []component.Component{b.traces, b.logs} {
		if err := c.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if b.fake.running != 0 {
		t.Errorf("%d exporters still run", b.fake.running)
	}
}

func (b *bench) send(t *testing.T, name string) {
	t.Helper()
	if err := b.traces.ConsumeTraces(t.Context(), span(name)); err != nil {
		t.Error(err)
	}
}

// gauges are the values of the metrics, by name and signal.
func (b *bench) gauges(t *testing.T) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := b.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	values := map[string]int64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
				signal, _ := p.Attributes.Value("signal")
				values[m.Name+" "+signal.AsString()] = p.Value
			}
		}
	}
	return values
}

// after lets time pass, and everything that is due then happen.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func span(name string) ptrace.Traces {
	td := ptrace.NewTraces()
	td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty().SetName(name)
	return td
}

func record(body string) plog.Logs {
	ld := plog.NewLogs()
	ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr(body)
	return ld
}

// An exporter that starts runs as it would alone.
func TestStarts(t *testing.T) {
	b := newBench(t, nil)
	b.start(t)
	b.send(t, "a")
	b.fake.refuse = errors.New("no")
	if err := b.traces.ConsumeTraces(t.Context(), span("b")); err == nil || err.Error() != "no" {
		t.Errorf("got error %v; want that of the exporter", err)
	}
	b.shutdown(t)
	if err := b.traces.ConsumeTraces(t.Context(), span("c")); err == nil || err.Error() != "exporter fake has ended" {
		t.Errorf("after the end: got error %v", err)
	}
	if d := cmp.Diff([]string{"a"}, b.fake.got); d != "" {
		t.Error(d)
	}
	if b.fake.starts != 2 || b.logged.Len() != 0 {
		t.Errorf("%d starts, logged %v", b.fake.starts, b.logged.All())
	}
}

// An exporter that cannot start is tried again, and gets what came meanwhile.
func TestStartsLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.fake.set(errors.New("could not find default credentials"))
		b.start(t)
		b.send(t, "a")
		b.send(t, "b")
		if err := b.logs.ConsumeLogs(t.Context(), record("x")); err != nil {
			t.Error(err)
		}
		want := map[string]int64{
			"signalbox_exporter_not_started traces": 1, "signalbox_exporter_not_started logs": 1,
			"signalbox_exporter_held_items traces": 2, "signalbox_exporter_held_items logs": 1,
		}
		if d := cmp.Diff(want, b.gauges(t)); d != "" {
			t.Error("while it stands by: want, got:", d)
		}
		after(10 * time.Second)
		b.fake.set(errors.New("key file is empty"))
		after(10 * time.Second)
		b.fake.set(nil)
		after(time.Minute)
		b.send(t, "c")
		slices.Sort(b.fake.got[:3])
		if d := cmp.Diff([]string{"a", "b", "x", "c"}, b.fake.got); d != "" {
			t.Error("want, got:", d)
		}
		for name, v := range b.gauges(t) {
			if v != 0 {
				t.Errorf("%s is %d; want 0", name, v)
			}
		}
		advice := "; set GOOGLE_APPLICATION_CREDENTIALS to a key file, or run where Google gives a service account (workload identity)"
		both := func(s string) []string { return []string{s, s} }
		statuses := slices.Concat(
			both("StatusRecoverableError: could not find default credentials"+advice),
			both("StatusRecoverableError: key file is empty"), both("StatusOK"))
		if d := cmp.Diff(statuses, b.host.statuses); d != "" {
			t.Error("statuses: want, got:", d)
		}
		if n := b.logged.FilterMessageSnippet("has not started").Len(); n != 4 {
			t.Errorf("logged %d times that it has not started; want once for each reason and signal", n)
		}
		b.shutdown(t)
	})
}

// What is held when the collector stops is logged as lost.
func TestNeverStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.fake.set(errors.New("no credentials"))
		b.start(t)
		b.send(t, "a")
		after(time.Hour)
		if b.fake.starts < 60 || b.fake.starts > 70 {
			t.Errorf("tried %d times in an hour; want about one a minute", b.fake.starts)
		}
		b.shutdown(t)
		lost := b.logged.FilterMessage("Exporting failed. Dropping data.").All()
		if len(lost) != 1 || lost[0].ContextMap()["dropped_items"] != int64(1) ||
			lost[0].ContextMap()["error"] != "exporter fake has not started until the collector stopped: no credentials" {
			t.Errorf("logged %v", lost)
		}
		for name, v := range b.gauges(t) {
			if v != 0 {
				t.Errorf("%s is %d; want 0", name, v)
			}
		}
	})
}

// What is held has a bound; the rest is refused.
func TestHoldsABoundedAmount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.fake.set(errors.New("no credentials"))
		b.start(t)
		long := strings.Repeat("x", 1<<20)
		held := 0
		var err error
		for err == nil {
			if err = b.traces.ConsumeTraces(t.Context(), span(long)); err == nil {
				held++
			}
		}
		if held != 31 || !strings.Contains(err.Error(), "has not started, and holds 32506724 bytes for its start already: no credentials") {
			t.Errorf("held %d MiB, then %v", held, err)
		}
		b.fake.set(nil)
		after(2 * time.Minute)
		if len(b.fake.got) != held {
			t.Errorf("passed on %d; want %d", len(b.fake.got), held)
		}
		b.shutdown(t)
	})
}

// One signal that does not start takes the others along, as they may share what
// is below them.
func TestSignalsStartTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		if err := b.traces.Start(t.Context(), b.host); err != nil {
			t.Fatal(err)
		}
		b.fake.set(errors.New("no"))
		if err := b.logs.Start(t.Context(), b.host); err != nil {
			t.Fatal(err)
		}
		if b.fake.running != 0 {
			t.Error("traces still run")
		}
		b.send(t, "a")
		b.fake.set(nil)
		after(2 * time.Second)
		if b.fake.running != 2 || len(b.fake.got) != 1 {
			t.Errorf("%d run, got %q", b.fake.running, b.fake.got)
		}
		b.shutdown(t)
	})
}

// A gate can say no without a start being tried.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed atomic.Bool
		closed.Store(true)
		b := newBench(t, func(context.Context, component.Config) error {
			if closed.Load() {
				return fmt.Errorf("closed")
			}
			return nil
		})
		b.start(t)
		after(10 * time.Second)
		if b.fake.starts != 0 {
			t.Errorf("%d starts behind a closed gate", b.fake.starts)
		}
		closed.Store(false)
		after(time.Minute)
		if b.fake.running != 2 {
			t.Errorf("%d run; want 2", b.fake.running)
		}
		b.shutdown(t)
	})
}

// Exporters that were only created, as for a check, are gone with their Shutdown.
func TestNeverAsked(t *testing.T) {
	b := newBench(t, nil)
	b.shutdown(t)
	if b.fake.starts != 0 {
		t.Errorf("%d starts", b.fake.starts)
	}
}
