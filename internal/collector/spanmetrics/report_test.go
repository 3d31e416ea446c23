package spanmetrics

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/open-telemetry/opentelemetry-collector-contrib/connector/spanmetricsconnector"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/connector/connectortest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/featuregate"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/signalbox-otel/signalbox/internal/collector/wire"
	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// operations are n spans of one service with different names.
func operations(service string, n int) ptrace.Traces {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", service)
	spans := rs.ScopeSpans().AppendEmpty().Spans()
	for i := range n {
		s := spans.AppendEmpty()
		s.SetName(fmt.Sprint("operation-", i))
		s.SetTraceID([16]byte{1})
	}
	return td
}

// A report is passed on in parts, which are all of it.
func TestParts(t *testing.T) {
	for _, large := range []int{10, 5 * minPerPart, 4 * minPerPart * maxParts} {
		synctest.Test(t, func(t *testing.T) {
			c, to := run(t, NewFactory(), config(t, func(c *spanmetricsconnector.Config) {}))
			for i := range 50 {
				consumeBatch(t, c, operations(fmt.Sprint("small-", i), 3))
			}
			consumeBatch(t, c, operations("large", large))
			time.Sleep(time.Minute)
			synctest.Wait()
			all := 2 * (50*3 + large)
			if got := len(to.take()); got != all {
				t.Errorf("got %d data points; want %d", got, all)
			}
			if want := max(minPerPart, all/maxParts) + 1; to.most > want {
				t.Errorf("of %d data points: got %d at once; want at most %d", all, to.most, want)
			}
			if to.parts > maxParts+1 {
				t.Errorf("of %d data points: got %d parts; want at most %d", all, to.parts, maxParts)
			}
		})
	}
}

// What came since the last report is reported at the end, also of series that
// are new.
func TestLastReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, to := run(t, NewFactory(), config(t, func(c *spanmetricsconnector.Config) { c.Histogram.Disable = true }))
		consumeBatch(t, c, operations("a", 1))
		time.Sleep(time.Minute + time.Second)
		consumeBatch(t, c, operations("a", 2))
		time.Sleep(time.Second)
		to.take()
		if err := c.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, line := range to.take() {
			_, line, _ = strings.Cut(line, "span.name=")
			got = append(got, line)
		}
		want := []string{
			`Str:"operation-0" status.code=Str:"STATUS_CODE_UNSET"] 2000-01-01 00:00:00 +0000 UTC 2000-01-01 00:01:02 +0000 UTC = 2`,
			`Str:"operation-1" status.code=Str:"STATUS_CODE_UNSET"] 2000-01-01 00:01:01 +0000 UTC 2000-01-01 00:01:01 +0000 UTC = 0`,
			`Str:"operation-1" status.code=Str:"STATUS_CODE_UNSET"] 2000-01-01 00:01:01 +0000 UTC 2000-01-01 00:01:02 +0000 UTC = 1`,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if err := c.Shutdown(t.Context()); err != nil || len(to.take()) > 0 {
			t.Errorf("the second end: got %v and more reports; want neither", err)
		}
	})
}

// A part that is refused does not keep back the others, and is told.
func TestRefusedReport(t *testing.T) {
	core, logs := observer.New(zap.ErrorLevel)
	set := connectortest.NewNopSettings(NewFactory().Type())
	set.Logger = zap.New(core)
	cfg := config(t, func(c *spanmetricsconnector.Config) {})
	c, err := NewFactory().CreateTracesToMetrics(t.Context(), set, cfg, consumertest.NewErr(errors.New("no room")))
	if err == nil {
		err = c.Start(t.Context(), componenttest.NewNopHost())
	}
	if err != nil {
		t.Fatal(err)
	}
	consumeBatch(t, c, operations("a", 2*minPerPart))
	if err := c.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if logs.Len() != 1 || logs.All()[0].ContextMap()["error"] != "no room" {
		t.Errorf("got %v logged; want one refusal", logs.All())
	}
}

