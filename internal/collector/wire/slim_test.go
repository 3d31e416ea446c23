package wire

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-telemetry/opentelemetry-collector-contrib/connector/servicegraphconnector"
	"github.com/open-telemetry/opentelemetry-collector-contrib/connector/spanmetricsconnector"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// request is a batch of n spans of two resources, as a receiver would have it.
func request(t *testing.T, n int, attrs func(i int, m pcommon.Map)) *store.Batch {
	t.Helper()
	td := ptrace.NewTraces()
	for r := range 3 {
		rs := td.ResourceSpans().AppendEmpty()
		if r < 2 {
			rs.Resource().Attributes().PutStr("service.name", fmt.Sprint("service-", r))
		}
		rs.Resource().Attributes().PutInt("process.pid", int64(r))
		ss := rs.ScopeSpans().AppendEmpty()
		ss.Scope().SetName("scope")
		for i := range n {
			s := ss.Spans().AppendEmpty()
			s.SetName(fmt.Sprint("span-", i))
			s.SetSpanID([8]byte{byte(i + 1)})
			s.SetParentSpanID([8]byte{byte(i + 2)})
			s.SetKind(ptrace.SpanKind(i % 6))
			s.SetStartTimestamp(1)
			s.SetEndTimestamp(pcommon.Timestamp(i))
			s.Attributes().PutStr("url.path", "/not/looked/at")
			attrs(i, s.Attributes())
		}
	}
	b, err := ingest.Traces(td)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// seen is what a connector is given, a line for each span.
func seen(t *testing.T, s *Slim, b *store.Batch) []string {
	t.Helper()
	var lines []string
	err := s.Give(b, func(td ptrace.Traces) error {
		for _, rs := range td.ResourceSpans().All() {
			for _, ss := range rs.ScopeSpans().All() {
				for _, span := range ss.Spans().All() {
					lines = append(lines, fmt.Sprint(rs.Resource().Attributes().AsRaw(), " ", ss.Scope().Name(), " ", span.Name(), " ", span.Kind(), " ",
						span.ParentSpanID(), " ", uint64(span.EndTimestamp()-span.StartTimestamp()), " ", span.Attributes().AsRaw()))
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestSlim(t *testing.T) {
	metrics := Reads(&spanmetricsconnector.Config{Dimensions: []spanmetricsconnector.Dimension{{Name: "http.route"}}})
	graph := Reads(&servicegraphconnector.Config{DatabaseNameAttributes: []string{"db.name"}, VirtualNodePeerAttributes: []string{"peer.service"}})
	b := request(t, 6, func(i int, m pcommon.Map) {
		m.PutStr("http.route", fmt.Sprint("/", i))
		m.PutStr("peer.service", "x")
		if i == 3 {
			m.PutInt("db.name", 7)
		}
	})
	for range 2 { // the second time with the memory of the first
		got := seen(t, metrics, b)
		if want := `map[process.pid:1 service.name:service-1]  span-5 Consumer  4 map[http.route:/5]`; len(got) != 12 || got[11] != want {
			t.Errorf("span_metrics: got %d spans, the last %q; want 12, %q", len(got), got[len(got)-1], want)
		}
		want := []string{
			`map[service.name:service-0]   Server 0400000000000000 1 map[]`,
			`map[service.name:service-0]   Client 0500000000000000 2 map[db.name:7 peer.service:x]`,
			`map[service.name:service-0]   Producer 0600000000000000 3 map[peer.service:x]`,
			`map[service.name:service-0]   Consumer 0700000000000000 4 map[]`,
		}
		if diff := cmp.Diff(want, seen(t, graph, b)[:4]); diff != "" {
			t.Errorf("service_graph (-want +got):\n%s", diff)
		}
	}
	// Nothing of a batch is left for the next one.
	for _, line := range seen(t, metrics, request(t, 3, func(int, pcommon.Map) {})) {
		if !strings.HasSuffix(line, "map[]") {
			t.Errorf("got %s; want no attributes", line)
		}
	}
	large := seen(t, metrics, request(t, 100, func(int, pcommon.Map) {}))
	if len(large) != 200 || !slices.ContainsFunc(large, func(s string) bool { return strings.Contains(s, "span-99") }) {
		t.Errorf("got %d spans of a larger batch; want 200", len(large))
	}
}

// What connectors keep of a batch must not be its memory, which is used again.
func TestSlimKeepsNoMemoryOfTheBatch(t *testing.T) {
	s := Reads(&spanmetricsconnector.Config{})
	b := request(t, 2, func(int, pcommon.Map) {})
	var resource pcommon.Map
	var name string
	err := s.Give(b, func(td ptrace.Traces) error {
		rs := td.ResourceSpans().At(1)
		resource, name = rs.Resource().Attributes(), rs.ScopeSpans().At(0).Spans().At(1).Name()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	clear(b.Payload)
	if got := fmt.Sprint(resource.AsRaw(), name); got != "map[process.pid:1 service.name:service-1]span-1" {
		t.Errorf("got %s after the batch's memory was used again", got)
	}
}
