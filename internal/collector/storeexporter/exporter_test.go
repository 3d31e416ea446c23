package storeexporter

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/metrics"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// keeper remembers what it was given, and fails with err.
type keeper struct {
	component.StartFunc
	component.ShutdownFunc
	err     error
	batches []*store.Batch
	metrics []pmetric.Metrics
}

func (k *keeper) AppendBatch(_ context.Context, b *store.Batch) error {
	k.batches = append(k.batches, b)
	return k.err
}

func (k *keeper) AppendMetrics(_ context.Context, md pmetric.Metrics) error {
	k.metrics = append(k.metrics, md)
	return k.err
}

// host is a component.Host with extensions.
type host map[component.ID]component.Component

func (h host) GetExtensions() map[component.ID]component.Component { return h }

func extensionID(name string) component.ID {
	return component.MustNewIDWithName("query", name)
}

// consuming is what exporters of all signals have.
type consuming interface {
	component.Component
	Capabilities() consumer.Capabilities
}

func TestEverySignalReachesTheKeeper(t *testing.T) {
	ctx, f, k := t.Context(), NewFactory(), &keeper{}
	set := exportertest.NewNopSettings(f.Type())
	h := host{extensionID("a"): k}

	traces, err := f.CreateTraces(ctx, set, f.CreateDefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	logs, err := f.CreateLogs(ctx, set, f.CreateDefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	ms, err := f.CreateMetrics(ctx, set, f.CreateDefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []consuming{traces, logs, ms} {
		if c.Capabilities().MutatesData {
			t.Errorf("%T changes what it consumes", c)
		}
		if err := c.Start(ctx, h); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Shutdown(ctx) }()
	}
	td := ptrace.NewTraces()
	td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty().SetName("a span")
	ld := plog.NewLogs()
	ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().SetEventName("an event")
	md := pmetric.NewMetrics()
	md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty().SetName("a metric")
	empty := errors.Join(traces.ConsumeTraces(ctx, ptrace.NewTraces()), logs.ConsumeLogs(ctx, plog.NewLogs()))
	if err := errors.Join(empty, traces.ConsumeTraces(ctx, td), logs.ConsumeLogs(ctx, ld), ms.ConsumeMetrics(ctx, md)); err != nil {
		t.Fatal(err)
	}
	if len(k.batches) != 2 || k.batches[0].Spans[0].Name != "a span" || k.batches[1].Logs[0].EventName != "an event" {
		t.Errorf("got batches %+v; want one with span %q, one with log %q", k.batches, "a span", "an event")
	}
	if len(k.metrics) != 1 || k.metrics[0].MetricCount() != 1 {
		t.Errorf("got metrics %v; want one", k.metrics)
	}
}

// A log record without any time is as old as its arrival, and what the sender's
// other pipelines see is not changed.
func TestLogsWithoutTimeGetThatOfArrival(t *testing.T) {
	k := &keeper{}
	e := &keeping{config: &Config{}, keeper: k}
	ld := plog.NewLogs()
	records := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	records.AppendEmpty().SetTimestamp(1)
	records.AppendEmpty().SetObservedTimestamp(2)
	records.AppendEmpty().Body().SetStr("timeless")
	ld.MarkReadOnly()
	before := uint64(time.Now().UnixNano())
	if err := e.logs(t.Context(), ld); err != nil {
		t.Fatal(err)
	}
	got := k.batches[0].Logs
	if got[0].At() != 1 || got[0].ObservedTime != 0 || got[1].At() != 2 {
		t.Errorf("got times %d, %d and observed %d; want 1, 2 and 0: those that were sent", got[0].At(), got[1].At(), got[0].ObservedTime)
	}
	if at := got[2].At(); at < before || got[2].Time != 0 || got[2].Body.Str() != "timeless" {
		t.Errorf("got record %+v; want one observed after %d", got[2], before)
	}
}

func TestStartSaysWhatIsMissing(t *testing.T) {
	b := extensionID("b")
	for name, test := range map[string]struct {
		config Config
		host   host
		want   string
	}{
		"none":          {Config{}, host{}, "add a query extension"},
		"other kind":    {Config{}, host{b: struct{ component.Component }{}}, "add a query extension"},
		"named, absent": {Config{&b}, host{extensionID("a"): &keeper{}}, `extension "query/b" keeps no data or does not run`},
		"two":           {Config{}, host{extensionID("a"): &keeper{}, b: &keeper{}}, "choose one"},
		"named":         {Config{&b}, host{extensionID("a"): &keeper{}, b: &keeper{}}, ""},
	} {
		k := keeping{config: &test.config}
		err := k.start(t.Context(), test.host)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: got error %v; want %q", name, err, test.want)
		}
	}
}

// What a sender is told decides whether it sends again and when.
func TestRefusal(t *testing.T) {
	for _, test := range []struct {
		err       error
		code      codes.Code
		permanent bool
		after     time.Duration
	}{
		{&store.OverloadError{Reason: "disk full", RetryAfter: 30 * time.Second}, codes.Unavailable, false, 30 * time.Second},
		{&store.OverloadError{Reason: "sealing behind", RetryAfter: 200 * time.Millisecond}, codes.Unavailable, false, time.Second},
		{&metrics.UnavailableError{Reason: "disk_full", RetryAfter: time.Second, Err: errors.New("full")}, codes.Unavailable, false, time.Second},
		{&ingest.MalformedError{Reason: "cut short"}, codes.InvalidArgument, true, 0},
		{&metrics.RefusedError{Dropped: map[string]int{"too_old": 1}}, codes.InvalidArgument, true, 0},
		{store.ErrClosed, codes.Unknown, false, 0},
	} {
		got := refusal(test.err)
		s, _ := status.FromError(got)
		if s.Code() != test.code || consumererror.IsPermanent(got) != test.permanent {
			t.Errorf("refusal(%T): got code %s, permanent %t; want %s, %t", test.err, s.Code(), consumererror.IsPermanent(got), test.code, test.permanent)
		}
		var after time.Duration
		for _, d := range s.Details() {
			after = d.(*errdetails.RetryInfo).GetRetryDelay().AsDuration()
		}
		if after != test.after {
			t.Errorf("refusal(%T): got retry after %s; want %s", test.err, after, test.after)
		}
	}
}