// Every span of many senders is counted once, while reports are made.
func TestManySenders(t *testing.T) {
	c, to := run(t, NewFactory(), config(t, func(c *spanmetricsconnector.Config) {
		c.MetricsFlushInterval = 100 * time.Microsecond
		c.Exemplars.Enabled = true
	}))
	const senders, requests = 4, 200
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for i := range requests {
				consumeBatch(t, c, operations(fmt.Sprint("service-", i%7), 10))
			}
		})
	}
	wg.Wait()
	if err := c.Shutdown(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	sum := int64(0)
	for _, n := range to.counts {
		sum += n
	}
	if want := int64(senders * requests * 10); sum != want {
		t.Errorf("got %d spans counted; want %d", sum, want)
	}
}

// The senders' names of resources are not kept without bound.
func TestManyResources(t *testing.T) {
	n := names{known: map[string]resourceKey{}}
	at := func(i int) []store.Attr {
		return []store.Attr{{Key: "service.name", Value: store.StringValue("a")}, {Key: "process.pid", Value: store.IntValue(int64(i))}}
	}
	first := n.key(at(0))
	for i := range 2 * maxNames {
		n.key(at(i + 1))
	}
	if len(n.known) > maxNames {
		t.Errorf("got %d kept; want at most %d", len(n.known), maxNames)
	}
	if n.key(at(0)) != first || n.key(at(1)) == first {
		t.Error("got another key for the same attributes, or the same for others")
	}
}

// Resources that were forgotten while a report is made do not take those of the
// same key with them.
func TestForgottenResource(t *testing.T) {
	rs := newResources(1)
	first, second, other := &resource{key: resourceKey{1}}, &resource{key: resourceKey{1}}, &resource{key: resourceKey{2}}
	rs.add(first)
	rs.add(other)
	rs.take()
	rs.add(second)
	rs.leave(first)
	if got := rs.find(resourceKey{1}); got != second {
		t.Errorf("got %p; want the second resource %p", got, second)
	}
}

// A count that is no whole number is rounded so that sums are right.
func TestSampled(t *testing.T) {
	var s sampled
	sum, n := uint64(0), 100_000
	for range n {
		count, adjusted := s.count("ot=th:5") // 1 - 5/16
		if !adjusted || count < 1 || count > 2 {
			t.Fatalf("got %d, %t; want 1 or 2, adjusted", count, adjusted)
		}
		sum += count
	}
	if got, want := float64(sum)/float64(n), 16.0/11; got < want-0.02 || got > want+0.02 {
		t.Errorf("got %g on average; want %g", got, want)
	}
}

// Gates that change the metrics are contrib's.
func TestGates(t *testing.T) {
	for gate, want := range gates {
		if err := featuregate.GlobalRegistry().Set(gate, !want); err != nil {
			t.Errorf("%s: %v", gate, err)
		}
		if Takes(NewFactory().CreateDefaultConfig()) {
			t.Errorf("%s is %t: got it taken", gate, !want)
		}
		if err := featuregate.GlobalRegistry().Set(gate, want); err != nil {
			t.Errorf("%s: %v", gate, err)
		}
	}
	if !Takes(NewFactory().CreateDefaultConfig()) {
		t.Error("got the default configuration not taken")
	}
}

// To count spans of known series allocates nothing.
func TestAllocations(t *testing.T) {
	route := spanmetricsconnector.Dimension{Name: "http.route"}
	for _, dimensions := range [][]spanmetricsconnector.Dimension{nil, {route}} {
		c, _ := run(t, NewFactory(), config(t, func(c *spanmetricsconnector.Config) { c.Dimensions = dimensions }))
		td := operations("a", 100)
		for _, s := range td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().All() {
			s.Attributes().PutStr("http.route", "/a")
		}
		b, err := ingest.Traces(td)
		if err != nil {
			t.Fatal(err)
		}
		got := testing.AllocsPerRun(100, func() {
			if err := c.(wire.SpanBatches).ConsumeSpans(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		})
		if got > 0 {
			t.Errorf("with %d dimensions: got %g allocations; want none", len(dimensions), got)
		}
	}
}
