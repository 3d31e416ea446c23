package wire

import (
	"testing"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// What pdata keeps to itself is still as Shell expects it.
func TestShell(t *testing.T) {
	for _, n := range []int{0, 1, 1000, perScope - 1, perScope, perScope + 1, 3*perScope + 5} {
		if got := Traces(n).SpanCount(); got != n {
			t.Errorf("Traces(%d): got %d spans", n, got)
		}
		if got := LogRecords(n).LogRecordCount(); got != n {
			t.Errorf("LogRecords(%d): got %d records", n, got)
		}
	}
	// What goes into a placeholder must not be there in the next one.
	for _, ss := range Traces(10).ResourceSpans().At(0).ScopeSpans().All() {
		for _, s := range ss.Spans().All() {
			if s.Name() != "" || s.Attributes().Len() != 0 {
				t.Errorf("got span %q; want an empty one", s.Name())
			}
		}
	}
	copied := ptrace.NewTraces()
	Traces(5).CopyTo(copied)
	if copied.SpanCount() != 5 {
		t.Errorf("got %d spans in a copy; want 5", copied.SpanCount())
	}
}

func TestStash(t *testing.T) {
	spans, logs, metrics := ptraceotlp.NewExportRequest(), plogotlp.NewExportRequest(), pmetricotlp.NewExportRequest()
	for _, c := range []struct {
		shell   *Shell
		request any
	}{
		{Spans(), inside(spans).Interface()}, {Logs(), inside(logs).Interface()}, {Metrics(), inside(metrics).Interface()},
	} {
		if got := c.shell.Stashed(c.request); got != nil {
			t.Errorf("%s: got %v stashed; want nothing", c.shell.Type, got)
		}
		want := new(int)
		c.shell.Stash(c.request, want)
		if got := c.shell.Stashed(c.request); got != want {
			t.Errorf("%s: got %v stashed; want %v", c.shell.Type, got, want)
		}
		if got := c.shell.Stashed(c.request); got != nil {
			t.Errorf("%s: got %v stashed the second time; want nothing", c.shell.Type, got)
		}
	}
	if n := spans.Traces().SpanCount() + logs.Logs().LogRecordCount() + metrics.Metrics().MetricCount(); n != 0 {
		t.Errorf("got %d records left of stashes; want none", n)
	}
}

func TestFrom(t *testing.T) {
	b := &store.Batch{Kind: store.Spans}
	ctx := With(t.Context(), b)
	if From(ctx, store.Spans) != b || From(ctx, store.Logs) != nil || From(t.Context(), store.Spans) != nil {
		t.Error("a batch of spans must be found by its kind, and only in its context")
	}
}
