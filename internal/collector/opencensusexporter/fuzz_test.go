package opencensusexporter

import (
	"testing"

	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/protobuf/proto"
)

// Whatever a sender put into OTLP, its translation is requests that say who sends
// and are not larger than they may be, unless a single item is, and can be encoded.
func FuzzTranslate(f *testing.F) {
	td := spansOf(map[string][]string{"cart": {"a", "b"}, "": {"c"}}, "cart", "")
	span, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(span)
	md := pmetric.NewMetrics()
	list := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics()
	list.AppendEmpty().SetEmptyHistogram().DataPoints().AppendEmpty().Exemplars().AppendEmpty()
	list.AppendEmpty().SetEmptySummary().DataPoints().AppendEmpty().QuantileValues().AppendEmpty()
	list.AppendEmpty().SetEmptyGauge().DataPoints().AppendEmpty().Attributes().PutEmptyMap("map")
	metric, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(md)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(metric)
	check := func(t *testing.T, requests []request, err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
		for _, r := range requests {
			if size := proto.Size(r.message); size > maxRequestBytes && r.items > 1 {
				t.Errorf("a request of %d items has %d bytes; the limit is %d", r.items, size, maxRequestBytes)
			}
			cleaned(r.message.ProtoReflect())
			if _, err := proto.Marshal(r.message); err != nil {
				t.Error(err)
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(b); err == nil {
			requests, err := fromTraces(td)
			check(t, requests, err)
		}
		if md, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(b); err == nil {
			requests, _, err := fromMetrics(md)
			check(t, requests, err)
		}
	})
}
